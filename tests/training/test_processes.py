"""Several processes that train together compute what one process computes from the whole batch."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from runs_for_tests import small_config
from together_for_tests import together
from torch import nn

from config import validate
from config.library import LIBRARY_LOSSES
from config.types import LOSS_NAMES
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.supervised_sampler import SupervisedSampler
from losses import Loss
from training.execution.device import Execution
from training.execution.processes import ALONE, Processes
from training.forward import ForwardPass
from training.steps.step_table import STEPS, make_step

SIZE, CLASSES = 8, 4
NUMBERS = (3, 2)
STEP, FAR = 10, 54  # at this step and with such distances, in tiles, one second negative has to be drawn anew
OFFLINE, ONLINE = ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"], ["HARD_NEGATIVE", "HARD_POSITIVE"]
MININGS = {
    "tripletloss": [[], OFFLINE, ONLINE, [*OFFLINE, *ONLINE], ["MultiSimilarityMiner"], ["UniformHistogramMiner"]],
    "quadrupletloss": [[], OFFLINE, ONLINE, [*OFFLINE, *ONLINE]],
    "contrastiveloss": [[], OFFLINE, ["BatchEasyHardMiner"]],
}
LIBRARY = [name for name in LIBRARY_LOSSES if name in ("contrastiveloss", "multisimilarityloss", "ntxentloss")]
CASES = [
    (loss, supervised, mining)
    for loss, supervised in STEPS
    if loss in LIBRARY or loss not in LIBRARY_LOSSES
    for mining in MININGS.get(loss, [[]])
]
# with frozen batch norm, one case of each loss: a loss and a miner do not see the difference
BOTH = [(number, False) for number in range(len(CASES))]
BOTH += [(number, True) for number, case in enumerate(CASES) if case[0] not in [each[0] for each in CASES[:number]]]


def pixels(positions: np.ndarray) -> np.ndarray:
    """Tiles (N, 3, SIZE, SIZE) uint8 that depend on the position and on nothing else."""
    x, y = np.asarray(positions).T[:, :, None, None, None]
    band, row, column = np.ogrid[:3, :SIZE, :SIZE]
    return (np.abs(np.sin(x * 0.7 + band + row) + np.cos(y * 0.3 + 2 * band - column)) * 120).astype(np.uint8)


class Network(nn.Module):
    """A small network in double precision: without batch norm, or with one whose statistics are frozen."""

    def __init__(self, has_batch_norm: bool):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6) if has_batch_norm else nn.Identity(), nn.ReLU()
        )
        self.head = nn.Linear(6, 5)
        self.double().train()

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        self.layers[1].eval()
        return self

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(tiles.double() / 255).mean((2, 3)))


def open_maps(supervised: bool, min_neg: int) -> SimpleNamespace:
    area = Area(Window(0, 0, 640, 640), SIZE, 6)
    places = np.unique(np.random.default_rng(0).integers(0, 632, (120, 2)), axis=0)
    labels = (places[:, 0] // 160 + places[:, 1] // 320) % CLASSES
    pool = Pool(places, (np.eye(CLASSES, dtype=np.float32)[labels] * 0.7 + 0.3 / CLASSES).astype(np.float32))

    def sampler():
        return SupervisedSampler(pool, seed=3) if supervised else ImageSampler(area, 1, 3, min_neg, 60, seed=3)

    return SimpleNamespace(sampler=sampler, read=pixels, pools={"train": pool}, area=area)


def gradients(case: tuple, processes: Processes, has_batch_norm: bool) -> torch.Tensor:
    """The loss of a step, the gradients of the weights, and how many tiles were embedded one by one: one vector."""
    loss, supervised, mining = case
    changes = {"norm_output": loss != "vicregloss", "loss": loss, "supervised": supervised, "mining": mining}
    config = validate(small_config(maps="demo", validation_map="osm", batch_size=6, output_size=5, **changes))
    torch.manual_seed(1)
    network = Network(has_batch_norm)
    maps = open_maps(supervised, FAR if loss == "quadrupletloss" else 10)
    step = make_step(config, maps, processes.share)
    forward = ForwardPass(config, network, Execution(torch.device("cpu"), 1, "fp32", False), maps, processes)
    step.begin_epoch(1, forward.embed_together)
    embed, single = forward.embed_functions(STEP), []
    eval_with_grad = embed.eval_with_grad
    embed.eval_with_grad = lambda tiles: single.append(len(tiles)) or eval_with_grad(tiles)
    output = step(step.batches.task(STEP)(), embed)
    value = Loss.mean(output.terms) if output.loss is None else output.loss
    value.backward()
    parts = [value.detach(), *(weights.grad.flatten() for weights in network.parameters()), torch.tensor(sum(single))]
    return torch.cat([part.flatten().double() for part in parts])


def all_cases(processes: Processes) -> dict:
    """What each case gives in this process, and what one process gives."""
    results = {}
    for number, has_batch_norm in BOTH:
        together = gradients(CASES[number], processes, has_batch_norm)
        results[f"{number} {has_batch_norm}"] = together, gradients(CASES[number], ALONE, has_batch_norm)
    return results | {"functions": functions(processes)}


def functions(processes: Processes) -> dict:
    """Results of what the processes tell one another."""
    rank = processes.share.rank
    own = processes.share.of(torch.arange(14.0).view(7, 2)).requires_grad_()
    rows = processes.gather(own, 7)
    (rows * torch.arange(14.0).view(7, 2)).sum().backward()
    mean = torch.full((2, 2), float(rank))
    processes.average([mean])
    with processes.first_of_host_first():
        pass
    processes.seed(0, 1)
    return {
        "rows": rows.detach(), "gradient": own.grad, "mean": mean, "largest": processes.largest(rank, -rank),
        "doubled": torch.from_numpy(processes.shared_out(lambda part: 2 * part, np.arange(5.0))),
        "value": processes.broadcast(lambda: {"rank": rank, "tensor": torch.ones(3)}),
        "received": processes.broadcast_tensor(torch.full((3 - rank,), float(rank))), "random": torch.rand(1),
    }  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[int, list]:
    return together(NUMBERS, all_cases, tmp_path_factory.mktemp("together"))


@pytest.mark.parametrize("number", NUMBERS)
def test_gradients_are_those_of_one_process_with_the_whole_batch(results, number):
    for case, has_batch_norm in BOTH:
        for each in results[number]:
            shared, alone = each[f"{case} {has_batch_norm}"]
            assert alone[1:-1].abs().sum() > 0, CASES[case]
            np.testing.assert_allclose(shared, alone, rtol=1e-7, atol=1e-9, err_msg=f"{CASES[case]} {has_batch_norm}")


def test_some_second_negatives_are_embedded_one_by_one(results):
    numbers = [results[2][0][f"{case} {has_batch_norm}"][0][-1] for case, has_batch_norm in BOTH]
    assert 1 in numbers, "of one, as an index, NumPy would make no array"


def test_every_loss_of_the_project_is_compared():
    assert {loss for loss, _, _ in CASES} >= set(LOSS_NAMES.__args__) and len(LIBRARY) == 3


@pytest.mark.parametrize("number", NUMBERS)
def test_what_processes_tell_one_another(results, number):
    found = [each["functions"] for each in results[number]]
    whole = torch.arange(14.0).view(7, 2)
    for rank, each in enumerate(found):
        assert torch.equal(each["rows"], whole)
        assert torch.equal(each["gradient"], number * whole[rank::number]), "DistributedDataParallel divides by it"
        assert torch.equal(each["mean"], torch.full((2, 2), (number - 1) / 2))
        assert each["largest"] == [number - 1, 0]
        assert each["doubled"].tolist() == [0, 2, 4, 6, 8]
        assert each["value"]["rank"] == 0 and torch.equal(each["value"]["tensor"], torch.ones(3))
        assert each["received"].tolist() == [0, 0, 0]
    assert len({float(each["random"]) for each in found}) == number, "each draws its own numbers"
