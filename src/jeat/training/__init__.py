"""A training: what it is (``plan``), its beginning, its loop, and what is looked at meanwhile.

This file imports nothing, so that a plan needs no torch.
"""
