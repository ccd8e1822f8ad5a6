"""Results of a small slide, of one that was rejected, and of their cohort, as the stages write them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.pipeline import ORDER, Config
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, write_slide
from tests.once import once


def make(folder: Path) -> None:
    write_slide(Scene(700, 600, mpp=0.5, seed=3, tissue="field"), folder / "good.tiff", levels=1)
    cv2.imwrite(str(folder / "blank.png"), np.full((600, 700, 3), 245, np.uint8))
    samples = [Sample("blank", folder / "blank.png", (0.5, 0.5)), Sample("good", folder / "good.tiff")]
    config = Config.model_validate({"detect": {"model": "classical"}})
    for sample in samples:
        for stage in ORDER:
            execute(stage, sample.slide, folder / "results", getattr(config, stage), sample)
    execute_cohort(folder / "results", samples, config.cohort)


@pytest.fixture(scope="session")
def made_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed: copy it."""
    return once(tmp_path_factory, "made", make) / "results"
