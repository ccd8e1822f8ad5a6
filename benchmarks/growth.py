"""Whether time per area and memory stay as they are when the slide grows.

    python benchmarks/growth.py [SIDES]

SIDES (default 1,2,4,8) are how many times a field of 1 mm2 is repeated along each side: areas of 1, 4, 16 and 64 mm2.
Prints for each stage seconds per mm2 and peak memory, and the largest as a ratio to the one of the second size
(in the smallest, seconds are those of starting).
"""

import sys
import tempfile
from pathlib import Path

from pathopipe.cli.bench import Row, measure, synthetic_slide

FIELD_MM2 = 1.048576


def main() -> None:
    sides = [int(side) for side in (sys.argv[1] if len(sys.argv) > 1 else "1,2,4,8").split(",")]
    found = dict[int, list[Row]]()
    for side in sides:
        with tempfile.TemporaryDirectory() as folder:
            found[side] = measure(synthetic_slide(Path(folder), side**2 * FIELD_MM2), None, Path(folder), 2)
        print(f"{side**2:>4} mm2: {sum(row.record['seconds'] for row in found[side]):.1f} s", flush=True)
    heads = [f"{side**2} mm2" for side in sides]
    for title, value in (("s/mm2", seconds), ("peak MB", memory)):
        print(f"\n{title:<10}" + "".join(f"{head:>10}" for head in heads) + f"{'largest/second':>16}")
        for number, row in enumerate(found[sides[0]]):
            values = [value(found[side][number], side) for side in sides]
            print(f"{row.stage:<10}" + "".join(f"{one:>10.2f}" for one in values) + f"{values[-1] / values[1]:>16.2f}")


def seconds(row: Row, side: int) -> float:
    return float(row.record["seconds"]) / (side**2 * FIELD_MM2)


def memory(row: Row, _: int) -> float:
    return float(row.record["peak_memory_mb"])


if __name__ == "__main__":
    main()
