"""F of Eq. 1: residual networks (He et al., 2016) with torchvision's names, so that its weights fit as they are."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.request
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from hand_lib.errors import HandLibError, choose

# ImageNet's mean and standard deviation of RGB in [0, 1]: what the published weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Torchvision's files; the eight hex digits are the start of the file's sha256.
IMAGENET_ADDRESS = "https://download.pytorch.org/models/"
IMAGENET_FILES = {
    18: "resnet18-f37072fd.pth",
    34: "resnet34-b627a593.pth",
    50: "resnet50-0676ba61.pth",
    101: "resnet101-63fe2227.pth",
    152: "resnet152-394f9c45.pth",
}


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (ResNet-18 and 34)."""

    expansion = 1

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.downsample = shortcut(channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions beside a shortcut (ResNet-50 and deeper); the stride is on the 3×3, as in
    torchvision."""

    expansion = 4

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = shortcut(channels, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + self.downsample(x))


def shortcut(channels: int, out_channels: int, stride: int) -> nn.Module:
    """The identity where the shape allows it, else a 1×1 convolution with batch normalisation."""
    if stride == 1 and channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


# torch 2.13 on processors without AVX-512 writes past its memory in a strided 1×1 convolution of fewer than 8 channels
# with the channels last; the shortcuts of a thinner network are such convolutions.
MIN_WIDTH = 8

LAYOUTS = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(nn.Module):
    """X = F(I), Eq. 1: a residual network without its classifier.

    Pictures go in as RGB in [0, 1]; ImageNet's mean and deviation are applied here. The centre of cell i of a map of
    stride s looks at pixel s·i.

    Args:
        depth: 18, 34, 50, 101 or 152.
        width: channels of the first block; 64 is the published network, less is the same network, thinner; at least
            :data:`MIN_WIDTH`.
        stem_stride: pixels from cell to cell where the first block begins. 4 is the published network; 2 leaves its
            max-pooling out, so that a picture of 64 px has the maps that one of 128 px has with 4.
        final_stride: stride of the last block. 2 is the published network (8×8 maps at 256 px); 1 keeps 4×4 maps at
            64 px and 8×8 at 128 px, with the same weights.

    Raises:
        HandLibError: for an unknown depth or stride, or a width below :data:`MIN_WIDTH`.
    """

    def __init__(self, *, depth: int = 18, width: int = 64, stem_stride: int = 4, final_stride: int = 2) -> None:
        super().__init__()
        if depth not in LAYOUTS:
            raise choose("ResNet depth", depth, LAYOUTS)
        if final_stride not in (1, 2):
            raise choose("final stride", final_stride, (1, 2))
        if stem_stride not in (2, 4):
            raise choose("stem stride", stem_stride, (2, 4))
        if width < MIN_WIDTH:
            raise HandLibError(f"backbone width must be at least {MIN_WIDTH}, not {width}")
        block, counts = LAYOUTS[depth]
        self.depth, self.width = depth, width
        self.channels = 8 * width * block.expansion  # of X
        self.middle_channels = 4 * width * block.expansion  # of F⁰

        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem_stride == 4 else nn.Identity()
        channels = width
        for i, (count, stride) in enumerate(zip(counts, (1, 2, 2, final_stride), strict=True)):
            planes = width * 2**i
            blocks = [block(channels, planes, stride)]
            channels = planes * block.expansion
            blocks += [block(channels, planes, 1) for _ in range(count - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))

        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to X, ``(B, C, H/s, W/s)``, s = 4 · stem · final stride: 32 as published."""
        return self.middle_and_last(images)[1]

    def middle_and_last(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """F⁰ of Eq. 7, ``(B, C/2, H/s, W/s)`` with s = 4 · stem stride, 16 as published; and X of Eq. 1."""
        x = (images - self.mean) / self.std
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        middle = self.layer3(self.layer2(self.layer1(x)))
        return middle, self.layer4(middle)

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Load torchvision's weights for this depth, every one of them; its classifier ``fc`` is left out.

        Raises:
            HandLibError: where names or shapes differ from this network's.
        """
        kept = {name: value for name, value in weights.items() if not name.startswith("fc.")}
        try:
            self.load_state_dict(kept, strict=True)
        except RuntimeError as error:
            what = f"ResNet-{self.depth} of width {self.width}"
            reason = str(error).splitlines()[1].strip()
            raise HandLibError(f"these weights do not fit a {what}: {reason}") from None


def load_imagenet(
    depth: int, *, folder: Path, address: str = IMAGENET_ADDRESS, instead: str = "random weights"
) -> dict[str, Tensor] | None:
    """Torchvision's ImageNet weights: from ``folder`` if they lie there, else fetched into it once.

    A file counts only if its sha256 starts as its name says; a damaged one is fetched again. Where the weights cannot
    be had, one warning says so and None is returned: the network then starts from something else.

    Args:
        depth: 18, 34, 50, 101 or 152.
        folder: where the file is kept; made if it is missing.
        address: where the published files are.
        instead: what the warning says that is started from.

    Returns:
        The weights by name, with the classifier's, for :meth:`ResNet.load_weights`; or None.

    Raises:
        HandLibError: for an unknown depth.
    """
    if depth not in IMAGENET_FILES:
        raise choose("ResNet depth", depth, IMAGENET_FILES)
    name = IMAGENET_FILES[depth]
    path = Path(folder) / name
    try:
        if not (path.is_file() and sound(path)):
            fetch(address + name, path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        http.client.HTTPException,
    ) as error:  # no network, no such file there, no room here, or a damaged file
        warnings.warn(f"no ImageNet weights ({address + name}: {error}): starting from {instead}", stacklevel=2)
        return None


def sound(path: Path) -> bool:
    """Whether the file's sha256 starts with the digits at the end of its name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(path.stem.rpartition("-")[2])


def fetch(url: str, path: Path) -> None:
    """Fetch ``url`` to ``path``, which appears whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        with urllib.request.urlopen(url, timeout=20) as reply, part.open("wb") as file:
            while chunk := reply.read(1 << 20):
                file.write(chunk)
        if not sound(part):
            raise OSError("the file that came is damaged, its sha256 is not the one in its name")
        os.replace(part, path)
