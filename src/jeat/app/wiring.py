"""What all views need of gradio: buttons, a box of the command, refusals in one line."""

from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from jeat._support.checks import plain
from jeat.app.given import Given
from jeat.app.pieces import note, refusal, why
from jeat.app.turns import lately

__all__ = [
    "QUIET", "buttons", "connect", "left_out", "left_side", "nets_menu", "right_side", "slider",
]  # fmt: skip

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Of events: nothing flickers, and no endpoint is offered to programs."""

_AT_ONCE = 8  # pictures that go on at once; who comes then waits in line


def nets_menu(given: Given, label: str = "Net", **several: Any) -> Any:
    """A menu of the nets; with ``value`` and ``multiselect``, of several of them."""
    import gradio as gr

    names = list(given.nets)
    return gr.Dropdown(names, label=label, **{"value": names[0]} | several)


def slider(least: float, most: float, value: float, **said: Any) -> Any:
    """A slider; what is typed into its box comes as it is, for a view to refuse in one line."""
    return _slider()(least, most, value, **said)


@cache
def _slider() -> Any:
    """gradio's slider without its own refusal, which is a traceback."""
    import gradio as gr

    own = {"is_template": True, "preprocess": lambda self, value: value, "__module__": __name__}
    kind: Any = type(gr.Slider)  # whose own way would write a file beside this one
    return ABCMeta.__new__(kind, "Slider", (gr.Slider,), own)


def left_side() -> Any:
    """The column of settings: beside what is shown, or above it on a phone."""
    import gradio as gr

    return gr.Column(scale=2, min_width=300)


def buttons(label: str) -> tuple[Any, Any]:
    """A button that begins, and one that stops."""
    import gradio as gr

    with gr.Row():
        return (
            gr.Button(label, variant="primary", min_width=120, scale=3),
            gr.Button("Stop", min_width=80, scale=1),
        )


def right_side(command: Callable[..., str], inputs: Sequence[Any], said: str) -> Any:
    """What is shown, and below it the command line that does the same and follows the settings."""
    import gradio as gr

    line = _on_a_line(command)
    with gr.Column(scale=5, min_width=300):
        out = gr.HTML(note("Nothing is drawn yet."), elem_classes="jeat-shown")
        box = gr.Code(
            language=None, label=said, interactive=False,
            wrap_lines=True, lines=1, show_line_numbers=False, elem_classes="jeat-command",
        )  # fmt: skip
    gr.on(None, line, list(inputs), box, queue=False, **QUIET)  # each change, and at first
    return out


def left_out(lines: str, out: Mapping[str, str]) -> str:
    """Command lines, and as comments why some nets are left out of them."""
    return "\n".join([*lines.splitlines(), *(f"# {plain(said)}" for said in out.values())])


def connect(
    show: Callable[..., Iterable[str]], inputs: Sequence[Any], out: Any, begin: Any, stop: Any
) -> None:
    """Show what a view gives, from a press of its button until it ends or is stopped.

    Who leaves the page stops it, too, before its next step.
    """
    event = begin.click(
        _refused(show), list(inputs), out, concurrency_limit=_AT_ONCE, trigger_mode="once", **QUIET
    )
    stop.click(None, cancels=[event])


def _refused(show: Callable[..., Iterable[str]]) -> Callable[..., Iterator[str]]:
    """A view whose errors are what it shows."""

    def shown(*values: Any) -> Iterator[str]:
        try:
            yield from lately(show(*values))
        except Exception as error:  # whatever a net of anyone's raises
            yield refusal(error)

    return shown


def _on_a_line(command: Callable[..., str]) -> Callable[..., str]:
    """A command, or what is wrong with the settings as a comment."""

    def said(*values: Any) -> str:
        try:
            return command(*values)
        except Exception as error:  # whatever a net of anyone's raises
            return f"# {why(error)}"

    return said
