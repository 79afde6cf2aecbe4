"""Two runs on one machine take little more than twice as long as one

People run several configs at once. The whole command, `python main.py config.json` for one epoch with its evaluations
and figures, alone and two of them started together, in turn: as it was before (the threads of GNU's OpenMP library spin
for as long as they do by default, GOMP_SPINCOUNT=300000) and as it is now (main.py shortens that). Choices and maps are
made before. The parts of it stand beside: training steps of 72 tiles, of 32 pixels (test_resnet) and of 96 (resnext50),
and an evaluation (knn, svc and rfc on 1,000 random embeddings), each alone and beside a second process that does the
same. All use as many threads as there are cores.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, Setting, Timing, at_most
from training.execution.openmp import USER_SETTINGS

ROOT = Path(__file__).parents[1]
SPINNING = {"before": "300000", "now": None}  # GOMP_SPINCOUNT: what libgomp takes by default, and what main.py sets
MAX_ROUNDS = 3  # of the whole command, which takes minutes
SECONDS = 4.0  # of repeating a part

Commands = Callable[[dict[str, str], int], float]  # environment, processes at once -> seconds


def measure(setting: Setting) -> list[Row]:
    """The whole command, and its parts."""
    folder = setting.folder / "side_by_side"
    folder.mkdir(parents=True, exist_ok=True)

    def whole(environment: dict[str, str], processes: int) -> float:
        return seconds_of_commands(folder, environment, processes, setting)

    whole(environment_of("now"), 1)  # makes the demo map, prepares it, and chooses number format and layout
    taken = timings(whole, min(setting.rounds, MAX_ROUNDS))
    rows = rows_of("the whole command", taken, claimed=True)
    for name, part in PARTS.items():
        seconds = setting.number(int(SECONDS), 1)

        def repeated(environment: dict[str, str], processes: int, part=part, seconds=seconds) -> float:
            return seconds_of_part(part[int(setting.tiny)], environment, processes, seconds)

        rows += rows_of(name, timings(repeated, setting.rounds), claimed=False)
    return rows


def timings(seconds: Commands, rounds: int) -> dict[tuple[str, int], Timing]:
    """Seconds of (before or now, processes at once), measured in turn and, every other round, back again."""
    ways = [(spinning, processes) for processes in (1, 2) for spinning in SPINNING]
    taken: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for spinning, processes in ways[:: -1 if number % 2 else 1]:
            taken[spinning, processes].append(seconds(environment_of(spinning), processes))
    return {way: Timing(tuple(values)) for way, values in taken.items()}


def environment_of(spinning: str) -> dict[str, str]:
    """The environment of a command that spins as before, or as main.py has it now."""
    plain = {name: value for name, value in os.environ.items() if name not in USER_SETTINGS}
    return plain | ({"GOMP_SPINCOUNT": SPINNING[spinning]} if SPINNING[spinning] else {})


def rows_of(name: str, taken: dict[tuple[str, int], Timing], claimed: bool) -> list[Row]:
    """Seconds alone and beside one another, before and now, and what is claimed of their ratios."""
    rows = [
        Row(f"{name}, {'two at once' if processes > 1 else 'alone'}, {spinning}", timing.duration())
        for (spinning, processes), timing in taken.items()
    ]
    for spinning in SPINNING:
        ratio = taken[spinning, 1].times(taken[spinning, 2])
        told = f"{name}, {spinning}: two at once over one alone"
        claim = claimed and spinning == "now"
        rows.append(at_most(told, str(ratio), ratio.median, 2.3, "x") if claim else Row(told, str(ratio)))
    ratio = taken["before", 1].times(taken["now", 1])
    told = f"{name}: alone, now over before"
    rows.append(at_most(told, str(ratio), ratio.median, 1.02, "x") if claimed else Row(told, str(ratio)))
    return rows


def seconds_of_commands(folder: Path, environment: dict[str, str], processes: int, setting: Setting) -> float:
    """Seconds until so many runs, started together, are all done."""
    command = [sys.executable, str(ROOT / "main.py")]
    command += ["train", "--help"] if setting.tiny else [str(ROOT / "config.json"), "epochs=1"]
    started = time.perf_counter()
    running = [
        subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(processes)
    ]
    if any([process.wait() for process in running]):
        raise RuntimeError(f"{' '.join(command)} failed in {folder}")
    return time.perf_counter() - started


def seconds_of_part(part: tuple, environment: dict[str, str], processes: int, seconds: float) -> float:
    """Mean seconds that a part takes in so many processes that repeat it at the same time."""
    code = f"from benchmarks.side_by_side import repeat; repeat(*{(*part, seconds)!r})"
    running = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(processes)
    ]  # fmt: skip
    for process in running:
        process.stdout.readline()  # it is ready
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return float(np.mean([float(process.communicate()[0]) for process in running]))


def repeat(kind: str, *arguments) -> None:
    """Run in a process of its own: prepare a part, wait for a line, repeat the part, print the seconds of each."""
    from training.execution.openmp import limit_spinning

    limit_spinning()
    *given, seconds = arguments
    part = {"step": training_step, "evaluation": one_evaluation}[kind](*given)
    part()
    print("ready", flush=True)
    sys.stdin.readline()
    started, times = time.perf_counter(), 0
    while time.perf_counter() - started < seconds or times < 2:
        part()
        times += 1
    print((time.perf_counter() - started) / times, flush=True)


def training_step(network: str, size: int) -> Callable[[], None]:
    """Forward, backward and Adam on 72 tiles of so many pixels a side, in plain fp32."""
    import torch

    from config import validate
    from networks import Architecture, Normalise, build
    from training.execution.device import resolve_threads

    config = validate({"network": network, "loss": "tripletloss", "validation_map": "osm", "device": "cpu"})
    resolve_threads(config)
    model = build(Architecture(network, 3, size, 64, True), Normalise([127.5] * 3, [1 / 127.5] * 3), 0).train()
    tiles = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (72, 3, size, size), dtype=np.uint8))
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model(tiles).square().sum().backward()
        optimizer.step()

    return step


def one_evaluation(number: int) -> Callable[[], None]:
    """Models and metrics on so many random embeddings to fit on, and a tenth to score."""
    from config import validate
    from evaluation.scores import Settings
    from evaluation.scoring import draws, evaluate
    from training.execution.device import resolve_threads

    config = validate({"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "device": "cpu"})
    models, rng = ("knn", "svc", "rfc"), np.random.default_rng(0)
    settings = Settings(models, models, jobs=resolve_threads(config))
    fit, score = (rng.normal(size=(n, 64)).astype(np.float32) for n in (number, number // 10))
    shares = [rng.dirichlet(np.full(13, 0.3), len(features)).astype(np.float32) for features in (fit, score)]
    drawn = draws(len(fit), len(score), len(fit), len(score), 1, 0)
    return lambda: evaluate("trained", fit, score, *shares, drawn, settings) and None


PARTS = {  # what is measured, and what a tiny run measures in its place
    "a step of test_resnet": (("step", "test_resnet", 32), ("step", "test_resnet", 16)),
    "a step of resnext50": (("step", "resnext50", 96), ("step", "test_resnet", 16)),
    "an evaluation": (("evaluation", 1000), ("evaluation", 100)),
}
