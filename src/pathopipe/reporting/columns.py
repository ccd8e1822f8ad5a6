"""Columns of tables as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers(column: Any) -> NDArray[Any]:
    """Return a numeric column (pyarrow Array or ChunkedArray) as an array ``(N,)``; in floats, null becomes NaN.

    pyarrow's own ``to_numpy`` imports pandas where that is installed, which takes longer than a small slide's report.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if whole.null_count:
        whole = pc.fill_null(whole, float("nan"))
    return np.asarray(np.from_dlpack(whole))
