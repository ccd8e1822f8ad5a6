import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pathopipe.ops.assign import AssignSettings, assign, finish, halo
from pathopipe.ops.instances import segment_block
from tests.ops.strategies import named, scenes


def costs_from(seed, maps, options):
    """Dijkstra from one seed, without a cap; infinite where no path leads."""
    value = maps.astype(int)
    weight = 1 + options.foreground_weight * (255 - value[0]) // 255 + options.barrier_weight * value[1] // 255
    passable = value[0] >= 255 * options.foreground_threshold
    cost = np.full(maps.shape[1:], np.inf)
    heap = [(0, *seed)] if passable[tuple(seed)] else []
    while heap:
        now, y, x = heapq.heappop(heap)
        if now >= cost[y, x]:
            continue
        cost[y, x] = now
        for dy, dx in [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]:
            to = y + dy, x + dx
            if 0 <= to[0] < passable.shape[0] and 0 <= to[1] < passable.shape[1] and passable[to]:
                heapq.heappush(heap, (now + (7 if dy and dx else 5) * int(weight[to]), *to))
    return cost


def reference_labels(seeds, maps, options):
    costs = np.array([costs_from(seed, maps, options) for seed in seeds.tolist()])
    if not len(seeds):
        return np.zeros(maps.shape[1:], int)
    return np.where(costs.min(0) <= 5 * options.radius_px, costs.argmin(0) + 1, 0)


def reference_majority(labels, seeds):
    result = labels.copy()
    for (y, x), _ in np.ndenumerate(labels):
        values, votes = np.unique(np.pad(labels, 1)[y : y + 3, x : x + 3], return_counts=True)
        if votes.max() >= 5 and not (seeds == (y, x)).all(1).any():
            result[y, x] = values[votes.argmax()]
    return result


def reference_nuclei(labels, seeds, options):
    """Filled components by scipy; all of them first, then absorption by comparing every two."""
    if options.smooth:
        labels = reference_majority(labels, seeds)
    largest = options.max_area_px or labels.size
    nuclei = {}
    for i, (y, x) in enumerate(seeds):
        if labels[y, x] == i + 1:
            parts, _ = ndimage.label(labels == i + 1)
            filled = ndimage.binary_fill_holes(parts == parts[y, x], np.ones((3, 3)))
            if options.min_area_px <= filled.sum() <= largest:
                nuclei[i] = filled
    result = np.zeros_like(labels)
    for i, nucleus in nuclei.items():
        if not any(other[tuple(seeds[i])] for j, other in nuclei.items() if j != i):
            result[nucleus] = i + 1
    return result


@settings(deadline=None, max_examples=100)
@given(scenes(largest=12))
def test_assign_is_the_least_cost_then_the_first_seed(scene):
    seeds, maps, options = scene
    np.testing.assert_array_equal(assign(seeds, named(maps), options), reference_labels(seeds, maps, options))


@pytest.mark.parametrize("width", [1, 7, 8, 19])
def test_each_of_many_runs_keeps_its_own_seed(width):
    """More runs than there is room for at first, of lengths around those that are looked at together."""
    maps = np.zeros((2, 161, 60 * (width + 1)), np.uint8)
    columns = np.arange(maps.shape[2])
    maps[0, ::2] = np.where(columns % (width + 1) < width, 255, 0)
    seeds = np.argwhere((maps[0] > 0) & (columns % (width + 1) == 0)).astype(np.int32)
    number = np.cumsum((maps[0] > 0) & (columns % (width + 1) == 0)).reshape(maps.shape[1:])
    labels = assign(seeds, named(maps), AssignSettings(radius_px=32))
    np.testing.assert_array_equal(labels, np.where(maps[0] > 0, number, 0))


@settings(deadline=None, max_examples=100)
@given(scenes(largest=16))
def test_finish_is_the_filled_component_of_the_seed(scene):
    seeds, maps, options = scene
    labels = assign(seeds, named(maps), options)
    np.testing.assert_array_equal(finish(labels, seeds, options), reference_nuclei(labels, seeds, options))


@settings(deadline=None, max_examples=150)
@given(scenes())
def test_nuclei_hold_their_seed_in_one_piece_without_holes(scene):
    seeds, maps, options = scene
    labels = finish(assign(seeds, named(maps), options), seeds, options)
    for i in np.unique(labels[labels > 0]) - 1:
        nucleus = labels == i + 1
        assert nucleus[tuple(seeds[i])]
        assert ndimage.label(nucleus)[1] == 1
        assert ndimage.label(np.pad(~nucleus, 1, constant_values=True), np.ones((3, 3)))[1] == 1
        assert np.abs(np.argwhere(nucleus) - seeds[i]).max() <= options.reach


@settings(deadline=None, max_examples=150)
@given(scenes(), st.integers(0, 2**16))
def test_a_label_depends_on_nothing_beyond_the_radius(scene, noise):
    """Whatever is changed further away than R of a pixel, its label stays."""
    seeds, maps, options = scene
    rng = np.random.default_rng(noise)
    center = rng.integers(0, maps.shape[1:])
    rows, columns = np.indices(maps.shape[1:])
    far = np.maximum(abs(rows - center[0]), abs(columns - center[1])) > options.radius_px
    changed = np.where(far, rng.permutation(maps.ravel()).reshape(maps.shape), maps)
    near = ~far[seeds[:, 0], seeds[:, 1]]
    before = assign(seeds, named(maps), options)[tuple(center)]
    after = assign(np.ascontiguousarray(seeds[near]), named(changed), options)[tuple(center)]
    assert after == (0 if before == 0 else near[:before].sum())


