import math
import subprocess
import sys

import numpy as np
import pyarrow as pa

from pathopipe.results.tables import ROWS_PER_GROUP, TableWriter, numbers, read_columns


def test_values_are_kept_and_null_becomes_nan():
    assert numbers(pa.array([1, 2], pa.int64())).tolist() == [1, 2]
    chunked = pa.chunked_array([pa.array([1.5, None]), pa.array([2.5])])
    values = numbers(chunked)
    assert values.dtype == np.float64
    assert values[0] == 1.5
    assert math.isnan(values[1])
    assert numbers(pa.chunked_array([], pa.float64())).shape == (0,)


def test_columns_are_read_across_row_groups(tmp_path):
    rows = 2 * ROWS_PER_GROUP + 5
    ids, score = np.arange(rows), np.linspace(0, 1, rows, dtype=np.float32)
    value = np.where(ids % 7 == 0, np.nan, ids / 3)
    schema = pa.schema([("id", pa.int64()), ("value", pa.float64()), ("score", pa.float32())])
    with TableWriter(tmp_path / "t.parquet", schema) as table:
        table.write({"id": ids, "value": value, "score": score})
    found = read_columns(tmp_path / "t.parquet", ["score", "value", "id"])
    assert list(found) == ["score", "value", "id"]
    assert [column.dtype for column in found.values()] == [np.float32, np.float64, np.int64]
    np.testing.assert_array_equal(found["id"], ids)
    np.testing.assert_array_equal(found["value"], value)
    np.testing.assert_array_equal(found["score"], score)


def test_pandas_is_not_imported():
    code = (
        "import sys, numpy, pyarrow; from pathopipe.results.tables import numbers;"
        "column = pyarrow.nulls(3, pyarrow.float64());"
        "assert numpy.isnan(numbers(column)).all(); print('pandas' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


WRITE = """
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from pathopipe.results.tables import TableWriter, read_table

schema = pa.schema([("a", pa.int64()), ("b", pa.float64()), ("c", pa.string())])
with TableWriter(Path("t.parquet"), schema) as table:
    table.write({"a": np.arange(3), "b": np.array([0.5, np.nan, 2]), "c": ["é", None, ""]})
    table.write({"a": [3], "b": [None], "c": ["one"]})
print("pandas" in sys.modules)
print(read_table(Path("t.parquet")).to_pydict())
"""


def test_tables_are_written_without_pandas(tmp_path):
    result = subprocess.run([sys.executable, "-c", WRITE], capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = {"a": [0, 1, 2, 3], "b": [0.5, None, 2.0, None], "c": ["é", None, "", "one"]}
    assert result.stdout.splitlines() == ["False", str(expected)]
