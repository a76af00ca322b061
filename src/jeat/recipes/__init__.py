"""Recipes: the paper's comparison, one data set a file, run by ``jeat reproduce FILE``.

Each file has ``suite(*, ...) -> Suite``, whose keyword-only arguments are its flags: what is
trained, and how it is measured. :func:`reproduce` carries it out.
"""

from collections.abc import Iterator
from pathlib import Path

from jeat._checks import SettingError
from jeat.metrics.sample_quality import reference_inception
from jeat.recipes._cost import cost
from jeat.recipes._models import models
from jeat.recipes._progress import Progress
from jeat.recipes._report import write
from jeat.recipes._smoke import smoke
from jeat.recipes._suite import Suite, work

__all__ = ["Progress", "Suite", "cost", "reproduce", "smoke"]


def reproduce(suite: Suite, out: Path, *, seeds: int) -> Iterator[Progress]:
    """Train what is missing, measure it, and write the report, into ``out``.

    ::

        OUT/report.html                 every table and figure, beside the paper's numbers
        OUT/results.json, tables.csv    the same numbers, with the command of each
        OUT/tables.md                   the tables in Markdown
        OUT/figures/*.png               Fig. 2 to 7
        OUT/judge/                      the run of the judge
        OUT/seed0/METHOD/               a run, its images (eq17.safetensors) and figures/*.json
        OUT/models/NAME-METHOD.*        nets to hand on and their cards, where the suite has a NAME

    A second call neither trains, draws nor measures what is there; it writes the report anew.

    Raises:
        ValueError: fewer than 1 seed, or a file where the folder should be.
        FileNotFoundError: Inception's weights are wanted and not there; nothing is trained then.
    """
    if seeds < 1:
        raise SettingError(f"--seeds must be at least 1, got {seeds}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give --out a folder")
    out = _as_seen_from_here(out)
    inception = suite.settings.get("sample_quality", {}).get("inception")
    if inception == "reference":
        reference_inception()
    elif inception is not None and not Path(inception).is_file():
        raise FileNotFoundError(f"no file of Inception's weights at {inception}")
    yield from work(suite, out, seeds=seeds)
    yield Progress("report", 0, 1)
    write(suite, out, seeds=seeds)
    if suite.models:
        models(suite, out)
    yield Progress("report", 1, 1)


def _as_seen_from_here(out: Path) -> Path:
    """One spelling of a folder, since commands hold it: relative where it lies below."""
    full = out.resolve()
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
