"""Speed of the network alone beside one of the size of HoVer-Net, on the same pixels, each in its fastest way.

    python benchmarks/network.py [--threads 2] [--side 1024]

The other one has HoVer-Net's shape (Graham et al. 2019): a ResNet-50 that keeps the full resolution in its first stage,
and three decoders of dense units; its weights are random. Needs torch (in the extra 'train').
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pathopipe.models.network import NucleusNet, fused, load_tensors
from pathopipe.models.openvino import ov
from pathopipe.models.openvino_engine import graph
from pathopipe.models.registry import weights_of

REPEATS = 5
HINTS = {"float32": "f32", "bfloat16": "bf16"}


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups), nn.ReLU(inplace=True))


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(inputs, width, 1), conv(width, width, 3, stride), nn.Conv2d(width, 4 * width, 1))
        self.skip = nn.Conv2d(inputs, 4 * width, 1, stride) if stride > 1 or inputs != 4 * width else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.skip(x))


class Dense(nn.Module):
    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            nn.Sequential(conv(inputs + 32 * k, 128, 1), conv(128, 32, 3, groups=4)) for k in range(units)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for unit in self.units:
            x = torch.cat([x, unit(x)], dim=1)
        return x


class Decoder(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Sequential(conv(1024, 256, 3), Dense(256, 8), nn.Conv2d(512, 512, 1)),
                nn.Sequential(conv(512, 128, 3), Dense(128, 4), nn.Conv2d(256, 256, 1)),
                conv(256, 64, 3),
            ]
        )
        self.last = nn.Conv2d(64, outputs, 1)

    def forward(self, x: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            x = stage(functional.interpolate(x, scale_factor=2.0, mode="nearest") + skip)
        return self.last(x)


class HoverNetSized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 64, 7)
        stages, inputs = [], 64
        for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            layers = [Bottleneck(inputs, width, stride)]
            layers += [Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*layers))
            inputs = 4 * width
        self.stages = nn.ModuleList(stages)
        self.middle = nn.Conv2d(2048, 1024, 1)
        self.decoders = nn.ModuleList(Decoder(2) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, skips = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        x = self.middle(x)
        return torch.cat([decoder(x, skips[:3]) for decoder in self.decoders], dim=1)


def best(function: Callable[[], object], pixels: int) -> float:
    """Megapixels per second of the fastest of some calls."""
    function()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return pixels / 1e6 / min(seconds)


def by_torch(network: nn.Module, precision: str, side: int) -> float:
    dtype = getattr(torch, precision)
    ready = network.eval().to(dtype).to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return best(lambda: ready(image), side * side)


def by_openvino(model: ov.Model, inputs: list[np.ndarray], precision: str, threads: int) -> float:
    settings = {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    return best(lambda: request.infer(inputs), inputs[0].size // 3)


def ours(threads: int, side: int) -> dict[str, float]:
    weights = weights_of("open")
    image = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    strides = side // weights.card.architecture.stride
    inputs, speeds = [image, np.array([0, 0, strides, strides])], {}
    for precision in HINTS:
        network = NucleusNet(weights.card.architecture)
        load_tensors(network, weights.tensors)
        speeds[f"torch {precision}"] = by_torch(fused(network), precision, side)
        model = graph(weights.card.architecture, weights.tensors)
        speeds[f"OpenVINO {precision}"] = by_openvino(model, inputs, precision, threads)
    return speeds


def theirs(threads: int, side: int) -> dict[str, float]:
    network = HoverNetSized().eval()
    parameters = sum(value.numel() for value in network.parameters())
    print(f"the network of HoVer-Net's shape has {parameters / 1e6:.1f} million parameters")
    image = np.random.default_rng(0).random((1, 3, side, side), dtype=np.float32)
    model = ov.convert_model(network, example_input=torch.from_numpy(image))
    speeds = {f"OpenVINO {precision}": by_openvino(model, [image], precision, threads) for precision in HINTS}
    for precision in HINTS:
        speeds[f"torch {precision}"] = by_torch(network, precision, side)
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", type=int, default=1024)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    mine, other = ours(given.threads, given.side), theirs(given.threads, given.side // 4)
    for name, speeds in (("ours", mine), ("HoVer-Net's size", other)):
        for way, speed in speeds.items():
            print(f"{name:18} {way:20} {speed:8.3f} megapixels/s")
    print(f"ratio of the fastest ways {max(mine.values()) / max(other.values()):.1f}")


if __name__ == "__main__":
    main()
