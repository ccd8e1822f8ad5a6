import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.ops import assign
from pathopipe.ops.assign import AssignSettings, halo
from pathopipe.ops.instances import Nuclei, segment_block, solid
from pathopipe.ops.workspace import Workspace
from tests.ops.strategies import named, scenes


def segment_whole(seeds, scores, maps, options):
    return segment_block(named(maps), seeds, scores, (0, 0, *maps.shape[1:]), options)


def segment_in_blocks(seeds, scores, maps, options, size, context, start=(0, 0)):
    """Nuclei of all blocks of a grid that starts at or before the image's corner."""
    height, width = maps.shape[1:]
    found = []
    for row in range(start[0], height, size):
        for column in range(start[1], width, size):
            top, left = max(row - context, 0), max(column - context, 0)
            bottom, right = min(row + size + context, height), min(column + size + context, width)
            inside = ((seeds >= (top, left)) & (seeds < (bottom, right))).all(1)
            block = named(np.ascontiguousarray(maps[:, top:bottom, left:right]))
            core = (row - top, column - left, row + size - top, column + size - left)
            local = seeds[inside] - np.array([top, left], np.int32)
            found.append(segment_block(block, local, scores[inside], core, options, origin=(top, left)))
    return found


def rows_of(nuclei: Nuclei):
    """Everything known of each nucleus, as bytes, so that equal means equal to the last bit."""
    rings = np.split(nuclei.coords, nuclei.offsets[1:-1])
    columns = (nuclei.seed, nuclei.centroid, nuclei.area_px, nuclei.score)
    return [
        (ring.tobytes(), *(column[i].tobytes() for column in columns))
        for i, ring in enumerate(rings)
        if len(nuclei) > i
    ]


def by_seed(found):
    everything = [row for nuclei in found for row in rows_of(nuclei)]
    return sorted(everything, key=lambda row: row[1])


@settings(deadline=None, max_examples=120)
@given(scenes(largest=40), st.integers(3, 17), st.integers(-16, 0), st.integers(-16, 0), st.integers(0, 99))
def test_blocks_with_the_halo_give_the_nuclei_of_the_whole_image(scene, size, row, column, noise):
    """Wherever the grid of blocks lies: nothing is split, doubled, lost, or different in a bit."""
    seeds, maps, options = scene
    scores = np.random.default_rng(noise).random(len(seeds)).astype(np.float32)
    whole = segment_whole(seeds, scores, maps, options)
    blocks = segment_in_blocks(seeds, scores, maps, options, size, halo(options), (row, column))
    assert by_seed(blocks) == by_seed([whole])


@settings(deadline=None, max_examples=60)
@given(st.lists(scenes(largest=30), min_size=2, max_size=4))
def test_what_a_workspace_was_used_for_before_changes_nothing(several):
    """Larger and smaller blocks, costs of other sizes: nothing is left over."""
    workspace = Workspace()
    for seeds, maps, options in several:
        scores = np.ones(len(seeds), np.float32)
        again = segment_block(named(maps), seeds, scores, (0, 0, *maps.shape[1:]), options, workspace=workspace)
        assert rows_of(again) == rows_of(segment_whole(seeds, scores, maps, options))
        left = [name for name, array in workspace._arrays.items() if array.any()]
        assert not {"keys", "fixed"} & {*left}


