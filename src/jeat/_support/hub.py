"""Names of the Hugging Face hub: each with the commit that is meant, so that it never changes."""

import re

__all__ = ["pinned"]

# what the suites and the README name without a commit
_KNOWN = {
    "uoft-cs/cifar10": "0b2714987fa478483af9968de7c934580d0bb9a2",
    "uoft-cs/cifar100": "aadb3af77e9048adbea6b47c21a81e47dd092ae5",
}
_NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([0-9a-f]{40}))?")


def pinned(source: str) -> tuple[str, str | None] | None:
    """``owner/name`` and commit of ``owner/name@COMMIT``; None for what is no name of the hub.

    The commit is None where none is given and none is known.
    """
    found = _NAME.fullmatch(source)
    return (found[1], found[2] or _KNOWN.get(found[1])) if found else None
