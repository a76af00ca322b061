"""Compare: the same classes by several nets, side by side, from the same seed."""

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from typing import Any

from jeat._support.checks import SettingError
from jeat._support.words import no_class
from jeat.app.given import Given, whole
from jeat.app.pieces import block, joint, picture, pictures, refusal
from jeat.app.turns import in_turns
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
from jeat.jobs.chains import State, states
from jeat.jobs.drawing import Drawing

__all__ = ["asked", "command", "show", "tab", "together"]

MOST, EACH, LONGEST = 4, 8, 500  # nets, images of a net, steps


def asked(
    given: Given, nets: object, kind: object, images: object, steps: object, seed: object
) -> dict[str, Drawing]:
    """A drawing a net, by the step size, noise and start of its own file.

    Raises:
        ValueError: a setting that means nothing, or a class that none of the nets knows.
    """
    if not isinstance(nets, list) or not 1 <= len(nets) <= MOST:
        raise SettingError(f"choose 1 to {MOST} nets")
    if len(out := _ignorant(given, nets, kind)) == len(nets):
        raise ValueError(out[nets[0]])
    return {
        net: Drawing(
            net=given.name(net),
            classes=(str(kind),),
            number=whole("the number of images", images, 1, EACH),
            steps=whole("the number of steps", steps, 1, LONGEST),
            seed=whole("the seed", seed, 0, 2**31),
        )
        for net in nets
    }


def _ignorant(given: Given, nets: list[str], kind: object) -> dict[str, str]:
    """Those of the nets that do not know a class, and what is said of them."""
    known = {net: given.classes(net) for net in nets}
    return {net: f"{net}: {no_class(str(kind), k)}" for net, k in known.items() if kind not in k}


def command(given: Given, nets: Any, kind: object, *settings: Any) -> str:
    """``jeat sample``, a line a net that can draw; arguments and errors as :func:`asked`."""
    drawings, out = asked(given, nets, kind, *settings), _ignorant(given, nets, kind)
    able = enumerate((d for net, d in drawings.items() if net not in out), 1)
    return left_out("\n".join(d.command(f"pictures-{i}.png") for i, d in able), out)


def together(given: Given, drawings: dict[str, Drawing]) -> Iterator[dict[str, State | Exception]]:
    """The chains of all nets after the same number of steps; an error from where one fails.

    They end where all have failed.
    """
    chains = {
        net: _or_error(in_turns(d.seed, states(d, given.net(net)))) for net, d in drawings.items()
    }
    for found in zip(*chains.values(), strict=False):
        yield dict(zip(drawings, found, strict=True))
        if all(isinstance(state, Exception) for state in found):
            return


def _or_error(chain: Iterator[State]) -> Iterator[State | Exception]:
    """A chain, and its error again and again where it fails."""
    try:
        yield from chain
    except Exception as error:  # whatever a net of anyone's raises
        yield from repeat(error)


def show(given: Given, *settings: Any) -> Iterator[str]:
    """The images of each net, step by step; arguments and errors as :func:`asked`."""
    drawings = asked(given, *settings)
    for found in together(given, drawings):
        yield "".join(_shown(net, state, given.classes(net)) for net, state in found.items())


def _shown(net: str, state: State | Exception, classes: tuple[str, ...]) -> str:
    """The images of a net, each with its class and energy, or why there are none."""
    if isinstance(state, Exception):
        return block(net, refusal(state))
    named = zip(state.images, state.labels.tolist(), state.energies.tolist(), strict=True)
    figures = [picture(x, classes[k], joint(E)) for x, k, E in named]
    return block(f"{net}, step {state.step}", pictures(figures))


def tab(given: Given) -> None:
    """The view on the page."""
    import gradio as gr

    names = given.like_the_first(3)
    with gr.Row():
        with left_side():
            nets = nets_menu(given, "Nets", value=names, multiselect=True, max_choices=MOST)
            classes = given.classes(names[0])
            kind = gr.Dropdown(list(classes), value=classes[0], label="Class")
            images = slider(1, EACH, 4, step=1, label="Images of each net")
            steps = slider(1, LONGEST, 40, step=1, label="Steps")
            seed = gr.Number(0, label="Seed", precision=0)
            begin, stop = buttons("Draw")
        inputs = [nets, kind, images, steps, seed]
        out = right_side(partial(command, given), inputs, "The same, by commands")
    connect(partial(show, given), inputs, out, begin, stop)

    def chosen(nets: list[str], kind: str) -> Any:
        classes = given.classes(nets[0]) if nets else (kind,)
        return gr.Dropdown(list(classes), value=kind if kind in classes else classes[0])

    nets.change(chosen, [nets, kind], kind, queue=False, **QUIET)
