"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, which come with it."""

from importlib.metadata import version
from pathlib import Path

from jeat._support.reading import Reading
from jeat.data.images import Data, from_arrays

__all__ = ["key", "read", "reads"]

is_named = True


def reads(source: str, path: Path) -> bool:
    """Whether the source is ``"digits"``."""
    return source == "digits"


def key(source: str, path: Path) -> str:
    """The digits of this version of scikit-learn, whose import takes longer than reading them."""
    return f"{source} of scikit-learn {version('scikit-learn')}"


def read(source: str, path: Path, how: Reading) -> Data:
    """The digits, 360 of them to test on, as many of each class."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    parts = train_test_split(
        bunch.images / 16, bunch.target, test_size=360, stratify=bunch.target, random_state=0
    )
    names = tuple(str(k) for k in range(10))
    return Data(
        from_arrays(parts[0], parts[2], names), from_arrays(parts[1], parts[3], names), names
    )
