import cv2
import numpy as np
import pytest

from pathopipe.reporting.heat import influence_limit, paint
from pathopipe.results.heat_map import Square


def square(column: int, row: int, influence: float) -> Square:
    return Square(100.0 * column, 100.0 * row, 100.0, 100.0, 5, influence)


def test_squares_are_painted_where_they_lie_in_the_colors_of_their_sign():
    found = paint([square(0, 0, 2.0), square(3, 1, -2.0), square(1, 1, 0.0)], (40, 20), (400.0, 200.0), 2.0)
    image = cv2.imdecode(np.frombuffer(found.data, np.uint8), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    assert image.shape == (20, 40, 4)
    assert image[0, 0].tolist() == image[9, 9].tolist() == [178, 24, 43, 255]
    assert image[10, 30].tolist() == image[19, 39].tolist() == [33, 102, 172, 255]
    assert image[10, 10].tolist() == [255, 255, 255, 255]
    assert image[0, 10, 3] == image[19, 0, 3] == 0, "transparent where there is no square"


def test_one_extreme_square_does_not_leave_the_others_white():
    squares = [square(place % 10, place // 10, 1.0) for place in range(99)]
    assert influence_limit([*squares, square(9, 9, -1000.0)]) == pytest.approx(1.0)
    assert influence_limit([square(0, 0, 0.0)] * 50 + [square(1, 1, -3.0)]) == 3.0
    assert influence_limit([]) == influence_limit([square(0, 0, 0.0)]) == 0.0
