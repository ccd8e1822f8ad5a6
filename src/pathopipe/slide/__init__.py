"""Reading slides: one `Slide` for every format, a backend per reader."""

from pathopipe.slide.opening import open_slide
from pathopipe.slide.slide import Slide

__all__ = ["Slide", "open_slide"]
