"""Manifests: whole or damaged, and files that are what their stages wrote."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pathopipe.errors import ArtifactError
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import COHORT, ORDER, STAGES, Config
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.folder import SlideFolder, begun
from pathopipe.results.manifests import (
    ENTRIES,
    AnyManifest,
    Manifest,
    digests_of,
    model_of,
    mpp_of,
    read_cohort_manifest,
    read_manifest,
    read_manifests,
)
from pathopipe.samples import Sample
from tests.made import DETAILS, GRID, manifest, seal

COMMON = sorted(Manifest.__required_keys__)


def written(folder: Path, stage: str, content: dict[str, Any]) -> Path:
    write_json(folder / stage / MANIFEST, content)
    return folder / stage / MANIFEST


@pytest.mark.parametrize("stage", ORDER)
def test_what_the_stages_write_is_what_is_read(made_results: Path, stage: str) -> None:
    for slide in ("good", "blank"):
        read = read_manifest(made_results / slide / stage / MANIFEST, stage)
        assert read == read_json(made_results / slide / stage / MANIFEST)
        files = {name: sha256(made_results / slide / stage / name) for name in STAGES[stage].writes}
        assert read["outputs"] == files


def test_what_the_cohort_writes_is_what_is_read(made_results: Path) -> None:
    read = read_cohort_manifest(made_results / "cohort" / MANIFEST)
    assert read["outputs"] == {name: sha256(made_results / "cohort" / name) for name in COHORT.writes}


@pytest.mark.parametrize("stage", ORDER)
def test_a_manifest_that_lacks_anything_is_damaged(stage: str, tmp_path: Path) -> None:
    whole = manifest(stage)
    read_manifest(written(tmp_path, stage, whole), stage)
    for name in {*COMMON, *ENTRIES.get(stage, ())}:
        path = written(tmp_path, stage, {key: value for key, value in whole.items() if key != name})
        with pytest.raises(ArtifactError, match="is damaged: delete it and run again"):
            read_manifest(path, stage)
        assert stage not in read_manifests(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "finished"},
        {"counts": []},
        {"inputs": {"a/b": 3}},
        {"mpp_x": "0.5"},
        {"slide_info": {"width": 3}},
        {"bins": {"width": 3}},
        {"quality": [{"code": "pen"}]},
        {"outputs": None},
        {"model": {"name": 3, "sha256": None}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_entry_of_another_kind_is_damage(changes: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, "tissue", manifest("tissue", **changes))
    with pytest.raises(ArtifactError, match="is damaged"):
        read_manifest(path, "tissue")


def test_a_rejected_slide_need_not_know_everything(tmp_path: Path) -> None:
    known = {name: value for name, value in manifest("tissue").items() if name in COMMON}
    path = written(tmp_path, "tissue", known | {"state": "rejected", "reason": "no mpp", "mpp_x": None})
    found = read_manifest(path, "tissue")
    assert found["reason"] == "no mpp"
    with pytest.raises(ArtifactError, match="slide s: its mpp is not known"):
        mpp_of(found)
    with pytest.raises(ArtifactError, match="slide s: 'tissue' named no model"):
        model_of(found)


def test_one_of_an_earlier_version_is_told_as_such(tmp_path: Path) -> None:
    old = manifest("tissue", contract=1)
    del old["bins"]
    with pytest.raises(ArtifactError, match="is of an earlier version: run the stage 'tissue' again"):
        read_manifest(written(tmp_path, "tissue", old), "tissue")


def test_entries_are_known_ones() -> None:
    assert {name for names in ENTRIES.values() for name in names} <= Manifest.__annotations__.keys()
    assert set(ENTRIES) <= set(STAGES)
    assert AnyManifest.__required_keys__ < Manifest.__required_keys__


@pytest.mark.parametrize("stage", [*STAGES.values(), COHORT], ids=lambda stage: stage.name)
def test_who_reads_a_file_reads_the_manifest_of_who_wrote_it(stage: Any) -> None:
    written_by = {name.partition("/")[0] for name in stage.reads}
    assert written_by == set(stage.upstream)


@pytest.fixture
def copied(made_results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_results, tmp_path / "results"))


def test_digests_are_given_of_what_the_stages_wrote(copied: Path) -> None:
    names = ("segment/manifest.json", "segment/nuclei.parquet", "tissue/tissue.geojson")
    assert digests_of(copied / "good", names) == {name: sha256(copied / "good" / name) for name in names}


def test_a_changed_or_missing_file_is_told(copied: Path) -> None:
    nuclei = copied / "good" / "segment" / "nuclei.parquet"
    nuclei.write_bytes(nuclei.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match="is not what the stage 'segment' wrote") as told:
        digests_of(copied / "good", ["segment/nuclei.parquet"])
    assert told.value.reason.startswith("segment/nuclei.parquet: ")
    nuclei.unlink()
    with pytest.raises(ArtifactError, match="is missing: run the stage 'segment' first"):
        digests_of(copied / "good", ["segment/nuclei.parquet"])


def test_files_of_a_version_that_noted_no_digests_are_told(copied: Path) -> None:
    path = copied / "good" / "segment" / MANIFEST
    content = read_json(path)
    del content["outputs"]
    path.write_text(json.dumps(content | {"contract": 1}))
    with pytest.raises(ArtifactError, match="is of an earlier version: run the stage 'segment' again"):
        digests_of(copied / "good", ["segment/nuclei.parquet"])
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="is damaged"):
        digests_of(copied / "good", ["segment/nuclei.parquet"])


READERS = [(stage, name) for stage in STAGES.values() for name in stage.reads if not name.endswith(MANIFEST)]


@pytest.mark.parametrize(("stage", "name"), READERS, ids=lambda value: getattr(value, "name", value))
def test_no_stage_reads_what_somebody_changed(copied: Path, made_results: Path, stage: Any, name: str) -> None:
    path = copied / "good" / name
    path.write_bytes(path.read_bytes() + b"\n")
    before = (copied / "good" / stage.name / MANIFEST).read_bytes()
    sample = Sample("good", made_results.parent / "good.tiff")
    config = Config.model_validate({"detect": {"model": "classical"}})
    with pytest.raises(ArtifactError, match=f"is not what the stage '{name.partition('/')[0]}' wrote"):
        execute(stage.name, "good", copied, getattr(config, stage.name), sample)
    assert (copied / "good" / stage.name / MANIFEST).read_bytes() == before


def test_a_slide_folder_knows_how_far_it_is(copied: Path) -> None:
    assert begun(copied) == ["blank", "good"]
    good, blank = SlideFolder(copied, "good"), SlideFolder(copied, "blank")
    assert (good.rejection(), blank.rejection()) == (None, ("tissue", blank.manifest("tissue")["reason"]))
    assert list(good.manifests) == list(good.ended) == list(ORDER)
    assert not any(good.is_overtaken(stage) for stage in ORDER)


def test_a_stage_that_ran_again_overtakes_those_that_followed(copied: Path) -> None:
    write_json(copied / "good" / "tiles" / MANIFEST, manifest("tiles", "good"))
    seal(copied, "good", "tiles")
    good = SlideFolder(copied, "good")
    assert [stage for stage in ORDER if good.is_overtaken(stage)] == ["detect", "report"]


INFO, BINS = DETAILS["tissue"]["slide_info"], DETAILS["tissue"]["bins"]
FINE = {"bin_px_x": 1e-5, "bin_px_y": 1e-5}


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("tiles", {"mpp_x": 0.0}),
        ("tissue", {"slide_info": INFO | {"width": 10**10}}),
        ("tissue", {"bins": BINS | {"height": 0}}),
        ("tissue", {"bins": BINS | {"width": 100}}),
        ("tissue", {"bins": BINS | FINE | {"width": 10**5, "height": 10**5}}),
        ("tiles", {"halo": -1}),
        ("tiles", {"halo": 10**6}),
        ("segment", {"grid": GRID | {"width": -64}}),
        ("segment", {"counts": {"nuclei": -1}}),
    ],
    ids=str,
)
def test_numbers_that_no_slide_has_are_damage(stage: str, changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is damaged: delete it and run again"):
        read_manifest(written(tmp_path, stage, manifest(stage, **changes)), stage)


def test_a_manifest_of_another_slide_is_damage(made_results: Path, tmp_path: Path) -> None:
    shutil.copytree(made_results, tmp_path / "results")
    path = tmp_path / "results" / "good" / "tissue" / MANIFEST
    write_json(path, read_json(path) | {"slide": "other"})
    with pytest.raises(ArtifactError, match=f"tissue/{MANIFEST}: is damaged"):
        execute("tiles", "good", tmp_path / "results", Config().tiles)
