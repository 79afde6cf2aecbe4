"""Two hosts, played by network namespaces on one machine; one of them is cut off in the middle of a run.

It needs root, and the command `ip` (Debian: iproute2). The hosts share the folder, as they would on a cluster.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from runs_for_tests import ROOT, UNLABELLED, config_file, write_fields
from test_torchrun import LAUNCH, wait_for_step

from training.runs.checkpoint import load

NAMES, ADDRESSES, PORT = ("tiles-a", "tiles-b"), ("10.213.77.1", "10.213.77.2"), 29417
SETTINGS = UNLABELLED | {"epochs": 2, "iterations": 150, "checkpoint_minutes": 1e-6, "evaluate_every": 2}
ENDING_SECONDS = 90  # of a host: to miss the other one (40 s), to say so, and to end


def ip(*arguments: str) -> bool:
    """Call `ip`. Return whether it could do that."""
    return subprocess.run(["ip", *arguments], capture_output=True).returncode == 0


@pytest.fixture
def hosts() -> Iterator[None]:
    """Two network namespaces, joined by a cable."""
    for name in NAMES:
        ip("netns", "delete", name)  # of a test that was killed
    if not (shutil.which("ip") and all(ip("netns", "add", name) for name in NAMES)):
        pytest.skip("network namespaces need root, and the command `ip`")
    assert ip("link", "add", NAMES[0], "netns", NAMES[0], "type", "veth", "peer", "name", NAMES[1], "netns", NAMES[1])
    for name, address in zip(NAMES, ADDRESSES):
        for command in (["addr", "add", f"{address}/24", "dev", name], ["link", "set", name, "up"]):
            assert ip("-n", name, *command)
        assert ip("-n", name, "link", "set", "lo", "up")
    yield
    for name in NAMES:
        ip("netns", "delete", name)


def started(folder: Path, host: int, *arguments: str) -> subprocess.Popen:
    """Start a process on a host with torchrun."""
    launch = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--node-rank={host}",
        f"--master-addr={ADDRESSES[0]}", f"--master-port={PORT}", "launch.py", *arguments,
    ]  # fmt: skip
    named = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', NAMES[host], *launch]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": NAMES[host], "OMP_NUM_THREADS": "1"}
    with open(folder / f"output-{host}.txt", "w") as output:
        return subprocess.Popen(
            ["ip", "netns", "exec", NAMES[host], *named], cwd=folder, env=environment, stdout=output, stderr=output
        )


@pytest.mark.long
def test_a_host_that_is_cut_off_ends_both_and_the_run_goes_on_later(hosts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_fields(tmp_path)
    for name in ("whole", "broken"):
        config_file(name, **SETTINGS)
    Path("launch.py").write_text(LAUNCH.format(paths=[str(ROOT), str(ROOT / "tests/helpers")]))
    run, whole = Path("results/broken"), Path("results/whole")

    both = [started(tmp_path, host, "broken.json") for host in (0, 1)]
    wait_for_step(run, 5)
    assert ip("-n", NAMES[1], "link", "set", NAMES[1], "down")
    cut_at = time.monotonic()
    codes = [each.wait(ENDING_SECONDS) for each in both]
    print(f"both ended after {time.monotonic() - cut_at:.0f} s with {codes}")
    assert all(codes)
    for host in (0, 1):
        text = Path(f"output-{host}.txt").read_text()
        assert text.count("its host is cut off") == 1, text
    reached = load(run / "last.pt")["step"]
    assert 5 <= reached < 300

    assert ip("-n", NAMES[1], "link", "set", NAMES[1], "up")
    for arguments in (["resume", str(run)], ["whole.json"]):
        both = [started(tmp_path, host, *arguments) for host in (0, 1)]
        assert [each.wait(300) for each in both] == [0, 0], Path("output-0.txt").read_text()
    ours, theirs = (load(each / "last.pt")["network"] for each in (run, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs), "bit for bit"
