"""Magnitudes of Zernike moments from another program, for tests/ops/test_moments.py.

    pip install mahotas
    python recipes/shape_references.py

mahotas (1.4.19, Coelho 2013) sums the polynomials over pixel centers. So each pixel of a shape is first drawn as 64 by
64, where the sum comes within about 2e-5 of the integral over the pixel. Prints a line per shape: the moments of order
2 to 6 without 00 and 11, in ascending order and repetition.
"""

import mahotas
import numpy as np

# As in the test.
SHAPES = {
    "hook": ("#####", "#....", "#....", "###..", "###.."),
    "drop": ("..#...", ".###..", "####..", "######", ".#####", "..##.."),
}
FINE = 64


def main() -> None:
    """Print the table."""
    for name, rows in SHAPES.items():
        mask = np.array([[character == "#" for character in row] for row in rows])
        ys, xs = np.nonzero(mask)
        y, x = ys.mean() + 0.5, xs.mean() + 0.5
        reach = max(np.hypot(ys + dy - y, xs + dx - x).max() for dy in (0, 1) for dx in (0, 1))
        fine = np.kron(mask, np.ones((FINE, FINE), np.uint8))
        center = (y * FINE - 0.5, x * FINE - 0.5)
        moments = mahotas.features.zernike_moments(fine, reach * FINE, degree=6, cm=center)
        pairs = [(n, m) for n in range(7) for m in range(n + 1) if (n - m) % 2 == 0]
        kept = [value for pair, value in zip(pairs, moments, strict=True) if pair not in {(0, 0), (1, 1)}]
        print(f'"{name}": ({", ".join(f"{value:.6f}" for value in kept)}),')


if __name__ == "__main__":
    main()
