"""The nucleus network in torch: for training, and for GPUs."""

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pathopipe.models.architecture import FOLD, UPSAMPLING, Architecture


class NucleusNet(nn.Module):
    """Images (B, 3, H, W) of values from 0 to 1 to logits (B, C, 2 H, 2 W); H and W are multiples of the stride."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = architecture.widths
        self.architecture = architecture
        self.stem = _convolution(3 * FOLD**2, widths[0])
        self.down = nn.ModuleList(
            _level(widths[level - 1] if level else None, widths[level], blocks)
            for level, blocks in enumerate(architecture.blocks)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(*(_Residual(width) for _ in range(blocks)))
            for width, blocks in zip(widths, architecture.up_blocks, strict=False)
        )
        self.head = nn.Conv2d(widths[0], len(architecture.channels) * (FOLD * UPSAMPLING) ** 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the logits."""
        features = self.stem(functional.pixel_unshuffle(image * 2 - 1, FOLD))
        skipped = []
        for level in self.down:
            features = level(features)
            skipped.append(features)
        for lateral, up, skip in zip(reversed(self.lateral), reversed(self.up), reversed(skipped[:-1]), strict=True):
            features = up(functional.interpolate(lateral(features), scale_factor=2.0, mode="nearest") + skip)
        return functional.pixel_shuffle(self.head(features), FOLD * UPSAMPLING)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.second(self.first(features)), inplace=True)


def fused(network: NucleusNet) -> NucleusNet:
    """Put every batch normalization into the convolution before it: the same function, fewer passes over memory."""
    network = network.eval()
    for part in network.modules():
        if isinstance(part, nn.Sequential) and len(part) > 1 and isinstance(part[1], nn.BatchNorm2d):
            convolution = cast("nn.Conv2d", part[0])
            part[0], part[1] = fuse_conv_bn_eval(convolution, part[1]), nn.Identity()
    return network


def _level(above: int | None, width: int, blocks: int) -> nn.Sequential:
    first = [] if above is None else [_convolution(above, width, stride=2)]
    return nn.Sequential(*first, *(_Residual(width) for _ in range(blocks)))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def tensors_of(network: NucleusNet) -> dict[str, NDArray[np.float32]]:
    """Copy the weights by name, as a file holds them: in C order, whatever the order in the network's memory."""
    state = network.state_dict()
    return {
        name: np.array(state[name].detach().float().cpu().numpy(), order="C") for name in network.architecture.shapes()
    }


def load_tensors(network: NucleusNet, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Put weights by name into a network of the same architecture."""
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    network.load_state_dict(state, strict=False)
