"""Temperatures of the package's nets by training images, which they have seen, and by test images.

python -m benchmarks.temperatures
"""

import torch

import jeat
from jeat.metrics import accuracy, logit_spread, temperature
from jeat.report import table

IMAGES = 1500
NETS = ("normal", "at", "prejeat", "jem", "jeat")


@torch.no_grad()
def main() -> None:
    """Print a line a net; a minute on a core."""
    data, rows = jeat.load_data("cifar10"), []
    for name in NETS:
        net = jeat.load(f"cifar10-{name}")
        row = {"net": f"cifar10-{name}"}
        for split in (data.train, data.test):
            x, y = split.floats(IMAGES)
            logits = torch.cat([net(part) for part in x.split(250)])
            what = "training" if split is data.train else "test"
            row[f"T of {what} images"] = f"{temperature(logits, y):.3f}"
            row[f"accuracy, {what}"] = f"{accuracy(net, x, y):.3f}"
        row["logit spread, test"] = f"{logit_spread(logits):.2f}"
        rows.append(row)
    print(table(rows))


if __name__ == "__main__":
    main()
