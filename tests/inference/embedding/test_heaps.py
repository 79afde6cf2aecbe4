"""The heaps of a process whose threads allocate at the same time."""

import platform
import subprocess
import sys

import pytest
from runs_for_tests import ROOT

COUNT_HEAPS = """
import ctypes, runpy, sys, threading
if sys.argv[1] == "limited":
    runpy.run_path("inference/embedding/heaps.py")["limit_heaps"]()  # without the package, which imports torch
libc, together = ctypes.CDLL(None), threading.Barrier(6)
libc.malloc.restype, libc.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
def allocate():
    for _ in range(1000):
        libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fflush(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heaps are those of glibc")
def test_threads_share_two_heaps():
    heaps = {}
    for way in ("free", "limited"):
        command = [sys.executable, "-c", COUNT_HEAPS, way]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        heaps[way] = done.stdout.count("<heap nr=")
    assert heaps["limited"] <= 2 < heaps["free"]
