"""Where chains start: labels (B,) -> first states (B, C, H, W), one kind a file.

A kind is a frozen dataclass with ``of(data)``, which fits it to the training images, and
``__call__(labels)``. A net's file keeps its fields, so a net draws from where it was trained to.
"""
