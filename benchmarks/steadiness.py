"""How steady KID and the sliced Wasserstein distance are: values over their jackknife errors.

jeat sample cifar10-at at.safetensors -n 40
jeat sample cifar10-jeat jeat.safetensors -n 40
python -m benchmarks.steadiness at.safetensors jeat.safetensors
"""

import sys
import warnings
from pathlib import Path

import jeat
from jeat.jobs.image_files import load_images
from jeat.metrics import sample_quality
from jeat.metrics._lite0 import lite0
from jeat.report import table

COMPARED = 2000


def main(files: list[str]) -> None:
    """Print each figure and its error, of test images and of each file."""
    warnings.simplefilter("ignore")
    data = jeat.load_data("cifar10")
    train = data.train.floats(COMPARED)[0]
    drawn = {Path(file).stem: load_images(Path(file))[0] for file in files}
    samples = {"test images": data.test.floats(len(next(iter(drawn.values()))))[0], **drawn}
    for extractor, net in (("judge", jeat.load("cifar10-judge")), ("lite0", lite0())):
        rows = []
        for name, x in samples.items():
            found = sample_quality(x, train, net)
            row = {"features": extractor, "samples": name, "n": str(len(x))}
            for k in ("kid", "swd", "density", "coverage", "precision"):
                error = f" ± {found[f'{k}_error']:.2g}" if f"{k}_error" in found else ""
                row[k] = f"{found[k]:.4g}{error}"
            rows.append(row)
        print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
