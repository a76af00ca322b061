"""The samples that are measured: drawn ones, anyone's images, and what they are compared by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from jeat._support.checks import SettingError
from jeat._support.files import expanded
from jeat._support.plugins import constant_of
from jeat._support.reading import reading_of
from jeat._support.sealed import seal_of
from jeat.data.loose import loose_images
from jeat.data.sizes import all_fitted
from jeat.jobs.drawing import drawer
from jeat.jobs.image_files import load_images
from jeat.jobs.inputs import net_of, seed_all
from jeat.metrics import Subject
from jeat.nets import spec_of
from jeat.sampling import own_start

__all__ = ["RULERS", "Drawn", "drawn_of", "with_samples"]

RULERS = {"test": "test images", "start": "starts of its chains"}
"""By the word that stands in place of a file of samples: what they are."""


@dataclass(frozen=True)
class Drawn:
    """Images that somebody drew.

    Attributes:
        images: (N, C, H, W) in [0, 1].
        labels: their classes, where they are known.
        inputs: what they are, wherever the file lies.
        by: the net that drew them, or which images they are, where nobody says.
        command: that drew them, where it is known.
        size: that they were brought to, "" where they are as they were.
    """

    images: Tensor
    labels: Tensor | None
    inputs: Mapping[str, str]
    by: str
    command: str | None = None
    size: str = ""

    def warned_of(self, net: str, digest: str) -> list[str]:
        """What makes them other than drawn by the net that is measured, of SHA-256 ``digest``."""
        of_size = f"the samples were brought to {self.size} pixels, and their figures are of that"
        return self._not_of(net, digest) + [of_size] * bool(self.size)

    def _not_of(self, net: str, digest: str) -> list[str]:
        """A line where nothing says that the net drew them."""
        drew = self.inputs.get("net_sha256")
        if drew is None:
            return [
                f"the samples are {self.by}, and nothing says who drew them: their figures are of "
                f"{net} only if it did"
            ]
        if drew == digest:
            return []
        return [
            f"the samples are of another net than {net}: {self.by} drew them (SHA-256 {drew[:8]}), "
            "and their figures are of it"
        ]


def drawn_of(name: str, net: str) -> Drawn:
    """Samples of a file of ``jeat sample``, or of a folder or ``.npz`` of anyone's images.

    Args:
        name: of the file or folder, which may say how it is read, as ``photos?size=32``.
        net: which knows the classes that folders may be named by, and the shape of images.

    Raises:
        ValueError: no samples, or images of another shape than the net's.
        FileNotFoundError: no such file.
    """
    source, how = reading_of(name)
    if odd := [k for k in ("label", "labels_per_class", "validation") if getattr(how, k)]:
        raise SettingError(f"{odd[0]} goes with data, and samples have none: leave it out")
    place, spec = expanded(source), spec_of(net_of(net))
    size = "x".join(map(str, how.size or ()))
    if place.is_dir() or place.suffix.lower() == ".npz":
        x, y, about = loose_images(place, spec.classes, how)
        if x.shape[1] == 1:
            x = x.expand(-1, spec.channels, -1, -1)
        seal = seal_of({}, {"images": x} | ({} if y is None else {"labels": y}))
        inputs = {"images_sha256": seal} | about
    else:
        images, y, about = load_images(place)
        x = (images * 255).round().byte()
        x = x if how.size is None else all_fitted(x, how.size)
        inputs = about | ({"size": size} if size else {})
    _check_shape(name, tuple(x.shape[1:]), net, spec.shape)
    command = inputs.pop("command", None)
    by = drawer(command) if command else f"images of {source}"
    return Drawn(x.float() / 255, y, inputs, by, command, size)


def _check_shape(name: str, got: tuple[int, ...], net: str, own: tuple[int, ...]) -> None:
    """Refuse images of another shape (C, H, W) than the net's."""
    if got == own:
        return
    shapes, size = ("x".join(map(str, shape)) for shape in (got, own)), "x".join(map(str, own[1:]))
    what = f"{name} has images of {{}}, those of {net} are {{}}".format(*shapes)
    if got[0] != own[0]:
        raise ValueError(f"{what}: convert them to {own[0]} channel{'s' * (own[0] > 1)} first")
    raise ValueError(f"{what}: bring them to it by --size {size}")


def with_samples(
    subject: Subject, name: str, drawn: Drawn | None, metrics: Sequence[str], seed: int
) -> Subject:
    """The subject with samples and their labels.

    Args:
        subject: without samples.
        name: "test" is the test images themselves, "start" the states that chains of the net start
            from, of the labels of the test images, clamped to [0, 1].
        drawn: else images that somebody drew.
        metrics: that look at them.
        seed: of the states.

    Raises:
        ValueError: a metric needs labels, and the images have none.
    """
    x: Tensor = subject.x
    y: Tensor | None = subject.y
    if name == "start":
        start = own_start(subject.net)
        seed_all(seed)
        x = start(subject.y).to(x).clamp(0, 1)
    elif name != "test" and drawn is not None:
        y = None if drawn.labels is None else drawn.labels.to(subject.y)
        x = drawn.images.to(x)
    for metric in metrics:
        if y is None and "sample_labels" in (constant_of("metrics", metric, "needs") or ()):
            raise SettingError(
                f"{metric} needs the class of each sample, which {name} does not say: put images "
                "into folders named as classes of the net, or labels into the .npz"
            )
    return replace(subject, samples=x, sample_labels=y)
