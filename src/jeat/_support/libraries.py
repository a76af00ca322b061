"""Names of nets that other libraries and code of one's own make."""

from jeat._support.plugins import constant_of, known_parts

__all__ = ["LIBRARIES", "holder_of"]

LIBRARIES = ("pytorchcv", "timm", "torchvision")
"""Libraries whose nets are named as ``timm:NAME``."""


def holder_of(name: str) -> str | None:
    """The net of this package that holds the module which ``timm:NAME`` or ``FILE.py:FACTORY``
    makes; None for the name of another net.
    """
    place, colon, _ = name.rpartition(":")
    if not colon or not (place in LIBRARIES or place.endswith(".py")):
        return None
    return next(n for n in known_parts("nets") if constant_of("nets", n, "holds_modules"))
