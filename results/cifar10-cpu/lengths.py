"""JEAT's images by chains of other lengths, and by annealed ones: ``python lengths.py OUT.json``.

600 images of seed 3 each, judged against 10,000 training images as by ``starts.sh``. An annealed
chain has four parts of a quarter of the steps; its step size or noise, or both, fall from the first
to the last of the two that are given, evenly in their logarithm.
"""

import json
import math
import sys
from pathlib import Path

import torch

import jeat
from jeat._support.provenance import provenance
from jeat.metrics import Subject, find
from jeat.nets.places import digest

SAME = {"step_size": (8, 8), "noise": (0.001, 0.001)}
CHAINS = {
    "10": (10, SAME),
    "20": (20, SAME),
    "40": (40, SAME),
    "160": (160, SAME),
    "640": (640, SAME),
    "160, noise annealed": (160, SAME | {"noise": (0.03, 0.001)}),
    "160, step annealed": (160, SAME | {"step_size": (16, 1)}),
    "160, both annealed": (160, {"step_size": (16, 1), "noise": (0.03, 0.001)}),
}


def draw(labels, steps, step_size, noise):
    """Images by a chain of four parts, of one where nothing falls."""
    parts = 1 if step_size[0] == step_size[1] and noise[0] == noise[1] else 4
    sizes = torch.logspace(*map(math.log10, step_size), parts).tolist()
    noises = torch.logspace(*map(math.log10, noise), parts).tolist()
    start = None
    for size, sigma in zip(sizes, noises, strict=True):
        images = jeat.sample(
            net, labels, steps=steps // parts, step_size=size, noise=sigma, start=start,
            precision="auto",
        )  # fmt: skip
        start = lambda _, images=images: images  # noqa: E731
    return images


net, judge = jeat.load("cifar10-jeat"), jeat.load("cifar10-judge")
data = jeat.load_data("uoft-cs/cifar10")
labels = torch.arange(10).repeat_interleave(60)
compared = data.train.floats(10_000)[0]
found = []
for name, (steps, settings) in CHAINS.items():
    torch.manual_seed(3)
    samples = torch.cat([draw(y, steps, **settings) for y in labels.split(500)])
    samples = (samples * 255).round() / 255  # as jeat sample keeps them
    subject = Subject(net, *data.test.floats(10), samples, labels, compared, judge=judge)
    torch.manual_seed(3)
    figures = find("judge_accuracy")(subject) | find("sample_quality")(subject)
    found.append({"chain": name, "steps": steps, **settings, "figures": figures})
    print(name, figures, flush=True)
about = {
    "command": "python results/cifar10-cpu/lengths.py OUT.json", "images": len(labels), "seed": 3,
    "compared": len(compared), "net": "cifar10-jeat", "net_sha256": digest("cifar10-jeat"),
    "judge": "cifar10-judge", "judge_sha256": digest("cifar10-judge"),
    "made_with": provenance(),
}  # fmt: skip
Path(sys.argv[1]).write_text(json.dumps(about | {"chains": found}, indent=1) + "\n")
