"""Puts the faults of the catalogue into copies of a tree, one at a time, and notes which test finds each.

python tests/faults/run.py TREE --results FILE          runs the faults that FILE does not know of yet
python tests/faults/run.py TREE --check                 says whether all faults fit the tree, and runs nothing
python tests/faults/run.py TREE --control               runs all tests that are named, without a fault: all must pass
python tests/faults/run.py --compare OLD NEW -o TABLE   compares the results of two revisions
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from catalogue import FAULTS
from fault import Fault, Misfit, Mutation, fitted
from records import MAIN, MODULE, Record, Results
from table import differences, write_table
from trees import MAIN_TESTS, main_tests, module_tests, named_tests
from trials import PASSED, NoTrial, Outcome, end, run_tests, running


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", nargs="?", type=Path, help="a checkout of the project, or files taken from it")
    parser.add_argument("--check", action="store_true", help="only say whether all faults fit")
    parser.add_argument("--control", action="store_true", help="only run the named tests without a fault")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="files of results")
    parser.add_argument("--python", default=sys.executable, help="that has the project's requirements; else this one")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these faults alone")
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time, each on one core")
    parser.add_argument("--limit", type=float, default=600, help="seconds of one call of pytest; more is a time-out")
    parser.add_argument("--results", type=Path, default=Path("faults.jsonl"), help="file of results, added to")
    parser.add_argument("-o", "--output", type=Path, help="Markdown file for the table")
    arguments = parser.parse_args(argv)
    if bool(arguments.tree) == bool(arguments.compare):
        parser.error("give a TREE, or --compare with two files of results")
    if arguments.compare and len({path.stem for path in arguments.compare}) < 2:
        parser.error("the two files of results need different names, which the table calls them by")
    strangers = set(arguments.only) - {fault.name for fault in FAULTS}
    if strangers:
        parser.error(f"no such fault: {', '.join(sorted(strangers))}")
    return arguments


def main(argv: list[str]) -> int:
    """Do what the command line asks for. Gives the exit code."""
    arguments = parse(argv)
    faults = tuple(fault for fault in FAULTS if not arguments.only or fault.name in arguments.only)
    if arguments.compare:
        return compare(faults, arguments.compare, arguments.output)
    tree = arguments.tree.resolve()
    mutations = all_fitted(faults, tree)
    if mutations is None:
        return 1
    if arguments.check:
        return 0
    if arguments.control:
        return control(faults, tree, arguments)
    results = Results(arguments.results)
    for tests in (MODULE, MAIN):  # of all faults those of the modules first, which take seconds
        run(mutations, tests, tree, results, arguments)
    print(results.tally(fault.name for fault in faults))
    if arguments.output:
        write_table(arguments.output, faults, {arguments.results.stem: results})
    return 0


def all_fitted(faults: tuple[Fault, ...], tree: Path) -> list[Mutation] | None:
    """The faults put into the tree; None, and every reason printed, where one does not fit."""
    mutations, reasons = [], []
    for fault in faults:
        try:
            module_tests(tree, fault)
            mutations.append(fitted(fault, tree))
        except Misfit as misfit:
            reasons.append(f"does not fit: {misfit}")
    if not named_tests(tree, (MAIN_TESTS,)):
        reasons.append(f"{tree} has no {MAIN_TESTS}")
    print("\n".join([*reasons, f"{len(mutations)} of {len(faults)} faults fit {tree} and compile"]))
    return None if reasons else mutations


def control(faults: tuple[Fault, ...], tree: Path, arguments: argparse.Namespace) -> int:
    """Run all test files that any fault names, without a fault. Gives the exit code: 0 if all pass."""
    files = dict.fromkeys([file for fault in faults for file in module_tests(tree, fault)] + main_tests(tree))
    failed = 0
    for file in files:
        outcome = run_tests(tree, [file], arguments.python, arguments.limit)
        failed += outcome.result != PASSED
        print(f"{outcome.seconds:7.1f} s  {outcome.result}  {file}  {outcome.test}", flush=True)
    return 1 if failed else 0


def run(mutations: list[Mutation], tests: str, tree: Path, results: Results, arguments: argparse.Namespace) -> None:
    """Run the tests of this kind with all faults that they are still to be run with, several at a time."""
    left = [each for each in mutations if _is_left(each, tests, results)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        trials = {pool.submit(_trial(each, tests, tree, arguments)): each for each in left}
        try:
            for number, trial in enumerate(as_completed(trials), 1):
                mutation, outcome = trials[trial], trial.result()
                record = (outcome.result, outcome.test, outcome.seconds)
                results.add(Record(mutation.fault.name, tests, mutation.change, *record))
                line = f"{number}/{len(left)} {tests} {outcome.seconds:6.1f} s  {mutation.fault.name}: {outcome.result}"
                print(f"{line}  {outcome.test}", flush=True)
        except BaseException:  # Ctrl-C, or no test was run
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                end(process)
            raise


def _is_left(mutation: Mutation, tests: str, results: Results) -> bool:
    """Whether these tests were not run with a fault as it is now, and are to be."""
    name, change = mutation.fault.name, mutation.change
    if results.known(name, tests, change) is not None:
        return False
    before = results.known(name, MODULE, change)
    return tests == MODULE or (before is not None and before.result == PASSED)


def _trial(mutation: Mutation, tests: str, tree: Path, arguments: argparse.Namespace) -> Callable[[], Outcome]:
    files = module_tests(tree, mutation.fault) if tests == MODULE else main_tests(tree)
    return lambda: run_tests(tree, files, arguments.python, arguments.limit, mutation)


def compare(faults: tuple[Fault, ...], paths: list[Path], output: Path | None) -> int:
    """Say what one revision catches and the other does not. Gives the exit code: 1 if there is anything."""
    revisions = {path.stem: Results(path) for path in paths}
    for name, results in revisions.items():
        print(f"{name}: {results.tally(fault.name for fault in faults)}")
    found = differences(faults, revisions)
    print("\n".join(found) if found else "Both catch the same faults.")
    if output:
        write_table(output, faults, revisions)
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NoTrial as error:
        sys.exit(str(error))
