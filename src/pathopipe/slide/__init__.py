"""Reading slides: one `Slide` for every format, a backend per reader."""

from pathopipe.slide.identity import Identity, full_sha256, identify
from pathopipe.slide.opening import open_slide
from pathopipe.slide.slide import Slide

__all__ = ["Identity", "Slide", "full_sha256", "identify", "open_slide"]
