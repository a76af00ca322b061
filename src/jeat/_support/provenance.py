"""What figures were made with."""

import os
import platform

import torch

from jeat._support.version import __version__

__all__ = ["provenance"]


def provenance() -> dict[str, str]:
    """Versions and machine, to be kept beside every figure."""
    return {
        "jeat": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, "
        f"{os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads",
    }
