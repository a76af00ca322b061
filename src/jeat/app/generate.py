"""Generate: chains of one net, shown while they go, and a grid to keep."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from jeat._support.checks import SettingError, quoted
from jeat._support.plugins import known_parts
from jeat._support.words import numbers_of
from jeat.app.given import Given, number, whole
from jeat.app.pieces import block, download, joint, picture, pictures
from jeat.app.turns import in_turns
from jeat.app.wiring import QUIET, buttons, connect, left_side, nets_menu, right_side, slider
from jeat.jobs.chains import State, states
from jeat.jobs.drawing import Drawing
from jeat.jobs.pictures import named_grid
from jeat.samplers import Chain

__all__ = ["EVERY", "asked", "command", "show", "tab"]

EVERY = "every class"
MOST, LONGEST = 40, 500  # images at once, and steps
OUT = "pictures.png"


def asked(
    given: Given, net: object, kind: object, images: object, steps: object, step_size: object,
    noise: object, start: object, seed: object,
) -> Drawing:  # fmt: skip
    """What the settings of the page mean.

    Raises:
        ValueError: one of them means nothing, or the net knows no such class.
    """
    classes = given.classes(net)
    chosen = classes if kind == EVERY else (str(kind),)
    numbers_of(chosen, classes)
    if start not in _starts():
        raise SettingError(f"choose a start of the list, got {quoted(start)}")
    each = whole("the number of images", images, 1, MOST)
    if each * len(chosen) > MOST:
        raise ValueError(
            f"{each} images of {len(chosen)} classes are {each * len(chosen)}, and at most {MOST} "
            "are drawn at once: ask for fewer, or choose one class"
        )
    return Drawing(
        net=given.name(net),
        classes=() if kind == EVERY else chosen,
        number=each,
        steps=whole("the number of steps", steps, 1, LONGEST),
        step_size=number("the step size", step_size, 1e-6, 1e6),
        noise=number("the noise", noise, 0, 10),
        start=str(start),
        seed=whole("the seed", seed, 0, 2**31),
    )


def command(given: Given, *settings: Any) -> str:
    """``jeat sample`` that draws the same grid; arguments and errors as :func:`asked`."""
    return asked(given, *settings).command(OUT)


def show(given: Given, net: object, *settings: Any) -> Iterator[str]:
    """The chains step by step, at last with the grid of ``jeat sample`` to save.

    Arguments and errors as :func:`asked`, and those of chains that fail.
    """
    drawing = asked(given, net, *settings)
    classes = given.classes(net)
    for state in in_turns(drawing.seed, states(drawing, given.net(net))):
        shown = _shown(state, classes, int(drawing.steps))
        if state.step == drawing.steps:
            grid = named_grid(state.images, state.labels, classes)
            shown += download(grid, OUT, "Save as PNG")
        yield shown


def _shown(state: State, classes: tuple[str, ...], steps: int) -> str:
    """The images of a state, each with its class and energy."""
    named = zip(state.images, state.labels.tolist(), state.energies.tolist(), strict=True)
    figures = [picture(x, classes[k], joint(E)) for x, k, E in named]
    return block(f"Step {state.step} of {steps}", pictures(figures))


def own_chain(given: Given, net: str) -> tuple[int, float, float]:
    """Steps, step size and noise that a net's file asks for."""
    chain: Chain = getattr(given.net(net), "chain", None) or Chain()
    noise = math.sqrt(2 * chain.step_size) if chain.noise is None else chain.noise
    return min(chain.steps, LONGEST), chain.step_size, noise


def _starts() -> list[str]:
    """What chains may start from: the net's own first."""
    return ["own", *known_parts("samplers/starts")]


def _kinds(given: Given, net: str) -> list[str]:
    """What may be chosen: all classes first, where so many images are drawn at once."""
    classes = given.classes(net)
    return [*([EVERY] if len(classes) <= MOST else []), *classes]


def tab(given: Given) -> None:
    """The view on the page."""
    import gradio as gr

    first = next(iter(given.nets))
    length, size, sigma = own_chain(given, first)
    kinds = _kinds(given, first)
    with gr.Row():
        with left_side():
            net = nets_menu(given)
            kind = gr.Dropdown(kinds, value=kinds[0], label="Class")
            images = slider(1, MOST, 1, step=1, label="Images of each class")
            steps = slider(1, LONGEST, length, step=1, label="Steps")
            with gr.Row():
                step_size = gr.Number(size, label="Step size", min_width=90)
                noise = gr.Number(sigma, label="Noise", min_width=90)
                seed = gr.Number(0, label="Seed", precision=0, min_width=90)
            start = gr.Dropdown(_starts(), value="own", label="Start of the chains")
            begin, stop = buttons("Draw")
        inputs = [net, kind, images, steps, step_size, noise, start, seed]
        out = right_side(partial(command, given), inputs, "The same, by command")
    connect(partial(show, given), inputs, out, begin, stop)

    def chosen(net: str) -> list[Any]:
        kinds = _kinds(given, net)
        return [gr.Dropdown(kinds, value=kinds[0]), *own_chain(given, net)]

    net.change(chosen, net, [kind, steps, step_size, noise], queue=False, **QUIET)
