"""How near the corruptions are to those of imagecorruptions-imaug at 224 pixels.

Both have the constants of ImageNet-C there.

pip install 'jeat[corruptions]'
python -m benchmarks.agreement

What draws nothing is compared pixel by pixel. What draws is compared by its mean squared distance
from the image, a mean over drawings with its standard error: the two draw other numbers.

Two differ on purpose. That library draws frost among six photographs, as the published code does
not, so this takes six, too; and its elastic transform is another one.
"""

import numpy as np
import torch
from imagecorruptions import corrupt
from numpy.random import seed as seed_theirs
from PIL import Image
from skimage import data

from jeat.data.corruptions import KINDS, SEVERITIES, corrupted, weather
from jeat.report import table

SIDE, DRAWINGS = 224, 40
DRAW_NOTHING = (
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
)


def photographs() -> np.ndarray:
    """Three photographs of scikit-image, of the size of ImageNet-C."""
    images = (data.astronaut(), data.coffee(), data.chelsea())
    return np.stack([np.asarray(Image.fromarray(x).resize((SIDE, SIDE))) for x in images])


def ours(images: np.ndarray, kind: str, severity: int, seed: int) -> np.ndarray:
    """Images of 8 bits (n, height, width, 3), as jeat corrupts them."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    levels = corrupted(x, kind, severity, seed=seed) * 255
    return levels.round().permute(0, 2, 3, 1).numpy()


def theirs(images: np.ndarray, kind: str, severity: int, seed: int) -> np.ndarray:
    """The same by that library."""
    seed_theirs(seed)
    return np.stack([corrupt(x, corruption_name=kind, severity=severity) for x in images])


def distance(images: np.ndarray, other: np.ndarray) -> float:
    """The mean squared distance, in levels of 8 bits."""
    return float(((other.astype(float) - images) ** 2).mean())


def drawn(images: np.ndarray, kind: str, severity: int) -> tuple[float, float]:
    """The ratio of the mean squared distances, ours to theirs, and its standard error."""
    found = np.array(
        [
            [distance(images, by(images, kind, severity, seed)) for by in (ours, theirs)]
            for seed in range(DRAWINGS)
        ]
    )
    mean, error = found.mean(0), found.std(0, ddof=1) / DRAWINGS**0.5
    ratio = mean[0] / mean[1]
    return ratio, ratio * float(np.hypot(*(error / mean)))


def main() -> None:
    """Print a row a kind, a column a severity."""
    weather._FIRST = 6
    images = photographs()
    rows = []
    for kind in KINDS:
        row = {"kind": kind}
        for severity in SEVERITIES:
            if kind in DRAW_NOTHING:
                pair = [by(images, kind, severity, 0).astype(float) for by in (ours, theirs)]
                row[str(severity)] = f"{abs(pair[0] - pair[1]).max():g} levels at most"
            else:
                ratio, error = drawn(images, kind, severity)
                row[str(severity)] = f"{ratio:.3f} ± {error:.3f}"
        rows.append(row)
    print(table(rows))


if __name__ == "__main__":
    main()
