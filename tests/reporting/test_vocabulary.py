import pytest

from pathopipe.reporting import vocabulary


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
