"""The paper's comparison: Tables 1-3, Fig. 2-7, its claims and its printed numbers."""

from jeat.recipes.paper.comparison import Paper, inception_settings
from jeat.recipes.paper.figures import FIGURES
from jeat.recipes.paper.shown import Shown
from jeat.recipes.paper.steps import Steps
from jeat.recipes.paper.tables import CLAIMS
from jeat.recipes.paper.variants import Variants

__all__ = ["CLAIMS", "FIGURES", "Paper", "Shown", "Steps", "Variants", "inception_settings"]
