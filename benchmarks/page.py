"""Seconds of chains in a page of ``jeat export``: ``python -m benchmarks.page PAGE``.

In headless Chromium, on one thread, without a network; after a chain that warms up, the median of
five. It needs playwright and a Chromium, which ``--chromium`` names.
"""

import argparse
from pathlib import Path
from statistics import median

from jeat.report import table

CHAIN = """async ([steps, images]) => {
  const {said, chain, begun, generator} = jeat;
  const random = generator(0);
  const settings = {steps, stepSize: said.step_size, noise: said.noise, ...random};
  const began = performance.now();
  for (let i = 0; i < images; i++) {
    const label = i % said.classes.length;
    const x = await begun(said.normals ? "own" : "uniform", label, random);
    for await (const state of chain(x, label, settings)) void state;
  }
  return (performance.now() - began) / 1000;
}"""


def seconds(page: Path, chromium: str, cases: list[tuple[int, int]]) -> list[float]:
    """Of chains of (steps, images), the median of five rounds."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_context(offline=True).new_page()
        tab.set_default_timeout(600_000)
        tab.goto(page.resolve().as_uri())
        tab.evaluate("() => jeat.ready")
        tab.evaluate(CHAIN, [5, 1])
        found = [median(tab.evaluate(CHAIN, list(case)) for _ in range(5)) for case in cases]
        browser.close()
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    cases = [(40, 1), (40, 10)]
    took = seconds(args.page, args.chromium, cases)
    print(
        table([
            {"steps": steps, "images": images, "seconds": f"{s:.2f}"}
            for (steps, images), s in zip(cases, took, strict=True)
        ])
    )  # fmt: skip


if __name__ == "__main__":
    main()
