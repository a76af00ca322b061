"""Images from a net: chains down its energies, or what a net that can invert draws."""

from jeat.sampling.sample import (
    Kind,
    Own,
    chain_of,
    check_energy,
    energy_for,
    inversion_of,
    own_start,
    sample,
    sampler_for,
)

__all__ = [
    "Kind", "Own", "chain_of", "check_energy", "energy_for", "inversion_of", "own_start",
    "sample", "sampler_for",
]  # fmt: skip
