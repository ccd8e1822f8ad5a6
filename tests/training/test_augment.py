import numpy as np
import pytest

from pathopipe.training.augment import Augmentation, crop
from tests.training.fields import field

PLAIN = Augmentation(stain=0.0, color=0.0, chance=0.0)


@pytest.mark.parametrize("mpp", [0.25, 0.5])
def test_image_and_targets_stay_in_register(mpp: float) -> None:
    """Discs are dark: what the targets call foreground is dark in the image, whatever the pose."""
    for seed in range(6):
        rgb, wanted = crop(field(seed, mpp), 96, 0.5, PLAIN, np.random.default_rng(seed))
        assert rgb.shape == (96, 96, 3)
        assert wanted.shape == (192, 192, 3)
        dark = np.repeat(np.repeat(rgb[..., 1] < 120, 2, axis=0), 2, axis=1)
        inside, known = wanted[..., 0] > 0.5, wanted[..., 2] > 0.99
        assert inside[known].sum() > 200
        agreement = (dark & inside & known).sum() / ((dark | inside) & known).sum()
        assert agreement > 0.85


def test_what_lies_outside_of_the_field_does_not_count() -> None:
    _, wanted = crop(field(mpp=0.1), 96, 0.5, PLAIN, np.random.default_rng(0))
    assert (wanted[..., 2] == 0).mean() > 0.5
    assert (wanted[wanted[..., 2] == 0] == 0).all()


def test_a_crop_depends_on_the_generator_alone() -> None:
    first, again, other = (crop(field(), 64, 0.5, Augmentation(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


def test_colors_differ_between_crops_and_nuclei_stay_darker() -> None:
    backgrounds = []
    for seed in range(30):
        rgb, wanted = crop(field(), 96, 0.5, Augmentation(), np.random.default_rng(seed))
        inside = wanted[::2, ::2, 0] > 0.9
        outside = (wanted[::2, ::2, 0] < 0.1) & (wanted[::2, ::2, 2] > 0.9)
        if inside.sum() > 30:
            assert rgb[inside].mean() < rgb[outside].mean()
        backgrounds.append(rgb[outside].mean(axis=0))
    assert (np.std(backgrounds, axis=0) > 5).all()
