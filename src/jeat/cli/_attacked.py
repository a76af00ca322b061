"""What an attack came to, as rows of tables: of many images, of one, and signs of masking."""

from typing import TYPE_CHECKING

from jeat._support.intervals import said, wilson

if TYPE_CHECKING:
    from torch import Tensor

    from jeat.metrics import Subject

__all__ = ["print_signs", "row", "row_of_one"]


def print_signs(masking: dict[str, float], name: str, images: int) -> None:
    """The figures of masked gradients, as a table."""
    from jeat.metrics import intervals_of
    from jeat.report import table

    known = intervals_of(name, masking, images)
    rows = [
        {"metric": k, "value": f"{v:.4g}", "95 %": said(known.get(k))} for k, v in masking.items()
    ]
    print(table(rows))


def row(s: "Subject", name: str, x: "Tensor", target: "Tensor | None") -> dict[str, object]:
    """What the net says of images: figures, and how far shares of images are known."""
    from jeat.metrics import accuracy, energies

    figures = energies(s.net, x, s.y)
    right, n = figures.pop("accuracy"), len(x)
    found = {"images": name, "accuracy": right, "95 %": said(wilson(right, n)), **figures}
    if target is not None:
        share = accuracy(s.net, x, target)
        found |= {"as the target": share, "95 % of these": said(wilson(share, n))}
    return found


def row_of_one(s: "Subject", name: str, x: "Tensor", target: "Tensor | None") -> dict[str, object]:
    """What the net says of an image: the class, how sure it is of it, and energies with its own."""
    from jeat.jobs.one_image import said_of
    from jeat.metrics import energies

    classes, figures = s.classes or (), energies(s.net, x, s.y)
    del figures["accuracy"]
    p = said_of(s.net, x).softmax(1)[0]
    found: dict[str, object] = {"image": name, "class": classes[int(s.y)]}
    found |= {"the net says": classes[int(p.argmax())], "probability": float(p.max()), **figures}
    if target is not None:
        found[f"probability of {classes[int(target)]}"] = float(p[int(target)])
    return found
