"""A training pass that is captured once and replayed, as on a GPU: it changes how long a step takes, nothing else."""

import numpy as np
import pytest
import torch
from runs_for_tests import losses_of, run_in_process
from torch import nn

from training.execution.cuda_graphs import GraphedForward, capture
from training.execution.device import Execution

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def network() -> nn.Module:
    """A small network with a batch norm, which counts the tiles that pass it."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def tiles(number: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(number, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


class Replay:
    """Stands in for CUDA graphs: a module's pass, whose results always lie in the same place."""

    def __init__(self, module: nn.Module, sample: tuple):
        module(*sample)  # recording runs it
        self.module, self.place, self.calls = module, None, 0

    def __call__(self, given):
        self.calls += 1
        result = self.module(given)
        self.place = torch.empty_like(result) if self.place is None else self.place.detach()
        return self.place.copy_(result)


@pytest.fixture
def replays(monkeypatch):
    """What was captured."""
    made = []

    def make(module, sample):
        made.append(Replay(module, sample))
        return made[-1]

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", make)
    return made


def on_cpu(**keys) -> Execution:
    return Execution(torch.device("cpu"), 1, "fp32", **keys)


def test_recording_leaves_weights_statistics_and_mode_alone(replays):
    given = network().eval()
    before = {name: value.clone() for name, value in given.state_dict().items()}
    GraphedForward(given, on_cpu(), tiles())
    assert all(torch.equal(before[name], value) for name, value in given.state_dict().items())
    assert not any(module.training for module in given.modules())


def test_what_one_replay_gave_outlives_the_next(replays):
    graphed = GraphedForward(network(), on_cpu(), tiles())
    first = graphed(tiles(seed=1))
    kept = first.detach().clone()
    graphed(tiles(seed=2))
    assert torch.equal(first, kept)


def test_only_batches_like_the_captured_one_are_accepted(replays):
    graphed = GraphedForward(network(), on_cpu(), tiles())
    assert graphed.accepts(tiles(seed=1))
    assert not graphed.accepts(tiles(5)) and not graphed.accepts(tiles().to(torch.uint8))


def test_what_cannot_be_captured_is_called_as_usual(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fail)
    given = network()
    before = {name: value.clone() for name, value in given.state_dict().items()}
    with caplog.at_level("INFO"):
        assert capture(given, on_cpu(), tiles()) is None
    assert all(torch.equal(before[name], value) for name, value in given.state_dict().items())
    assert "not captured" in caplog.text and "stream is capturing" in caplog.text and "more" not in caplog.text


@pytest.mark.usefixtures("workplace", "no_figures")
@pytest.mark.parametrize(
    "keys",
    [{}, {"mining": ["RANDOM_HARD_NEGATIVE", "HARD_POSITIVE"]}, {"loss": "quadrupletloss"}, {"loss": "magnetloss"},
     {"loss": "magnetloss", "supervised": True}],
)  # fmt: skip
def test_a_run_with_replays_is_the_same_run(replays, monkeypatch, keys):
    """All of its steps are replayed."""
    name = f"{len(str(keys))}-{'-'.join(map(str, keys))}"
    plain = losses_of(run_in_process(f"plain-{name}", iterations=4, epochs=2, **keys))
    monkeypatch.setattr(Execution, "supports_cuda_graphs", True)
    replayed = losses_of(run_in_process(f"replayed-{name}", iterations=4, epochs=2, **keys))
    assert replays[0].calls == 8
    assert np.array_equal(plain, replayed)


@pytest.mark.usefixtures("workplace", "no_figures")
@pytest.mark.parametrize("keys", [{"cuda_graphs": False}, {"compile": True}])
def test_nothing_is_captured_where_it_is_not_wanted(replays, monkeypatch, keys):
    monkeypatch.setattr(Execution, "supports_cuda_graphs", True)
    monkeypatch.setattr(torch, "compile", lambda network: network)
    run_in_process("-".join(keys), **keys)
    assert not replays


@GPU
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_gpu_replays_train_as_calls_do(precision):
    execution = Execution(torch.device("cuda"), 1, precision)
    called, replayed = [network().to("cuda", memory_format=execution.layout) for _ in range(2)]
    given = [execution.to_device(tiles(seed=seed).numpy()) for seed in range(5)]
    replay = GraphedForward(replayed, execution, given[0])

    def call(batch):
        with execution.autocast():
            return called(batch)

    losses = [trained(network, forward, given) for network, forward in ((called, call), (replayed, replay))]
    tolerance = {"fp32": 1e-4, "bf16": 2e-2}[precision]
    assert losses[1] == pytest.approx(losses[0], rel=tolerance) and losses[0][0] > 1.05 * losses[0][-1]
    for name, value in called.state_dict().items():
        assert torch.allclose(value.float(), replayed.state_dict()[name].float(), rtol=tolerance, atol=tolerance), name


def trained(network, forward, batches) -> list[float]:
    optimizer = torch.optim.Adam(network.train().parameters(), lr=1e-2, fused=True)
    losses = []
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = (forward(batch).float() - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@GPU
@pytest.mark.usefixtures("workplace", "no_figures")
@pytest.mark.parametrize("keys", [{}, {"mining": ["HARD_NEGATIVE"]}, {"loss": "magnetloss", "supervised": True}])
def test_on_a_gpu_a_run_with_replays_is_the_same_run_but_for_rounding(caplog, keys):
    name = f"gpu-{len(str(keys))}"
    runs = []
    with caplog.at_level("INFO"):
        for wanted in (True, False):
            told = caplog.text.count("is captured as CUDA graphs")
            of_gpu = keys | {"cuda_graphs": wanted, "device": "cuda"}
            folder = run_in_process(f"{name}-{wanted}", iterations=4, epochs=2, **of_gpu)
            assert (caplog.text.count("is captured as CUDA graphs") > told) == wanted
            runs.append(losses_of(folder))
    assert np.isfinite(runs).all() and runs[0] == pytest.approx(runs[1], rel=1e-2)
