from pathopipe.reporting.measures import key_figures, statistics_table

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


def test_the_table_has_a_row_per_feature_and_dashes_for_what_is_missing():
    columns, rows = statistics_table(ROW)
    assert columns == ("Mean", "SD", "Median", "P95")
    assert [row.term.label for row in rows] == ["Nuclear area", "Circularity", "my_measure"]
    assert rows[0].values == (65.66, 12.0, 60.0, None)
    assert rows[1].values == (None, None, 0.9, None)


def test_no_statistics_no_table():
    assert statistics_table({"nuclei_count": 0}) == ((), ())
