"""The network by torch: for GPUs, and as the reference that the processor's engine is tested against."""

import threading
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pathopipe.models.architecture import UPSAMPLING
from pathopipe.models.base import Part
from pathopipe.models.engine import Engine, Maps, Precision
from pathopipe.models.network import NucleusNet, fused, load_tensors
from pathopipe.models.weights import Weights

_TYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "auto": torch.bfloat16}


def compile_network(weights: Weights, device: str, precision: Precision) -> Engine:
    """Make an engine on a torch device: in half precision, unless the other is asked for."""
    network = NucleusNet(weights.card.architecture)
    load_tensors(network, weights.tensors)
    return network_engine(network, device, precision)


def roomiest_gpu() -> str:
    """The GPU with most free memory: slides that are worked on at a time spread over all of them."""
    free = [torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count())]
    return f"cuda:{free.index(max(free))}"


class _Lane(threading.local):
    """A thread's own way to a GPU: while one tile is computed, others come and go through pinned memory."""

    def __init__(self) -> None:
        self._stream: torch.cuda.Stream | None = None

    def carry(self, function: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, device: str) -> Maps:
        """Apply a function on the GPU to an image that lies in the processor's memory, and bring the result there."""
        if self._stream is None:
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            found = function(image.pin_memory().to(device, non_blocking=True))
            back = torch.empty(found.shape, dtype=found.dtype, pin_memory=True).copy_(found, non_blocking=True)
            self._stream.synchronize()
        return np.array(back.numpy())


def network_engine(network: NucleusNet, device: str, precision: Precision) -> Engine:
    """Make an engine of a trained network, which is changed by it; raises MemoryError when the GPU's is too small."""
    dtype = _TYPES[precision]
    ready = fused(network).to(device, dtype).to(memory_format=torch.channels_last)

    lane = _Lane() if device.startswith("cuda") else None

    def run(rgb: NDArray[np.uint8]) -> Maps:
        image = torch.from_numpy(np.ascontiguousarray(rgb))
        with torch.inference_mode():
            return lane.carry(infer, image, device) if lane else np.asarray(infer(image).numpy())

    def infer(image: torch.Tensor) -> torch.Tensor:
        planes = image.permute(2, 0, 1)[None].to(dtype).div_(255)
        logits = ready(planes.contiguous(memory_format=torch.channels_last))[0].float()
        return torch.sigmoid(logits).mul_(255).round_().to(torch.uint8)

    def run_within_memory(rgb: NDArray[np.uint8], part: Part | None = None) -> Maps:
        top, left, bottom, right = (UPSAMPLING * value for value in part or (0, 0, *rgb.shape[:2]))
        try:
            return run(rgb)[:, top:bottom, left:right]
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error

    return run_within_memory
