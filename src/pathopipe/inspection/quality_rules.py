"""What single bins of a quality map are called, by what the network and simple measures say."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.quality.card import CLASSES
from pathopipe.models.quality.model import judge
from pathopipe.models.weights import Tensors
from pathopipe.ops.quality.areas import BLUR_STEP_UM, DOUBTFUL, NUMBERS
from pathopipe.ops.quality.surroundings import FEATURES
from pathopipe.pipeline import QualitySettings

_OVERSTAINED_OD: Final = 1.25
_FAINT_OD: Final = 0.06
_CLIPPED: Final = 0.5
_DOUBTFUL: Final = 0.6
_DETAIL: Final = 3.0
_CALLED: Final = {"fold": "fold", "pen": "pen", "rim": "bubble", "debris": "debris"}

Labels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rules:
    """Judges bins; ``sharpness`` says whether the slide's resolution allows to judge the focus."""

    tensors: Tensors
    settings: QualitySettings
    sharpness: bool

    def __call__(self, features: Floats, clipped: Floats) -> tuple[Labels, Labels]:
        """Return numbers of artifacts, and blur in steps of `BLUR_STEP_UM`, (N,) each.

        Parameters
        ----------
        features, clipped
            (F, N), and the share of clipped pixels of each bin, (N,).
        """
        found = judge(self.tensors, features)
        labels = self._by_stain(features)
        labels[clipped > _CLIPPED] = NUMBERS["saturated"]
        if self.sharpness:
            limit = self.settings.max_blur_um
            labels[(found.blur_um > _DOUBTFUL * limit) & (labels == 0)] = DOUBTFUL
            labels[found.blur_um > limit] = NUMBERS["out of focus"]
        for number, name in enumerate(CLASSES):
            if name in _CALLED:
                labels[found.probabilities[number] > self.settings.min_probability] = NUMBERS[_CALLED[name]]
        blur = np.clip(np.rint(found.blur_um / BLUR_STEP_UM), 1, 255).astype(np.uint8)
        return labels, blur if self.sharpness else np.zeros_like(blur)

    def _by_stain(self, features: Floats) -> Labels:
        """Tell stains that are too strong or too weak by the mean density of wide surroundings."""
        green, red, blue = (features[FEATURES.index(f"{color}_wide")] for color in ("green", "red", "blue"))
        detail = features[FEATURES.index("detail_1um_wide")]
        labels = np.zeros(features.shape[1], np.uint8)
        labels[green > _OVERSTAINED_OD] = NUMBERS["overstained"]
        labels[(np.maximum(np.maximum(green, red), blue) < _FAINT_OD) & (detail > _DETAIL)] = NUMBERS["understained"]
        return labels
