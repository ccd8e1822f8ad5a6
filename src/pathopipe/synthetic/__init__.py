"""Synthetic H&E slides of known truth."""

from pathopipe.synthetic.outlines import Truth, truth, write_truth
from pathopipe.synthetic.pixels import render
from pathopipe.synthetic.repeat import repeat_slide
from pathopipe.synthetic.scene import Scene, Stain
from pathopipe.synthetic.writer import write_slide

__all__ = ["Scene", "Stain", "Truth", "render", "repeat_slide", "truth", "write_slide", "write_truth"]
