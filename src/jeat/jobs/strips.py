"""Images before and after a walk, beside each other, with what the net says of them."""

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.words import numbers_of
from jeat.attacks import Counterfactual, Norm, counterfactual, length
from jeat.energy import joint_energy, marginal_energy
from jeat.figures import Cell, captioned, legible
from jeat.jobs.known import Known
from jeat.jobs.one_image import image_of, said_of
from jeat.nets import evaluating, spec_of

__all__ = [
    "attack_strips", "completed_strips", "counterfactual_strips", "counterfactuals_of",
]  # fmt: skip

TIMES = 10  # how much differences are enlarged


def counterfactuals_of(
    net: nn.Module, image: str, names: tuple[str, ...], *, confidence: float, steps: int
) -> tuple[Float[Tensor, "1 c h w"], Counterfactual, Int[Tensor, " b"]]:
    """An image, its counterfactuals of classes, and the classes.

    Args:
        net: of :func:`jeat.load`.
        image: as :func:`jeat.jobs.one_image.image_of` takes it.
        names: of the classes.
        confidence, steps: as :func:`jeat.attacks.counterfactual`.

    Raises:
        ValueError: no class, an unknown one or the image's own; as these two.
    """
    classes = spec_of(net).classes
    if not names:
        raise SettingError("a counterfactual needs a class to walk to: give --class")
    y = torch.tensor(numbers_of(names, classes))
    x = image_of(image, net)[0][None]
    p, own = said_of(net, x).softmax(1).max(1)
    if classes[int(own)] in names and float(p) >= confidence:
        raise ValueError(f"the net says {classes[int(own)]} of {image} already: name another class")
    at = next(net.parameters(), x).device
    with evaluating(net):
        found = counterfactual(
            net, x.expand(len(y), -1, -1, -1).to(at), y.to(at), confidence=confidence, steps=steps,
            classes=classes,
        )  # fmt: skip
    return x, found, y


def counterfactual_strips(
    net: nn.Module, x: Tensor, found: Counterfactual, y: Int[Tensor, " b"]
) -> Image.Image:
    """A row a class: the image, its counterfactual, the difference, with what the net says."""
    classes, x_cf = legible(spec_of(net).classes), found.x.cpu()
    before, after = said_of(net, x.expand_as(x_cf)), said_of(net, x_cf)
    change = (x_cf - x).abs().amax().clamp(min=1e-6)
    times = max(1, int(0.5 / change))
    rows = []
    for i, k in enumerate(y.tolist()):
        cells = [
            Cell(x[0], _towards(before[i], k, classes)),
            Cell(x_cf[i], _towards(after[i], k, classes)),
            Cell(_difference(x_cf[i] - x[0], times), f"l2 {float(found.length[i]):.3g}"),
        ]
        rows.append((f"to {classes[k]}", cells))
    enlarged = "difference" if times == 1 else f"difference x {times}"
    return captioned(rows, heads=("image", "counterfactual", enlarged), least=160)


def completed_strips(
    net: nn.Module, known: Known, images: Tensor, labels: Int[Tensor, " b"]
) -> Image.Image:
    """A row a class: what is known of an image, the drawn ones, and the whole where it is there."""
    classes, rows = legible(spec_of(net).classes), []
    shown = [known.shown, *([] if known.whole is None else [known.whole])]
    for k in dict.fromkeys(labels.tolist()):
        mine = images[labels == k]
        texts = [_towards(f, k, classes) for f in said_of(net, torch.stack([*shown, *mine]))]
        first, *last = [Cell(x, t) for x, t in zip(shown, texts, strict=False)]
        drawn = [Cell(x, t) for x, t in zip(mine, texts[len(shown) :], strict=True)]
        rows.append((classes[k], [first, *drawn, *last]))
    drawn_names = ["drawn"] * max(len(row) - len(shown) for _, row in rows)
    heads = ("known", *drawn_names, *(["image"] * (len(shown) - 1)))
    return captioned(rows, heads=heads, least=160)


def attack_strips(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    x_adv: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    classes: tuple[str, ...],
    norm: Norm,
) -> Image.Image:
    """A column an image: before, after, the difference ten times, with what the net says."""
    x, x_adv, y, classes = x.cpu(), x_adv.cpu(), y.cpu(), legible(classes)
    far = length(x_adv - x, norm)
    rows = []
    for name, images in (("before", x), ("after", x_adv)):
        said = zip(said_of(net, images), y.tolist(), strict=True)
        texts = [_of_label(logits, k, classes) for logits, k in said]
        rows.append((name, [Cell(*cell) for cell in zip(images, texts, strict=True)]))
    differences = [
        Cell(_difference(delta, TIMES), f"{norm} {float(d):.3g}")
        for delta, d in zip(x_adv - x, far, strict=True)
    ]
    rows.append((f"difference x {TIMES}", differences))
    return captioned(rows, heads=[classes[k] for k in y.tolist()], least=128)


def _difference(delta: Tensor, times: int) -> Tensor:
    """A difference as an image: grey is none."""
    return (0.5 + times * delta).clamp(0, 1)


def _towards(logits: Tensor, k: int, classes: tuple[str, ...]) -> str:
    """What a net says of an image, and the energy of a class that it is to be of."""
    return f"{_said(logits, classes, k)}\nE(x, {classes[k]}) {_number(-logits[k])}"


def _of_label(logits: Tensor, k: int, classes: tuple[str, ...]) -> str:
    """What a net says of an image, and its energies with the image's label."""
    y = torch.tensor([k])
    E, E_x = joint_energy(logits[None], y), marginal_energy(logits[None])
    return f"{_said(logits, classes)}\nE(x, y) {_number(E)}\nE(x) {_number(E_x)}"


def _number(E: Tensor) -> str:
    """Two decimals, and no -0.00."""
    return f"{round(float(E), 2) + 0.0:.2f}"


def _said(logits: Tensor, classes: tuple[str, ...], k: int | None = None) -> str:
    """The likeliest class and its probability, and that of another class ``k``."""
    p = logits.softmax(0)
    first = int(p.argmax())
    names = [first] if k is None or k == first else [first, k]
    return ", ".join(f"{classes[j]} {float(p[j]):.2f}" for j in names)
