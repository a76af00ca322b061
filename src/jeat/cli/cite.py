"""print what to cite, as BibTeX: the paper, and this package

    jeat cite >> references.bib

docs/methods.md has the reference of each method.
"""

from collections.abc import Sequence

from jeat import __version__
from jeat.cli._parser import Parser

__all__ = ["main"]

TITLE = "Towards Understanding the Generative Capability of Adversarially Robust Classifiers"
BIBTEX = f"""@inproceedings{{zhu2021towards,
  title     = {{{TITLE}}},
  author    = {{Zhu, Yao and Ma, Jiacheng and Sun, Jiacheng and Chen, Zewei and Jiang, Rongxin and
               Chen, Yaowu and Li, Zhenguo}},
  booktitle = {{International Conference on Computer Vision (ICCV)}},
  year      = {{2021}}
}}

@software{{jeat,
  title   = {{jeat: joint energy models from classifiers}},
  author  = {{{{The jeat developers}}}},
  version = {{{__version__}}}
}}"""


def main(words: Sequence[str]) -> int:
    """Print both entries."""
    Parser("jeat cite", __doc__).parse(words)
    print(BIBTEX)
    return 0
