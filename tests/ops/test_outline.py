import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings

from pathopipe.ops.wkb import from_wkb, to_wkb, wkb_column
from tests.ops.strategies import label_images, outlines


def polygons(rings):
    return shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, rings.coords, (rings.offsets, np.arange(len(rings.offsets)))
    )


def column_of(rings, scale=(1.0, 1.0)):
    return wkb_column(to_wkb(rings.coords, rings.offsets, scale), np.diff(rings.offsets))


@settings(deadline=None, max_examples=150)
@given(label_images())
def test_outlines_are_valid_polygons_around_the_pixels(labels):
    rings = outlines(labels)
    shapes = polygons(rings)
    assert shapely.is_valid(shapes).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(shapes)).all()
    np.testing.assert_array_equal(shapely.area(shapes), rings.area_px - 0.5)
    np.testing.assert_array_equal(rings.area_px, np.bincount(labels.ravel())[1:])
    rows, columns = np.indices(labels.shape)
    for label, shape in zip(rings.labels, shapes, strict=True):
        np.testing.assert_array_equal(shapely.contains_xy(shape, columns + 0.5, rows + 0.5), labels == label)


@settings(deadline=None, max_examples=80)
@given(label_images())
def test_outlines_of_neighbors_do_not_overlap(labels):
    shapes = polygons(outlines(labels))
    pairs = shapely.STRtree(shapes).query(shapes)
    first, second = pairs[:, pairs[0] < pairs[1]]
    assert shapely.area(shapely.intersection(shapes[first], shapes[second])).sum() == 0


@settings(deadline=None, max_examples=80)
@given(label_images())
def test_rings_are_closed_and_start_above_the_first_pixel_and_have_no_idle_points(labels):
    rings = outlines(labels)
    for label, start, stop in zip(rings.labels, rings.offsets[:-1], rings.offsets[1:], strict=True):
        ring = rings.coords[start:stop]
        row, column = np.argwhere(labels == label)[0]
        assert ring[0].tolist() == ring[-1].tolist() == [column + 0.5, row]
        heading = np.sign(np.diff(ring, axis=0))
        assert (heading != np.roll(heading, 1, axis=0)).any(axis=1).all()


def test_centroid_is_the_mean_of_pixel_centers_wherever_the_image_was_cut():
    labels = np.zeros((9, 9), np.int32)
    labels[2, 3:5] = 1
    labels[3, 3] = 1
    np.testing.assert_array_equal(outlines(labels).centroid, [[3.5 + 1 / 3, 2.5 + 1 / 3]])
    cut = outlines(np.ascontiguousarray(labels[1:, 2:]), origin=(100_001, 70_002))
    whole = outlines(labels, origin=(100_000, 70_000))
    np.testing.assert_array_equal(cut.centroid, whole.centroid)
    np.testing.assert_array_equal(cut.coords, whole.coords)


def test_a_pixel_becomes_a_diamond():
    rings = outlines(np.array([[1]], np.int32))
    assert rings.coords.tolist() == [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5], [0.5, 0]]
    assert rings.offsets.tolist() == [0, 5]


def test_only_wanted_labels_are_traced():
    rings = outlines(np.array([[1, 2, 3]], np.int32), wanted=np.array([False, True, False]))
    assert rings.labels.tolist() == [2]
    assert rings.area_px.tolist() == [1]


def test_an_empty_image_has_no_outlines():
    rings = outlines(np.zeros((4, 4), np.int32))
    assert (rings.coords.shape, rings.offsets.tolist(), rings.centroid.shape) == ((0, 2), [0], (0, 2))


@settings(deadline=None, max_examples=40)
@given(label_images())
def test_wkb_reads_back_scaled(labels):
    rings = outlines(labels)
    packed = column_of(rings, scale=(0.3, 4.0))
    assert packed.type == pa.binary()
    packed.validate(full=True)
    expected = shapely.transform(polygons(rings), lambda points: points * (0.3, 4.0))
    assert shapely.equals_exact(shapely.from_wkb(packed.to_pylist()), expected).all()
    assert packed.to_pylist() == [shapely.to_wkb(shape, byte_order=1) for shape in expected]


def test_wkb_of_no_rings_is_an_empty_column():
    packed = wkb_column(to_wkb(np.empty((0, 2)), np.zeros(1, np.int64)), np.zeros(0, np.int64))
    assert (packed.type, len(packed)) == (pa.binary(), 0)
    coords, offsets = from_wkb(packed)
    assert (coords.shape, offsets.tolist()) == ((0, 2), [0])


@settings(deadline=None, max_examples=40)
@given(label_images())
def test_wkb_is_unpacked_as_it_was_packed(labels):
    rings = outlines(labels)
    packed = column_of(rings)
    for part in (slice(None), slice(1, None), slice(2, 3)):
        coords, offsets = from_wkb(packed[part])
        shapes = polygons(rings)[part]
        assert np.array_equal(coords, shapely.get_coordinates(shapes))
        assert np.array_equal(np.diff(offsets), shapely.get_num_coordinates(shapes))


@pytest.mark.parametrize(
    "other",
    [
        shapely.to_wkb(shapely.Point(1, 2)),
        shapely.to_wkb(shapely.box(0, 0, 9, 9).difference(shapely.box(2, 2, 4, 4))),
        shapely.to_wkb(shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])),
        shapely.to_wkb(shapely.Polygon()),
        shapely.to_wkb(shapely.box(0, 0, 1, 1))[:-5],
        b"",
        None,
    ],
    ids=["point", "hole", "several", "empty", "cut off", "nothing", "null"],
)
def test_what_is_no_polygon_of_one_ring_is_not_unpacked(other):
    packed = pa.array([shapely.to_wkb(shapely.box(0, 0, 1, 1)), other])
    with pytest.raises(ValueError, match="one ring"):
        from_wkb(packed)
