"""One reader of data sets a file."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from jeat._support.plugins import known_parts

__all__ = ["reader_of"]


def reader_of(source: str, path: Path) -> ModuleType:
    """The first reader that knows the source; one that takes whatever is left comes last."""
    readers = [import_module(f"jeat.data.sources.{name}") for name in known_parts("data/sources")]
    readers.sort(key=lambda reader: bool(getattr(reader, "takes_the_rest", False)))
    return next(reader for reader in readers if reader.reads(source, path))
