"""The network on the processor, by OpenVINO, built straight from the weights."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.models.architecture import FOLD, UPSAMPLING, Architecture
from pathopipe.models.base import Part
from pathopipe.models.engine import Engine, Maps, Precision
from pathopipe.models.openvino import ops, ov
from pathopipe.models.openvino_parts import compiled, convolved, doubled, number
from pathopipe.models.weights import Tensors, Weights
from pathopipe.ops.channels import STEPS

_EPSILON: Final = 1e-5


def compile_graph(weights: Weights, precision: Precision, workers: int) -> Engine:
    """Make an engine in which each call runs in one thread of its own, so that results don't depend on their number."""
    architecture = weights.card.architecture
    run = compiled(graph(architecture, weights.tensors), precision, workers, unfolded)

    def engine(rgb: NDArray[np.uint8], part: Part | None = None) -> Maps:
        return run(rgb, np.array(part or (0, 0, *rgb.shape[:2]), np.int64) // architecture.stride)

    return engine


def unfolded(planes: Maps) -> Maps:
    """Put together maps (C, H, W) from what `graph` gives of them: uint8 (C * S * S, H / S, W / S)."""
    side = FOLD * UPSAMPLING
    count, height, width = planes.shape
    maps = np.empty((count // side**2, height * side, width * side), np.uint8)
    for begin in range(0, count, side):
        lines = cv2.merge(list(planes[begin : begin + side]))
        maps[begin // side**2, begin // side % side :: side] = lines.reshape(height, width * side)
    return maps


def graph(architecture: Architecture, tensors: Tensors) -> Any:
    """The network as an OpenVINO model: uint8 (1, H, W, 3) in, uint8 (1, 16 C, h / 2, w / 2) out, see `unfolded`.

    Pixels are moved as bytes: scaled after they are folded, and unfolded by `unfolded`. OpenVINO would move floats.
    The second input is the part (h, w) of the image that the maps are of, in strides: nothing else goes the way up,
    half of the work.
    """
    image = ops.parameter([1, -1, -1, 3], np.uint8, name="image")
    part = ops.parameter([4], np.int64, name="part")
    folded = ops.space_to_depth(ops.transpose(image, np.array([0, 3, 1, 2])), "depth_first", FOLD)
    scaled = ops.subtract(ops.multiply(ops.convert(folded, "f32"), number(2 / 255)), number(1))
    features = _activated(scaled, tensors, "stem")
    skipped = []
    for level, blocks in enumerate(architecture.blocks):
        if level:
            features = _activated(features, tensors, f"down.{level}.0", stride=2)
        for block in range(blocks):
            features = _residual(features, tensors, f"down.{level}.{block + (level > 0)}")
        skipped.append(features)
    features = _cut(features, part, 1)
    for level in range(len(architecture.up_blocks) - 1, -1, -1):
        beside = _cut(skipped[level], part, architecture.stride // (FOLD << level))
        features = ops.add(doubled(_plain(features, tensors, f"lateral.{level}")), beside)
        for block in range(architecture.up_blocks[level]):
            features = _residual(features, tensors, f"up.{level}.{block}")
    maps = ops.sigmoid(_plain(features, tensors, "head"))
    steps = ops.fake_quantize(maps, number(0), number(1), number(0), number(STEPS), STEPS + 1)
    return ov.Model([ops.convert(steps, "u8")], [image, part], "nucleus_network")


def _cut(features: Any, part: Any, times: int) -> Any:
    """Take a part, in strides, out of features of which there are so many in each."""
    first, after = ops.split(ops.multiply(part, np.int64(times)), np.int64(0), 2).outputs()
    return ops.slice(features, first, after, np.array([1, 1]), np.array([2, 3]))


def _residual(features: Any, tensors: Tensors, name: str) -> Any:
    inner = _activated(features, tensors, f"{name}.first")
    return ops.relu(ops.add(features, _normalized(inner, tensors, f"{name}.second", 1)))


def _activated(features: Any, tensors: Tensors, name: str, stride: int = 1) -> Any:
    return ops.relu(_normalized(features, tensors, name, stride))


def _normalized(features: Any, tensors: Tensors, name: str, stride: int) -> Any:
    """A convolution of 3 x 3 with the batch normalization after it put into its weights."""
    scale = tensors[f"{name}.1.weight"] / np.sqrt(tensors[f"{name}.1.running_var"] + np.float32(_EPSILON))
    kernel = tensors[f"{name}.0.weight"] * scale[:, None, None, None]
    bias = tensors[f"{name}.1.bias"] - tensors[f"{name}.1.running_mean"] * scale
    return convolved(features, kernel, bias, stride)


def _plain(features: Any, tensors: Tensors, name: str) -> Any:
    return convolved(features, tensors[f"{name}.weight"], tensors[f"{name}.bias"], 1)
