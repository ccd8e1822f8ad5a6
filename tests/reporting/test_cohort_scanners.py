"""Cohorts of one scanner and of two, with numbers as slides of such cohorts have them."""

from dataclasses import replace

import numpy as np
import pytest

from pathopipe.reporting import cohort_figures
from pathopipe.reporting.cohort_comparisons import Column
from pathopipe.reporting.cohort_entry import CohortEntry
from pathopipe.reporting.cohort_page import CohortPage, render_cohort
from pathopipe.reporting.cohort_scanners import COLUMN, LEAST, grouped, scanners, with_column
from pathopipe.reporting.cohort_table import CohortRow, table_of

# Means and standard deviations within a scanner; and by how much another one differs.
ONE = {
    "stain_hematoxylin_red": (0.62, 0.03),
    "stain_hematoxylin_green": (0.70, 0.02),
    "stain_hematoxylin_blue": (0.35, 0.03),
    "stain_eosin_red": (0.12, 0.03),
    "stain_eosin_green": (0.93, 0.01),
    "stain_eosin_blue": (0.33, 0.03),
    "stain_hematoxylin_strength": (1.1, 0.15),
    "stain_eosin_strength": (0.8, 0.12),
    "scan_glass_red": (243.0, 1.0),
    "scan_glass_green": (242.0, 1.0),
    "scan_glass_blue": (244.0, 1.0),
    "scan_noise": (0.8, 0.1),
    "scan_blockiness": (0.9, 0.2),
    "scan_sharpness": (0.5, 0.05),
}
OTHER = {"scan_glass_blue": -8.0, "scan_glass_red": -4.0, "scan_noise": 0.9, "scan_blockiness": 0.8}


def cohort(sizes: tuple[int, ...], seed: int = 0, **of_all) -> list[CohortEntry]:
    """Slides of as many scanners, in turn."""
    rng, entries = np.random.default_rng(seed), []
    for scanner, size in enumerate(sizes):
        for place in range(size):
            numbers = {
                name: float(rng.normal(mean + scanner * OTHER.get(name, 0.0), sd)) for name, (mean, sd) in ONE.items()
            }
            entries.append(CohortEntry(CohortRow(f"s{scanner}_{place}", "done", statistics=numbers, **of_all)))
    return entries


def column(title: str, values) -> Column:
    return Column(title, tuple(map(str, values)))


def test_the_numbers_are_those_of_the_statistics():
    assert set(ONE) == set(LEAST)


def test_two_scanners_are_found_shown_and_in_the_table():
    entries = cohort((22, 14))
    found = scanners(entries, [])
    assert found.sizes == [("A", 22), ("B", 14)]
    assert "fall into 2 groups: A (22 slides), B (14 slides)" in found.finding
    assert found.differences[0].startswith(("glass, blue: A 24", "noise (gray levels): A 0"))
    assert len(found.boxes) == 3
    assert found.map.count("<title>s") == 36
    assert "s1_3: group B" in found.map
    table = table_of([entry.row for entry in grouped(entries, found)])
    assert table["scanner_group"].tolist() == ["A"] * 22 + ["B"] * 14


@pytest.mark.parametrize("size", [10, 16, 40])
def test_one_scanner_is_not_split(size: int):
    split = [scanners(cohort((size,), seed), []).several for seed in range(200)]
    assert sum(split) <= 6


@pytest.mark.parametrize("sizes", [(10, 10), (30, 8), (40, 40)])
def test_two_scanners_are_told_apart_whatever_the_slides(sizes: tuple[int, int]):
    found = [scanners(cohort(sizes, seed), []) for seed in range(30)]
    assert sum([size for _, size in one.sizes] == sorted(sizes, reverse=True) for one in found) >= 28


def test_one_scanner_is_said_to_be_one():
    entries = cohort((30,))
    found = scanners(entries, [])
    assert found.finding.startswith("No groups: ")
    assert {entry.row.scanner_group for entry in grouped(entries, found)} == {None}


def test_nothing_is_said_of_few_slides():
    assert scanners(cohort((5, 4)), []) is None
    assert scanners([], []) is None


def test_columns_that_go_with_the_scanner_are_named_and_others_are_not():
    entries = cohort((20, 20))
    site = column("site", ["X"] * 20 + ["Y"] * 20)
    ward = column("ward", ["p", "q"] * 20)
    age = column("age", range(40))
    alone = column("one", ["A"] * 40)
    many = column("many", [f"v{place}" for place in range(40)])
    by = {one.title: one for one in scanners(entries, [site, ward, age, alone, many]).associations}
    assert by["site"].found
    assert by["site"].test.groups == 2
    assert by["age"].found, "the other scanner's slides come last"
    assert by["site"].adjusted == pytest.approx(by["site"].test.p * 3 / 2), "of three tests two have the least p"
    assert not by["ward"].found
    assert "not tested" in by["one"].words
    assert by["many"].words == "40 different values: too many to compare."


def test_slides_of_one_patient_count_as_one():
    entries = cohort((20, 20))
    twins = [replace(one, row=replace(one.row, patient_slides=f"p{place // 2}")) for place, one in enumerate(entries)]
    (by,) = scanners(twins, [column("site", ["X"] * 20 + ["Y"] * 20)]).associations
    assert by.test.size == 20


def test_slides_without_some_numbers_take_no_part_and_measures_of_few_slides_do_not_count():
    entries = cohort((20, 12))
    del entries[3].row.statistics["scan_noise"]
    found = scanners(entries, [])
    assert (len(found.entries), found.left_out) == (31, 1)
    assert "1 slide lacks some of these numbers and is not looked at." in found.finding
    assert grouped(entries, found)[3].row.scanner_group is None
    for entry in entries[:20]:
        for color in ("red", "green", "blue"):
            entry.row.statistics.pop(f"scan_glass_{color}")
    fields = scanners(entries, [])
    assert "scan_glass_red" not in fields.measures
    assert fields.several


def test_the_page_says_it_in_words_and_compares_by_group(read_page):
    entries = cohort((22, 14))
    found = scanners(entries, [column("site", ["X"] * 22 + ["Y"] * 14)])
    shown = with_column(grouped(entries, found))
    page = CohortPage(tuple(shown), (), (COLUMN,), ("scan_noise",), scanners=found)
    read = read_page(render_cohort(page))
    assert "Staining and scanning The 36 slides fall into 2 groups" in read.visible
    assert "site : explains" in read.visible
    assert f"By {COLUMN}" in read.visible
    assert "Kruskal-Wallis test of 2 groups, n = 36" in read.visible
    plain = read_page(render_cohort(CohortPage(tuple(entries))))
    assert "Staining and scanning" not in plain.visible


def test_a_large_cohort_has_dots_and_a_letter_per_group():
    entries = cohort((cohort_figures.NAMED, 60))
    found = scanners(entries, [])
    assert found.several
    drawing = found.map
    assert drawing.count("<text") < 40
    assert "<title>" not in drawing


def test_names_of_slides_and_columns_are_escaped(read_page):
    attack = "\"'><script>alert(1)</script>"
    entries = [replace(one, row=replace(one.row, slide=attack + one.row.slide)) for one in cohort((20, 20))]
    found = scanners(entries, [column(attack, ["X"] * 20 + ["Y"] * 20)])
    content = render_cohort(CohortPage(tuple(grouped(entries, found)), scanners=found))
    assert b"<script>alert" not in content
    read_page(content)
