"""Files that are there whole or not at all, whenever writing them is cut short."""

import errno
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from safetensors import SafetensorError

from jeat._support.checks import SettingError

__all__ = [
    "UNSUPPORTED", "cache_folder", "check_not_home", "contents", "expanded", "flushed", "from_here",
    "parts_of", "removed", "rewritten", "say_unsupported", "stamp", "system_number", "whole_file",
    "whole_place",
]  # fmt: skip


UNSUPPORTED = (
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOTTY,
)
"""What a file system answers that cannot do something."""


def expanded(path: str | Path) -> Path:
    """A path with the home folder for ``~``; as it is where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def from_here(name: str | Path) -> str:
    """A path beneath the working folder as it is from there; any other as it is."""
    return str(name).removeprefix(f"{Path.cwd()}/")


def cache_folder() -> Path:
    """Where what is slow to make or to fetch is kept: ``$JEAT_CACHE``, or ``~/.cache/jeat``."""
    return expanded(os.environ.get("JEAT_CACHE") or "~/.cache/jeat")


def check_not_home(what: str, name: str | Path) -> None:
    """Refuse the home folder, and what holds it: it is no data set, net or run.

    Raises:
        SettingError: it is.
    """
    home = expanded("~").resolve()
    try:
        place = expanded(name).resolve()
    except (OSError, ValueError, RuntimeError):  # no name of a file, or links in a circle
        return
    if place in (home, *home.parents):
        raise SettingError(
            f"{what} must not be {str(name)!r}, your home folder or one that holds it: name a "
            "folder in it"
        )


@contextmanager
def whole_file(file: str | Path) -> Iterator[Path]:
    """A place beside ``file`` to write to; what was written there becomes ``file`` at the end.

    After an error ``file`` is as it was, and nothing is left beside it. Its folder is made.

    Raises:
        OSError: with the name of the file, and the system's reason.
    """
    file = expanded(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.stem}.{os.getpid()}.part{file.suffix}")
    try:
        yield part
        flushed(part)
        part.replace(file)
        flushed(file.parent)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if (number := system_number(error)) is not None:
            raise OSError(number, os.strerror(number), str(file)) from error
        raise


@contextmanager
def whole_place(out: Path) -> Iterator[Path]:
    """A place to write ``out`` to, a file or a folder, and files beside it.

    At the end all of them take their places, ``out`` last. After an error nothing was changed.

    Raises:
        OSError: as :func:`whole_file`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        aside.mkdir()
        yield aside / out.name
        for place in aside.rglob("*"):
            flushed(place)
        for place in sorted(aside.iterdir(), key=lambda f: f.name == out.name):
            place.replace(out.with_name(place.name))
        flushed(out.parent)
    except (OSError, SafetensorError) as error:
        if (number := system_number(error)) is None:
            raise
        raise OSError(number, os.strerror(number), str(out)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def flushed(place: Path) -> None:
    """fsync a file, or a folder where that can be asked; where it cannot, a warning says so once.

    Raises:
        OSError: with its name.
    """
    opened = os.open(place, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if place.is_dir() and error.errno in (*UNSUPPORTED, errno.EBADF):
            return  # many file systems sync files only
        if error.errno not in UNSUPPORTED:
            raise OSError(error.errno, error.strerror, str(place)) from error
        say_unsupported("fsync", os.fstat(opened).st_dev, "what is written may be lost with power")
    finally:
        os.close(opened)


@cache
def say_unsupported(what: str, device: int, then: str) -> None:
    """Warn, once for each file system, that it cannot do something, and what that means."""
    warnings.warn(f"the file system does not support {what}: {then}", stacklevel=1)


def stamp(file: Path) -> tuple[int, ...]:
    """What changes with a file: size, time of writing, and what the system knows it by.

    Two files of one size and time that change places have other numbers and times of change.
    """
    of = file.stat()
    return of.st_size, of.st_mtime_ns, of.st_ino, of.st_ctime_ns


def contents(file: Path) -> bytes:
    """What a file holds; nothing where there is none.

    Raises:
        ValueError: it is no file: to read a pipe would be to wait for ever.
    """
    if not file.exists():
        return b""
    if not file.is_file():
        raise ValueError(f"{file} is no file of a run: remove it")
    return file.read_bytes()


def parts_of(file: Path) -> list[Path]:
    """What killed processes left of writing ``file``."""
    return list(file.parent.glob(f"{file.stem}.*.part{file.suffix}"))


def system_number(error: BaseException) -> int | None:
    """The operating system's number of an error that it caused."""
    if isinstance(error, OSError):
        return error.errno
    if not isinstance(error, SafetensorError):
        return None
    said = re.search(r"(?:os error|code:) (\d+)", str(error))  # the latter up to version 0.5
    return int(said[1]) if said else None


def rewritten(file: Path, text: str) -> None:
    """Put ``text`` into a file at once: a kill leaves the old one or the new one."""
    with whole_file(file) as part:
        part.write_text(text)


def removed(folder: Path) -> None:
    """Remove a checkpoint at once: a kill leaves it whole or, renamed, as none."""
    shutil.rmtree(folder.rename(folder.with_suffix(".part")))
