"""How a run executes: what is chosen where the config leaves it open, and that choosing changes nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from assembly import check_equal_devices
from config import UserError, validate
from dataProcessors.sampling.share import Share
from training.execution import precision, trials
from training.execution.device import Execution, resolve_device
from training.execution.precision import resolve
from training.execution.processes import Processes
from training.execution.saved_choice import SavedChoice

CPU = torch.device("cpu")
CONFIG = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "device": "cpu"}
WAYS = {("fp32", False): 1.0, ("fp32", True): 0.8, ("bf16", False): 0.9, ("bf16", True): 0.5}


def tiles(dtype=np.uint8) -> np.ndarray:
    """(4, 3, 8, 8) as a reader gives them: the bands side by side in memory."""
    return np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3)).astype(dtype).transpose(0, 3, 1, 2)


def network() -> nn.Module:
    """A small network with a batch norm, which counts the tiles that pass it."""
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(FromPixels(), *layers)


class FromPixels(nn.Module):
    """uint8 -> float32."""

    def forward(self, pixels):
        """(N, C, H, W)."""
        return pixels.float()


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Steps take what WAYS says; gives the ways that were tried."""
    tried, seconds = [], dict(WAYS)

    def time_ways(ways, network, tiles):
        named = [(way.precision, way.channels_last) for way in ways]
        tried.extend(named)
        return [[seconds[way] for way in named]] * trials.MIN_ROUNDS

    monkeypatch.setattr(trials, "time_ways", time_ways)
    monkeypatch.setattr(SavedChoice, "load", lambda saved: None)
    monkeypatch.chdir(tmp_path)
    return tried, seconds


def chosen(**keys) -> tuple[str, bool]:
    way = resolve(validate(CONFIG | keys), network(), tiles())
    return way.precision, way.channels_last


def test_gpus_are_counted_from_zero(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UserError, match="'device' is cuda:2, which this machine does not have"):
        resolve_device("cuda:2")


def test_each_of_several_processes_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    store = torch.distributed.HashStore()
    devices = [resolve_device("cuda", Processes(Share(2 + rank, 4), rank, 2, store)) for rank in range(2)]
    assert devices == [torch.device("cuda", 0), torch.device("cuda", 1)]
    with pytest.raises(UserError, match="'device' is cuda:1, one GPU, and each of 4 processes has one"):
        resolve_device("cuda:1", Processes(Share(1, 4), 1, 2, store))


def test_another_kind_of_device_than_that_of_the_first_process_is_refused():
    first = SimpleNamespace(broadcast=lambda make: "cuda")
    check_equal_devices(torch.device("cuda", 1), first)
    with pytest.raises(UserError, match="would train on cpu, and the first one on cuda: all need one kind"):
        check_equal_devices(CPU, first)


def test_the_fastest_way_is_chosen(measured):
    assert chosen() == ("bf16", True)
    assert sorted(measured[0]) == sorted(WAYS)


def test_narrower_numbers_must_gain_a_tenth(measured):
    measured[1]["bf16", True] = 0.75
    assert chosen() == ("fp32", True)
    measured[1]["bf16", True] = 0.7
    assert chosen() == ("bf16", True)


def test_the_layout_is_chosen_for_each_network(measured):
    measured[1]["bf16", False], measured[1]["bf16", True] = 0.4, 0.6
    assert chosen() == ("bf16", False)


def test_only_what_is_left_open_is_measured(measured):
    assert chosen(precision="fp32") == ("fp32", True)
    assert measured[0] == [("fp32", False), ("fp32", True)]
    assert chosen(channels_last=False) == ("bf16", False)
    measured[0].clear()
    assert chosen(precision="bf16", channels_last=False) == ("bf16", False)
    assert measured[0] == []


def test_measuring_leaves_weights_and_statistics_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "is_enough_gain", lambda gains: False)  # whatever else the machine does meanwhile
    trained = network()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    way = resolve(validate(CONFIG), trained, tiles(), tmp_path)
    assert list(tmp_path.rglob("*.json")), "it was measured"
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())
    assert all(parameter.grad is None for parameter in trained.parameters())
    assert way.threads == torch.get_num_threads()


def test_what_was_resolved_is_a_config_that_leaves_nothing_open(measured):
    config = validate(CONFIG)
    resolved = config.model_copy(update=resolve(config, network(), tiles()).resolved())
    measured[0].clear()
    again = resolve(validate(resolved.model_dump()), network(), tiles())
    assert again.resolved() == {key: getattr(resolved, key) for key in again.resolved()}
    assert measured[0] == []


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("channels_last", [True, False])
def test_tiles_arrive_unchanged_in_the_layout(dtype, channels_last):
    way = Execution(CPU, 1, "fp32", channels_last)
    for given in (tiles(dtype), np.ascontiguousarray(tiles(dtype))):
        arrived = way.to_device(given)
        assert arrived.is_contiguous(memory_format=way.layout)
        assert np.array_equal(arrived.numpy(), given) and arrived.numpy().dtype == dtype


def test_a_network_is_compiled_only_if_asked_for(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network: ("compiled", network))
    plain = network()
    assert Execution(CPU, 1, "fp32").forward_function(plain) is plain
    assert Execution(CPU, 1, "fp32", compile=True).forward_function(plain) == ("compiled", plain)


def test_no_compiler_is_told_before_anything_else(monkeypatch):
    def fail(function):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(UserError, match=r"'compile' is true.*no C\+\+ compiler.*false"):
        resolve(validate(CONFIG | {"compile": True}), network(), tiles())


def test_a_device_that_is_not_there_is_an_error():
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="'device' is cuda:99"):
        resolve_device("cuda:99")


def test_autocast_of_a_precision():
    for numbers, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with Execution(CPU, 1, numbers).autocast():
            assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def strided(stride: int) -> nn.Module:
    """A network whose second convolution gets a map of one pixel, of tiles of 8."""
    narrow = nn.Conv2d(4, 4, 3, stride, padding=1)
    return nn.Sequential(FromPixels(), nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4), narrow, nn.Flatten())


def test_bf16_is_left_out_where_a_cpu_gives_wrong_gradients(measured):
    way = resolve(validate(CONFIG), strided(2), tiles())
    assert (way.precision, way.channels_last) == ("fp32", True)
    assert {precision for precision, _ in measured[0]} == {"fp32"}
    with pytest.raises(UserError, match=r"'precision' is bf16.*as small as 96 pixels"):
        resolve(validate(CONFIG | {"precision": "bf16"}), strided(2), tiles())
    assert resolve(validate(CONFIG), strided(1), tiles()).precision == "bf16"


def test_looking_for_strides_changes_nothing():
    net = strided(2).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert precision.strides_beyond_map(net, tiles())
    assert net.training and all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_pre_hooks for module in net.modules())
