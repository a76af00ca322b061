"""A training: what a run is (``plan``), its beginning, the loop, whether it runs away, what is looked at.

This file imports nothing, so that a plan needs no torch.
"""
