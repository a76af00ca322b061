"""What was measured of a run, and lies in its folder: figures, and how each was found."""

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jeat._support.checks import DoubtWarning
from jeat._support.plugins import constant_of
from jeat._support.signatures import signature_of
from jeat.metrics import columns_of
from jeat.metrics import names as known_metrics
from jeat.nets import digest

__all__ = ["Kept", "kept_in"]


@dataclass(frozen=True)
class Kept:
    """A figure.

    Attributes:
        value: of it.
        how: what it was measured by: ``n`` images, ``data``, ``seed``, the settings of its metric
            as ``METRIC.SETTING``, and what else the metric needs.
    """

    value: float
    how: dict[str, Any]


def kept_in(run: Path) -> dict[str, Kept]:
    """The figures of ``jeat measure --out`` in a run's folder, as ``FILE.FIGURE``.

    Files of several nets are read for this one. What is damaged, or of other weights than the run
    has now, is left out with a warning.
    """
    kept: dict[str, Kept] = {}
    for file in sorted([*run.glob("*.json"), *run.glob("figures/*.json")]):
        try:
            if (record := _own(json.loads(file.read_text()), file, run)) is not None:
                kept |= {
                    f"{file.stem}.{name}": Kept(float(value), _how(record, name))
                    for name, value in record["figures"].items()
                }
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            _left_out(file, "is damaged", run)
    return kept


def _own(found: Any, file: Path, run: Path) -> dict[str, Any] | None:
    """What a file holds of a run's net; None where it is no measurement, or one of others."""
    several = found if isinstance(found, list) else [found]
    measured = [m for m in several if isinstance(m, dict) and isinstance(m.get("figures"), dict)]
    if not measured:
        return None
    own = measured if len(measured) == 1 else []
    with suppress(FileNotFoundError):  # a run whose checkpoints were removed
        weights = digest(str(run))
        own = [m for m in measured if m.get("inputs", {}).get("net_sha256") == weights]
    if not own:
        _left_out(file, f"is not of the weights that {run} has now", run)
    return own[0] if own else None


def _left_out(file: Path, why: str, run: Path) -> None:
    warnings.warn(f"{file} {why}, and is left out: measure {run} anew", DoubtWarning, stacklevel=2)


def _how(record: Mapping[str, Any], figure: str) -> dict[str, Any]:
    """What a figure of a measurement was found by."""
    settings: Mapping[str, Mapping[str, Any]] = record.get("settings", {})
    known = [m for m in settings if m in known_metrics()]
    by = [m for m in known if any(column.takes(figure) for column in columns_of(m))] or [*settings]
    needs = {
        need
        for m in by
        for constant in ("needs", "needs_either")
        for need in (m in known and constant_of("metrics", m, constant)) or ()
    }
    inputs = record.get("inputs", {})
    samples = inputs.get("samples")
    beside = {
        "samples": samples.get("what") if samples else record.get("drawn_by"),
        "judge": inputs.get("judge_sha256"),
        "outside": record.get("outside"),
        "train": record.get("compared"),
    }
    usual = {m: {f.name: f.default for f in signature_of("metrics", m).flags} for m in known}
    return {
        "n": record.get("counts", {}).get(figure, record.get("images")),
        "data": record.get("data"),
        "seed": record.get("seed"),
        **{f"{m}.{k}": v for m in by for k, v in {**usual.get(m, {}), **settings[m]}.items()},
        **{name: value for name, value in beside.items() if name in needs},
    }
