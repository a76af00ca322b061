"""The paper's comparison on scikit-learn's digits: six methods, in minutes on two cores."""

import json
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from jeat.generate import sample
from jeat.metrics import Subject, accuracy, fisher_score, robust_accuracy
from jeat.plan import Optimisation, Plan
from jeat.recipes._progress import Progress
from jeat.report import grid, table
from jeat.run import fit, load
from jeat.sources import load_data

__all__ = ["plans", "reproduce"]

EPS = 0.1
