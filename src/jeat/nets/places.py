"""Where nets lie: in a run's checkpoints, in a file, in this package, on the hub."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jeat._support.checks import quoted
from jeat._support.files import check_not_home, expanded
from jeat._support.hub import pinned
from jeat._support.near import near
from jeat._support.shipped import shipped
from jeat._support.words import parted

__all__ = [
    "checkpoint_of", "checkpoints", "file_of", "hub_name", "named_twice", "newest", "place_of",
    "said_of_sweep", "shipped",
]  # fmt: skip

_IN_FOLDER = ("net.safetensors", "model.safetensors", "pytorch_model.bin")  # ours, the hub's
_SWEEP = "sweep.json"
_OF_TIMM = re.compile(r"^(timm:)?(hf-hub|hf_hub):")


def file_of(name_or_path: str | Path) -> Path:
    """The file that :func:`load` reads.

    Raises:
        FileNotFoundError: nothing of that name.
        SettingError: the home folder, or one that holds it.
    """
    if not isinstance(name_or_path, str | Path) or not str(name_or_path):
        raise FileNotFoundError(
            f"{quoted(name_or_path)} names no net; shipped nets: {', '.join(shipped()) or 'none'}"
        )
    check_not_home("a net", name_or_path)
    path = expanded(name_or_path)
    if found := [path / name for name in _IN_FOLDER if (path / name).is_file()]:
        return found[0]
    if path.is_dir():
        return checkpoint_of(path) / _IN_FOLDER[0]
    if path.is_file():
        return path
    if str(name_or_path) in shipped():
        return shipped()[str(name_or_path)]
    hub = pinned(hub_name(str(name_or_path)))
    if hub and not path.parent.exists():  # else a misspelt path
        return _of_hub(*hub)
    names = ", ".join(shipped()) or "none"
    hint = near(str(name_or_path), shipped()) or ";"
    raise FileNotFoundError(f"no net at {name_or_path}{hint} shipped nets: {names}")


def place_of(name: str) -> str:
    """Where a net or a run lies, the same in whatever words it is named; else the name itself.

    A run is where its newest net is. What is said of a net after its ``?`` is part of it.
    """
    place, said = parted(name)
    with suppress(OSError, ValueError):
        path = expanded(place)
        path = path if path.exists() else shipped().get(place, path)
        if path.exists():
            with suppress(FileNotFoundError):  # a run without a checkpoint yet
                path = file_of(path)
            place = str(path.resolve())
    return f"{place}?{json.dumps(said, sort_keys=True)}" if said else place


def named_twice(names: Iterable[str]) -> list[str]:
    """The first names of several that are of one net or run; none where each is another one."""
    places: dict[str, list[str]] = {}
    for name in names:
        places.setdefault(place_of(name), []).append(name)
    return next((same for same in places.values() if len(same) > 1), [])


def hub_name(name: str) -> str:
    """A hub id without what timm writes before it: ``hf-hub:``, ``hf_hub:``, ``timm:hf_hub:``."""
    return _OF_TIMM.sub("", name)


def _of_hub(name: str, commit: str | None) -> Path:
    """The file of a net in a repository of the hub, with its ``config.json`` beside it.

    Raises:
        FileNotFoundError: no commit, or nothing there.
    """
    if commit is None:
        raise FileNotFoundError(
            f"there is no {name} here; a net of the hub is named with its commit, as "
            f"{name}@COMMIT (40 digits, from huggingface.co/{name}/commits/main)"
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    try:
        with suppress(EntryNotFoundError):
            return Path(hf_hub_download(name, _IN_FOLDER[0], revision=commit))
        with suppress(EntryNotFoundError):  # weights whose layout is known need none
            hf_hub_download(name, "config.json", revision=commit)
        return Path(hf_hub_download(name, _IN_FOLDER[1], revision=commit))
    except (OSError, HfHubHTTPError) as error:
        raise FileNotFoundError(
            f"there is no {name}@{commit} here, and the hub gives no such net: it needs "
            f"{' or '.join(_IN_FOLDER[:2])}"
        ) from error


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run directory, in order."""
    return sorted(
        p for p in (run / "checkpoints").glob("*") if p.name.isascii() and p.name.isdecimal()
    )


def newest(run: Path) -> Path | None:
    """The last checkpoint of a run directory; None where there is none yet."""
    return next(reversed(checkpoints(run)), None)


def checkpoint_of(run: Path) -> Path:
    """The last checkpoint of a run directory.

    Raises:
        FileNotFoundError: there is none.
    """
    if (found := newest(run)) is None:
        raise FileNotFoundError(
            said_of_sweep(run)
            or f"{run} is no run directory: it holds no checkpoint; of a folder of the hub, "
            f"{' or '.join(_IN_FOLDER[1:])} is read"
            + f"; it hides the net {run} that comes with jeat: rename it" * (str(run) in shipped())
        )
    return found


def said_of_sweep(folder: Path) -> str:
    """What to name in the place of a sweep's folder; "" where it is none."""
    if not (folder / _SWEEP).is_file():
        return ""
    return f"{folder} is a sweep: name runs of it, such as {folder}/trials/*/*"
