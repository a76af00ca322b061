"""The whole page, and the server that gives it out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jeat.app import attack, compare, generate, landscape, why
from jeat.app.chosen import BYTES
from jeat.app.given import Given

__all__ = ["page", "served"]

HEAD = """
# jeat
A classifier has an energy for each image. Here it draws, is attacked, and shows its energy.
"""
SANS = ("system-ui", "sans-serif")
MONO = ("ui-monospace", "monospace")
HOME = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'"
"""What browsers are told to load from: nothing but this server, whatever gradio's page asks for."""


def at_home(app: Any) -> Any:
    """An ASGI app that says :data:`HOME` with all that it gives out."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        async def said(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", HOME.encode())
                message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        await app(scope, receive, said)

    return served


def page(given: Given) -> Any:
    """The page of all views, as a ``gradio.Blocks``."""
    import gradio as gr

    with gr.Blocks(title="jeat", analytics_enabled=False, delete_cache=(600, 600)) as made:
        gr.Markdown(HEAD)
        with gr.Tabs():
            with gr.Tab("Generate"):
                generate.tab(given)
            with gr.Tab("Attack"):
                attack.tab(given)
            with gr.Tab("Landscape"):
                landscape.tab(given)
            with gr.Tab("Compare"):
                compare.tab(given)
            with gr.Tab("Why"):
                why.tab()
    return made


@contextmanager
def served(given: Given, *, host: str, port: int) -> Iterator[str]:
    """Inside, the page is given out at the address that is yielded.

    Uploads lie in a folder that is removed at the end. Nothing is fetched from other machines.

    Raises:
        OSError: gradio cannot serve there.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr
    from starlette.middleware import Middleware

    with TemporaryDirectory(prefix="jeat-app-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        made = page(given).queue(max_size=64)
        try:
            _, address, _ = made.launch(
                server_name=host, server_port=port, share=False, inbrowser=False, quiet=True,
                prevent_thread_lock=True, footer_links=[], max_file_size=BYTES, ssr_mode=False,
                app_kwargs={"middleware": [Middleware(at_home)]},
                css_paths=Path(__file__).with_name("style.css"),
                theme=gr.themes.Base(primary_hue="blue", font=SANS, font_mono=MONO),
            )  # fmt: skip
            yield address
        finally:
            made.close(verbose=False)
