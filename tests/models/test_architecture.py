"""Shapes and reach of the networks, against the torch module itself."""

import numpy as np
import pytest
import torch

from pathopipe.models.architecture import UPSAMPLING, Architecture
from pathopipe.models.network import NucleusNet, load_tensors
from tests.models.weights_files import SMALL, tensors

SHAPES = [SMALL, Architecture((4, 6), (1, 2), (0,)), Architecture((4, 6, 8, 10), (1, 0, 1, 1), (1, 1, 0))]


@pytest.mark.parametrize("architecture", [Architecture(), *SHAPES])
def test_the_names_and_shapes_are_those_of_the_torch_module(architecture: Architecture) -> None:
    state = NucleusNet(architecture).state_dict()
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    assert {name: tuple(state[name].shape) for name in state if name not in counters} == architecture.shapes()


@pytest.mark.parametrize("architecture", SHAPES)
def test_no_pixel_looks_further_than_the_radius_and_one_looks_as_far(architecture: Architecture) -> None:
    """Change one pixel after the other: how far off the output changes, in double precision lest rounding hides it."""
    network = NucleusNet(architecture).eval()
    load_tensors(network, tensors(architecture))
    network.double()
    side = -(-(2 * architecture.radius + 64) // architecture.stride) * architecture.stride
    image = torch.rand(1, 3, 2 * architecture.stride, side, generator=torch.Generator().manual_seed(1)).double()
    reaches = []
    with torch.inference_mode():
        reference = network(image)
        for pixel in range(side // 2, side // 2 + architecture.stride):
            other = image.clone()
            other[..., pixel] += 0.5
            columns = np.flatnonzero((network(other) != reference).any(dim=2).any(dim=1)[0].numpy()) // UPSAMPLING
            reaches.append(np.abs(columns - pixel).max())
    assert max(reaches) == architecture.radius


def test_the_output_is_finer_than_the_input() -> None:
    with torch.inference_mode():
        assert NucleusNet(SMALL).eval()(torch.zeros(2, 3, 16, 24)).shape == (2, 2, 32, 48)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (((8,), (1,), ()), "at least 2 items"),
        (((8, 8), (1,), (1,)), "as many blocks as widths"),
        (((8, 0), (1, 1), (1,)), "greater than or equal to 1"),
        (((8, 8), (1, -1), (1,)), "greater than or equal to 0"),
        (((8,) * 7, (1,) * 7, (1,) * 6), "at most 6 items"),
        (((8, 4096), (1, 1), (1,)), "less than or equal to 1024"),
        (((8, 8), (1, 17), (1,)), "less than or equal to 16"),
        (((1024,) * 2, (6, 0), (0,)), "100,000,000 parameters at most, not 123,933,728"),
        (((8, 8.0), (1, 1), (1,)), "valid integer"),
        (((8, True), (1, 1), (1,)), "valid integer"),
    ],
)
def test_impossible_shapes_are_refused(wrong: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Architecture(*wrong)
