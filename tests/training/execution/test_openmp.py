"""Threads of OpenMP libraries spin for a moment only, unless the user wants otherwise."""

import os
import subprocess
import sys

import pytest
from runs_for_tests import ROOT

import main
from training.execution.openmp import SPIN_COUNT, USER_SETTINGS, limit_spinning


def test_the_spin_count_is_set():
    environment = {"PATH": "/bin"}
    limit_spinning(environment)
    assert environment == {"PATH": "/bin", "GOMP_SPINCOUNT": SPIN_COUNT}


@pytest.mark.parametrize("name", USER_SETTINGS)
def test_what_the_user_has_set_wins(name):
    environment = {name: "anything"}
    limit_spinning(environment)
    assert environment == {name: "anything"}


def test_nothing_that_other_libraries_read_is_set():
    """LLVM's and Intel's read KMP_ and OMP_ names, OpenBLAS its own; they are as they were."""
    environment = {}
    limit_spinning(environment)
    assert not any(name.startswith(("KMP_", "OMP_", "MKL_", "OPENBLAS_")) for name in environment)


def test_main_sets_it_before_a_verb_is_run(monkeypatch):
    for name in USER_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    seen = []

    def run(arguments, interruption):
        seen.append(os.environ.get("GOMP_SPINCOUNT"))

    monkeypatch.setitem(main.VERBS, "networks", main.VERBS["networks"]._replace(run=run))
    assert main.main(["networks"]) == 0
    assert seen == [SPIN_COUNT]


@pytest.mark.skipif(sys.platform != "linux", reason="torch comes with another OpenMP library elsewhere")
def test_torch_loads_an_openmp_library_that_reads_it():
    """What it displays when it is loaded shows the environment that it found."""
    code = (
        "import os, sys, main\n"
        "os.environ['OMP_DISPLAY_ENV'] = 'VERBOSE'\n"
        "main.main(['report', 'no-such-folder'])\n"
        "import torch"
    )
    plain = {name: value for name, value in os.environ.items() if name not in USER_SETTINGS}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=plain, capture_output=True, text=True).stderr
    assert f"GOMP_SPINCOUNT = '{SPIN_COUNT}'" in told
