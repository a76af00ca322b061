"""Landscape: the energies of several nets on one plane around a test image."""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from jeat._support.checks import SettingError, quoted
from jeat._support.words import flags
from jeat.app.chosen import preview
from jeat.app.given import Given, number, whole
from jeat.app.pieces import block, drawn, note, refusal
from jeat.app.turns import TURN, in_turns
from jeat.app.wiring import (
    QUIET,
    buttons,
    connect,
    left_out,
    left_side,
    nets_menu,
    right_side,
    slider,
)
from jeat.figures.landscape import draw
from jeat.metrics import energy_on_plane, plane

__all__ = ["asked", "command", "energies", "show", "tab"]

MOST, FINEST = 4, 61  # nets, and points on a side
OUT = "plane.png"
ENERGIES = {"E(x, y)": "joint", "E(x)": "marginal"}
SAID = (
    "The colours show E minus E at the image. Darker is lower, the star is the image, the cross "
    "the lowest point. Both directions are random, and the same for all nets."
)


def asked(
    nets: object, index: object, radius: object, points: object, energy: object, seed: object
) -> dict[str, Any]:
    """What the settings of the page mean, by the names of flags; ``nets`` are as the page has them.

    Raises:
        ValueError: one of them means nothing.
    """
    if energy not in ENERGIES.values():
        raise SettingError(f"choose an energy of the list, got {quoted(energy)}")
    return {
        "nets": _several(nets),
        "index": whole("the number of the test image", index, 0, 2**31),
        "radius": number("the radius", radius, 1e-3, 1e3),
        "points": _odd(points),
        "energy": energy,
        "seed": whole("the seed", seed, 0, 2**31),
    }


def command(given: Given, *settings: Any) -> str:
    """``jeat landscape`` that draws the same; arguments and errors as :func:`show`."""
    found, out = _drawn(given, asked(*settings))
    names = [given.name(net) for net in found.pop("nets")]
    words = [word for name, value in found.items() for word in flags(name, value)]
    data = ["--data", given.data] if given.data else []
    return left_out(shlex.join(["jeat", "landscape", *names, OUT, *words, *data]), out)


def _drawn(given: Given, wanted: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings with the nets that fit the test images, and why others do not.

    Raises:
        ValueError: none fits, or there is no such test image.
    """
    out = given.misfits(wanted["nets"])
    fit = [net for net in wanted["nets"] if net not in out]
    given.test_image(fit[0], wanted["index"])
    return wanted | {"nets": fit}, out


def energies(
    given: Given, *, nets: Sequence[str], index: int, radius: float, points: int, energy: str,
    seed: int,
) -> Iterator[tuple[str, Tensor]]:  # fmt: skip
    """Each net with its energies (points, points) on the plane.

    Raises:
        ValueError: no such test image; NaN.
    """
    x, y, _ = given.test_image(nets[0], index)
    on_plane = partial(
        energy_on_plane, x=x, y=y if energy == "joint" else None, directions=plane(x, seed=seed),
        radius=radius, points=points,
    )  # fmt: skip
    for net in nets:
        yield net, on_plane(given.net(net))[0]


def show(given: Given, *settings: Any) -> Iterator[str]:
    """How far it is, then the panels: beside each other, or one below the other on a phone.

    Raises:
        ValueError: as :func:`asked` and :func:`energies`.
    """
    (wanted, out), found = _drawn(given, asked(*settings)), dict[str, Tensor]()
    yield note(f"Net 1 of {len(wanted['nets'])} ...")
    for net, E in in_turns(wanted["seed"], energies(given, **wanted)):
        found[net] = E
        yield note(f"{len(found)} of {len(wanted['nets'])} nets are done ...")
    symbol = next(k for k, name in ENERGIES.items() if name == wanted["energy"])
    title = f"{symbol} around test image {wanted['index']}"
    with TURN:
        wide, narrow = (draw(found, radius=wanted["radius"], columns=n) for n in (None, 1))
        shown = drawn(wide, narrow, name=title)
    yield block(title, shown, note(SAID), *(refusal(ValueError(said)) for said in out.values()))


def _odd(points: object) -> int:
    """How many points a side has: one is the image."""
    n = whole("the number of points on a side", points, 3, FINEST)
    if n % 2 == 0:
        raise SettingError(f"the number of points on a side must be odd, got {n}")
    return n


def _several(nets: object) -> list[str]:
    """The names of nets, as the page sends them."""
    if not isinstance(nets, list) or not 1 <= len(nets) <= MOST:
        raise SettingError(f"choose 1 to {MOST} nets")
    if len(set(map(str, nets))) < len(nets):
        raise SettingError("a net is chosen twice")
    return nets


def tab(given: Given) -> None:
    """The view on the page."""
    import gradio as gr

    with gr.Row():
        with left_side():
            nets = nets_menu(
                given, "Nets", value=given.like_the_first(2), multiselect=True, max_choices=MOST
            )
            with gr.Row():
                with gr.Column(min_width=130):
                    index = gr.Number(0, label="Test image", precision=0)
                with gr.Column(min_width=130):
                    seen = gr.HTML(elem_classes="jeat-preview")
            energy = gr.Radio(list(ENERGIES.items()), value="joint", label="Energy")
            points = slider(11, FINEST, 25, step=2, label="Points on a side")
            with gr.Row():
                radius = gr.Number(2.0, label="Radius, pixel L2", min_width=90)
                seed = gr.Number(0, label="Seed", precision=0, min_width=90)
            begin, stop = buttons("Draw")
        inputs = [nets, index, radius, points, energy, seed]
        out = right_side(partial(command, given), inputs, "The same, by command")
    connect(partial(show, given), inputs, out, begin, stop)

    def looked(nets: list[str], index: object) -> str:
        return preview(given, nets[0], None, index) if nets else ""

    gr.on(None, looked, [nets, index], seen, **QUIET)
