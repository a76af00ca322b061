"""Memory that a pass frees is kept for the next one, which needs as much again."""

import ctypes

__all__ = ["keep_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_memory() -> bool:
    """Have glibc reuse large blocks rather than return them to the system and fault them in anew.

    Returns:
        Whether it will; other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    large = mallopt(_MMAP_THRESHOLD, 2**30) or mallopt(_MMAP_THRESHOLD, 2**25)  # older glibc
    return bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1) and large)
