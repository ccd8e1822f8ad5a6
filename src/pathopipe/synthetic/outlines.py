"""Ground truth of a scene: the outlines that were drawn."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from pathopipe.files import whole
from pathopipe.synthetic.nuclei import nuclei_in
from pathopipe.synthetic.placement import AREA_UM2, KIND, KINDS, X, Y
from pathopipe.synthetic.scene import Scene

BAND_PX = 1024
DECIMALS = 3  # of a pixel, in the GeoJSON


@dataclass(frozen=True)
class Truth:
    """Nuclei of a rectangle, from top to bottom.

    Attributes
    ----------
    outlines_px
        (n, 48, 2) float64, x and y in level-0 pixels; not closed. The first pixel spans 0 to 1.
    centers_px
        (n, 2) float64.
    area_um2
        (n,) float64.
    kind
        (n,) names: ``epithelial``, ``stromal`` or ``lymphocyte``.
    """

    outlines_px: npt.NDArray[np.float64]
    centers_px: npt.NDArray[np.float64]
    area_um2: npt.NDArray[np.float64]
    kind: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.area_um2)

    def polygons(self) -> npt.NDArray[np.object_]:
        """Return the outlines as (n,) shapely polygons, in level-0 pixels."""
        polygons: npt.NDArray[np.object_] = shapely.polygons(self.outlines_px)
        return polygons


def truth(scene: Scene, x: int, y: int, width: int, height: int) -> Truth:
    """Return the nuclei whose centers lie in a half-open rectangle of level-0 pixels.

    So the nuclei of neighboring rectangles never repeat. Outlines may reach beyond the rectangle.
    """
    left, top = x + scene.origin_x, y + scene.origin_y
    nuclei = nuclei_in(scene, left * scene.mpp, top * scene.mpp, (left + width) * scene.mpp, (top + height) * scene.mpp)
    order = np.lexsort((nuclei.table[:, X], nuclei.table[:, Y]))
    table = nuclei.table[order]
    shift = np.array([scene.origin_x, scene.origin_y], np.float64)
    return Truth(
        outlines_px=nuclei.outlines_um()[order] / scene.mpp - shift,
        centers_px=table[:, [X, Y]] / scene.mpp - shift,
        area_um2=table[:, AREA_UM2],
        kind=np.array(KINDS)[table[:, KIND].astype(np.int64)],
    )


def write_truth(scene: Scene, path: str | os.PathLike[str]) -> int:
    """Write all nuclei of the slide as GeoJSON in level-0 pixels and return their number.

    Features are written band by band, so memory doesn't grow with the slide. Outlines at the slide's border may reach
    beyond it.
    """
    count = 0
    with whole(Path(path)) as file:
        file.write(b'{"type": "FeatureCollection", "features": [')
        for feature in _features(scene):
            file.write(f"{',' if count else ''}\n{json.dumps(feature)}".encode())
            count += 1
        file.write(b"\n]}\n")
    return count


def _features(scene: Scene) -> Iterator[dict[str, object]]:
    for top in range(0, scene.height_px, BAND_PX):
        band = truth(scene, 0, top, scene.width_px, min(BAND_PX, scene.height_px - top))
        closed = np.concatenate([band.outlines_px, band.outlines_px[:, :1]], axis=1).round(DECIMALS)
        for ring, area, kind in zip(closed, band.area_um2, band.kind, strict=True):
            yield {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring.tolist()]},
                "properties": {"kind": str(kind), "area_um2": round(float(area), 3)},
            }
