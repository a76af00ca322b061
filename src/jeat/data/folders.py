"""The splits of a folder of images: a split is a top folder of a known name, a class is a folder.

::

    train/cat/1.png  test/cat/2.png     two splits
    cat/1.png        train/2.png        no split: the classes cat and train
"""

import glob
import re
import warnings
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path, PurePath

from jeat.data.split_files import IMAGES, LABELLED, has_card, is_split, several, warn_of
from jeat.data.splits import SPLIT_OF, WORDS

__all__ = ["splits_of"]

_THINGS = ("set", "data", "images", "imgs", "split", "s")  # as in testset
_WORD = rf"(?:{'|'.join(SPLIT_OF)}|(?:{'|'.join(SPLIT_OF)})(?:{'|'.join([*SPLIT_OF, *_THINGS])}))"
_LIKE = re.compile(rf"(?:^|.*[-._ 0-9]){_WORD}(?:[-._ 0-9].*|$)", re.IGNORECASE)
_TABLES = {".arrow", ".parquet", ".tar"}  # that hold images themselves
_RENAME = "name split folders train, validation and test, with one folder a class in each"

Parts = tuple[str, ...]


def splits_of(folder: Path, files: Sequence[Path], *, say: bool = True) -> dict[str, str] | None:
    """Split -> the pattern of its files, of a folder of images; None where tables say what is what.

    Args:
        folder: of a data set.
        files: all that is in it.
        say: warn of files that are left out.

    Raises:
        ValueError: images without class folders, all in one, or in folders that may be splits as
            well as classes.
    """
    shown = [f.relative_to(folder).parts for f in files if f.is_file()]
    hidden = [p for p in shown if any(word.startswith(".") for word in p)]
    shown = [p for p in shown if p not in {*hidden}]
    every = [p for p in shown if PurePath(p[-1]).suffix.lower() in IMAGES]
    images = [p for p in every if not any(word.startswith("__") for word in p[:-1])]
    every += [p for p in hidden if PurePath(p[-1]).suffix.lower() in IMAGES]
    tables = [p for p in shown if PurePath(p[-1]).suffix.lower() in _TABLES]
    metadata = {p[:-1] for p in shown if p[-1] in LABELLED}
    if len(images) <= len(tables) or has_card(folder):
        return None
    if metadata:
        if say and any(len(p) > 2 for p in images):
            tables_there = LABELLED & {p[-1] for p in shown}
            warnings.warn(
                f"{folder}: labels are those of the table {min(tables_there)}, not the names of "
                "folders: take it away where folders are the classes",
                stacklevel=1,
            )
        return _with_metadata(folder, metadata, {p[0] for p in images})
    top = _top(images)
    found = _splits(folder.joinpath(*top), [p[len(top) :] for p in images])
    read = {top + name for name in found.values()}
    used = [
        p for p in images if any(p[: len(name)] == name and len(p) > len(name) for name in read)
    ]
    if say:
        folders = [f.relative_to(folder).parts for f in files if f.is_dir()]
        _say_empty(folder, _empty(folders, images, used, read, top))
    for name in read:
        below = [p[len(name) :] for p in used if p[: len(name)] == name]
        _check_nested(folder.joinpath(*name), below)
    _check_depth(folder, used, read)
    _check_classes(folder, used, read)
    holds = {p[:-1] for p in used}
    if say:
        beside = {p for p in shown if p[:-1] in holds}
        warn_of(folder, {Path(*p) for p in {*every, *beside} - {*used}})
    place = folder.resolve()
    return {k: f"{glob.escape(str(place.joinpath(*top, *name)))}/**" for k, name in found.items()}


def _with_metadata(folder: Path, metadata: Set[Parts], tops: Set[str]) -> dict[str, str] | None:
    """Split -> the pattern of its files, where each split has a table of its own."""
    if metadata != {(name,) for name in tops} or not all(map(is_split, tops)):
        return None
    place = folder.resolve()
    return {SPLIT_OF[k.lower()]: f"{glob.escape(str(place / k))}/**" for k in tops}


def _top(images: list[Parts]) -> Parts:
    """The folder that holds the splits or classes: one alone in another is gone into."""
    top: Parts = ()
    while True:
        names = {p[len(top) : len(top) + 1] for p in images}
        (name,) = names if len(names) == 1 else [()]
        if not name or is_split(name[0]) or any(len(p) < len(top) + 3 for p in images):
            return top
        top += name


