"""Columns of tables as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers(column: Any) -> NDArray[Any]:
    """Return a numeric column (pyarrow Array or ChunkedArray) as an array ``(N,)``; in floats, null becomes NaN.

    pyarrow's own ``to_numpy`` imports pandas where that is installed, which takes longer than a small slide's report.
    """
    import pyarrow as pa

    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not whole.null_count:
        return np.asarray(np.from_dlpack(whole))
    known = np.from_dlpack(whole.is_valid().cast(pa.uint8())) == 1
    values = np.full(len(whole), np.nan)
    values[known] = np.from_dlpack(whole.drop_null())
    return values
