"""Whether nuclei have the sizes of nuclei: an mpp that is far from the true one shows in them.

Sizes alone reveal an mpp that is too wrong for the guard to notice, and serve for models that it does not know.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.caveats import warning
from pathopipe.models.mpp_guard import LEAST_NUCLEI, Doubt, judge
from pathopipe.results.manifests import Manifest, model_of, mpp_of, nuclei_given

# Half the nuclei of a slide are smaller than this where its mpp is a fraction of the true one, larger where it is a
# multiple. Medians of annotated nuclei are 13 to 48 um2 in fields of TNBC and NuCLS, and 14 to 52 in those of MoNuSeg
# but three, whose scale is in doubt (docs/network.md).
_MEDIAN_UM2: Final = (10.0, 130.0)


def check_mpp(areas: NDArray[np.float64], detect: Manifest) -> tuple[str, list[dict[str, Any]]]:
    """How the mpp was checked (``scales``, ``size`` or ``nothing``: too few nuclei), and the warning if it failed.

    Parameters
    ----------
    areas
        float64 (n,), in µm², of all nuclei.
    detect
        The manifest of `detect`, with what the model saw at three scales.
    """
    judged, doubt = False, None
    if not nuclei_given(detect):
        judged, doubt = judge(model_of(detect)["name"], len(areas), detect["score"], detect["scales"])
    if doubt is not None:
        return "scales", [_doubt(mpp_of(detect).x, doubt)]
    if len(areas) < LEAST_NUCLEI:
        return ("scales" if judged else "nothing"), []
    least, most = _MEDIAN_UM2
    median = float(np.median(areas))
    warnings = [] if least <= median <= most else [_impossible(mpp_of(detect).x, median)]
    return ("scales" if judged else "size"), warnings


def _doubt(mpp: float, doubt: Doubt) -> dict[str, Any]:
    other = "twice" if doubt.side == "small" else "half"
    message = (
        f"the mpp of {mpp:.4g} looks too {doubt.side}: nuclei are detected best at about {other} that value; "
        "check the mpp"
    )
    return warning("implausible_mpp", message, round(doubt.value, 4), doubt.threshold)


def _impossible(mpp: float, median: float) -> dict[str, Any]:
    size, limit = ("smaller", _MEDIAN_UM2[0]) if median < _MEDIAN_UM2[0] else ("larger", _MEDIAN_UM2[1])
    message = (
        f"half of the nuclei are {size} than {median:.3g} µm², which is hardly possible at an mpp of {mpp:.4g}: "
        "check the mpp"
    )
    return warning("implausible_mpp", message, round(median, 4), limit)
