"""The hourglass: its shapes, its sizes by hand, what it looks at, and its 2D training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.counting import multiply_adds
from hand_lib.models.groups.composition import hourglass, hourglass_points
from hand_lib.models.hourglass import Hourglass, HourglassBackbone, PreActivated
from hand_lib.models.size import NetworkSize


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("side", "width", "grid", "depth"), [(256, 64, 64, 4), (128, 64, 32, 4), (64, 16, 16, 4), (32, 8, 8, 3)]
)
def test_maps_have_a_quarter_of_the_picture_s_side(side, width, grid, depth):
    size = NetworkSize(width=width, image_size=side)
    net = hourglass(size).to("meta")
    said = net(torch.empty(2, 3, side, side, device="meta"))
    assert said.shape == (2, 21 + 4 * width, grid, grid) and net.channels == 21 + 4 * width
    levels, inside = 0, net.hourglass
    while isinstance(inside, Hourglass):
        levels, inside = levels + 1, inside.inside
    assert levels == depth


def test_a_bottleneck_s_size_by_hand():
    def by_hand(channels: int, out: int) -> int:
        inner = out // 2
        size = 2 * channels + channels * inner + inner  # normalised, 1×1
        size += 2 * inner + 9 * inner**2 + inner  # normalised, 3×3
        size += 2 * inner + inner * out + out  # normalised, 1×1
        return size + (channels * out + out if channels != out else 0)

    for channels, out in ((64, 128), (128, 128), (128, 256), (256, 256)):
        assert parameters(PreActivated(channels, out)) == by_hand(channels, out)
    assert parameters(Hourglass(channels=32, depth=4)) == (4 * 3 + 1) * 2 * by_hand(32, 32)


def test_a_bottleneck_that_says_nothing_is_its_shortcut():
    """Pre-activated: the shortcut is neither normalised nor cut at zero."""
    block = PreActivated(6, 6)
    nn.init.zeros_(block.layers[-1].weight)
    nn.init.zeros_(block.layers[-1].bias)
    x = torch.randn(2, 6, 4, 4)
    assert torch.equal(block(x), x) and (x < 0).any()


def test_an_hourglass_adds_what_it_sees_from_afar_to_what_it_sees_here():
    """With silent residuals each position is the identity: full side plus the maxima, spread out, at every depth."""
    net = Hourglass(channels=4, depth=2)
    for module in net.modules():
        if isinstance(module, PreActivated):
            nn.init.zeros_(module.layers[-1].weight)
            nn.init.zeros_(module.layers[-1].bias)
    x = torch.randn(1, 4, 8, 12)
    half = x.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))
    quarter = half.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))

    def spread(maps: torch.Tensor) -> torch.Tensor:
        return maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    torch.testing.assert_close(net(x), x + spread(half + spread(quarter)))


def test_a_cell_looks_round_its_own_pixels():
    """Without an hourglass between, cell i sees pixels 4i + 1 give or take: the middle of what reaches it."""
    net = HourglassBackbone(image_size=64, features=16, depth=1).eval()
    image = torch.rand(1, 3, 64, 64).requires_grad_()
    first = net.stem[:3](image)
    pooled = nn.functional.avg_pool2d(first, 2)  # every one of the four takes part
    assert pooled.shape[-2:] == (16, 16)
    pooled[0, :, 5, 7].sum().backward()
    rows, columns = (image.grad.abs().sum(dim=(0, 1, d)).nonzero().flatten().tolist() for d in (3, 2))
    assert ((rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2) == (4 * 5 + 1, 4 * 7 + 1)


def test_wrong_sizes_are_one_line():
    with pytest.raises(HandLibError, match="multiple of 64 px, not 96"):
        HourglassBackbone(image_size=96)
    with pytest.raises(HandLibError, match="at least 8 features"):
        HourglassBackbone(image_size=64, features=4)


def test_weights_of_something_else_are_one_line():
    size = NetworkSize(width=8, image_size=32)
    of_a_wider_one = hourglass(NetworkSize(width=16, image_size=32)).state_dict()
    for wrong in (size.backbone().state_dict(), of_a_wider_one, {}):
        with pytest.raises(
            HandLibError, match=r"^these weights do not fit an hourglass of 32 features: stem.0.weight$"
        ):
            hourglass(size).load_weights(wrong)
    more = hourglass(size).state_dict() | {"other": torch.zeros(1)}
    with pytest.raises(HandLibError, match=r": other$"):
        hourglass(size).load_weights(more)
    theirs = hourglass(size)
    ours = hourglass(size)
    ours.load_weights(theirs.state_dict())
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_points_are_read_from_the_hourglass_own_heatmaps():
    size = NetworkSize(width=8, image_size=32)
    net = hourglass_points(size).eval()
    nn.init.zeros_(net.backbone.heatmaps.weight)
    bias = torch.zeros(21)
    net.backbone.heatmaps.bias = nn.Parameter(bias)
    said = net(torch.rand(2, 3, 32, 32))
    # A flat heatmap is read as the mean of its cells, 4 · 3.5 pixels from the left, of 31.
    torch.testing.assert_close(said, torch.full((2, 21, 2), 2 * 14 / 31 - 1))
    assert net.stages(torch.rand(2, 3, 32, 32)).shape == (1, 2, 21, 2)


def test_multiply_adds_of_the_first_layers_by_hand():
    net = HourglassBackbone(image_size=256).to("meta")
    stem = 3 * 49 * 64 * 128**2
    residual = (64 * 64 + 9 * 64**2 + 64 * 128 + 64 * 128) * 128**2
    assert multiply_adds(net.eval().stem[:4], torch.empty(1, 3, 256, 256, device="meta")) == stem + residual
