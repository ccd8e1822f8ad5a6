"""Choosing what runs a network: the processor or a GPU, in a given precision.

All engines compute the same function. The processor's one is OpenVINO, which needs no torch and was the fastest that
was tried (docs/network.md); a GPU is driven by torch.
"""

import logging
from pathlib import Path
from typing import Literal

from pathopipe.errors import RefusalError
from pathopipe.models.engine import Engine, Precision
from pathopipe.models.weights import Weights

_LOG = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "gpu"]


def make_engine(weights: Weights, device: Device = "auto", precision: Precision = "auto", workers: int = 1) -> Engine:
    """Choose and make an engine that up to ``workers`` threads may call at once.

    Raises
    ------
    RefusalError
        When a GPU is asked for and there is none that torch can use.
    """
    if uses_gpu(device, "detect.device"):
        from pathopipe.models.torch_engine import compile_network, roomiest_gpu

        return compile_network(weights, roomiest_gpu(), precision)
    from pathopipe.models.openvino_engine import compile_graph

    return compile_graph(weights, precision, workers)


def uses_gpu(device: Device, setting: str) -> bool:
    """Whether to run on a GPU; ``setting`` names what asks for it, for the refusal.

    Raises
    ------
    RefusalError
        When a GPU is asked for and there is none that torch can use.
    """
    found = device != "cpu" and has_gpu()
    if device == "gpu" and not found:
        raise RefusalError(f"{setting}: there is no GPU that torch can use here: set it to 'cpu' or 'auto'")
    return found


def has_gpu() -> bool:
    """Whether torch can use a GPU; torch, which takes seconds to load, is asked only where a driver is there."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    try:
        import torch
    except ImportError:
        _LOG.warning(
            "there is a GPU, but torch is not installed, so networks run on the processor; pip install "
            "'pathopipe[train]'"
        )
        return False
    if not torch.cuda.is_available():
        _LOG.warning(
            "there is a GPU, but torch cannot use it, so networks run on the processor; check the driver and "
            "torch's version"
        )
    return torch.cuda.is_available()
