"""A figure of one's own: the mean generated image of each method."""

import torch

from jeat.figures import grid
from jeat.jobs.image_files import load_images
from jeat.recipes.paper import Shown
from jeat.report import Figure

__all__ = ["averages"]


def averages(s: Shown) -> Figure | None:
    """The mean of the images of each method, in the order of the runs."""
    files = s.images(*s.methods)
    means = torch.stack([load_images(file)[0].mean(0) for file in files.values()])
    caption = f"From left to right: {', '.join(files)}."
    return s.keep("averages", "Mean images", caption, grid(means, columns=len(means)))
