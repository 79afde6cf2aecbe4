"""Tests run on a copy of a tree: passed, or which of them failed first."""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fault import Mutation
from trees import copied

PASSED, CAUGHT, TIMED_OUT = "passed", "caught", "timed out"
NOTHING_RUN = (4, 5)  # exit codes of pytest: it was called wrongly, or found no test
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
ONE_CORE = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
running: set[subprocess.Popen] = set()  # calls of pytest


class NoTrial(Exception):
    """Pytest ran no test, so that nothing is known: why."""


@dataclass(frozen=True)
class Outcome:
    """How the tests ended.

    Attributes:
        result: PASSED, CAUGHT or TIMED_OUT
        test: that failed first, or what else ended them; "" if they passed
        seconds: that they took
    """

    result: str
    test: str
    seconds: float


def run_tests(tree: Path, files: list[str], python: str, limit: float, mutation: Mutation | None = None) -> Outcome:
    """Run test files, up to the first failure, on a copy of a tree with a fault put in; after `limit` seconds they end.

    Raises:
        NoTrial: pytest was called wrongly, or found no test
    """
    with copied(tree, mutation) as copy:
        started = time.monotonic()
        code, output = _pytest(copy, files, python, limit)
        seconds = round(time.monotonic() - started, 1)
    if code in NOTHING_RUN:
        raise NoTrial(f"pytest ran no test of {', '.join(files)}:\n{output[-2000:]}")
    if code is None:
        return Outcome(TIMED_OUT, f"time-out after {limit:g} s", seconds)
    return Outcome(CAUGHT, _first_failure(code, output), seconds) if code else Outcome(PASSED, "", seconds)


def _first_failure(code: int, output: str) -> str:
    found = FIRST_FAILURE.search(output)
    if found:
        return found[1]
    return f"the process ended by signal {-code}" if code < 0 else f"pytest ended with code {code}"


def _pytest(copy: Path, files: list[str], python: str, limit: float) -> tuple[int | None, str]:
    """Exit code, None at a time-out, and what was printed."""
    command = [python, "-m", "pytest", "-x", "-p", "no:cacheprovider", *files]
    environment = os.environ | ONE_CORE | {"PYTEST_DEBUG_TEMPROOT": str(copy.parent / "temporary")}
    with subprocess.Popen(
        command, cwd=copy, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        running.add(process)
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            running.discard(process)
            end(process)
    return process.returncode, output


def end(process: subprocess.Popen) -> None:
    """End a call of pytest, and what its tests have left running: all of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
