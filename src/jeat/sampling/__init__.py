"""Images from a net: chains down its energies, or what a net that can invert draws."""

from jeat.sampling.sample import (
    Kind,
    Own,
    chain_of,
    check_energy,
    inversion_of,
    sample,
    sampler_for,
)  # fmt: skip

__all__ = ["Kind", "Own", "chain_of", "check_energy", "inversion_of", "sample", "sampler_for"]
