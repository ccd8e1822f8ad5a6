from pathopipe.reporting.measures import (
    compared_columns,
    compared_rows,
    key_figures,
    median_columns,
    other_rows,
    page_columns,
    parts_columns,
    parts_rows,
    shown_parts,
    single_groups,
    statistics_columns,
    statistics_groups,
)
from pathopipe.results.schemas.features import term_of
from pathopipe.results.schemas.statistics import SUMMARIZED

ROW = {
    "region": "slide",
    "nuclei_count": 2504,
    "nuclei_per_mm2": 3220.4,
    "tissue_mm2": 0.7777,
    "area_um2_mean": 65.66,
    "area_um2_sd": 12.0,
    "area_um2_p50": 60.0,
    "area_um2_p95": None,
    "circularity_p50": 0.9,
    "my_measure_p50": 7.0,
}


def test_key_figures_are_those_that_are_there():
    figures = {fact.label: fact.value for fact in key_figures(ROW)}
    assert figures["Nuclei"] == "2,504"
    assert figures["Mean nuclear area"] == "65.7\u202fµm²"
    assert "Variation of area" not in figures


def test_a_table_per_group_has_a_row_per_measure_and_dashes_for_what_is_missing():
    columns, groups = statistics_columns(), statistics_groups(ROW | {"clump_share_mean": 0.25})
    assert columns == (
        *("Mean", "SD", "CV", "MAD", "IQR", "Skewness", "Kurtosis"),
        *("P5", "P10", "P25", "Median", "P75", "P90", "P95"),
    )
    assert [group.title for group in groups] == ["Size and plain shape", "Chromatin"]
    assert [row.term.label for row in groups[0].rows] == ["Nuclear area", "Circularity"]
    assert groups[0].rows[0].values == (65.66, 12.0, *[None] * 8, 60.0, *[None] * 3)
    assert groups[1].rows[0].values == (0.25, *[None] * 13)


def test_every_measure_with_statistics_has_its_place_in_one_table():
    groups = statistics_groups({f"{name}_mean": 1.0 for name in SUMMARIZED})
    assert sorted(row.term.label for group in groups for row in group.rows) == sorted(
        term_of(name).label for name in SUMMARIZED
    )


def test_no_statistics_no_table():
    assert statistics_groups({"nuclei_count": 0}) == single_groups({"area_um2_mean": 1.0}) == ()


def test_spatial_measures_are_shown_where_they_are_known():
    (group,) = single_groups({"spatial_clark_evans": 0.9, "spatial_degree_mean": None, "area_um2_mean": 3.0})
    assert [(row.term.label, row.values) for row in group.rows] == [("Clark-Evans index", (0.9,))]


def test_what_is_counted_and_the_quality_have_a_table_too():
    (group,) = single_groups({"nuclei_count": 7, "unfit_share": 0.25, "my_share": 1.0})
    assert [(row.term.label, row.values) for row in group.rows] == [("Nuclei", (7,)), ("Tissue left out", (0.25,))]


def test_what_only_another_row_has_is_a_line_without_a_number():
    groups = statistics_groups(ROW, known={"perimeter_um_mean"})
    singles = single_groups(ROW, known={"spatial_clark_evans"})
    assert [row.name for row in groups[0].rows] == ["area_um2", "perimeter_um", "circularity"]
    assert [row.values for row in singles[1].rows] == [(None,)]
    columns = page_columns(groups, singles)
    assert columns[:2] == ["area_um2_mean", "area_um2_sd"]
    assert columns[14:15] == ["perimeter_um_mean"]
    assert columns[-1] == "spatial_clark_evans"
    assert len(columns) == sum(len(row.values) for group in (*groups, *singles) for row in group.rows)


def test_of_too_many_rows_those_of_all_nuclei_are_shown():
    rows = [
        {"region": f"r{place}", "type": kind, "nuclei_count": place} for place in range(150) for kind in ("all", "x")
    ]
    assert shown_parts(rows[:4]) == [0, 1, 2, 3]
    assert shown_parts(rows) == list(range(0, 300, 2))
    assert [(row.name, row.nuclei) for row in other_rows(rows, [2, 3])] == [("r1, all", "1"), ("r1, x", "1")]


def test_regions_and_types_are_lines_where_there_is_more_than_the_slide():
    first = ROW | {"type": "all"}
    assert parts_rows([]) == parts_rows([first]) == ()
    named = [
        first,
        {"region": "slide", "type": "stromal", "nuclei_count": 4},
        {"region": "my region", "type": "all", "nuclei_per_mm2": 7.5},
        {"region": "densest_field", "type": "all"},
    ]
    rows = parts_rows(named)
    assert [(row.region, row.type) for row in rows] == [
        ("Whole slide", "all"),
        ("Whole slide", "stromal"),
        ("my region", "all"),
        ("Densest field", "all"),
    ]
    assert [(term.label, term.unit) for term in parts_columns()[:2]] == [("Nuclei", ""), ("Nuclear density", "per mm²")]
    assert rows[0].values == ("2,504", "3,220", "60.0", "12.0", "0.900", "–")
    assert rows[1].values[0] == "4"
    assert rows[2].values == ("–", "7.50", *["–"] * 4)


def test_a_measure_is_defined_as_in_the_dictionary():
    (group,) = statistics_groups({"perimeter_um_mean": 1.0, "area_um2_mean": 2.0})
    area, perimeter = group.rows
    assert (area.name, area.definition) == ("area_um2", "Definition: pixels times the area of a pixel.")
    assert perimeter.definition.startswith("Definition: half the crossings")
    assert perimeter.definition.endswith("(Legland, Kiêu and Devaux 2007).")
    spatial = single_groups({"spatial_clark_evans": 0.9})[0].rows[0]
    assert spatial.name == "spatial_clark_evans"
    assert "Clark and Evans 1954" in spatial.definition


def test_medians_of_other_regions_and_types_stand_beside_those_of_the_slide():
    parts = [
        ROW | {"type": "all"},
        {"region": "slide", "type": "stromal", "area_um2_p50": 20.0},
        {"region": "densest_field", "type": "all", "area_um2_p50": None},
    ]
    compared = compared_rows(parts)
    assert compared_columns(compared) == ("Whole slide, stromal", "Densest field, all")
    rows = statistics_groups(ROW, compared)[0].rows
    assert [row.medians for row in rows] == [(20.0, None), (None, None)]
    assert compared_rows(parts[:1]) == compared_rows([]) == []


def test_of_many_regions_those_of_all_nuclei_are_compared_first():
    parts = [{"region": f"r{place}", "type": kind} for place in range(40) for kind in ("all", "stromal")]
    compared = compared_rows([ROW | {"type": "all"}, {"region": "slide", "type": "stromal"}, *parts])
    assert compared_columns(compared) == ("Whole slide, stromal", *(f"r{place}, all" for place in range(15)))


def test_only_medians_that_a_table_has_are_asked_of_it():
    assert median_columns({"area_um2_p50", "area_um2_mean", "region", "clump_share_p50"}) == (
        "area_um2_p50",
        "clump_share_p50",
    )
