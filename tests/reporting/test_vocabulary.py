import pytest

from pathopipe.ops.intensity import INTENSITY_STATISTICS
from pathopipe.ops.shape import SHAPE_FEATURES
from pathopipe.ops.statistics import STATISTICS
from pathopipe.reporting import vocabulary


def test_every_measure_of_the_product_has_a_term():
    intensities = [f"{stain}_{name}" for stain in ("hematoxylin", "eosin") for name in INTENSITY_STATISTICS]
    assert {*SHAPE_FEATURES, *intensities, "nearest_um", "neighbors_50um"} == set(vocabulary.FEATURES)
    assert set(vocabulary.STATISTICS) == set(STATISTICS)


@pytest.mark.parametrize("name", list(vocabulary.FEATURES))
def test_units_agree_with_the_names_of_columns(name):
    unit = vocabulary.feature(name).unit
    assert (unit == "µm²") == name.endswith("_um2")
    assert (unit == "µm") == name.endswith("_um")


@pytest.mark.parametrize(
    ("column", "split"),
    [
        ("area_um2_p50", ("area_um2", "p50")),
        ("hematoxylin_sd_sd", ("hematoxylin_sd", "sd")),
        ("nuclei_count", None),
        ("mean", None),
    ],
)
def test_statistic_columns_are_split(column, split):
    assert vocabulary.statistic_column(column) == split


def test_columns_have_labels_and_units():
    assert vocabulary.column_term("area_um2_mean").label == "Nuclear area, mean"
    assert vocabulary.column_term("area_um2_mean").unit == "µm²"
    assert vocabulary.column_term("area_um2_cv").label == "Nuclear area, CV"
    assert vocabulary.column_term("area_um2_cv").unit == ""
    assert vocabulary.column_term("tissue_mm2").unit == "mm²"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("median_area_um2", "Median area"),
        ("area_sd_um2", "Area SD"),
        ("area_cv", "Area CV"),
        ("nuclei_per_mm2", "Nuclear density"),
        ("circularity_p50", "Circularity, median"),
        ("um", "Um"),
        ("x", "X"),
    ],
)
def test_names_in_words(name, words):
    assert vocabulary.in_words(name) == words
