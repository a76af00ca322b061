"""A folder as it was at the checkpoint that a run goes on from."""

import shutil
from pathlib import Path

from jeat._support.files import contents, parts_of, removed, whole_file
from jeat._support.sealed import bytes_sum
from jeat.nets.places import checkpoints, newest
from jeat.runs.checkpoints import manifest_of
from jeat.runs.drawn import pictures_after
from jeat.runs.rollbacks import rollbacks_of

__all__ = ["drop_leftovers", "drop_stale", "leftovers"]


def drop_stale(out: Path) -> None:
    """Remove what was saved and logged after the checkpoint that a run goes on from.

    And what was drawn since, and what a kill left half written or half removed.

    Raises:
        ValueError: a record, or a log up to that checkpoint, that is not as it was written.
    """
    drop_leftovers(out)
    for record in ("run.json", "log.jsonl", "rollbacks.jsonl"):
        for part in parts_of(out / record):
            part.unlink()
    past, found = rollbacks_of(out), checkpoints(out)
    if found and manifest_of(found[-1])["rollbacks"] > len(past):
        raise ValueError(
            f"{out / 'rollbacks.jsonl'} lacks what the run had gone back to when it saved "
            f"{found[-1]}: put it back, or begin anew elsewhere"
        )
    stale = [
        folder
        for folder in found
        if past and int(folder.name) > past[-1].to
        if manifest_of(folder)["rollbacks"] < len(past)
    ]
    lost = not found and past and past[-1].to
    if lost or (stale and all(int(folder.name) != past[-1].to for folder in found)):
        raise ValueError(
            f"{out / 'rollbacks.jsonl'} says that the run went back to iteration {past[-1].to}, "
            "of which there is no checkpoint: mend it, remove it, too, to begin from the start, or "
            "begin anew elsewhere"
        )
    for folder in stale:
        removed(folder)
    _cut(out / "log.jsonl", last := newest(out))
    for picture in pictures_after(out, 0 if last is None else int(last.name)):
        picture.unlink()


def leftovers(out: Path) -> list[Path]:
    """Checkpoints that a kill left half written or half removed, and those before the last two."""
    return [*(out / "checkpoints").glob("*.part"), *checkpoints(out)[:-2]]


def drop_leftovers(out: Path) -> None:
    """Remove :func:`leftovers`."""
    for place in leftovers(out):
        if place.suffix != ".part":
            removed(place)
        elif place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()


def _cut(log: Path, checkpoint: Path | None) -> None:
    """Drop what was logged after a checkpoint, or all.

    Raises:
        ValueError: what was logged before is not there as it was.
    """
    logged = contents(log)
    size, sum_ = manifest_of(checkpoint)["log"] if checkpoint else (0, bytes_sum(b""))
    if bytes_sum(logged[:size]) != sum_:
        raise ValueError(
            f"{log} is not what was logged up to {checkpoint}: put it back, or remove {checkpoint} "
            "to go on from an older checkpoint, or from the start"
        )
    if len(logged) > size:
        with whole_file(log) as part:
            part.write_bytes(logged[:size])
