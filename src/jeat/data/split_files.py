"""Files of a data set that name their split themselves, such as tables."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from jeat.data.splits import SPLIT_OF, WORDS

__all__ = [
    "IMAGES", "LABELLED", "check_tables", "has_card", "images_of", "is_split", "several", "warn_of",
]  # fmt: skip

IMAGES = {
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
}  # fmt: skip
_WORD = rf"(?:{'|'.join(SPLIT_OF)}|part|shard|chunk|data)"
_SHARD = re.compile(  # 0001, train-0001, part-0-ID, train-00000-of-00002: a piece of one table
    rf"(?<![^/])(?:{_WORD}[-_.])?[0-9]+(?=[.])|(?<=part-)[0-9]+-[^/]*"
    r"|(?<=[-_.])[0-9]+-of-[0-9]+(?:-[0-9a-f]+)?",
    re.IGNORECASE,
)
_LETTER = re.compile(rf"(?<![^-._ /])({'|'.join(SPLIT_OF)})[-_.][^-_./0-9]+(?=[.][a-z]+$)", re.I)
LABELLED = {"metadata.csv", "metadata.jsonl", "metadata.parquet"}  # labels are in a table


def images_of(pattern: str) -> Sequence[str]:
    """The images that match, and tables of them: of another file, datasets would infer more."""
    from datasets.data_files import DataFilesList

    found = DataFilesList.from_patterns([pattern])
    kept = [f for f in found if Path(f).suffix.lower() in IMAGES or Path(f).name in LABELLED]
    files: Sequence[str] = DataFilesList(kept, found.origin_metadata)
    return files


def check_tables(folder: Path, read: Mapping[str, Sequence[str]]) -> None:
    """Refuse a file of tables that is read twice; those that are not read are named in a warning.

    Raises:
        ValueError: there is one.
    """
    times = Counter(file for files in read.values() for file in files)
    if twice := [file for file, n in times.items() if n > 1]:
        where = ", ".join(split for split, files in read.items() if twice[0] in files)
        raise ValueError(
            f"{twice[0]} would be read twice ({where}), as its path has two words for a split: "
            + _renamed(Path(twice[0]))
        )
    named_by_files = [] if has_card(folder) else [split for split in read if split in WORDS]
    for split in named_by_files:
        places: list[str] = []
        for file in read[split]:
            place = Path(file).relative_to(folder.resolve()).as_posix()
            words = re.split(r"[-._ 0-9/]+", place)
            named = {SPLIT_OF[word.lower()] for word in words if is_split(word)}
            if named and split not in named:
                raise ValueError(
                    f"{file} would be read as of split {split!r}: rename it, such as "
                    f"{min(named)}-00000-of-00001.parquet, in lower case"
                )
            if Path(place).suffix.lower() not in IMAGES and Path(place).name not in LABELLED:
                places.append(place)
        if len({_LETTER.sub(r"\1", _SHARD.sub("", place)) for place in places}) > 1:
            warnings.warn(
                f"{folder}: {several(sorted(places))} are read as one split, {split!r}: where "
                "they are not, rename them, such as train-00000-of-00001.parquet and "
                "test-00000-of-00001.parquet, or move some elsewhere",
                stacklevel=1,
            )
    suffixes = {Path(file).suffix for file in times}
    there = {f for f in folder.rglob("*") if f.suffix in suffixes and f.is_file()}
    known = {Path(file).resolve() for file in times}
    warn_of(folder, {f.relative_to(folder) for f in there if f.resolve() not in known})


def has_card(folder: Path, said: str = "data_files:") -> bool:
    """Whether the head of a README says so, such as which files are of which split."""
    card = folder / "README.md"
    text = card.read_text(errors="replace") if card.is_file() else ""
    return text.startswith("---") and said in text[3:].partition("\n---")[0]


def warn_of(folder: Path, left: Set[Path]) -> None:
    """Say how many files of a folder are left out, hidden ones not among them."""
    if left := {f for f in left if not f.name.startswith(".")}:
        warnings.warn(
            f"{folder}: {len(left)} file{'s are' if len(left) > 1 else ' is'} left out, such as "
            f"{min(left)}",
            stacklevel=1,
        )


def several(names: Sequence[str]) -> str:
    """The first two of several names, and how many more there are."""
    return " and ".join(names[:2]) + f" (and {len(names) - 2} more)" * (len(names) > 2)


def is_split(name: str) -> bool:
    """Whether a folder or word is the name of a split."""
    return name.lower() in SPLIT_OF


def _renamed(file: Path) -> str:
    if file.suffix.lower() in IMAGES:
        return "rename the class folder"
    return "rename it, such as train-00000-of-00001.parquet"
