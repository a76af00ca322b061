"""Landscape: the energies of several nets on one plane around a test image."""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from jeat._support.checks import SettingError, quoted
from jeat.app.chosen import preview
from jeat.app.given import Given, number, whole
from jeat.app.pieces import block, drawn, note
from jeat.app.turns import in_turns
from jeat.app.wiring import QUIET, buttons, connect, left_side, nets_menu, right_side
from jeat.figures.landscape import draw
from jeat.jobs.inputs import check_fit
from jeat.metrics import energy_on_plane, plane

__all__ = ["command", "energies", "show", "tab"]

MOST, FINEST = 4, 61  # nets, and points on a side
OUT = "plane.png"
ENERGIES = {"E(x, y)": "joint", "E(x)": "marginal"}
SAID = (
    "Drawn is E less E at the image. Darker is lower, the star is the image, the cross the lowest "
    "point. Both directions are random, and the same for all nets."
)


def command(
    given: Given, nets: object, index: object, radius: object, points: object, energy: object,
    seed: object,
) -> str:  # fmt: skip
    """``jeat landscape`` that draws the same.

    Raises:
        ValueError: a setting that means nothing.
    """
    names = [given.name(net) for net in _several(nets)]
    if energy not in ENERGIES.values():
        raise SettingError(f"choose an energy of the list, got {quoted(energy)}")
    values = {
        "index": whole("the number of the test image", index, 0, 2**31),
        "radius": f"{number('radius', radius, 1e-3, 1e3):g}",
        "points": whole("points", points, 3, FINEST),
        "energy": energy,
        "seed": whole("seed", seed, 0, 2**31),
    }
    words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    data = ["--data", given.data] if given.data else []
    return shlex.join(["jeat", "landscape", *names, OUT, *words, *data])


def energies(
    given: Given, nets: Sequence[str], index: int, radius: float, points: int, energy: str,
    seed: int,
) -> Iterator[tuple[str, Tensor]]:  # fmt: skip
    """Each net with its energies (points, points) on the plane.

    Raises:
        ValueError: nets of other images or classes; no such test image; NaN.
    """
    x, y, data = given.test_image(nets[0], index)
    directions = plane(x, seed=seed)
    for net in nets:
        check_fit(net, given.net(net), data)
        E = energy_on_plane(
            given.net(net), x, y if energy == "joint" else None, directions=directions,
            radius=radius, points=points,
        )  # fmt: skip
        yield net, E[0]


def show(
    given: Given, nets: list[str], index: int, radius: float, points: int, energy: str, seed: int
) -> Iterator[str]:
    """How far it is, then the panels: beside each other, or one below the other on a phone.

    Raises:
        ValueError: as :func:`command` and :func:`energies`.
    """
    command(given, nets, index, radius, points, energy, seed)  # refuses before any work
    found: dict[str, Tensor] = {}
    yield note(f"Net 1 of {len(nets)} ...")
    settings = (nets, int(index), float(radius), int(points), energy, int(seed))
    for net, E in in_turns(int(seed), energies(given, *settings)):
        found[net] = E
        yield note(f"Net {len(found) + 1} of {len(nets)} ...")
    symbol = next(k for k, name in ENERGIES.items() if name == energy)
    title = f"{symbol} around test image {index}"
    wide, narrow = (draw(found, radius=float(radius), columns=n) for n in (None, 1))
    yield block(title, drawn(wide, narrow, name=title), note(SAID))


def _several(nets: object) -> list[str]:
    """The names of nets, as the page sends them."""
    if not isinstance(nets, list) or not 1 <= len(nets) <= MOST:
        raise SettingError(f"choose 1 to {MOST} nets")
    return nets


def tab(given: Given) -> Any:
    """The view on the page; what is to be done when it is opened."""
    import gradio as gr

    with gr.Row():
        with left_side():
            nets = nets_menu(
                given, "Nets", value=list(given.nets)[:2], multiselect=True, max_choices=MOST
            )
            with gr.Row():
                with gr.Column(min_width=130):
                    index = gr.Number(0, label="Test image", precision=0)
                with gr.Column(min_width=130):
                    seen = gr.HTML(elem_classes="jeat-preview")
            energy = gr.Radio(list(ENERGIES.items()), value="joint", label="Energy")
            points = gr.Slider(11, FINEST, 25, step=2, label="Points on a side")
            with gr.Row():
                radius = gr.Number(2.0, label="Radius, pixel L2", min_width=90)
                seed = gr.Number(0, label="Seed", precision=0, min_width=90)
            begin, stop = buttons("Draw")
        inputs = [nets, index, radius, points, energy, seed]
        out = right_side(partial(command, given), inputs, "The same, by command")
    connect(partial(show, given), inputs, out, begin, stop)

    def looked(nets: list[str], index: object) -> str:
        return preview(given, nets[0], None, index) if nets else ""

    for changed in (nets, index):
        changed.change(looked, [nets, index], seen, **QUIET)
    return looked, [nets, index], seen
