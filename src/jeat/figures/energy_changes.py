"""Fig. 3: how energies changed during training, from the records of Eq. 15 in a log."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw", "per_epoch"]

PANELS = {"E(x, y)": ("delta_x_E_y", "delta_theta_E_y"), "E(x)": ("delta_x_E", "delta_theta_E")}
NAMES = {"x": r"$\Delta_x$: attack", "theta": r"$\Delta_\theta$: optimiser step"}


def per_epoch(log: Iterable[Mapping[str, float]], name: str) -> dict[float, tuple[float, float]]:
    """{epoch: (mean, standard deviation)} of a delta over all images recorded in that epoch.

    The records of an epoch are pooled: the variance is the mean of theirs plus that of their means.
    A training of one epoch or less is told by tenths of itself, each named by its end.
    """
    rows = [row for row in log if name in row]
    end = max((row["epoch"] for row in rows), default=0.0)
    width = 1.0 if end > 1 else end / 10
    epochs: dict[float, list[tuple[float, float]]] = {}
    for row in rows:
        epoch = width * math.ceil(row["epoch"] / width - 1e-9)
        epochs.setdefault(epoch, []).append((row[name], row[f"{name}_std"]))
    pooled = {}
    for epoch, records in epochs.items():
        mean = sum(m for m, _ in records) / len(records)
        square = sum(m**2 + s**2 for m, s in records) / len(records)
        pooled[epoch] = mean, math.sqrt(max(0.0, square - mean**2))
    return pooled


def draw(logs: Mapping[str, list[dict[str, Any]]]) -> "Figure":
    """One row of panels a method: mean and spread of Eq. 15 over the images, by epoch.

    Raises:
        ValueError: a log without records of Eq. 15, or with records that are NaN or infinite.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.6 * len(logs)), layout="constrained")
    axes = figure.subplots(len(logs), len(PANELS), squeeze=False, sharex="row")
    for row, (method, log) in zip(axes, logs.items(), strict=True):
        for ax, (energy, names) in zip(row, PANELS.items(), strict=True):
            for name, colour in zip(names, ("tab:red", "tab:blue"), strict=True):
                points = per_epoch(log, name)
                if not points:
                    raise ValueError(
                        f"the log of {method} has no record of Eq. 15: train with deltas_every"
                    )
                means, spreads = zip(*points.values(), strict=True)
                if not all(map(math.isfinite, means + spreads)):
                    raise ValueError(f"{name} is NaN or infinite in the log of {method}")
                ax.errorbar(
                    list(points), means, spreads, fmt="o-", ms=3, lw=1, capsize=2, color=colour,
                    label=NAMES[name.split("_")[1]],
                )  # fmt: skip
            ax.axhline(0, color="grey", lw=0.8)
            ax.set_title(f"{method}: {energy}", fontsize=10)
            ax.xaxis.get_major_locator().set_params(integer=max(points) > 1)
        row[0].set_ylabel("change of energy")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    axes[0][0].legend(fontsize=8)
    return figure
