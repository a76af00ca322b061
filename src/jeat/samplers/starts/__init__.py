"""Where chains start: labels (B,) -> first states (B, C, H, W), one kind a file.

A kind is a frozen dataclass with ``of(data)``, which fits it to the training images, and
``__call__(labels)``. A net's file keeps its fields, so a net draws from where it was trained to.
A kind whose only field is ``shape`` needs no images. ``stored(shape, classes)``, a static method,
says how many numbers a file keeps of the others; a dry run counts them. A kind that draws by
``normals`` standard normal numbers an image says with ``from_normals(labels, z)`` what they make:
exports that have no torch draw by that.
"""
