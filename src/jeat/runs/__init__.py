"""A run directory and nothing else: who may write, a training's state in files, resuming.

The process that holds ``OUT/.lock`` (``folder.only_writer``) is the only one that writes into a
run's folder; :func:`jeat.runs.fit.fit` takes it. This file imports nothing, so that a plan needs no
torch.
"""
