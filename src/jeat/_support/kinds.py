"""What a file is, by its content: said where it is not what was asked for. Nothing is unpickled."""

import json
import zipfile
from pathlib import Path
from pickletools import genops
from typing import BinaryIO

__all__ = ["NPZ", "TORCH", "kind_of"]

NPZ = "an .npz of arrays"
TORCH = "a pickle of torch.save"

_BEGINS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, such as of Keras",
    b"GGUF": "a GGUF file",
    b"\x93NUMPY": "a bare array of numpy (.npy)",
    b"PAR1": "a table (parquet)",
    b"ARROW1": "a table (arrow)",
    b"\x89PNG": "an image (PNG)",
    b"\xff\xd8\xff": "an image (JPEG)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\xff\xfe": "a text file in UTF-16",
    b"\xfe\xff": "a text file in UTF-16",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself by git lfs pull",
}
_IN_ZIP = {  # in this order
    "constants.pkl": "a TorchScript archive",
    "serialized_exported_program.json": "an exported program of PyTorch",
    "data.pkl": TORCH,
    "archive_format": "an exported program of PyTorch",
    "model.weights.h5": "a Keras archive",
}
_OLD_TORCH = (
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began before its archives
)
_ONNX = {  # field -> its wire type
    1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2,
}  # fmt: skip
_GRAPH = 7
_TEXTS = {
    ".csv": "a table (csv)", ".tsv": "a table (tsv)", ".json": "a JSON file",
    ".jsonl": "a table (jsonl)", ".yaml": "a YAML file", ".py": "a Python file",
}  # fmt: skip


def kind_of(file: Path) -> str | None:
    """What a file is, such as ``"a pickle of torch.save"``; None where nothing is known of it."""
    with file.open("rb") as f:
        begin = f.read(512)
        if not begin:
            return "an empty file"
        if begin.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return _in_zip(f)
        if begin.startswith(_OLD_TORCH):
            return TORCH
        if found := next(
            (said for magic, said in _BEGINS.items() if begin.startswith(magic)), None
        ):
            return found
        if begin[4:8] == b"TFL3":
            return "a TensorFlow Lite model"
        if begin[257:262] == b"ustar":
            return "a tar archive: unpack it"
        if begin[8:9] == b"{":
            return _safetensors(f, begin)
        if _is_onnx(f):
            return "an ONNX model"
        if _is_pickle(f):
            return "a pickle"
    return _text(file, begin)


def _in_zip(f: BinaryIO) -> str:
    """What a zip archive holds."""
    try:
        names = {name.rpartition("/")[2] for name in zipfile.ZipFile(f).namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "a zip archive that is cut short: fetch or make it anew"
    if names and all(name.endswith(".npy") for name in names):
        return NPZ
    return next((said for name, said in _IN_ZIP.items() if name in names), "a zip archive")


def _safetensors(f: BinaryIO, begin: bytes) -> str | None:
    """Whether a safetensors file is shorter than its header says."""
    whole, size = f.seek(0, 2), int.from_bytes(begin[:8], "little")
    f.seek(8)
    try:
        header = json.loads(f.read(size)) if size <= whole - 8 else {"": {}}
        ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        short = whole < 8 + size + max(ends, default=0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        short = 100_000_000 > size > whole - 8
    return "a safetensors file that is cut short: fetch or make it anew" if short else None


def _is_onnx(f: BinaryIO) -> bool:
    """Whether it is a protobuf with the fields of ONNX's ModelProto: a version, later a graph."""
    end, at, seen = f.seek(0, 2), 0, [0]
    while at < end and seen[-1] != _GRAPH and len(seen) < 100:
        f.seek(at)
        head = f.read(20)
        tag, n = _varint(head)
        value, m = _varint(head[n:])
        field, wire = tag >> 3, tag & 7
        if _ONNX.get(field) != wire or (len(seen) == 1 and field != 1):
            return False
        seen.append(field)
        at += n + m + (value if wire == 2 else 0)
    return seen[-1] == _GRAPH


def _varint(data: bytes) -> tuple[int, int]:
    """A number of a protobuf, and its bytes."""
    value = 0
    for i, byte in enumerate(data[:10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, i + 1
    return 0, 1


def _is_pickle(f: BinaryIO) -> bool:
    """Whether it begins as pickles of protocol 2 and later, or is one of an older protocol."""
    size = f.seek(0, 2)
    f.seek(0)
    begin = f.read(2)
    if begin[:1] == b"\x80" and begin[1:] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    f.seek(0)
    try:
        return 2 < size < 1_000_000 and [op.name for op, *_ in genops(f)][-1] == "STOP"
    except (ValueError, IndexError):
        return False


def _text(file: Path, begin: bytes) -> str | None:
    """What a file of text is."""
    try:
        text = (begin if len(begin) < 512 else begin[:508]).decode()
    except UnicodeDecodeError:
        return None
    if not all(c.isprintable() or c.isspace() for c in text):
        return None
    if text.lstrip().lower().startswith(("<!doctype html", "<html")):
        return "a web page"
    return _TEXTS.get(file.suffix.lower(), "a text file")
