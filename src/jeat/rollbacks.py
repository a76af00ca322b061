"""Going back: which checkpoint a diverged run goes on from, and what changes (``rollbacks.jsonl``).

One line each: its number, the iteration that was reached, why it was given up, the checkpoint gone
back to (0 is the start), the settings from there on, and the SHA-256 of all these.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from jeat._checks import check_kind, check_not_negative
from jeat._files import contents, parts_of, removed, rewritten, whole
from jeat._sealed import bytes_sum, summed, unsummed
from jeat.checkpoint import checkpoints, newest
from jeat.health import DivergenceError
from jeat.plan import Plan
from jeat.state import manifest_of

__all__ = ["changed", "drop_stale", "roll_back", "rollbacks_of"]

_KINDS: dict[str, type] = {"to": int, "seed": int, "lr": float, "steps": int, "w_l2": float}


def rollbacks_of(out: Path) -> list[dict[str, Any]]:
    """The rollbacks of a run so far.

    Raises:
        ValueError: an unreadable record.
    """
    file = out / "rollbacks.jsonl"
    lines = contents(file).splitlines()
    try:
        records = [unsummed(json.loads(line)) for line in lines]
        for number, record in enumerate(records, 1):
            _check(record, number)
        return records
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}): mend it, or begin anew elsewhere"
        ) from error


def _check(record: dict[str, Any], number: int) -> None:
    """See that a record is the one of that number, and says where to go on, with which settings.

    Raises:
        ValueError, KeyError, TypeError: it does not.
    """
    settings = record["settings"]
    given = {"to": record["to"], "seed": settings["seed"], "lr": settings["lr"]} | settings
    for name, value in given.items():
        check_kind(name, value, _KINDS[name])
    check_not_negative(**given)
    if not (given["seed"] < 2**63 and 0 < given["lr"] <= 1e9 and given.get("steps", 1) >= 1):
        raise ValueError(f"no run goes on with {settings}")
    if record["number"] != number:
        raise ValueError("a record before it is lost")
    if record["to"] > record["iteration"]:
        raise ValueError("it went back to an iteration that was not reached")


def changed(plan: Plan, rollbacks: list[dict[str, Any]]) -> Plan:
    """The plan as it is after those rollbacks."""
    if not rollbacks:
        return plan
    settings = rollbacks[-1]["settings"]
    o = replace(plan.optimisation, seed=settings["seed"], lr=settings["lr"])
    own = {k: v for k, v in settings.items() if k in plan.objective}
    return replace(plan, optimisation=o, objective=plan.objective | own)


def roll_back(
    out: Path,
    plan: Plan,
    why: DivergenceError,
    iteration: int,
    past: list[dict[str, Any]],
    *,
    write: bool,
) -> None:
    """Record that a run goes back.

    It goes back to the newest checkpoint, or to the one before where it has been there already.

    Args:
        out: its directory.
        plan: as it was begun.
        why: what was seen.
        iteration: finished iterations.
        past: the rollbacks before.
        write: whether this process writes the record.

    Raises:
        DivergenceError: it went back ``plan.recovery.tries`` times already.
    """
    found = checkpoints(out)
    if found and past and int(found[-1].name) == past[-1]["to"] and len(found) > 1:
        found.pop()
    to = int(found[-1].name) if found else 0
    if len(past) >= plan.recovery.tries:
        kept = f"{out} keeps its checkpoint of iteration {to}" if to else "it has no checkpoint"
        raise DivergenceError(
            f"training diverged: {why}; gave up after going back {len(past)} times, {kept}: try "
            "a lower lr, clip, objective.clamp, more chain steps or objective.w_l2"
        )
    now, r = changed(plan, past), plan.recovery
    settings: dict[str, Any] = {
        "seed": (plan.optimisation.seed + 1_000_003 * (len(past) + 1)) % 2**63,
        "lr": now.optimisation.lr * r.lr,
    }
    if "buffer_size" in plan.objective:
        settings["steps"] = now.objective["steps"] + r.steps
        settings["w_l2"] = max(now.objective["w_l2"], r.w_l2)
    record = {
        "number": len(past) + 1, "iteration": iteration, "why": str(why), "to": to,
        "settings": settings,
    }  # fmt: skip
    if write:
        lines = "".join(json.dumps(summed(line)) + "\n" for line in [*past, record])
        rewritten(out / "rollbacks.jsonl", lines)


def drop_stale(out: Path) -> None:
    """Remove what was saved and logged after the checkpoint that a run goes on from.

    And what a kill left half written or half removed.

    Raises:
        ValueError: a record, or a log up to that checkpoint, that is not as it was written.
    """
    for part in (out / "checkpoints").glob("*.part"):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink()
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
        if past and int(folder.name) > past[-1]["to"]
        if manifest_of(folder)["rollbacks"] < len(past)
    ]
    lost = not found and past and past[-1]["to"]
    if lost or (stale and all(int(folder.name) != past[-1]["to"] for folder in found)):
        raise ValueError(
            f"{out / 'rollbacks.jsonl'} says that the run went back to iteration {past[-1]['to']}, "
            "of which there is no checkpoint: mend it, remove it, too, to begin from the start, or "
            "begin anew elsewhere"
        )
    for folder in stale:
        removed(folder)
    _cut(out / "log.jsonl", newest(out))


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
        with whole(log) as part:
            part.write_bytes(logged[:size])
