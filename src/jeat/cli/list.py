"""show the nets that come with the package: their figures, data and licence

    jeat list

Each name is a NET of the other commands. A card lies beside the weights: how they were made, every
figure and how it was found, known weaknesses.
"""

from collections.abc import Sequence

from jeat.cli._parser import Parser

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Print one line a shipped net, and where the cards are."""
    Parser("jeat list", __doc__).parse(words)

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
        return 0
    print(table(rows))
    print(f"cards: {file.parent}/*.md")
    return 0
