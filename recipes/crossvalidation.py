"""Score weights of several folds, each on the images that it did not learn from, as if they were one model.

    python recipes/crossvalidation.py OUT.tsv NAME SHEET=WEIGHTS …

Writes the table that `pathopipe evaluate nuclei --out` writes.
"""

import dataclasses
import sys
from pathlib import Path

from pathopipe.annotations import read_sheet
from pathopipe.evaluation.layout import aligned
from pathopipe.evaluation.scoring import Row, evaluate_images
from pathopipe.evaluation.tables import outline_lines, pooled_only, tsv
from pathopipe.pipeline import Config


def main() -> None:
    out, name, *folds = sys.argv[1:]
    rows = list[Row]()
    for part in folds:
        sheet, weights = part.split("=", 1)
        found = evaluate_images(read_sheet(Path(sheet)), Config(), [weights], lambda *_: None)
        rows += [dataclasses.replace(row, model=name) for row in found]
    Path(out).write_text(tsv(rows), encoding="utf-8")
    print(aligned(pooled_only(outline_lines(rows))))


if __name__ == "__main__":
    main()
