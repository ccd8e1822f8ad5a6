"""Numbers of a manifest that decide how much memory is taken: none that a slide cannot have."""

import math
from collections.abc import Mapping
from typing import Any, Final

from pathopipe.units import MAX_HALO

_MOST_UM2: Final = 1.7e10  # a whole mount of 6 x 4 inches has 1.55e10
_MOST_BINS: Final = 3e8


def is_plausible(manifest: Mapping[str, Any]) -> bool:
    """Whether slide, bins and grid of a slide that was not rejected are of possible sizes, and fit each other."""
    grid, halo = manifest.get("grid"), manifest.get("halo")
    return (
        all(_is_positive(manifest.get(name)) for name in ("mpp_x", "mpp_y"))
        and (grid is None or all(map(_is_positive, grid.values())))
        and (halo is None or 0 <= halo <= MAX_HALO)
        and all(0 <= count < math.inf for count in manifest["counts"].values())
        and _is_slide(manifest)
    )


def _is_slide(manifest: Mapping[str, Any]) -> bool:
    info, bins = manifest.get("slide_info"), manifest.get("bins")
    if info is None or bins is None:
        return True
    um2 = info["width"] * manifest["mpp_x"] * info["height"] * manifest["mpp_y"]
    if not (0 < um2 <= _MOST_UM2 and all(map(_is_positive, bins.values()))):
        return False
    covered = (
        (bins[name] - 1) * bins[size] < info[name] for name, size in (("width", "bin_px_x"), ("height", "bin_px_y"))
    )
    return bins["width"] * bins["height"] <= _MOST_BINS and all(covered)


def _is_positive(value: float | None) -> bool:
    return value is not None and 0 < value < math.inf
