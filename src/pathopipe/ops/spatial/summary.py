"""All spatial measures of some nuclei."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.spatial.window import Window

MEASURED: Final = ("area_um2", "circularity", "hematoxylin_mean")


def spatial_measures(
    points_um: NDArray[np.float64],  # noqa: ARG001
    types: NDArray[np.int8] | None,  # noqa: ARG001
    measures: Mapping[str, NDArray[np.float64]],  # noqa: ARG001
    window: Window,  # noqa: ARG001
    workers: int = 1,  # noqa: ARG001
) -> dict[str, float | None]:
    """Measure nothing yet."""
    return {}