def test_a_workspace_is_empty_after_an_error(monkeypatch):
    workspace, maps = Workspace(), np.full((2, 9, 9), 255, np.uint8)
    broken = (np.full((1, 2), 4, np.int32), named(maps), AssignSettings(), (np.ones(1, bool),) * 2, (0, 0), workspace)
    with monkeypatch.context() as patch:
        patch.setattr(assign, "outline", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            assign.outlined_nuclei(*broken)
    assert not any(array.any() for array in workspace._arrays.values())


@pytest.mark.parametrize("smooth", [False, True])
def test_a_third_of_the_halo_is_not_enough(smooth):
    """The tests above are hard enough: with a third of the context most of such scenes come out differently."""
    rng = np.random.default_rng(5)
    options = AssignSettings(radius_px=4, min_area_px=1, barrier_weight=0, smooth=smooth)
    differing = 0
    for _ in range(40):
        maps = rng.choice(np.array([0, 255, 255, 255], np.uint8), (2, 30, 30))
        seeds = np.argwhere(rng.random((30, 30)) < 0.02).astype(np.int32)
        scores = np.ones(len(seeds), np.float32)
        whole = by_seed([segment_whole(seeds, scores, maps, options)])
        differing += by_seed(segment_in_blocks(seeds, scores, maps, options, 8, options.reach)) != whole
        assert by_seed(segment_in_blocks(seeds, scores, maps, options, 8, halo(options))) == whole
    assert differing > 10


def test_a_disc_is_measured_and_scored():
    rows, columns = np.indices((40, 40))
    disc = (rows - 20) ** 2 + (columns - 18) ** 2 <= 100
    maps = np.stack([disc * 204, np.zeros_like(rows)]).astype(np.uint8)
    nuclei = segment_whole(np.array([[17, 18]], np.int32), np.array([0.45], np.float32), maps, AssignSettings())
    assert len(nuclei) == 1
    assert abs(int(nuclei.area_px[0]) - int(disc.sum())) <= 8
    np.testing.assert_allclose(nuclei.centroid, [[18.5, 20.5]])
    assert nuclei.seed.tolist() == [[17, 18]]
    np.testing.assert_allclose(nuclei.score, [np.sqrt(0.45 * 0.8)], rtol=0.02)


def test_seeds_in_any_order_and_the_best_of_two_on_one_pixel():
    maps = np.zeros((2, 9, 20), np.uint8)
    maps[0, 1:8, 1:8] = maps[0, 1:8, 11:18] = 255
    seeds = np.array([[4, 14], [4, 4], [4, 14]], np.int32)
    nuclei = segment_whole(seeds, np.array([0.25, 1, 0.64], np.float32), maps, AssignSettings(min_area_px=1))
    assert nuclei.seed.tolist() == [[4, 4], [4, 14]]
    np.testing.assert_allclose(nuclei.score, [1, 0.8], rtol=0.02)


def test_a_block_without_seeds_has_no_nuclei():
    nuclei = segment_whole(
        np.empty((0, 2), np.int32), np.empty(0, np.float32), np.zeros((2, 8, 8), np.uint8), AssignSettings()
    )
    assert len(nuclei) == 0
    assert nuclei.offsets.tolist() == [0]


def test_a_nucleus_outside_of_the_core_absorbs_one_inside() -> None:
    maps = np.zeros((2, 13, 13), np.uint8)
    maps[0, 1:12, 1:12] = 255
    maps[0, 3:10, 3:10] = 0
    maps[0, 5:8, 5:8] = 255
    seeds, scores = np.array([[1, 6], [6, 6]], np.int32), np.ones(2, np.float32)
    options = AssignSettings(min_area_px=1, smooth=False)
    assert len(segment_block(named(maps), seeds[1:], scores[1:], (4, 0, 13, 13), options)) == 1
    assert len(segment_block(named(maps), seeds, scores, (4, 0, 13, 13), options)) == 0


def test_what_nuclei_cover_is_counted_at_the_borders_of_the_image() -> None:
    """A nucleus as wide as the image, whose window reaches beyond it on both sides."""
    maps = np.zeros((2, 6, 7), np.uint8)
    maps[0, 1:5] = np.arange(200, 207)
    nuclei = segment_whole(np.array([[2, 3]], np.int32), np.ones(1, np.float32), maps, AssignSettings(min_area_px=1))
    assert nuclei.area_px.tolist() == [24]  # the vote takes the corners
    np.testing.assert_allclose(nuclei.score, [np.sqrt(203 / 255)], rtol=1e-6)


def test_jagged_outlines_are_dropped() -> None:
    """A disc and a cross of the same width."""
    maps = np.zeros((2, 60, 120), np.uint8)
    y, x = np.mgrid[:60, :120]
    maps[0][(y - 30) ** 2 + (x - 30) ** 2 < 100] = 255
    maps[0][(abs(y - 30) < 3) & (abs(x - 90) < 12)] = 255
    maps[0][(abs(x - 90) < 3) & (abs(y - 30) < 12)] = 255
    seeds, scores = np.array([[30, 30], [30, 90]], np.int32), np.ones(2, np.float32)
    both = segment_block(named(maps), seeds, scores, (0, 0, 60, 120), AssignSettings())
    kept = solid(both, 0.8)
    assert (len(both), len(kept)) == (2, 1)
    assert kept.seed.tolist() == [[30, 30]]
    assert np.array_equal(kept.coords, both.coords[: both.offsets[1]])
    assert kept.offsets.tolist() == both.offsets[:2].tolist()
    assert len(solid(both, 0.0)) == 2
