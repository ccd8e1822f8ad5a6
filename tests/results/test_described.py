"""Reading what a slide's statistics say of it."""

import subprocess
import sys
from pathlib import Path

LIGHT = """
import sys
from pathlib import Path
from pathopipe.results.described import described_slide
first, others = described_slide(Path(sys.argv[1]), ())
print(len(first) > 0, "pandas" in sys.modules)
"""


def test_it_takes_no_pandas(made_results: Path) -> None:
    """To import that takes longer than a grade."""
    path = made_results / "good" / "statistics" / "statistics.parquet"
    done = subprocess.run([sys.executable, "-c", LIGHT, str(path)], check=False, capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr
