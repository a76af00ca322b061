"""The samples that are measured: drawn ones, and what their figures are read by."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from jeat._support.passes import bare
from jeat.jobs.inputs import seed_all
from jeat.metrics import Subject
from jeat.nets import spec_of
from jeat.samplers import Uniform

__all__ = ["RULERS", "with_samples"]

RULERS = {"test": "test images", "start": "starts of its chains"}
"""By the word that stands in place of a file of samples: what they are."""


def with_samples(
    subject: Subject, name: str, drawn: tuple[Tensor, Tensor] | None, seed: int
) -> Subject:
    """The subject with samples and their labels.

    Args:
        subject: without samples.
        name: "test" is the test images themselves, "start" the states that chains of the net start
            from, of the labels of the test images, clamped to [0, 1].
        drawn: else images that a net drew, and their labels.
        seed: of the states.
    """
    x, y = subject.x, subject.y
    if name == "start":
        net: Any = bare(subject.net)
        start = getattr(net, "start", None) or Uniform(spec_of(net).shape)
        seed_all(seed)
        x = start(y).to(x).clamp(0, 1)
    elif name != "test" and drawn is not None:
        x, y = drawn[0].to(x), drawn[1].to(y)
    return replace(subject, samples=x, sample_labels=y)
