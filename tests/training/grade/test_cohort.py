import os

import numpy as np
import pytest

from pathopipe.errors import RefusalError
from pathopipe.results.documents import read_json, write_json
from pathopipe.training.grade.cohort import read_cohort
from pathopipe.training.grade.folds import folds_of
from tests import made
from tests.training.grade.graded_slides import NAMES, cohort, write_cohort, write_slide, write_statistics


def read(folder, label="grade", group="patient", order=(), **columns):
    sheet, results = write_cohort(folder, **columns)
    return read_cohort(sheet, results, label, group, order)


def test_statistics_grades_and_patients_are_read(tmp_path):
    found = read(tmp_path, site=lambda place: "ab"[place % 2])
    assert (len(found.slides), found.grades, found.label) == (36, ("1", "2", "3"), "grade")
    assert found.truth.tolist() == [place % 3 for place in range(36)]
    assert len(set(found.patients)) == 36
    # Once of all nuclei, once of the epithelial ones, which have the same numbers here.
    assert found.values.shape == (36, 2 * len(NAMES))
    assert found.families["epithelial size"] == NAMES[:4]
    assert found.families["all arrangement"] == ("spatial_clark_evans",)
    part = found.parts["all size"]
    assert np.array_equal(found.values[:, part], found.values[:, found.parts["epithelial size"]])
    assert found.about["site"][:3] == ("a", "b", "a")
    assert found.about["number of nuclei"][0] == 400


def test_columns_that_grow_with_the_slide_or_say_nothing_are_left_out(tmp_path):
    sheet, results = write_cohort(tmp_path)
    for place in range(36):
        growing = ("spatial_clark_evans_z", "spatial_ripley_z_20um", "spatial_area_moran_z", "spatial_cluster_largest")
        more = dict.fromkeys(growing, 2.0 * place)
        more |= {
            "spatial_clusters": 3.0 * place,
            "solidity_mean": 0.9,
            "extent_mean": None if place % 3 else place / 36,
        }
        write_slide(results, f"s{place}", {"area_um2_mean": 40.0 + place} | more)
    found = read_cohort(sheet, results, "grade", "patient")
    assert {column for columns in found.families.values() for column in columns} == {"area_um2_mean"}


def test_slides_without_label_or_results_are_left_out_with_the_reason(tmp_path):
    sheet, results = write_cohort(tmp_path)
    lines = sheet.read_text().splitlines()
    lines[1] = lines[1].rpartition("\t")[0] + "\t"
    sheet.write_text("\n".join([*lines, "new\tnew.svs\tDoe\t1", "bad\tbad.svs\tDoe\t1"]) + "\n")
    write_slide(results, "bad", dict.fromkeys(NAMES, 0.0), rejected="no tissue was found")
    found = read_cohort(sheet, results, "grade", "patient")
    assert found.left_out == {
        "s0": "it has no label",
        "new": "the stage statistics has not been finished",
        "bad": "it was rejected: no tissue was found",
    }
    assert len(found.slides) == 35


def test_bad_input_is_refused_in_a_sentence(tmp_path):
    sheet, results = write_cohort(tmp_path, site=lambda place: "x")
    with pytest.raises(RefusalError, match=r"has no column 'gleason', .* its columns are patient, grade, site"):
        read_cohort(sheet, results, "gleason", "patient")
    with pytest.raises(RefusalError, match="has no column 'block'"):
        read_cohort(sheet, results, "grade", "block")
    with pytest.raises(RefusalError, match="all slides have the label 'x' in column 'site'"):
        read_cohort(sheet, results, "site", "patient")
    with pytest.raises(RefusalError, match="--group grade: is the label itself"):
        read_cohort(sheet, results, "grade", "grade")
    lines = sheet.read_text().splitlines()
    sheet.write_text("\n".join(lines[:9]) + "\n")
    with pytest.raises(RefusalError, match=r"8 slides have a label .* at least 12 are needed"):
        read_cohort(sheet, results, "grade", "patient")


def test_statistics_of_another_version_are_left_out(tmp_path):
    sheet, results = write_cohort(tmp_path)
    path = results / "s3" / "statistics" / "manifest.json"
    write_json(path, read_json(path) | {"contract": 99})
    found = read_cohort(sheet, results, "grade", "patient")
    words = "its statistics are damaged, or of another version of pathopipe: run the workflow on it again"
    assert found.left_out == {"s3": words}


def test_damaged_statistics_name_the_slide(tmp_path):
    sheet, results = write_cohort(tmp_path)
    (results / "s5" / "statistics" / "statistics.parquet").write_bytes(b"PAR1")
    with pytest.raises(RefusalError, match=r"the statistics of slide s5 can't be used"):
        read_cohort(sheet, results, "grade", "patient")


def test_the_same_image_of_two_patients_is_refused(tmp_path):
    sheet, results = write_cohort(tmp_path)
    path = results / "s7" / "tissue" / "manifest.json"
    write_json(path, read_json(path) | {"identity": "1200-s4"})
    made.seal(results, "s7")
    with pytest.raises(RefusalError, match="slides s4 and s7 are the same image, of two patients"):
        read_cohort(sheet, results, "grade", "patient")


