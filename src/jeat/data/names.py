"""Names of data sets: whole, with the commit of what is of the hub, and where they lie."""

import os
from dataclasses import replace
from pathlib import Path

from jeat._support.checks import SettingError
from jeat._support.files import expanded
from jeat._support.hub import hub_data, misnamed, newest_commit
from jeat._support.plugins import brought_parts, known_parts
from jeat._support.reading import reading_of

__all__ = ["absolute", "fixed", "place_of", "settled", "whole"]


def settled(source: str, *, before: str | None = None) -> str:
    """The whole name of a data set, with its commit where it is read from the hub.

    Where no commit is named or known, the hub is asked for its newest one, once.

    Args:
        source: as :func:`load_data` takes it.
        before: a name that was settled before: it is what ``source`` names, but for the commit.

    Raises:
        FileNotFoundError: no such data set, or the hub cannot be reached.
    """
    name, how = reading_of(source)
    if before is not None:
        former, read = reading_of(before)
        if how == read and _is_path(name) and Path(former).resolve() == expanded(name).resolve():
            return before
        pair = hub_data(name), hub_data(former)
        if all(pair) and "@" not in name and how == read:
            given, known = (str(replace(hub, commit=None)) for hub in pair if hub)
            if given == known:
                return before
    return how.of(whole(name))


def absolute(source: str) -> str:
    """A data set that lies in a folder or file here, by its whole path; others by their name."""
    name, how = reading_of(source)
    return how.of(str(expanded(name).resolve())) if _is_path(name) else source


def _is_path(name: str) -> bool:
    """Whether a source is named by where it lies."""
    return bool(name) and name not in known_parts("data/sources") and expanded(name).exists()


def fixed(source: str) -> str:
    """A data set that no record of a run names, and that must be the same when it is resumed.

    Raises:
        SettingError: it is of the hub, and its commit is neither named nor known.
    """
    hub = hub_data(reading_of(source)[0])
    if hub and not hub.commit and (whole := settled(source)) != source:
        raise SettingError(f"data of a branch must be named with a commit, such as {whole}")
    return source


def whole(name: str) -> str:
    """A source with its commit, where it is of the hub; :func:`settled` says more."""
    hub, path = hub_data(name), place_of(name)
    known = path.exists() or name in brought_parts("data/sources")
    if hub is None and not known and (said := misnamed(name)):
        raise SettingError(said)
    if hub is None or path.exists() or (not hub.short and path.parent.is_dir()):
        return name  # else a misspelt path
    return str(replace(hub, commit=hub.commit or newest_commit(hub.name)))


def place_of(source: str) -> Path:
    """Where a source lies: its path, or the folder of ``$JEAT_DATA`` that stands for the hub's."""
    path, hub = expanded(source), hub_data(source)
    if path.exists() or hub is None:
        return path
    mirror = expanded(os.environ.get("JEAT_DATA") or "/nowhere")
    places = [mirror / name for name in (hub.short, hub.name.split("/")[1]) if name]
    return next((place for place in places if place.is_dir()), path)
