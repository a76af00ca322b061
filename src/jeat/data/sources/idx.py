"""The idx files of MNIST and its kin, such as Fashion-MNIST: a folder of the four, or one of them.

::

    train-images-idx3-ubyte   train-labels-idx1-ubyte   to train on, plain or .gz
    t10k-images-idx3-ubyte    t10k-labels-idx1-ubyte    to test on

For ``t10k`` there may be any other word of a split, such as ``test``, ``eval`` or ``val``.
"""

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from jeat._support.reading import Reading
from jeat.data.decode import line
from jeat.data.images import Data
from jeat.data.split_files import warn_of
from jeat.data.splits import SPLIT_OF, Part, data_of_parts

__all__ = ["read", "reads"]

_WORDS = {**SPLIT_OF, "t10k": "test"}
_KIND = r"(?P<what>images|labels)[-_.]idx\d[-_.]\w+(?P<packed>\.gz)?"
_NAME = re.compile(
    rf"(?P<set>(?:.*[-_. ])?)(?P<split>{'|'.join(_WORDS)})[-_.]{_KIND}", re.IGNORECASE
)
_LIKE = re.compile(rf"(?:.*[-_.])?{_KIND}", re.IGNORECASE)
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_TIMES = 1100  # as small as gzip can make a file

Files = dict[tuple[str, str], Path]


def reads(source: str, path: Path) -> bool:
    """Whether it is a file named like one of the four, or a folder of such files."""
    return bool(_NAME.fullmatch(path.name)) if path.is_file() else _folder(path) is not None


def read(source: str, path: Path, how: Reading) -> Data:
    """Images and labels of ``train`` and, to test on, of ``t10k``; classes are numbers.

    Raises:
        ValueError: a file that is missing, damaged or of something else; files of several data
            sets, as of EMNIST, where none is named.
    """
    files = _files(path)
    parts: dict[str, Part] = {}
    for split in dict.fromkeys(split for split, _ in files):
        pair = [files.get((split, what)) for what in ("images", "labels")]
        there = next(file for file in pair if file)
        if None in pair:
            missing = "labels" if pair[0] else "images"
            raise ValueError(f"{there} has no {missing} beside it: put that file there, too")
        x, y = (_array(file) for file in pair if file)
        said = " and ".join(file.name for file in pair if file)
        if len(x) != len(y):
            raise ValueError(f"{said} of {path} differ in length: {len(x)} images, {len(y)} labels")
        parts[split] = Part(x, y, said)
    return data_of_parts(source, parts)


def _folder(path: Path) -> Path | None:
    """The folder that holds such files: ``path``, or ``raw`` in it, as torchvision has it."""
    places = [p for p in (path, path / "raw") if p.is_dir()]
    return next((p for p in places if any(_NAME.fullmatch(f.name) for f in p.iterdir())), None)


def _files(path: Path) -> Files:
    """Split, and ``images`` or ``labels`` -> the file; a plain one rather than its .gz."""
    folder = path.parent if path.is_file() else _folder(path)
    assert folder is not None
    found = [(m, f) for f in sorted(folder.iterdir()) if (m := _NAME.fullmatch(f.name))]
    found = [(m, f) for m, f in found if f.is_file()]
    known = {Path(f.name) for _, f in found}
    sets = sorted({m["set"] for m, _ in found})
    if path.is_file():
        named = _NAME.fullmatch(path.name)
        assert named is not None
        sets = [named["set"]]
        found = [(m, f) for m, f in found if m["set"] == named["set"]]
    if len(sets) > 1:
        raise ValueError(
            f"{path} holds files of several data sets ({', '.join(map(repr, sets))}): name one of "
            f"the files, such as {found[0][1]}"
        )
    warn_of(folder, {Path(f.name) for f in folder.iterdir() if _LIKE.fullmatch(f.name)} - known)
    files: Files = {}
    for m, file in sorted(found, key=lambda pair: bool(pair[0]["packed"])):
        split = _WORDS[m["split"].lower()]
        first = files.setdefault((split, m["what"].lower()), file)
        if (other := _NAME.fullmatch(first.name)) and other["split"] != m["split"]:
            raise ValueError(
                f"{first.name} and {file.name} of {folder} are both of split {split!r}: take one "
                "away, or rename it"
            )
    return dict(sorted(files.items(), key=lambda item: item[0][0] != "train"))


def _array(file: Path) -> np.ndarray:
    """The array of an idx file: two zero bytes, type, number of dimensions, sizes, values.

    Raises:
        ValueError: it is none, or holds more or less than it says.
    """
    with file.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    most = file.stat().st_size * (_TIMES if packed else 1)
    try:
        with gzip.open(file) if packed else file.open("rb") as f:
            begin = f.read(4)
            if len(begin) < 4 or begin[:2] != b"\0\0" or begin[2] not in _TYPES or not begin[3]:
                raise ValueError(f"it begins with {begin.hex(' ') or 'nothing'}, as no idx file")
            sizes = f.read(4 * begin[3])
            if len(sizes) < 4 * begin[3]:
                raise ValueError("it is cut short")
            shape = np.frombuffer(sizes, ">u4").tolist()
            kind = np.dtype(_TYPES[begin[2]])
            size = math.prod(shape) * kind.itemsize
            body = f.read(size + 1) if size <= most else b""
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{file} cannot be read: {line(error)}; fetch it anew") from error
    if len(body) != size:
        has = "more" if len(body) > size else "less"
        raise ValueError(f"{file} holds {has} than the {shape} values it says: fetch it anew")
    return np.frombuffer(body, kind).astype(kind.newbyteorder("=")).reshape(shape)
