"""The network by torch: for GPUs, and as the reference that the processor's engine is tested against."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pathopipe.models.engines import Engine, Maps, Precision
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


def network_engine(network: NucleusNet, device: str, precision: Precision) -> Engine:
    """Make an engine of a trained network, which is changed by it; raises MemoryError when the GPU's is too small."""
    dtype = _TYPES[precision]
    ready = fused(network).to(device, dtype).to(memory_format=torch.channels_last)

    def run(rgb: NDArray[np.uint8]) -> Maps:
        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None].to(dtype).div_(255)
            logits = ready(image.contiguous(memory_format=torch.channels_last))[0].float()
            return np.asarray(torch.sigmoid(logits).mul_(255).round_().to(torch.uint8).cpu().numpy())

    def run_within_memory(rgb: NDArray[np.uint8]) -> Maps:
        try:
            return run(rgb)
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error

    return run_within_memory
