"""Limit how long OpenMP threads spin, so that two runs on one machine do not slow each other down.

The Linux wheels of torch and scikit-learn contain GNU's OpenMP library (libgomp). Its threads spin while they wait for
work: for milliseconds they look for it again and again, at the full load of a core. If two runs share a machine, the
spinning threads of one run occupy the cores that the other run needs, and a training step takes several times as long
as on half of the machine. See "Two runs on one machine" in doc/performance.md for measurements.

This module imports nothing heavy: it must be called before torch and scikit-learn are loaded, because libgomp reads
the environment only once.
"""

import os
from collections.abc import MutableMapping

SPIN_COUNT = "3000"  # checks for work, 40 to 200 microseconds: most operations of a step follow sooner
USER_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # if the user has set one of these, nothing is changed


def limit_spinning(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set GOMP_SPINCOUNT for libraries that are loaded from now on, and for child processes.

    Only GNU's library reads it. The libraries of LLVM and Intel (macOS, conda, MKL), which read KMP_BLOCKTIME, keep
    their behaviour; OMP_WAIT_POLICY is not set, because they read that too.
    """
    if not any(name in environment for name in USER_SETTINGS):
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT
