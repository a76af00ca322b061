"""How far a share of images is known, by how many images it was found on."""

__all__ = ["Interval", "said", "wilson"]

Interval = tuple[float, float]


def wilson(share: float, n: int) -> Interval:
    """The 95 % interval of Wilson (1927) for a share k / n of n images drawn at random.

    It holds the share of all such images with a chance of about 95 %, for small n and shares near
    0 or 1, too. It says nothing of how strong an attack is, nor of other seeds of a training.

    Raises:
        ValueError: no image, or a share outside of [0, 1].
    """
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    interval = binomtest(round(share * n), n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def said(interval: Interval | None) -> str:
    """An interval in a table: ``0.861 to 0.902``."""
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
