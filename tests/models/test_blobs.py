import numpy as np

from pathopipe.models.blobs import prominent


def cone(landscape: np.ndarray, y: int, x: int, height: float) -> None:
    ys, xs = np.ogrid[: landscape.shape[0], : landscape.shape[1]]
    np.maximum(landscape, height - np.hypot(ys - y, xs - x), out=landscape)


def seeds(landscape: np.ndarray, reach: int = 16, valley: float = 0.8) -> list[tuple[int, ...]]:
    return [tuple(seed) for seed in prominent(landscape, landscape > 1, reach, valley).tolist()]


def test_two_tops_with_a_deep_valley_are_two_seeds() -> None:
    landscape = np.zeros((40, 40), np.float32)
    cone(landscape, 20, 12, 6)
    cone(landscape, 20, 22, 5)
    assert seeds(landscape) == [(20, 12), (20, 22)]


def test_a_shoulder_gives_way_to_the_higher_top() -> None:
    landscape = np.zeros((40, 40), np.float32)
    cone(landscape, 20, 12, 6)
    cone(landscape, 20, 15, 5.5)
    assert seeds(landscape) == [(20, 12)]


def test_tops_out_of_reach_do_not_compete() -> None:
    landscape = np.full((40, 40), 4, np.float32)
    cone(landscape, 20, 10, 8)
    cone(landscape, 20, 22, 7)
    assert (20, 22) not in seeds(landscape, reach=13, valley=0.3)
    assert (20, 22) in seeds(landscape, reach=11, valley=0.3)


def test_a_plateau_has_one_seed_its_first_pixel() -> None:
    landscape = np.zeros((20, 20), np.float32)
    landscape[8:12, 8:12] = 3
    assert seeds(landscape) == [(8, 8)]


def test_a_chain_is_decided_pair_by_pair() -> None:
    # The middle top loses to the left one, and still takes the right one with it: nothing reaches beyond a pair.
    landscape = np.zeros((30, 60), np.float32)
    landscape[15, 10:41] = 5.0
    for x, height in ((10, 5.3), (25, 5.2), (40, 5.1)):
        landscape[15, x] = height
    assert seeds(landscape) == [(15, 10)]


def test_no_top_no_seed() -> None:
    assert prominent(np.zeros((5, 5), np.float32), np.zeros((5, 5), bool), 4, 0.8).shape == (0, 2)
