import math
import subprocess
import sys

import numpy as np
import pyarrow as pa

from pathopipe.reporting.columns import numbers


def test_values_are_kept_and_null_becomes_nan():
    assert numbers(pa.array([1, 2], pa.int64())).tolist() == [1, 2]
    chunked = pa.chunked_array([pa.array([1.5, None]), pa.array([2.5])])
    values = numbers(chunked)
    assert values.dtype == np.float64
    assert values[0] == 1.5
    assert math.isnan(values[1])
    assert numbers(pa.chunked_array([], pa.float64())).shape == (0,)


def test_pandas_is_not_imported():
    code = (
        "import sys, numpy, pyarrow; from pathopipe.reporting.columns import numbers;"
        "column = pyarrow.nulls(3, pyarrow.float64());"
        "assert numpy.isnan(numbers(column)).all(); print('pandas' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
