"""What OpenVINO graphs of our networks are made of, and compiling them."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.engine import Precision
from pathopipe.models.openvino import ops, ov

_HINTS: Final = {"float32": "f32", "bfloat16": "bf16"}


Image = NDArray[np.uint8]


def compiled(
    model: Any, precision: Precision, workers: int, read: Callable[[NDArray[Any]], NDArray[Any]] = np.array
) -> Callable[..., NDArray[Any]]:
    """Compile a graph of an image (H, W, 3) and what else it takes, to be called by up to ``workers`` threads.

    Each call runs in one thread of its own, so that results don't depend on their number. ``read`` makes a copy of the
    output, which the thread's next call overwrites.
    """
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[resolve(precision)],
        "INFERENCE_NUM_THREADS": workers,
        "NUM_STREAMS": workers,
        "ENABLE_CPU_PINNING": False,
    }
    network, local = ov.Core().compile_model(model, "CPU", settings), threading.local()

    def run(rgb: Image, *others: NDArray[Any]) -> NDArray[Any]:
        if not hasattr(local, "request"):
            local.request = network.create_infer_request()
        local.request.infer([rgb[None], *others])
        return read(local.request.get_output_tensor(0).data[0])

    return run


def resolve(precision: Precision) -> str:
    """Half precision where the processor has instructions for it."""
    if precision != "auto":
        return precision
    return "bfloat16" if "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "float32"


def convolved(
    features: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32], stride: int = 1, pads: Sequence[int] = ()
) -> Any:
    """Convolve, each channel by itself where the kernel takes one; ``pads`` before and after, by default what fits."""
    before, after = pads or (kernel.shape[2] // 2, kernel.shape[2] // 2)
    rest = ([stride, stride], [before, before], [after, after], [1, 1])
    if kernel.shape[1] == 1:
        made = ops.group_convolution(features, kernel[:, :, None].astype(np.float32), *rest)
    else:
        made = ops.convolution(features, kernel.astype(np.float32), *rest)
    return ops.add(made, bias.astype(np.float32).reshape(1, -1, 1, 1))


def doubled(features: Any) -> Any:
    """Twice as many pixels along each axis."""
    return ops.interpolate(
        features,
        np.array([2.0, 2.0], np.float32),
        "nearest",
        "scales",
        axes=np.array([2, 3]),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def number(value: float) -> Any:
    """Make a constant."""
    return ops.constant(np.float32(value))
