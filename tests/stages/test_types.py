"""The stage on a field of view made here, with a model of random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pathopipe.caveats import warning
from pathopipe.errors import ArtifactError
from pathopipe.jobs.execution import execute
from pathopipe.models.types.registry import adopt, create
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import TypesSettings
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.names import weights_folder
from pathopipe.results.schemas.types import SCHEMA
from pathopipe.stages import types
from tests.made import manifest, seal
from tests.models import type_files
from tests.stages.test_features import Slide, discs

SHARES = [f"p_{name}" for name in TYPES]


class Typed(Slide):
    """A results folder as it stands before the stage, and weights to run it with."""

    def __init__(self, folder: Path, factor: int = 1, **changes: float) -> None:
        super().__init__(folder, discs(300, 1300, 60, seed=2), factor)
        write_json(self.results / "field" / "features" / "manifest.json", manifest("features", "field"))
        path = folder / "w.safetensors"
        type_files.write(path, **changes)
        self.model = adopt(str(path), weights_folder(self.results))

    def type(self, workers: int = 1, **settings: Any) -> dict[str, Any]:
        chosen = TypesSettings(**{"model": self.model, "precision": "float32", **settings})
        return execute("types", "field", self.results, chosen, self.sample, workers)

    def warn(self, stage: str, code: str) -> None:
        path = self.results / "field" / stage / "manifest.json"
        write_json(path, read_json(path) | {"quality": [warning(code, "this is odd", 2.0, 1.0)]})

    @property
    def path(self) -> Path:
        return self.results / "field" / "types" / "types.parquet"

    def table(self) -> Any:
        return pq.read_table(self.path).to_pandas()


@pytest.mark.parametrize("factor", [1, 2])
def test_every_nucleus_is_what_it_is_on_the_whole_image(tmp_path: Path, factor: int) -> None:
    slide = Typed(tmp_path, factor)
    made = slide.type(min_probability=0)
    found, nuclei = slide.table(), pq.read_table(slide.results / "field" / "segment" / "nuclei.parquet").to_pandas()
    assert found["nucleus_id"].tolist() == nuclei["nucleus_id"].tolist()
    assert pq.read_schema(slide.path).equals(SCHEMA)
    model = create(slide.model, weights_folder(slide.results), "float32")
    assert model is not None
    described = model.describe_at(slide.image, nuclei[["x_px", "y_px"]].to_numpy() / factor)
    expected = model.probabilities(described)
    np.testing.assert_allclose(found[SHARES[:3]], expected, atol=2e-3)
    assert (found["p_other"] == 0).all()
    assert found["type"].tolist() == [TYPES[place] for place in found[SHARES].to_numpy().argmax(axis=1)]
    counts = made["counts"]
    assert counts["nuclei"] == len(found) == sum(counts[name] for name in TYPES) > 50
    assert (counts["unknown"], made["model"]["name"], made["model"]["licence"]) == (0, "tiny", "CC0")
    assert made["scope"] == "nothing is stated of where it holds"


def test_bytes_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    slide = Typed(tmp_path)
    slide.type()
    first = slide.path.read_bytes()
    slide.type(workers=3)
    assert slide.path.read_bytes() == first


def test_where_no_type_is_likely_none_is_given(tmp_path: Path) -> None:
    slide = Typed(tmp_path)
    slide.type(min_probability=0.6)
    found = slide.table()
    sure = found[SHARES].max(axis=1) >= 0.6
    assert found["type"].notna().tolist() == sure.tolist()
    assert 0 < sure.sum() < len(sure)


def test_nuclei_unlike_all_that_was_learned_from_have_no_type(tmp_path: Path) -> None:
    slide = Typed(tmp_path, limit=1e-6)
    counts = slide.type(min_probability=0)["counts"]
    assert counts["unknown"] == counts["nuclei"]
    assert slide.table()["p_epithelial"].notna().all()


def test_without_a_model_all_is_null(tmp_path: Path) -> None:
    slide = Typed(tmp_path)
    made = slide.type(model="none")
    found = slide.table()
    assert found[["type", *SHARES]].isna().all().all()
    assert found["nucleus_id"].tolist() == list(range(len(found)))
    assert (made["model"], made["quality"], made["counts"]["unknown"]) == (None, [], len(found))


@pytest.mark.parametrize(
    ("stage", "code"), [("tissue", "not_he"), ("detect", "implausible_color"), ("features", "implausible_mpp")]
)
def test_an_image_unlike_all_that_was_learned_from_has_no_types(tmp_path: Path, stage: str, code: str) -> None:
    slide = Typed(tmp_path)
    slide.warn(stage, code)
    made = slide.type(min_probability=0)
    assert slide.table()[["type", *SHARES]].isna().all().all()
    (entry,) = made["quality"]
    assert (entry["code"], entry["message"]) == ("no_types", "no nucleus was given a type, because this is odd")


def test_other_warnings_cost_no_types(tmp_path: Path) -> None:
    slide = Typed(tmp_path)
    slide.warn("tissue", "pen")
    assert slide.type(min_probability=0)["quality"] == []
    assert slide.table()["type"].notna().all()


def test_nuclei_that_are_fewer_than_were_outlined_are_damage(tmp_path: Path) -> None:
    slide = Typed(tmp_path)
    path = slide.results / "field" / "segment" / "manifest.json"
    write_json(path, read_json(path) | {"counts": {"nuclei": len(slide.order) + 1}})
    with pytest.raises(ArtifactError, match="is damaged"):
        slide.type()
    assert not slide.path.exists()


def test_a_rejected_slide_has_a_table_without_rows(tmp_path: Path) -> None:
    slide = Typed(tmp_path)
    slide.reject("no nuclei")
    assert slide.type()["state"] == "rejected"
    assert len(slide.table()) == 0
    assert pq.read_schema(slide.path).equals(SCHEMA)


def test_a_killed_job_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slide = Typed(tmp_path)
    slide.type()
    whole = slide.path.read_bytes()
    looked = types._View.look

    def killed(self: Any, block: Any) -> Any:
        if block[0][block[1]][0, 0] > 1024:
            raise KeyboardInterrupt
        return looked(self, block)

    monkeypatch.setattr(types._View, "look", killed)
    with pytest.raises(KeyboardInterrupt):
        slide.type(min_probability=0.5001)
    again = list[int]()
    monkeypatch.setattr(types._View, "look", lambda self, block: again.append(1) or looked(self, block))
    slide.type(min_probability=0.5001)
    assert len(again) == 1
    assert slide.path.read_bytes() == whole
    seal(slide.results, "field")