def test_statistics_that_earlier_stages_have_overtaken_are_left_out(tmp_path):
    sheet, results = write_cohort(tmp_path)
    types = results / "s4" / "types" / "manifest.json"
    write_json(types, read_json(types) | {"counts": {"nuclei": 7}})
    os.utime(types, (2e9, 2e9))
    (results / "s5" / "tiles" / "manifest.json").unlink()  # somebody made room
    found = read_cohort(sheet, results, "grade", "patient")
    again = "earlier stages have run again since its statistics were made: run the workflow on it again"
    assert found.left_out == {"s4": again}


def test_sites_are_read_from_barcodes_where_all_patients_have_one(tmp_path):
    sheet, results = write_cohort(tmp_path)
    sheet.write_text(sheet.read_text().replace("Doe ", "TCGA-A7-00"))
    found = read_cohort(sheet, results, "grade", "patient")
    assert set(found.about["site (from the patient's TCGA barcode)"]) == {"A7"}
    assert "site (from the patient's TCGA barcode)" not in read(tmp_path / "other").about


def test_folds_split_no_patient_and_are_alike_whatever_the_order_of_the_sheet():
    slides = cohort(120, per_patient=2)
    folds = folds_of(slides, 30, 10)
    assert np.sum(folds, axis=0).tolist() == [1] * 120
    for fold in folds:
        inside = {p for p, own in zip(slides.patients, fold, strict=True) if own}
        outside = {p for p, own in zip(slides.patients, fold, strict=True) if not own}
        assert not inside & outside
        assert np.bincount(slides.truth[fold], minlength=3).min() >= 2
    order = np.random.default_rng(0).permutation(120)
    shuffled = folds_of(slides.part(order), 30, 10)
    ours = {frozenset(np.flatnonzero(fold).tolist()) for fold in folds}
    assert {frozenset(order[fold].tolist()) for fold in shuffled} == ours
    assert len(folds_of(cohort(24), 30, 10)) == 24


def test_of_fewer_patients_than_folds_each_is_one():
    slides = cohort(12, per_patient=4)
    folds = folds_of(slides, 0, 5)
    assert [int(fold.sum()) for fold in folds] == [4, 4, 4]


def with_region(folder, region="tumor, left", without=()):
    """A cohort of which the slides, but for some, have a region with values of its own."""
    sheet, results = write_cohort(folder)
    for place in set(range(36)) - set(without):
        rows = ({"area_um2_mean": 40.0 + place}, {"area_um2_mean": 100.0 - place})
        write_statistics(results, f"s{place}", *rows, regions=("slide", region))
        made.seal(results, f"s{place}")
    return sheet, results


def test_regions_that_are_asked_for_are_learned_from(tmp_path):
    sheet, results = with_region(tmp_path)
    found = read_cohort(sheet, results, "grade", "patient", regions=("tumor, left",))
    rows = ("all", "epithelial", "tumor, left/all", "tumor, left/epithelial")
    assert set(found.families) == {f"{row} size" for row in rows}
    assert found.values[:, found.parts["tumor, left/epithelial size"]].ravel().tolist() == [100 - n for n in range(36)]
    assert found.values[:, found.parts["all size"]].ravel().tolist() == [40 + n for n in range(36)]
    assert set(read_cohort(sheet, results, "grade", "patient").families) == {"all size", "epithelial size"}


def test_a_region_that_some_slides_lack_is_missing_there_and_one_that_most_lack_is_refused(tmp_path):
    sheet, results = with_region(tmp_path, without=range(7))
    found = read_cohort(sheet, results, "grade", "patient", regions=("tumor, left",))
    assert np.isnan(found.values[:, found.parts["tumor, left/all size"]].ravel()).tolist() == [n < 7 for n in range(36)]
    write_slide(results, "s7", dict.fromkeys(NAMES, 1.0))
    with pytest.raises(RefusalError, match="--region tumor, left: fewer than 80% of the slides have a region of this"):
        read_cohort(sheet, results, "grade", "patient", regions=("tumor, left",))


def test_how_the_stain_was_measured_is_learned_and_must_be_the_same_for_all(tmp_path, monkeypatch):
    def measured(stain, *quality):
        entries = made.DETAILS["features"] | {"stain": {"measured": stain}, "quality": list(quality)}
        monkeypatch.setitem(made.DETAILS, "features", entries)

    assert read(tmp_path / "native").stain == "native"
    measured("normalized")
    sheet, results = write_cohort(tmp_path)
    assert read_cohort(sheet, results, "grade", "patient").stain == "normalized"
    row = dict.fromkeys(NAMES, 0.5)
    measured("native")
    write_slide(results, "s4", row)
    with pytest.raises(RefusalError, match="some slides were measured with normalized stain and some without"):
        read_cohort(sheet, results, "grade", "patient")
    measured("native", {"code": "stain_not_normalized", "message": "m", "value": 0.0, "threshold": 2})
    write_slide(results, "s4", row)
    found = read_cohort(sheet, results, "grade", "patient")
    assert found.left_out == {"s4": "its stain could not be normalized (features.stain)"}
    assert found.stain == "normalized"
