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
_DOUBTFUL_BLUR: Final = 0.6
_DOUBTFUL_SHARE: Final = 0.55
_DETAIL: Final = 3.0
_CALLED: Final = {"fold": "fold", "rim": "bubble", "pen": "pen", "debris": "debris"}

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
        if self.sharpness:
            limit = self.settings.max_blur_um
            _name(labels, "out of focus", found.blur_um > _DOUBTFUL_BLUR * limit, found.blur_um > limit)
        for name in _CALLED:
            if name == "pen":
                # Black is what the scanner could not measure, unless it is ink or dust.
                labels[clipped > _CLIPPED] = NUMBERS["saturated"]
            share, sure = found.probabilities[CLASSES.index(name)], self._least_probability(name)
            _name(labels, _CALLED[name], share > _DOUBTFUL_SHARE * sure, share > sure)
        blur = np.clip(np.rint(found.blur_um / BLUR_STEP_UM), 1, 255).astype(np.uint8)
        return labels, blur if self.sharpness else np.zeros_like(blur)

    def _least_probability(self, name: str) -> float:
        return self.settings.min_fold_probability if name == "fold" else self.settings.min_probability

    def _by_stain(self, features: Floats) -> Labels:
        """Tell stains that are too strong or too weak by the mean density of wide surroundings."""
        green, red, blue = (features[FEATURES.index(f"{color}_wide")] for color in ("green", "red", "blue"))
        detail = features[FEATURES.index("detail_1um_wide")]
        labels = np.zeros(features.shape[1], np.uint8)
        labels[green > _OVERSTAINED_OD] = NUMBERS["overstained"]
        labels[(np.maximum(np.maximum(green, red), blue) < _FAINT_OD) & (detail > _DETAIL)] = NUMBERS["understained"]
        return labels


def _name(labels: Labels, name: str, doubtful: NDArray[np.bool_], sure: NDArray[np.bool_]) -> None:
    """Call bins by a name, in place; a doubt takes the name of none that is sure of another."""
    labels[doubtful & ((labels == 0) | (labels >= DOUBTFUL))] = NUMBERS[name] + DOUBTFUL
    labels[sure] = NUMBERS[name]
