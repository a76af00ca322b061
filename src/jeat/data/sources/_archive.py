"""What is in a zip or tar archive: names that lead into its folder, plain files, no bombs."""

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jeat._support.checks import quoted
from jeat._support.kinds import kind_of
from jeat.data.decode import line

__all__ = [
    "Member", "UnsafeError", "check_size", "explained", "first_name", "is_tar", "is_zip",
    "members",
]  # fmt: skip

_TAR = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz)$", re.IGNORECASE)
_MOST_FILES = 5_000_000
_MOST_BYTES = 2**30  # that any archive may hold; a larger one only as many times its size as
_TIMES = 100
_YOURSELF = "unpack it yourself, if you trust it, and give the folder"
_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, MemoryError, zlib.error,
    lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip


class UnsafeError(ValueError):
    """An archive that may do harm."""


@dataclass(frozen=True)
class Member:
    """A file or folder of an archive.

    Attributes:
        name: within it, relative.
        size: in bytes, unpacked.
        content: to read from before the next member is taken; None of a folder.
    """

    name: PurePosixPath
    size: int
    content: Any


def is_zip(file: Path) -> bool:
    """Whether it is a zip archive, and none of those that hold arrays or nets."""
    return kind_of(file) == "a zip archive"


def is_tar(file: Path) -> bool:
    """Whether it is a tar archive, plain or packed by gzip, bzip2 or xz, or is named like one."""
    try:
        return bool(_TAR.search(file.name)) or tarfile.is_tarfile(file)
    except _BROKEN:
        return False


def first_name(file: Path) -> str:
    """The name of a tar archive's first member; nothing where it has none."""
    try:
        with tarfile.open(file) as tar:
            found = tar.next()
    except _BROKEN:
        return ""
    return found.name if found else ""


def members(file: Path) -> Iterator[Member]:
    """The files and folders of a zip or tar archive, one after the other.

    Backslashes in the names of a zip, as of Windows, are taken for slashes.

    Raises:
        ValueError: an absolute name, or one with ``..``; a link, or what is no file else; a name
            that is there twice; an archive that is damaged, encrypted, or holds far more than its
            size allows.
    """
    seen: set[PurePosixPath] = set()
    total = 0
    with explained(file):
        for name, size, content in _zipped(file) if is_zip(file) else _tarred(file):
            path = _safe(file, name)
            total += size
            check_size(file, total)
            if len(seen) >= _MOST_FILES:
                raise UnsafeError(f"{file} holds more than {_MOST_FILES:,} files: {_YOURSELF}")
            if path in seen and content is not None:
                raise UnsafeError(f"{file} holds {quoted(name)} twice: make it anew")
            seen.add(path)
            yield Member(path, size, content)


def check_size(file: Path, size: int, remedy: str = _YOURSELF) -> None:
    """Refuse what is far larger unpacked than the size of its file allows.

    Raises:
        UnsafeError: it is.
    """
    if size > (most := max(_MOST_BYTES, _TIMES * file.stat().st_size)):
        raise UnsafeError(f"{file} unpacks to more than {most:,} bytes: {remedy}")


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Say in one line that an archive is damaged; what the system refuses is left as it is.

    Raises:
        ValueError: it is.
    """
    try:
        yield
    except UnsafeError:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{file} cannot be unpacked: {line(error)}; fetch it anew") from error


def _safe(file: Path, name: str) -> PurePosixPath:
    """A name that stays in the folder that an archive is unpacked into."""
    path = PurePosixPath(name)
    if "\\" in name:
        raise UnsafeError(
            f"{file} holds {quoted(name)}, whose backslashes may or may not be folders: unpack it "
            "and give the folder"
        )
    if path.is_absolute() or ".." in path.parts or "\0" in name or name[1:2] == ":":
        raise UnsafeError(
            f"{file} holds {quoted(name)}, which leads out of its folder: nothing of it is unpacked"
        )
    return path


def _zipped(file: Path) -> Iterator[tuple[str, int, Any]]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name, kind = info.filename.replace("\\", "/"), stat.S_IFMT(info.external_attr >> 16)
            _check_plain(file, name, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if info.flag_bits & 1:
                raise UnsafeError(f"{file} is encrypted: unpack it and give the folder")
            if name.endswith("/"):
                yield name, 0, None
                continue
            with archive.open(info) as content:
                yield name, info.file_size, content


def _tarred(file: Path) -> Iterator[tuple[str, int, Any]]:
    with tarfile.open(file) as archive:
        for info in iter(archive.next, None):
            archive.members.clear()  # type: ignore[attr-defined]  # else of all there are
            _check_plain(file, info.name, info.isreg() or info.isdir())
            if info.isdir():
                yield info.name, 0, None
                continue
            content = archive.extractfile(info)
            assert content is not None
            yield info.name, info.size, content
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)  # iteration ends at a damaged header, too
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is damaged or cut short")


def _check_plain(file: Path, name: str, plain: bool) -> None:
    if not plain:
        raise UnsafeError(
            f"{file} holds {quoted(name)}, a link or device, and is not unpacked: {_YOURSELF}"
        )
