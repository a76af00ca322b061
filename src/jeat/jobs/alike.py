"""Several nets measured alike: what does not fit is said first, what fails is left out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jeat._support import processes
from jeat.data import load_data
from jeat.jobs.inputs import check_fit, data_of, net_of
from jeat.jobs.measurement import Measurement, check_ready, inputs_of, measure

__all__ = ["measure_alike"]

Show = Callable[[str, int, int, str], None]


def measure_alike(
    first: Measurement, nets: Mapping[str, str], *, show: Show = lambda *_: None
) -> tuple[dict[str, dict[str, Any]], dict[str, Exception]]:
    """What is found of each net, by its short name, and the errors of those that failed.

    Args:
        first: what is measured of the first net; the others are measured on the same images.
        nets: their whole names, by short ones.
        show: told ("measuring NET", done, total, metric), as by :func:`measure`.

    Raises:
        ValueError: as :func:`measure`, before any work where a net is none, or does not fit the
            data or the samples; later, where no net can be measured.
    """
    data = first.data
    if len(nets) > 1:
        data = _checked(first, nets)
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, Exception] = {}
    for name, whole in nets.items():
        m = first if whole == first.net else replace(first, net=whole, data=data)
        told = partial(_named, show, name) if len(nets) > 1 else show
        try:
            found[name] = measure(m, show=told)
        except Exception as error:  # of whatever kind: what others gave took minutes
            if len(nets) == 1 or processes.world() > 1:
                raise
            failed[name] = error
    if not found:
        raise next(iter(failed.values()))
    return found, failed


def _checked(first: Measurement, nets: Mapping[str, str]) -> str:
    """The data of all nets, each of which fits them and the samples."""
    check_ready(first)
    source = data_of(net_of(first.net)) if first.data is None else first.data
    data = load_data(source)
    for whole in nets.values():
        check_fit(whole, net_of(whole), data)
        inputs_of(replace(first, net=whole))
    return source


def _named(show: Show, net: str, stage: str, done: int, total: int, note: str = "") -> None:
    show(f"{stage} {net}", done, total, note)
