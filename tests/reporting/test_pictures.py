import base64

import numpy as np
import pytest

from pathopipe.reporting import pictures


@pytest.fixture
def gradient():
    x = np.linspace(0, 255, 64).astype(np.uint8)
    return np.dstack(
        [np.broadcast_to(x, (32, 64)), np.full((32, 64), 40, np.uint8), np.broadcast_to(x[::-1], (32, 64))]
    )


def test_jpeg_keeps_colors_and_size(gradient):
    picture = pictures.jpeg(gradient)
    assert (picture.width, picture.height) == (64, 32)
    assert np.abs(pictures.open_jpeg(picture.data).astype(int) - gradient).mean() < 6
    assert pictures.jpeg(gradient).data == picture.data


def test_the_address_holds_the_bytes(gradient):
    picture = pictures.jpeg(gradient)
    head, body = picture.uri.split(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(body) == picture.data


def test_heat_is_transparent_where_nothing_is_known_and_yellow_at_the_top():
    values = np.array([[0.0, 5.0, 10.0, np.nan]])
    rgba = pictures.heat(values, 10.0)
    assert rgba[0, :, 3].tolist() == [255, 255, 255, 0]
    assert rgba[0, 0, 2] > rgba[0, 0, 0], "the lowest color is blue"
    assert rgba[0, 2, 0] > 200, "the highest color is yellow"
    assert rgba[0, 2, 2] < 100
    assert pictures.png(rgba).data.startswith(b"\x89PNG")


def test_heat_gets_lighter_all_the_way():
    colors = pictures.color_table().astype(float)
    assert (np.diff(colors @ (0.2126, 0.7152, 0.0722)) > -1).all()


def test_shrinking_keeps_the_shape_and_never_enlarges(gradient):
    data = pictures.jpeg(gradient).data
    small = pictures.shrunk(data, 16)
    assert (small.width, small.height) == (16, 8)
    same = pictures.shrunk(data, 500)
    assert (same.width, same.height) == (64, 32)
    assert pictures.existing_jpeg(data).data == data


def test_a_broken_picture_is_told():
    with pytest.raises(ValueError, match="not a readable JPEG"):
        pictures.open_jpeg(b"no picture")
