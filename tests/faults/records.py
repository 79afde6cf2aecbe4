"""The file of results: a line for each call of pytest, added as it comes, so that a broken-off run goes on."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from trials import PASSED, Outcome

MODULE, MAIN = "module", "main"  # which tests were run: those of the fault's module first, then those of whole runs


@dataclass(frozen=True)
class Record:
    """What one call of pytest said of a fault.

    Attributes:
        fault: its name
        tests: MODULE or MAIN
        change: what was changed where: a fault that was changed since is run again
        result, test, seconds: as `trials.Outcome` has them
    """

    fault: str
    tests: str
    change: str
    result: str
    test: str
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """How the tests ended."""
        return Outcome(self.result, self.test, self.seconds)


@dataclass(frozen=True)
class Verdict:
    """What is known of a fault in one revision.

    Attributes:
        caught: whether a test found it; None: not all tests were run
        found_by: the test that did; in words, where none did
        seconds: of all its tests, up to the first failure; None: nothing was run
        change: what was changed where; "" if nothing was run
    """

    caught: bool | None
    found_by: str
    seconds: float | None
    change: str


class Results:
    """Records by fault and tests, in a file of JSON lines.

    Args:
        path: of the file; written with the first record
    """

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text(encoding="utf8").splitlines() if path.exists() else []
        self._records = {(each.fault, each.tests): each for each in (Record(**json.loads(line)) for line in lines)}

    def add(self, record: Record) -> None:
        """Note a record, on the disk too."""
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._records[record.fault, record.tests] = record

    def known(self, fault: str, tests: str, change: str) -> Outcome | None:
        """How these tests ended with the fault as it is now; None: they were not run."""
        record = self._records.get((fault, tests))
        return record.outcome if record is not None and record.change == change else None

    def verdict(self, fault: str) -> Verdict:
        """What is known of a fault."""
        found = [self._records[fault, tests] for tests in (MODULE, MAIN) if (fault, tests) in self._records]
        found = [each for each in found if each.change == found[0].change]  # else the fault was changed in between
        if not found:
            return Verdict(None, "not run", None, "")
        seconds, change = round(sum(each.seconds for each in found), 1), found[0].change
        ended = next((each for each in found if each.result != PASSED), None)
        if ended is not None:
            return Verdict(True, ended.test, seconds, change)
        if len(found) < 2:
            return Verdict(None, f"{MAIN} tests not run", seconds, change)
        return Verdict(False, "NOT CAUGHT", seconds, change)

    def tally(self, faults: Iterable[str]) -> str:
        """In one line, how many are caught."""
        caught = [self.verdict(fault).caught for fault in faults]
        return f"{caught.count(True)} caught, {caught.count(False)} not caught, {caught.count(None)} not run"
