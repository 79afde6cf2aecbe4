"""Run benchmarks, print their tables, and put them into a page of the documentation if asked.

python -m benchmarks                              all of them, on Linux: 50 to 100 minutes, and about 8 GB of maps
python -m benchmarks gsil tiles                   some of them
python -m benchmarks --write doc/performance.md   and replace their sections of the page
"""

import argparse
import multiprocessing
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measure import Row, Setting, run
from training.execution.openmp import limit_spinning

# in the order of a run: what reads maps, what trains, what scores, the whole
BENCHMARKS = (
    "tiles", "tiles_cold", "batches", "preparing", "without_cache", "pool", "offline_mining", "training_step",
    "processes", "on_gpu", "magnet_loss", "batch_hard", "ntxent", "precision", "gsil", "retrieval", "simple_models",
    "evaluation", "background", "start", "side_by_side", "embed", "search", "memory",
)  # fmt: skip
UNITS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "bf16", "amx_bf16": "AMX"}  # of a processor, by flag
PACKAGES = ("torch", "rasterio", "numpy", "scikit-learn", "torchgeo", "pytorch-metric-learning", "faiss-cpu")
READERS, METRIC_LEARNING = ("rasterio", "torchgeo"), ("torch", "pytorch-metric-learning")
PEERS = {  # whose speed a benchmark shows beside the project's, or depends on; torch where none is named
    "tiles": READERS, "tiles_cold": READERS, "batches": READERS, "preparing": ("rasterio",), "without_cache": READERS,
    "batch_hard": METRIC_LEARNING, "ntxent": METRIC_LEARNING, "retrieval": METRIC_LEARNING,
    "simple_models": ("scikit-learn",), "evaluation": ("torch", "scikit-learn"), "embed": ("torch", *READERS),
    "search": ("numpy", "faiss-cpu"),
}  # fmt: skip
WITH_TORCHGEO = tuple(name for name, packages in PEERS.items() if "torchgeo" in packages)
TORCHGEO = (0, 10)  # the first version with RandomPatchSampler


def section(name: str, about: str, rows: list[Row]) -> str:
    """A benchmark as Markdown: what it is, its command, its table."""
    title, _, text = about.strip().partition("\n")
    lines = ["| what | measured | claim | holds |", "|---|---|---|---|"]
    told = {True: "yes", False: "**no**", None: ""}
    lines += [f"| {row.what} | {row.measured} | {row.claim} | {told[row.holds]} |" for row in rows]
    command = f"`python -m benchmarks {name}` on {time.strftime('%Y-%m-%d')}, {processor()}; {versions(name)}:"
    return "\n\n".join([f"## {title}", text.strip(), command, "\n".join(lines)]) + "\n"


def processor() -> str:
    """The processor, the units of it that decide how fast networks are, and the cores this process may use."""
    from training.execution.device import usable_cores  # imports torch, which no benchmark's process should begin with

    info = Path("/proc/cpuinfo").read_text(encoding="utf8") if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"^model name\s*: (.*)", info, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)", info, re.MULTILINE)
    units = [unit for flag, unit in UNITS.items() if flags and flag in flags[1].split()]
    told = f" ({', '.join(units)})" if units else ""
    return f"{name[1] if name else platform.processor()}{told}, {usable_cores()} cores"


def versions(name: str) -> str:
    """The versions of what a benchmark compares with."""
    return ", ".join(f"{package} {installed(package)}" for package in PEERS.get(name, ("torch",)))


def machine() -> str:
    """The processor, the memory, and the versions of what was measured last."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{package} {installed(package)}" for package in PACKAGES)
    return f"{processor()}, {memory:.0f} GiB; Python {platform.python_version()}, {packages}."


def installed(package: str) -> str:
    """The version of a package, "not installed" where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def torchgeo_problem(names: Sequence[str]) -> str | None:
    """Why benchmarks of these names cannot be compared with torchgeo here, and what to do; None if they can."""
    compared = [name for name in names if name in WITH_TORCHGEO]
    found = installed("torchgeo")
    if not compared or (found[0].isdigit() and tuple(map(int, found.split(".")[:2])) >= TORCHGEO):
        return None
    return (
        f"{', '.join(compared)} need torchgeo {'.'.join(map(str, TORCHGEO))} or later; here: {found}. Install "
        f"benchmarks/requirements.txt with Python 3.12 or later, or name benchmarks that do without it: "
        f"{', '.join(name for name in BENCHMARKS if name not in WITH_TORCHGEO)}"
    )


def put(page: Path, heading: str, text: str) -> None:
    """Replace the section of a page that has this heading, up to the next heading, or add it at the end."""
    content = page.read_text(encoding="utf8") if page.exists() else "# Performance\n"
    pattern = re.compile(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = pattern.search(content)
    parts = (content[: found.start()], content[found.end() :]) if found else (content + "\n", "")
    page.write_text(f"{parts[0]}{text}{chr(10) if parts[1] else ''}{parts[1]}", encoding="utf8")


def main() -> int:
    """Run what the command line asks for. Gives 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; none: all")
    parser.add_argument("--tiny", action="store_true", help="only see that the scripts work; the figures mean nothing")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default: 5)")
    parser.add_argument("--folder", type=Path, default=Path("data/benchmarks"), help="where the benchmarks' maps lie")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="replace their sections of a Markdown page")
    arguments = parser.parse_args()
    limit_spinning()  # as main.py does, in the benchmarks' processes
    unknown = sorted(set(arguments.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if problem := torchgeo_problem(arguments.names or BENCHMARKS):
        parser.error(problem)
    setting = Setting(arguments.folder.resolve(), arguments.tiny, arguments.rounds)
    if arguments.write:
        put(arguments.write, "## The machine", f"## The machine\n\n{machine()}\n")
    hold = True
    for name in arguments.names or BENCHMARKS:
        # in a process of its own, so that nothing is left of the one before
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            about, rows = process.submit(run, name, setting).result()
        text = section(name, about, rows)
        print(f"{text}", flush=True)
        if arguments.write and rows:
            put(arguments.write, text.partition("\n")[0], text)
        hold &= all(row.holds is not False for row in rows)
    return 0 if hold or arguments.tiny else 1


if __name__ == "__main__":
    sys.exit(main())
