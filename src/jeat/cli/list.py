"""show the nets that come with the package, with figures, data and licence, and installed plugins

    jeat list

Each name of the first table is a NET of the other commands. A card lies beside the weights: how
they were made, every figure and how it was found, known weaknesses. The second table has what
installed packages bring: methods, nets, samplers, metrics and more, by names that commands take.
"""

from collections.abc import Sequence

from jeat._support.brought import KINDS, brought
from jeat._support.checks import plain
from jeat._support.plugins import trouble_of
from jeat.cli._parser import Parser

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Print one line a shipped net, where the cards are, and one line a plugin."""
    Parser("jeat list", __doc__).parse(words)
    _print_nets()
    _print_plugins()
    return 0


def _print_nets() -> None:

    from huggingface_hub import ModelCard

    from jeat import shipped
    from jeat._support.table import table

    rows = []
    for name, file in shipped().items():
        card = ModelCard.load(file.with_suffix(".md")).data
        figures = {r.metric_type: r.metric_value for r in card.eval_results or ()}
        shown = {"clean": "accuracy", "PGD-20": "pgd_20", "judge-FID": "judge_fid"}
        rows.append(
            {"net": name}
            | {label: f"{figures[k]:.3g}" if k in figures else "" for label, k in shown.items()}
            | {"data": ", ".join(card.datasets), "licence": card.license}
        )
    if not rows:
        print("no net comes with this installation")
        return
    print(table(rows))
    print(f"cards: {file.parent}/*.md")


def _print_plugins() -> None:
    """What installed packages bring, which is not imported here."""
    from jeat._support.table import table

    rows: list[dict[str, object]] = [
        {
            "plugin": plain(b.name), "kind": KINDS.get(b.folder, ""), "package": plain(b.package),
            "is": plain(b.value), "note": plain(trouble_of(b)),
        }
        for b in brought()
    ]  # fmt: skip
    if rows:
        print(f"\n{table(rows)}")