def _splits(folder: Path, images: list[Parts]) -> dict[str, Parts]:
    """Split -> its folder, ``()`` where there is one split only, of images below ``folder``.

    Raises:
        ValueError: folders that may be splits as well as classes.
    """
    tops, deep = ({p[0] for p in images if len(p) > n} for n in (1, 2))
    splits = sorted(filter(is_split, tops), key=lambda name: [*SPLIT_OF].index(name.lower()))
    others = sorted(tops - set(splits))
    if deep.isdisjoint(splits) and (others or not tops):
        return {"train": ()}
    if bare := [name for name in splits if name not in deep]:
        raise ValueError(
            f"no class folders in {' and '.join(bare)} of {folder}, so its images have no labels: "
            "give each class a folder there, or move them elsewhere"
        )
    found: dict[str, Parts] = {SPLIT_OF[name.lower()]: (name,) for name in splits}
    for split, words in WORDS.items():
        if len(twice := [name for name in splits if name.lower() in words]) > 1:
            raise ValueError(
                f"{' and '.join(twice)} of {folder} are one split, {split}: put them together, or "
                "move one elsewhere"
            )
    alone = len(splits) == 1
    for name in others:
        if _LIKE.match(name) if name in deep else alone:
            raise ValueError(
                f"{folder} holds {splits[0]} and {name}, of which each may be a split or a class: "
                f"{_RENAME}"
            )
    return found


def _empty(
    folders: Sequence[Parts], images: list[Parts], used: list[Parts], read: Set[Parts], top: Parts
) -> list[Parts]:
    """Folders without images that may be meant as a class or a split.

    Args:
        folders: all of a data set.
        images: all of it.
        used: those that are read.
        read: the folders of splits, or ``top`` alone.
        top: the folder that holds the splits or classes.
    """
    holds = {p[:n] for p in images for n in range(len(p))}
    above, names = holds - {p[:-1] for p in used}, {p[-2] for p in used if p[1:]}
    found = []
    for p in sorted(folders):
        hidden = any(word.startswith((".", "__")) for word in p)
        if hidden or p in holds or p[:-1] not in above or p[-1] in names:
            continue
        is_class = read == {top} or any(p[: len(name)] == name for name in read)
        if is_class or (p[:-1] == top and is_split(p[-1])):
            found.append(p)
    return found


def _say_empty(folder: Path, empty: list[Parts]) -> None:
    one = "holds", "it is", "it"
    hold, they_are, them = one if len(empty) == 1 else ("hold", "they are", "them")
    if places := [str(Path(*p)) for p in empty]:
        warnings.warn(
            f"{folder}: {several(places)} {hold} no image that can be read, so {they_are} no class "
            f"and no split: put images there, or remove {them}",
            stacklevel=1,
        )


def _check_nested(folder: Path, images: list[Parts]) -> None:
    """Refuse classes in folders of their own that may be splits themselves."""
    for *above, own, _ in (p for p in images if len(p) > 2):
        if odd := [word for word in above if _LIKE.match(word)] + [own] * is_split(own):
            raise ValueError(
                f"{odd[0]} in {folder.joinpath(*above, own)} may be a split or a class: {_RENAME}"
            )


def _check_depth(folder: Path, used: list[Parts], read: set[Parts]) -> None:
    """Refuse images that lie beside class folders, or below one."""
    flat, deep = (end(used, key=len) for end in (min, max))
    if len(flat) < len(deep):
        raise ValueError(
            f"images of {folder} lie at {Path(*flat)} and, deeper, at {Path(*deep)}: each class is "
            "one folder, which holds its images: move one of them"
        )
    if flat[:-1] in read:
        raise ValueError(f"no class folders in {folder}: give each class a folder of its images")


def _check_classes(folder: Path, used: list[Parts], read: set[Parts]) -> None:
    """Refuse a class folder that is below several others, and one that is alone."""
    for top in read:
        below = {p[:-1] for p in used if p[: len(top)] == top}
        times = Counter(place[-1] for place in below)
        if twice := sorted(name for name, n in times.items() if n > 1):
            above = sorted({str(Path(*p[:-1])) for p in below if p[-1] == twice[0]})
            raise ValueError(
                f"{several(twice)} in {folder} {'are' if twice[1:] else 'is'} below "
                f"{several(above)}: which is the class? Give each class one folder, which holds "
                f"its images; {_RENAME}"
            )
    if len({p[-2] for p in used}) == 1:
        raise ValueError(
            f"{folder} has one class folder only, {Path(*used[0][:-1])}: a classifier needs images "
            "of 2 classes or more, each in one folder"
        )
