import csv
import io
import math

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.reporting.cohort_table import CohortRow, table_of, to_parquet, to_tsv

ROWS = [
    CohortRow(
        "s1",
        "done",
        None,
        "2",
        False,
        {"1": 0.1, "2": 0.9},
        {"nuclei_count": 10, "x_mean": 0.1},
        {"site": "B1"},
        "open",
        "CC BY 4.0",
        True,
        "pen not_he",
    ),
    CohortRow("s2", "rejected", "no tissue\nat all", extra={"site": ""}),
    CohortRow("s3", "done", "too few", None, True, {}, {"nuclei_count": 3, "x_mean": None, "x_sd": 2.0}),
]


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode()), delimiter="\t"))


def test_columns_stand_in_order():
    assert list(table_of(ROWS)) == [
        "slide", "state", "reason", "grade", "abstained", "outside_scope", "patient_grade",
        "patient_slides", "warnings", "outlying", "scanner_group", "other_settings", "model", "model_licence",
        "share_of_resamples_1", "share_of_resamples_2", "nuclei_count", "x_mean", "x_sd", "site",
    ]  # fmt: skip


def test_tsv_holds_every_slide_in_the_order_of_the_sheet():
    rows = read(to_tsv(table_of(ROWS)))
    assert [row["slide"] for row in rows] == ["s1", "s2", "s3"]
    assert rows[0] == {
        "slide": "s1", "state": "done", "reason": "", "grade": "2", "abstained": "false", "model": "open",
        "outside_scope": "true", "warnings": "pen not_he", "other_settings": "", "model_licence": "CC BY 4.0",
        "share_of_resamples_1": "0.1",
        "share_of_resamples_2": "0.9", "nuclei_count": "10", "x_mean": "0.1", "x_sd": "", "site": "B1",
        "patient_grade": "", "patient_slides": "", "outlying": "", "scanner_group": "",
    }  # fmt: skip
    assert rows[1]["reason"] == r"no tissue\nat all"
    assert rows[2]["abstained"] == "true"


def test_parquet_keeps_types_and_text():
    table = pq.read_table(pa.BufferReader(to_parquet(table_of(ROWS))))
    assert table.schema.field("nuclei_count").type == pa.int64()
    assert table.schema.field("x_mean").type == pa.float64()
    assert table.schema.field("abstained").type == pa.bool_()
    assert table.schema.field("outside_scope").type == pa.bool_()
    assert table["reason"].to_pylist() == [None, "no tissue\nat all", "too few"]
    assert to_parquet(table_of(ROWS)) == to_parquet(table_of(ROWS))


def test_a_column_of_the_sheet_never_replaces_ours():
    rows = [CohortRow("s1", "done", grade="2", extra={"grade": "3", "state": "x"})]
    table = table_of(rows)
    assert table.loc[0, ["grade", "sheet_grade", "sheet_state"]].to_list() == ["2", "3", "x"]


def test_columns_of_the_sheet_that_are_called_alike_keep_their_own_values():
    table = table_of([CohortRow("s1", "done", grade="2", extra={"sheet_grade": "a", "grade": "b"})])
    assert table.loc[0, ["grade", "sheet_grade", "sheet_sheet_grade"]].to_list() == ["2", "a", "b"]
    assert to_tsv(table).decode().splitlines()[1].split("\t")[-2:] == ["a", "b"]


def test_a_cohort_without_slides_has_its_columns():
    assert to_tsv(table_of([])).decode().startswith("slide\tstate\treason")


def test_what_a_column_is_stands_in_the_file():
    named = [CohortRow("s1", "done", shares={"2": 1.0}, statistics={"area_um2_p50": 40.0, "area_um2_cv": None})]
    sheet = [CohortRow("s2", "missing", extra={"share_of_resamples_x": "no number", "site": "B1"})]
    schema = pq.read_schema(pa.BufferReader(to_parquet(table_of([*named, *sheet]))))
    assert all(field.metadata[b"description"] for field in schema)
    assert schema.field("area_um2_p50").metadata[b"unit"] == "µm²".encode()
    assert schema.field("area_um2_p50").metadata[b"description"].startswith(b"Nuclear area, median")
    assert schema.field("share_of_resamples_2").type == pa.float64()
    assert schema.field("share_of_resamples_x").type == pa.string()
    assert b"sample sheet" in schema.field("site").metadata[b"description"]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "  =1", "\t=1", "\r=1"])
def test_formulas_become_text(text):
    (row,) = read(to_tsv(pd.DataFrame({"note": [text], "other": ["x"]})))
    assert row["note"].startswith("'")
    assert row["other"] == "x"


@pytest.mark.parametrize("text", ["-5", "+3.5", "1e-3", "-.5", "S-1", "a=b", "<script>"])
def test_numbers_and_plain_text_stay(text):
    assert read(to_tsv(pd.DataFrame({"note": [text]})))[0]["note"] == text


def test_names_of_columns_are_escaped_too():
    assert to_tsv(pd.DataFrame({"=a\tb": ["x"]})).decode().splitlines()[0] == r"'=a\tb"


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=5))
def test_any_text_keeps_its_line_and_its_cell(rows):
    data = to_tsv(pd.DataFrame({"a": [one for one, _ in rows], "b": [other for _, other in rows]}))
    assert data.count(b"\n") == len(rows) + 1
    assert all(line.count(b"\t") == 1 for line in data.split(b"\n")[:-1])
    assert len(read(data)) == len(rows)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_floats_are_read_back_exactly(value):
    (row,) = read(to_tsv(pd.DataFrame({"x": [value], "y": ["."]})))
    assert float(row["x"]) == value if math.isfinite(value) else row["x"] == ""
