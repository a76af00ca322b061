"""Any text as the name of a file on every system, and back: what none can hold is written %2F."""

import re
from urllib.parse import unquote

__all__ = ["as_file_name", "of_file_name"]

_ODD = re.compile(
    r'[\x00-\x1f\x7f-\x9f/\\%<>:"|?*]'  # what no name holds, of Windows, too
    r"|^\.|^_(?=_)|[. ]\Z"  # hidden, left out by readers, dropped at the end
    r"|^(?=(?:con|prn|aux|nul|com[0-9]|lpt[0-9]) *(?:\.|\Z))[a-z]",  # devices of Windows
    re.IGNORECASE,
)


def as_file_name(text: str) -> str:
    """A name by which :func:`of_file_name` finds the text again."""
    return _ODD.sub(lambda odd: "".join(f"%{byte:02X}" for byte in odd[0].encode()), text)


def of_file_name(name: str) -> str:
    """The text of a name of :func:`as_file_name`; any other name is itself, such as 5%20off."""
    text = unquote(name)
    return text if as_file_name(text) == name else name
