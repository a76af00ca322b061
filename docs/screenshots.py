"""Pictures of the app's views and of pages of the site: ``python -m docs.screenshots``.

It needs the extra ``app``, playwright, Chromium at /usr/bin/chromium, CIFAR-10 in $JEAT_DATA, and
for ``python -m docs.screenshots site`` what ``make docs`` has built.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from jeat.app.given import Given
from jeat.app.page import served

OUT = Path(__file__).parent / "images"
SITE = Path(__file__).parent / "_build/html"
PAGES = ("index", "commands")  # of the site
WIDTHS = {"wide": 1280, "phone": 390}
VIEWS = ("Generate", "Attack", "Landscape", "Compare", "Why")
ENDS = {  # what a view shows once it is done
    "Generate": ".jeat-download",
    "Attack": ".jeat-table",
    "Landscape": ".jeat-drawn",
    "Compare": "text=/, step 40$/",
    "Why": "text=/step 40 of 40$/",
}
NETS = ("cifar10-jeat", "cifar10-at", "cifar10-normal", "cifar10-jem")
PORT, PATIENCE = 7861, 90_000  # milliseconds


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


def opened(page: Any, view: str) -> Any:
    """Open a view of the page, and return it."""
    page.get_by_role("tab", name=view).click()
    panel = page.get_by_role("tabpanel").locator("visible=true")
    panel.get_by_role("button", name="Stop").wait_for()
    return panel


def pressed(panel: Any, view: str) -> None:
    """Press the button of a view."""
    name = "Attack" if view == "Attack" else "Draw"
    panel.get_by_role("button", name=name, exact=True).click()


def choose(panel: Any, menu: str, value: str) -> None:
    """Choose of a menu."""
    panel.get_by_label(menu, exact=True).click()
    panel.page.get_by_role("option", name=value, exact=True).click()


def shoot(chromium: Any, address: str, out: Path = OUT) -> None:
    """A picture a view and width, of few colours, so that it is small."""
    out.mkdir(parents=True, exist_ok=True)
    for name, width in WIDTHS.items():
        page = chromium.new_page(viewport={"width": width, "height": 800})
        page.goto(address)
        for view in VIEWS:
            panel = opened(page, view)
            if view == "Compare":
                choose(panel, "Class", "ship")
            pressed(panel, view)
            panel.locator(ENDS[view]).first.wait_for(timeout=PATIENCE)
            page.wait_for_timeout(1000)
            file = out / f"app-{view.lower()}-{name}.png"
            page.screenshot(path=file, full_page=True)
            Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)
        page.close()


def shoot_site(chromium: Any, site: Path = SITE, out: Path = OUT) -> None:
    """The first page and that of the commands, as a desk and a phone show them."""
    for name, width in WIDTHS.items():
        page = chromium.new_page(viewport={"width": width, "height": 800})
        for shown in PAGES:
            page.goto((site / f"{shown}.html").as_uri())
            file = out / f"site-{shown}-{name}.png"
            page.screenshot(path=file)
            Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)
        page.close()


if __name__ == "__main__" and sys.argv[1:] == ["site"]:
    with browser() as chromium:
        shoot_site(chromium)
elif __name__ == "__main__":
    given = Given({name: name for name in NETS})
    with served(given, host="127.0.0.1", port=PORT) as address, browser() as chromium:
        shoot(chromium, address)
