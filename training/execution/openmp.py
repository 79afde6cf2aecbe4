"""How the threads of OpenMP wait for work: for a moment at the ready, then asleep.

Torch's wheels for Linux and scikit-learn's come with GNU's OpenMP library (libgomp), whose threads look for work again
and again (they spin) while there is none, a few milliseconds long, at the full load of a core. That is fine alone; but
where two runs share a machine, the threads of one keep the cores from those of the other, which the first waits for in
turn: a training step takes several times as long as the fair half of the machine would give. See "Two runs on one
machine" in doc/performance.md for what was measured.

Nothing here is heavy to import: it must be called before torch, scikit-learn and the like are loaded, which read the
environment once.
"""

import os
from collections.abc import MutableMapping

SPIN_COUNT = "3000"  # looks for work: 40 to 200 microseconds, in which most operations of a step follow one another
USER_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # of how threads wait: what the user has set of these counts


def limit_spinning(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the threads of libraries that are loaded from now on, and of child processes, spin no longer than they need.

    GOMP_SPINCOUNT is read by GNU's library alone: LLVM's and Intel's (macOS, conda, MKL), which know KMP_BLOCKTIME, are
    as they were. OMP_WAIT_POLICY is not set, as all of them read it.
    """
    if not any(name in environment for name in USER_SETTINGS):
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT
