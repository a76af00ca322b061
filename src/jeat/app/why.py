"""Why: a page for teachers. Three trainings, one start, and what becomes of E(x, y)."""

from collections.abc import Iterator

from jeat.app.compare import together
from jeat.app.given import Given, whole
from jeat.app.pieces import block, drawn, joint, note, picture, pictures
from jeat.app.turns import TURN
from jeat.app.wiring import buttons, connect, left_side, right_side
from jeat.figures.energy_along import draw
from jeat.jobs.drawing import Drawing

__all__ = ["TAUGHT", "asked", "command", "show", "tab"]

TAUGHT = {
    "cifar10-normal": "Trained on images as they are. Its energy falls fastest and deepest, and "
    "the picture turns to loud noise. Tiny changes that nobody would call a horse are enough to "
    "make this net sure.",
    "cifar10-at": "Trained on images under attack. Tiny changes no longer make it sure, so the "
    "chain has to change large shapes. They are the right ones, but soft and blurred.",
    "cifar10-jeat": "Trained on images under attack, and to give what it draws itself a higher "
    "energy than images. Its energy falls least, and the picture has light, shade and edges.",
}
TEXT = """
A classifier has an energy for each image and class: **E(x, y) = -f(x)[y]**, the logit of class y
with its sign turned. Low energy means: *this is a y*. A chain starts from a blur and goes downhill
in E(x, y), with a little noise at each step. All nets start from the same blurs. So the pictures at
the end show what each net has learned to look for.
"""
STEPS, IMAGES, REDRAWN = 40, 4, 5  # of the chains; steps from one picture of energies to the next


def asked(kind: object, seed: object) -> dict[str, Drawing]:
    """The drawing of each of the three nets.

    Raises:
        ValueError: a setting that means nothing.
    """
    n = whole("the seed", seed, 0, 2**31)
    return {
        net: Drawing(net, classes=(str(kind),), number=IMAGES, steps=STEPS, seed=n)
        for net in TAUGHT
    }


def command(kind: object, seed: object) -> str:
    """``jeat sample``, a line a net; errors as :func:`asked`."""
    return "\n".join(d.command(f"{net}.png") for net, d in asked(kind, seed).items())


def show(kind: object, seed: object) -> Iterator[str]:
    """The images of each net beside what is to be seen, and E(x, y) along the chains.

    Raises:
        ValueError: as :func:`asked`, or a class that the nets do not know.
    """
    given = Given({net: net for net in TAUGHT})
    yield from shown(given, asked(kind, seed), TAUGHT)


def shown(given: Given, drawings: dict[str, Drawing], told: dict[str, str]) -> Iterator[str]:
    """The same of any nets, with a text each."""
    energies: dict[str, list[float]] = {net: [] for net in drawings}
    for step, found in enumerate(together(given, drawings)):
        pieces = []
        for net, state in found.items():
            if isinstance(state, Exception):
                raise state
            energies[net].append(float(state.energies.mean()))
            figures = [
                picture(x, given.classes(net)[k], joint(E))
                for x, k, E in zip(
                    state.images, state.labels.tolist(), state.energies.tolist(), strict=True
                )
            ]
            pieces.append(block(net, pictures(figures, across=4), note(told[net])))
        steps = int(drawings[net].steps)
        if step % REDRAWN == 0 or step == steps:
            with TURN:
                curve = drawn(draw(energies, steps=steps), name="E(x, y) along the chains")
        head = f"E(x, y) along the chains, step {step} of {steps}"
        yield f'<div class="jeat-four">{"".join(pieces)}{block(head, curve)}</div>'


def tab() -> None:
    """The view on the page."""
    import gradio as gr

    first = next(iter(TAUGHT))
    classes = list(Given({first: first}).classes(first))
    gr.Markdown(TEXT)
    with gr.Row():
        with left_side():
            kind = gr.Dropdown(classes, value="horse", label="Class")
            seed = gr.Number(0, label="Seed", precision=0)
            begin, stop = buttons("Draw")
        out = right_side(command, [kind, seed], "The same, by commands")
    connect(show, [kind, seed], out, begin, stop)