@settings(deadline=None, max_examples=60)
@given(scenes(), st.tuples(*[st.integers(0, 9)] * 4))
def test_shifting_the_scene_shifts_the_nuclei(scene, margins):
    seeds, maps, options = scene
    top, bottom, left, right = margins
    moved = np.pad(maps, ((0, 0), (top, bottom), (left, right)))
    there = finish(assign(seeds, named(maps), options), seeds, options)
    shifted = seeds + np.array([top, left], np.int32)
    here = finish(assign(shifted, named(moved), options), shifted, options)
    np.testing.assert_array_equal(np.pad(there, ((top, bottom), (left, right))), here)


def test_a_barrier_parts_touching_nuclei_where_it_lies():
    """Two squares of unequal size that touch: without the barrier the cut would lie halfway between the seeds."""
    maps = np.zeros((2, 11, 20), np.uint8)
    maps[0, 1:10, 1:19] = 255
    maps[1, 1:10, 14] = 255
    seeds = np.array([[5, 5], [5, 16]], np.int32)
    options = AssignSettings(barrier_weight=8)
    labels = finish(assign(seeds, named(maps), options), seeds, options)
    assert (labels[2:9, 2:14] == 1).all()
    assert (labels[2:9, 15:18] == 2).all()


def test_a_nucleus_inside_a_ring_is_absorbed_unless_the_ring_is_too_large():
    maps = np.zeros((2, 13, 13), np.uint8)
    maps[0, 1:12, 1:12] = 255
    maps[0, 3:10, 3:10] = 0
    maps[0, 5:8, 5:8] = 255
    seeds = np.array([[1, 6], [6, 6]], np.int32)
    options = AssignSettings(min_area_px=1, smooth=False)
    labels = finish(assign(seeds, named(maps), options), seeds, options)
    assert (labels[1:12, 1:12] == 1).all()
    small = AssignSettings(min_area_px=1, max_area_px=120, smooth=False)
    assert np.unique(finish(assign(seeds, named(maps), small), seeds, small)).tolist() == [0, 2]


@pytest.mark.parametrize("seed", [(1, 1), (4, 4)])
def test_a_hole_as_large_as_another_part(seed):
    """A ring around one pixel, and one pixel at its corner: as many pixels as without the one and with the other."""
    maps = np.zeros((2, 6, 6), np.uint8)
    maps[0, 1:4, 1:4] = maps[0, 4, 4] = 255
    maps[0, 2, 2] = 0
    seeds, options = np.array([seed], np.int32), AssignSettings(min_area_px=1, smooth=False)
    labels = assign(seeds, named(maps), options)
    np.testing.assert_array_equal(finish(labels, seeds, options), reference_nuclei(labels, seeds, options))
    nuclei = segment_block(named(maps), seeds, np.ones(1, np.float32), (0, 0, 6, 6), options)
    np.testing.assert_array_equal(nuclei.centroid, [[2.5, 2.5]] if seed == (1, 1) else [[4.5, 4.5]])


def test_labels_without_a_seed_are_named():
    with pytest.raises(ValueError, match="label 7 has no seed"):
        finish(np.full((3, 3), 7, np.int32), np.array([[1, 1]], np.int32), AssignSettings())


def test_halo_is_three_reaches():
    assert halo(AssignSettings(radius_px=32, smooth=True)) == 99
    assert halo(AssignSettings(radius_px=10, smooth=False)) == 30


@pytest.mark.parametrize(
    ("seeds", "shape", "words"),
    [
        ([[2, 1], [1, 1]], (2, 4, 4), "sorted"),
        ([[1, 4]], (2, 4, 4), "inside"),
        ([[1, 1]], (2, 4, 4, 3), "foreground and barrier must be"),
        ([1, 1], (2, 4, 4), "seeds must be"),
    ],
)
def test_wrong_input_is_named(seeds, shape, words):
    with pytest.raises(ValueError, match=words):
        assign(np.array(seeds, np.int32), named(np.zeros(shape, np.uint8)), AssignSettings())


def test_maps_of_two_sizes_are_named():
    maps = {"foreground": np.zeros((4, 4), np.uint8), "barrier": np.zeros((4, 5), np.uint8)}
    with pytest.raises(ValueError, match="foreground and barrier must be"):
        assign(np.array([[1, 1]], np.int32), maps, AssignSettings())


@pytest.mark.parametrize(
    "wrong", [{"foreground_threshold": 1.5}, {"radius_px": 0}, {"barrier_weight": -1}, {"foreground_weight": 2000}]
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AssignSettings(**wrong)


def test_finish_takes_labels_in_any_memory_order():
    labels = np.zeros((9, 11), np.int32)
    labels[2:7, 3:8] = 1
    seeds, options = np.array([[4, 5]], np.int32), AssignSettings(min_area_px=1)
    expected = finish(labels, seeds, options)
    assert expected.any()
    np.testing.assert_array_equal(finish(np.asfortranarray(labels), seeds, options), expected)


def test_seeds_and_costs_too_many_for_32_bits_are_assigned_too():
    """66,024 labels and costs of up to 18,980 take keys of 64 bits; what is too far away stays without a label."""
    maps = np.stack([np.ones((257, 257), np.uint8), np.full((257, 257), 255, np.uint8)])
    seeded = np.ones((257, 257), bool)
    seeded[100:105, 50:55] = False
    options = AssignSettings(foreground_threshold=0, radius_px=1000, barrier_weight=1000, foreground_weight=1000)
    labels = assign(np.argwhere(seeded).astype(np.int32), named(maps), options)
    np.testing.assert_array_equal(labels, np.where(seeded, np.cumsum(seeded).reshape(seeded.shape), 0))
