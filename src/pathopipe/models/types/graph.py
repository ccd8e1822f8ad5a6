"""The network that describes nuclei on the processor, by OpenVINO, built straight from the weights."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.engine import Precision
from pathopipe.models.openvino import ops, ov
from pathopipe.models.openvino_parts import compiled, convolved, doubled, number
from pathopipe.models.types.architecture import BLOCKS, STRIDE_OUT, TAPS, WIDTHS, Block
from pathopipe.models.weights import Tensors

# What the encoder was trained on: values of a channel from 0 to 1, less their mean, by their spread.
_MEAN: Final = 0.498
_SPREAD: Final = 0.502

Describe = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""A uint8 (H, W, 3) image, sides of whole strides, to float32 (D, H / 4, W / 4): a description of each place."""


def compile_description(tensors: Tensors, precision: Precision, workers: int) -> Describe:
    """Make the network ready, to be called by up to ``workers`` threads."""
    return compiled(graph(tensors), precision, workers)


def graph(tensors: Tensors) -> Any:
    """Build the network: uint8 (1, H, W, 3) in, float32 (1, D, H / 4, W / 4) out."""
    image = ops.parameter([1, -1, -1, 3], np.uint8, name="image")
    scaled = ops.multiply(ops.convert(image, "f32"), number(1 / (255 * _SPREAD)))
    planes = ops.transpose(ops.subtract(scaled, number(_MEAN / _SPREAD)), np.array([0, 3, 1, 2]))
    features = _bounded(_halved(planes, tensors, "stem"))
    taken = dict[int, Any]()
    for block in BLOCKS:
        features = _inverted(features, tensors, block)
        taken |= {level: features for level, tap in TAPS.items() if tap is block}
    above: Any = None
    for level in sorted(WIDTHS, reverse=True):
        features = _plain(taken[level], tensors, f"skip.{level}")
        if above is not None:
            features = ops.add(doubled(_plain(above, tensors, f"lateral.{level}")), features)
        above = _residual(features, tensors, f"up.{level}")
    described = ops.relu(_plain(above, tensors, "describe"))
    return ov.Model([described], [image], f"descriptions of places of {STRIDE_OUT} pixels")


def _inverted(features: Any, tensors: Tensors, block: Block) -> Any:
    inner = features if block.times == 1 else _bounded(_plain(features, tensors, f"{block.name}.expand"))
    deep = (_plain if block.stride == 1 else _halved)(inner, tensors, f"{block.name}.depth")
    narrow = _plain(_bounded(deep), tensors, f"{block.name}.project")
    return ops.add(features, narrow) if block.is_residual else narrow


def _residual(features: Any, tensors: Tensors, name: str) -> Any:
    inner = ops.relu(_plain(features, tensors, f"{name}.first"))
    return ops.relu(ops.add(features, _plain(inner, tensors, f"{name}.second")))


def _plain(features: Any, tensors: Tensors, name: str) -> Any:
    return convolved(features, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _halved(features: Any, tensors: Tensors, name: str) -> Any:
    """A convolution of stride 2, padded as in TensorFlow, where the encoder's weights come from."""
    kernel = tensors[f"{name}.weight"]
    pad = kernel.shape[2] - 2
    return convolved(features, kernel, tensors[f"{name}.bias"], 2, (pad // 2, pad - pad // 2))


def _bounded(features: Any) -> Any:
    return ops.clamp(features, 0.0, 6.0)
