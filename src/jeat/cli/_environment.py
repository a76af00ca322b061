"""What libraries read from the environment as they are loaded: a command sets it before."""

import os

__all__ = ["prepare"]


def prepare() -> None:
    """Waiting threads sleep, unless the user has said how they wait; pictures become files.

    Threads that spin keep a core from whoever has work: docs/performance.md has the figures.
    ``GOMP_SPINCOUNT`` and ``KMP_BLOCKTIME``, which say it to one OpenMP only, go before the policy.
    A notebook's shell may name a backend of matplotlib that only the notebook has.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ["MPLBACKEND"] = "agg"
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # at "warning" it tells of every retry
