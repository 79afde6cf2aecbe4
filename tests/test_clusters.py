"""The scripts in configs/clusters: what schedulers read in them is right, and they start, end and resume a run.

The programs of a cluster are played by scripts that write down how they are called.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from pages_for_tests import ROOT

import config
from assembly import check_division
from command_line import parse
from main import VERBS

SLURM, KUBERNETES = ROOT / "configs/clusters/slurm.sh", ROOT / "configs/clusters/kubernetes.yaml"
SERVICE, JOB = yaml.safe_load_all(KUBERNETES.read_text(encoding="utf8"))
POD = JOB["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
DIRECTIVES = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(\S*)$", SLURM.read_text(encoding="utf8"), re.MULTILINE))
ENVIRONMENT = {
    "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "32",
    "SLURM_JOB_ID": "17", "JOB_COMPLETION_INDEX": "1",
}  # fmt: skip
PROGRAMS = {
    "srun": 'shift; exec "$@"',
    "scontrol": 'if [ "$1" = show ]; then printf "node1\\nnode2\\n"; else echo "$@" > scontrol.txt; fi',
    "torchrun": 'trap "touch ended; exit 1" TERM; printf "%s\\n" "$@" > part; mv part torchrun.txt;'
    " while [ -e wait ]; do sleep 0.02; done",
}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A folder in which the programs of a cluster are played."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    variables = {each["name"]: each["value"] for each in CONTAINER["env"]}
    for name, text in (ENVIRONMENT | variables | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}).items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of_torchrun(command: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options with which torchrun is called, and the words of main.py."""
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    words = Path("torchrun.txt").read_text().splitlines()
    program = words.index("main.py")
    return dict(word.removeprefix("--").split("=") for word in words[:program]), words[program + 1 :]


both = pytest.mark.parametrize("command", [["bash", str(SLURM)], CONTAINER["command"]], ids=["slurm", "kubernetes"])


@both
def test_a_run_is_begun_and_then_resumed(cluster, command):
    options, words = words_of_torchrun(command)
    arguments = parse(words, VERBS)
    assert arguments.verb == "train" and arguments.overrides == ["name=germany"]
    loaded = config.load(ROOT / arguments.targets[0], arguments.overrides)
    check_division(loaded, int(options["nnodes"]) * int(options["nproc-per-node"]))
    folder = cluster / "results" / loaded.run_name
    folder.mkdir(parents=True)
    shutil.copy(ROOT / arguments.targets[0], folder / "config.json")
    again, words = words_of_torchrun(command)
    arguments = parse(words, VERBS)
    assert (arguments.verb, arguments.targets, again) == ("resume", [Path("results/germany")], options)
    assert not Path("scontrol.txt").exists(), "a job that has ended is not queued again"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_slurm_ends_the_run_by_sigterm_and_queues_it_again_if_time_is_over(cluster, number):
    Path("wait").touch()
    process = subprocess.Popen(["bash", str(SLURM)])
    deadline = time.monotonic() + 60
    while not Path("torchrun.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(60) != 0
    assert Path("ended").exists()
    queued = Path("scontrol.txt").read_text().split() if Path("scontrol.txt").exists() else None
    assert queued == (["requeue", "17"] if number == signal.SIGUSR1 else None)


def test_what_slurm_reads():
    options = subprocess.run(["bash", "-n", SLURM], check=True, capture_output=True, text=True)
    assert not options.stderr
    lines = [line for line in SLURM.read_text(encoding="utf8").splitlines() if line.startswith("#SBATCH")]
    assert len(lines) == len(DIRECTIVES), "a directive that cannot be read, or is there twice"
    assert {"requeue", "open-mode", "time"} <= set(DIRECTIVES) and DIRECTIVES["ntasks-per-node"] == "1"
    assert SLURM.read_text(encoding="utf8").partition("\nNAME=")[0].count("#SBATCH") == len(lines), "read too late"
    seconds = int(re.fullmatch(r"B:USR1@(\d+)", DIRECTIVES["signal"])[1])
    assert int(re.search(r"--shutdown-timeout=(\d+)", SLURM.read_text(encoding="utf8"))[1]) < seconds


def test_what_kubernetes_reads():
    spec = JOB["spec"]
    assert (SERVICE["apiVersion"], SERVICE["kind"], JOB["apiVersion"], JOB["kind"]) == (
        "v1", "Service", "batch/v1", "Job",
    )  # fmt: skip
    assert SERVICE["spec"]["clusterIP"] == "None" and SERVICE["spec"]["publishNotReadyAddresses"]
    assert SERVICE["spec"]["selector"] == {"job-name": JOB["metadata"]["name"]}
    assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"] and spec["backoffLimit"]
    assert POD["restartPolicy"] == "Never" and POD["subdomain"] == SERVICE["metadata"]["name"]
    assert {each["name"] for each in CONTAINER["volumeMounts"]} == {each["name"] for each in POD["volumes"]}
    shared = [each["mountPath"] for each in CONTAINER["volumeMounts"] if each["name"] == "shared"]
    assert shared == [f"{CONTAINER['workingDir']}/data", f"{CONTAINER['workingDir']}/results"]


def test_the_processes_of_kubernetes_are_those_of_its_pods(cluster):
    options, _ = words_of_torchrun(CONTAINER["command"])
    gpus = CONTAINER["resources"]["limits"]["nvidia.com/gpu"]
    assert (int(options["nnodes"]), int(options["nproc-per-node"])) == (JOB["spec"]["completions"], gpus)
    assert options["master-addr"] == f"{JOB['metadata']['name']}-0.{POD['subdomain']}"
    assert options["node-rank"] == ENVIRONMENT["JOB_COMPLETION_INDEX"]
    assert int(options["shutdown-timeout"]) < POD["terminationGracePeriodSeconds"]
