"""A zip or tar archive of a folder of images: read as that folder is."""

import errno
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jeat._support.checks import SettingError, quoted
from jeat._support.files import stamp
from jeat._support.reading import Reading
from jeat.data.images import Data
from jeat.data.sources import reader_of
from jeat.data.sources._archive import explained, is_tar, is_zip, members
from jeat.data.sources._cifar import is_packed

__all__ = ["key", "read", "reads"]

has_columns = True


def reads(source: str, path: Path) -> bool:
    """Whether it is an archive, and not CIFAR's own."""
    if not path.is_file() or path.suffix.lower() == ".npz":
        return False
    return is_zip(path) or (is_tar(path) and not is_packed(path))


def key(source: str, path: Path) -> str:
    """A key of the archive: its name and stamp."""
    return f"archive {path.resolve()} {stamp(path)}"


def read(source: str, path: Path, how: Reading) -> Data:
    """What the folder in it is read as, which is unpacked for that, and removed after.

    Raises:
        ValueError: an archive that is damaged, or whose members lead elsewhere; whatever the folder
            is refused for.
        OSError: no room to unpack it.
    """
    with tempfile.TemporaryDirectory(prefix="jeat-") as place:
        folder = Path(place).resolve() / "data"
        with _named(str(folder), source):
            _unpack(path, folder)
            reader = reader_of(str(folder), folder)
            if how.label is not None and not getattr(reader, "has_columns", False):
                raise SettingError(f"{source} has no columns, so none of labels: leave label out")
            if hasattr(reader, "key"):
                reader.key(str(folder), folder)  # says what is left out
            data: Data = reader.read(str(folder), folder, how)
    return data


def _unpack(file: Path, folder: Path) -> None:
    """Every file and folder of an archive, in a new folder."""
    folder.mkdir()
    for member in members(file):
        place = folder / member.name
        if shutil.disk_usage(folder).free < member.size:
            raise OSError(errno.ENOSPC, f"no room to unpack {file}: set TMPDIR to a larger folder")
        try:
            if member.content is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with explained(file), place.open("xb") as out:
                shutil.copyfileobj(member.content, out)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ValueError(
                f"{file} holds {quoted(str(member.name))} twice, as a folder or in another case: "
                "unpack it and give the folder"
            ) from error


@contextmanager
def _named(folder: str, source: str) -> Iterator[None]:
    """Inside, errors and warnings name the archive in place of where it is unpacked."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True, action="always") as caught:
            yield
    except (ValueError, OSError) as error:
        error.args = tuple(
            a.replace(folder, source) if isinstance(a, str) else a for a in error.args
        )
        if isinstance(error, OSError) and error.filename:
            error.filename = str(error.filename).replace(folder, source)
        raise
    finally:
        for w in caught:
            said = str(w.message).replace(folder, source)
            warnings.warn_explicit(said, w.category, w.filename, w.lineno, source=w.source)
