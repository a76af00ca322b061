"""Attack: one image before and after, the difference, probabilities and energies."""

import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from jeat._support.checks import SettingError, quoted
from jeat._support.passes import logits_of
from jeat._support.tensors import check_finite
from jeat.app.balls import BALLS, asked, first_ball, lengths
from jeat.app.chosen import Upload, aimed, chosen, preview
from jeat.app.given import Given, whole
from jeat.app.pieces import bars, block, energy_table, note, picture, pictures
from jeat.app.turns import in_turns
from jeat.app.wiring import QUIET, buttons, connect, left_side, nets_menu, right_side, slider
from jeat.attacks import pgd
from jeat.energy import joint_energy, marginal_energy

__all__ = ["command", "settings", "show", "tab"]

LONGEST = 100  # of steps
LOSSES = {"cross-entropy": "ce", "energy E(x, y)": "energy"}
LARGER, SHOWN = 10, 5  # how much the difference is enlarged, and classes that are listed
COLUMNS = ("clean", "attacked")


def settings(norm: object, eps: object, steps: object, loss: object) -> dict[str, Any]:
    """What the settings of the page mean, as :func:`jeat.attacks.pgd` takes them.

    A step is eps / 4, or eps / steps where that is longer, so that the whole ball can be reached.
    It is rounded up, so that a command says it in few digits.

    Args:
        norm: of the ball.
        eps: its radius, in the parts of :data:`BALLS`.
        steps: of the attack.
        loss: ``"ce"`` or ``"energy"``.

    Raises:
        ValueError: one of them means nothing.
    """
    radius, step = lengths(norm, eps, n := whole("the number of steps", steps, 1, LONGEST))
    if loss not in LOSSES.values():
        raise SettingError(f"choose a loss of the list, got {quoted(loss)}")
    parts = BALLS[str(norm)].parts
    return {
        "eps": radius / parts, "norm": norm, "steps": n, "step_size": step / parts, "loss": loss
    }  # fmt: skip


def command(
    given: Given, net: object, upload: Upload | None, index: Any, norm: object, eps: object,
    steps: object, loss: object,
) -> str:  # fmt: skip
    """``jeat attack`` that makes the same attack; errors as :func:`show`."""
    found = settings(norm, eps, steps, loss)
    _, label = aimed(given, net, upload, index)
    if upload is None:
        image = ["--from", f"test:{int(index)}", *(["--data", given.data] if given.data else [])]
    else:
        image = ["--from", upload.name, "--class", given.classes(net)[label]]
    ball = BALLS[found["norm"]]
    radius, step = lengths(norm, eps, found["steps"])
    words = ["--eps", ball.length(radius), "--norm", found["norm"], "--steps", str(found["steps"])]
    words += ["--step_size", ball.length(step), "--loss", found["loss"]]
    return shlex.join(["jeat", "attack", given.name(net), *image, *words])


def show(
    given: Given, net: object, upload: Upload | None, index: object, norm: object, eps: object,
    steps: object, loss: object,
) -> Iterator[str]:  # fmt: skip
    """Clean, attacked and difference; then what the net says of both.

    Raises:
        ValueError: as :func:`settings` and :func:`aimed`; a net that gives NaN.
    """
    found = settings(norm, eps, steps, loss)
    yield note("Attacking ...")
    x, label = aimed(given, net, upload, index)
    yield from in_turns(0, _attacked(given, net, x, label, found))


def _attacked(
    given: Given, net: object, x: Tensor, label: int, found: dict[str, Any]
) -> Iterator[str]:
    model, classes = given.net(net), given.classes(net)
    y = torch.tensor([label], device=x.device)
    x_adv = pgd(model, x, y, **found)
    with torch.no_grad():
        logits = logits_of(model, torch.cat([x, x_adv]))
    check_finite(logits, "the net's logits are NaN or infinite at {} images: try another net")
    names, true = [classes[k] for k in logits.argmax(1).tolist()], classes[label]
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


def tab(given: Given) -> None:
    """The view on the page."""
    import gradio as gr

    own_norm, own_eps = first_ball(given, next(iter(given.nets)))
    with gr.Row():
        with left_side():
            net = nets_menu(given)
            with gr.Row():
                with gr.Column(min_width=130):
                    index = gr.Number(0, label="Test image", precision=0)
                    upload = gr.UploadButton("Upload", type="filepath")
                    back = gr.Button("Back to the test image", visible=False)
                with gr.Column(min_width=130):
                    seen, held = gr.HTML(elem_classes="jeat-preview"), gr.State()
            norm = gr.Radio(list(BALLS), value=own_norm, label="Norm of the change")
            eps = slider(0, BALLS[own_norm].most, own_eps, **asked(own_norm))
            steps = slider(1, LONGEST, 20, step=1, label="Steps")
            loss = gr.Radio(list(LOSSES.items()), value="ce", label="What the attack climbs")
            begin, stop = buttons("Attack")
        inputs = [net, held, index, norm, eps, steps, loss]
        out = right_side(partial(command, given), inputs, "The same, by command")
    connect(partial(show, given), inputs, out, begin, stop)
    _take(given, net, index, upload, back, held, seen)

    def own(net: object, norm: str | None = None) -> tuple[str, Any]:
        norm, value = first_ball(given, net, norm)
        return norm, gr.Slider(value=value, maximum=BALLS[norm].most, **asked(norm))

    net.change(own, net, [norm, eps], queue=False, **QUIET)
    norm.input(own, [net, norm], [norm, eps], queue=False, **QUIET)


def _take(given: Given, net: Any, index: Any, upload: Any, back: Any, held: Any, seen: Any) -> None:
    """Let what is shown be what is attacked: an upload, were it one that is refused."""
    import gradio as gr

    def another(held: Upload | None, net: object) -> Upload | None:
        """What stays while another file is looked for: one that was refused does not."""
        try:
            chosen(given, net, held, 0)
        except Exception:
            return None
        return held

    upload.click(another, [held, net], held, **QUIET)
    upload.upload(Upload.of, upload, held, **QUIET)
    gr.on([index.change, back.click], lambda: None, None, held, **QUIET)
    held.change(lambda held: gr.Button(visible=held is not None), held, back, **QUIET)
    gr.on(None, partial(preview, given), [net, held, index], seen, **QUIET)
