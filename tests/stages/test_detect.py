"""Stage detect looks at tissue, and at no more around it than it has to."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathopipe.jobs.execution import execute
from pathopipe.models.base import Part, Prediction
from pathopipe.models.classical import ClassicalModel
from pathopipe.pipeline import Config
from pathopipe.results.tables import read_table
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene
from tests.stages.test_exactness import write_image

REGION = (400, 500, 640, 600)
HALO = 104


def test_only_the_part_of_a_tile_with_tissue_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = list[tuple[tuple[int, ...], Part | None]]()
    predict = ClassicalModel.predict

    def watched(self: ClassicalModel, rgb: np.ndarray, part: Part | None = None) -> Prediction:
        looks.append((rgb.shape, part))
        return predict(self, rgb, part)

    monkeypatch.setattr(ClassicalModel, "predict", watched)
    slide = write_image(Scene(1000, 1000, mpp=0.5, seed=3, tissue="field"), tmp_path / "a.png")
    roi = tmp_path / "roi.geojson"
    roi.write_text(json.dumps(shapely.geometry.mapping(shapely.box(*REGION))))
    sample, config = (
        Sample("s", slide, mpp=(0.5, 0.5), roi=roi),
        Config.model_validate({"detect": {"model": "classical"}}),
    )
    for stage in ("tissue", "quality", "tiles", "detect"):
        assert execute(stage, "s", tmp_path, getattr(config, stage), sample)["state"] == "done"
    assert read_table(tmp_path / "s/tiles/tiles.parquet").num_rows == 1
    ((rows, columns, _), part) = next(look for look in looks if look[1])
    # Regions are rounded to 8 um, which are 16 pixels.
    assert part is not None
    assert part[:2] == (HALO, HALO)
    assert REGION[2] - REGION[0] - 32 <= part[3] - part[1] == columns - 2 * HALO <= REGION[2] - REGION[0] + 32
    assert REGION[3] - REGION[1] - 32 <= part[2] - part[0] == rows - 2 * HALO <= REGION[3] - REGION[1] + 32
    seeds = read_table(tmp_path / "s/detect/detections.parquet").to_pandas()
    assert len(seeds) > 5
    assert seeds.x_px.between(REGION[0] - 16, REGION[2] + 16).all()
    assert seeds.y_px.between(REGION[1] - 16, REGION[3] + 16).all()
