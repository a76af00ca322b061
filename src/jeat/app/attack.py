"""Attack: one image before and after, the difference, probabilities and energies."""

import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jeat._support.checks import SettingError, quoted
from jeat._support.passes import logits_of
from jeat._support.tensors import check_finite
from jeat.app.chosen import chosen, decode, preview
from jeat.app.given import Given, number, whole
from jeat.app.pieces import bars, block, energy_table, note, picture, pictures, refusal
from jeat.app.turns import in_turns
from jeat.app.wiring import QUIET, buttons, connect, left_side, nets_menu, right_side
from jeat.attacks import pgd
from jeat.energy import joint_energy, marginal_energy

__all__ = ["command", "settings", "show", "tab"]

WHOLE, MOST, LONGEST = 255, 64, 100  # of eps: its unit and most; of steps
LOSSES = {"cross-entropy": "ce", "energy E(x, y)": "energy"}
LARGER, SHOWN = 10, 5  # how much the difference is enlarged, and classes that are listed
COLUMNS = ("clean", "attacked")


def settings(eps: object, steps: object, loss: object) -> dict[str, Any]:
    """What the settings of the page mean, as :func:`jeat.attacks.pgd` takes them.

    A step is eps / 4, or eps / steps where that is longer, so that the whole ball can be reached.

    Args:
        eps: in 255ths of the range of pixels.
        steps: of the attack.
        loss: ``"ce"`` or ``"energy"``.

    Raises:
        ValueError: one of them means nothing.
    """
    radius = number("eps", eps, 0, MOST) / WHOLE
    n = whole("the number of steps", steps, 1, LONGEST)
    if loss not in LOSSES.values():
        raise SettingError(f"choose a loss of the list, got {quoted(loss)}")
    return {"eps": radius, "steps": n, "step_size": radius / min(n, 4), "loss": loss}


def command(
    given: Given, net: object, picture: object, index: object, eps: object, steps: object,
    loss: object,
) -> str:  # fmt: skip
    """``jeat attack`` that attacks test images so; errors as :func:`settings`."""
    found = settings(eps, steps, loss)
    of = f"/{WHOLE}"
    words = ["--eps", f"{found['eps'] * WHOLE:g}{of}", "--steps", str(found["steps"])]
    words += ["--step_size", f"{found['step_size'] * WHOLE:.4g}{of}", "--loss", found["loss"]]
    data = ["--data", given.data] if given.data else []
    return shlex.join(["jeat", "attack", given.name(net), *words, *data])


def show(
    given: Given, net: object, uploaded: np.ndarray | None, index: object, eps: object,
    steps: object, loss: object,
) -> Iterator[str]:  # fmt: skip
    """Clean, attacked and difference; then what the net says of both.

    Raises:
        ValueError: as :func:`settings` and :func:`chosen`; a net that gives NaN.
    """
    found = settings(eps, steps, loss)
    yield note("Attacking ...")
    yield from in_turns(0, _attacked(given, net, uploaded, index, found))


def _attacked(
    given: Given, net: object, uploaded: np.ndarray | None, index: object, found: dict[str, Any]
) -> Iterator[str]:
    model, classes = given.net(net), given.classes(net)
    x, label = chosen(given, net, uploaded, index)
    with torch.no_grad():
        said = int(logits_of(model, x).argmax())
    y = torch.tensor([said if label is None else label], device=x.device)
    x_adv = pgd(model, x, y, **found)
    with torch.no_grad():
        logits = logits_of(model, torch.cat([x, x_adv]))
    check_finite(logits, "the net's logits are NaN or infinite at {} images: try another net")
    names, true = [classes[k] for k in logits.argmax(1).tolist()], classes[int(y)]
    difference = (0.5 + LARGER * (x_adv - x)).clamp(0, 1)
    yield block(
        f"{true}: {_outcome(names, true)}",
        pictures(
            [
                picture(x[0], "clean", f"the net says {names[0]}"),
                picture(x_adv[0], "attacked", f"the net says {names[1]}"),
                picture(difference[0], f"difference x {LARGER}", "grey is none"),
            ],
            across=3,
        ),
        _said(logits, y, classes),
    )


def _outcome(names: list[str], true: str) -> str:
    """What became of an image whose class is ``true``, by what the net says before and after."""
    if names[0] != true:
        return "the net is wrong without an attack"
    return "the net withstands the attack" if names[1] == true else "the attack fools the net"


def _said(logits: Tensor, y: Tensor, classes: tuple[str, ...]) -> str:
    """Probabilities of the classes that either image has most of, and both energies."""
    p = logits.softmax(1)
    top = p.amax(0).topk(min(SHOWN, len(classes))).indices.tolist()
    E = {
        f"E(x, {classes[int(y)]})": joint_energy(logits, y.expand(2)).tolist(),
        "E(x)": marginal_energy(logits).tolist(),
    }
    shares = {classes[k]: p[:, k].tolist() for k in top}
    return bars(shares, COLUMNS) + energy_table(E, COLUMNS)


def tab(given: Given) -> Any:
    """The view on the page; what is to be done when it is opened."""
    import gradio as gr

    with gr.Row():
        with left_side():
            net = nets_menu(given)
            with gr.Row():
                with gr.Column(min_width=130):
                    index = gr.Number(0, label="Test image", precision=0)
                    upload = gr.UploadButton("Upload", type="binary", file_types=["image"])
                with gr.Column(min_width=130):
                    seen, uploaded = gr.HTML(elem_classes="jeat-preview"), gr.State()
            eps = gr.Slider(0, MOST, 8, step=0.5, label="eps, in 255ths of the range of pixels")
            steps = gr.Slider(1, LONGEST, 20, step=1, label="Steps")
            loss = gr.Radio(list(LOSSES.items()), value="ce", label="What the attack climbs")
            begin, stop = buttons("Attack")
        inputs = [net, uploaded, index, eps, steps, loss]
        out = right_side(partial(command, given), inputs, "The same attack on 1000 test images")
    connect(partial(show, given), inputs, out, begin, stop)

    def took(data: bytes | None, net: object, index: object) -> tuple[np.ndarray | None, str]:
        try:
            pixels = decode(data)
        except Exception as error:
            return None, refusal(error)
        return pixels, preview(given, net, pixels, index)

    def looked(net: object, index: object) -> tuple[None, str]:
        return None, preview(given, net, None, index)

    upload.upload(took, [upload, net, index], [uploaded, seen], **QUIET)
    index.change(looked, [net, index], [uploaded, seen], **QUIET)
    net.change(partial(preview, given), [net, uploaded, index], seen, **QUIET)
    return partial(preview, given), [net, uploaded, index], seen
