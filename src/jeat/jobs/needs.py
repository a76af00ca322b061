"""What a measurement needs beside a net and test images, looked at before it begins."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from torch import Tensor

from jeat._support.checks import SettingError
from jeat._support.plugins import constant_of, known_parts
from jeat._support.signatures import check_takes
from jeat.data import Data, load_data
from jeat.metrics import Subject, check_settings, find, outside_of
from jeat.metrics.out_of_distribution import Outside

__all__ = ["check_metrics", "check_outside", "outside_data", "outside_images"]

_SAMPLES = "--samples: a file of jeat sample NET FILE.safetensors, or a folder or .npz of images"
_FLAGS = {
    "samples": _SAMPLES,
    "sample_labels": _SAMPLES,
    "judge": "--judge, another net",
    "outside": f"--outside, a data set or one of {', '.join(get_args(Outside))}",
}


def check_metrics(
    metrics: Sequence[str], settings: Mapping[str, Mapping[str, Any]], **given: str | None
) -> None:
    """Raise where no net could be measured like this, before work that would be lost.

    Args:
        metrics: by name.
        settings: of each, by name.
        given: ``samples``, ``judge`` and ``outside``, by name.

    Raises:
        ValueError: an unknown metric, one that needs what was not given, or something given that
            none of them looks at.
        Exception: of a metric's own ``check``, as where a file is not there.
    """
    for metric in metrics:
        check_takes(find(metric), f"metric {metric!r}", "subject", **settings.get(metric, {}))
        for need in constant_of("metrics", metric, "needs") or ():
            if need in _FLAGS and given[need.replace("sample_labels", "samples")] is None:
                raise SettingError(f"{metric} needs {_FLAGS[need]}")
        own = settings.get(metric, {})
        either = constant_of("metrics", metric, "needs_either") or ()
        if either and not any(given.get(name) or own.get(name) for name in either):
            flags = [f"--{name}" if name in given else f"--{metric}.{name}" for name in either]
            raise SettingError(f"{metric} needs {', or '.join(flags)}")
        check_settings(metric, own)
    for name, value in given.items():
        if value is not None and not any(_looks_at(metric, name) for metric in metrics):
            looking = [metric for metric in known_parts("metrics") if _looks_at(metric, name)]
            raise SettingError(
                f"none of the metrics looks at --{name}: name one that does with --metrics: "
                f"{', '.join(looking)}"
            )


def _looks_at(metric: str, name: str) -> bool:
    """Whether a metric declares that it needs ``name``, alone or beside others."""
    needs = [*(constant_of("metrics", metric, "needs") or ())]
    return name in [*needs, *(constant_of("metrics", metric, "needs_either") or ())]


def check_outside(name: str | None, shape: tuple[int, ...]) -> None:
    """Raise where there are no out-of-distribution images of this shape by that name.

    Raises:
        ValueError: there are none.
    """
    if name is not None and name not in get_args(Outside):
        outside_data(name, shape)


def outside_data(name: str, shape: tuple[int, ...]) -> Data:
    """The data set ``name``, whose images are of the net's shape (C, H, W).

    Raises:
        ValueError: no such data set, or images of another shape.
    """
    data = load_data(name)
    if data.shape != shape:
        size = "x".join(map(str, shape[1:]))
        raise ValueError(
            f"--outside {name} has images of {data.shape}, those of the net are {shape}: bring "
            f"them to it by {name.partition('?')[0]}?size={size}"
        )
    return data


def outside_images(subject: Subject, name: str, number: int) -> Tensor:
    """At most ``number`` images of none of the classes: made of the subject's, or of a data set.

    Raises:
        ValueError: as :func:`outside_data`.
    """
    if name in get_args(Outside):
        return outside_of(subject.x, subject.y, kind=name)  # type: ignore[arg-type]
    shape = tuple(subject.x.shape[1:])
    return outside_data(name, shape).test.floats(number)[0].to(subject.x)
