"""The rasteriser and the pieces of the shader against closed forms and brute force."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_lib.synthetic import barycentric, rasterise, renderer
from hand_lib.synthetic.renderer import crevice_shade, rasterise_depth, soft_shadow


def draw(corners, inverse, *, height=20, width=32, order=None):
    """Separate triangles (T, 3, 2) with inverse depths (T, 3) in one picture; returns the buffer of keys."""
    count = len(corners)
    xy = corners.reshape(1, -1, 2).transpose(1, 2)
    faces = torch.arange(3 * count).view(count, 3)
    faces = faces if order is None else faces[order]
    keys = torch.zeros(1, height, width, dtype=torch.long)
    rasterise(keys, xy, inverse.reshape(1, -1), faces, torch.zeros(1, dtype=torch.long))
    return keys[0]


def facing(corners):
    """The same triangles, corners ordered so that they look at the camera."""
    a, b, c = corners.unbind(1)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return torch.where((area < 0)[:, None, None], corners, corners[:, [0, 2, 1]])


def brute_force(corners, inverse, height, width):
    """Nearest inverse depth at each pixel's centre, in double precision, one triangle after the other."""
    best = torch.zeros(height, width, dtype=torch.float64)
    v, u = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    for (a, b, c), w in zip(corners.double(), inverse.double(), strict=True):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        l1 = ((u - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (v - a[1])) / area
        l2 = ((b[0] - a[0]) * (v - a[1]) - (u - a[0]) * (b[1] - a[1])) / area
        inside = (l1 >= 0) & (l2 >= 0) & (l1 + l2 <= 1)
        best = torch.where(inside, torch.maximum(best, w[0] + l1 * (w[1] - w[0]) + l2 * (w[2] - w[0])), best)
    return best


def depth_bits(keys):
    return (keys >> 32).to(torch.int32).view(torch.float32)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_agrees_with_brute_force_on_random_triangles(seed):
    """Non-square buffer; triangles of all sizes, some over the border, some behind others."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(30, 1, 2, generator=generator) * torch.tensor([40.0, 28.0]) - 4
    size = 0.5 + 20 * torch.rand(30, 1, 1, generator=generator) ** 2
    corners = facing(centre + size * (torch.rand(30, 3, 2, generator=generator) - 0.5))
    inverse = 0.001 + 0.01 * torch.rand(30, 3, generator=generator)
    keys = draw(corners, inverse)
    expected = brute_force(corners, inverse, 20, 32)
    difference = (depth_bits(keys).double() - expected).abs()
    # Rounding may move a pixel whose centre lies on an edge; no other may differ.
    assert (difference > 1e-5).float().mean() < 0.005
    buffer = torch.zeros(1, 20, 32)
    xy = corners.reshape(1, -1, 2).transpose(1, 2)
    rasterise_depth(buffer, xy, inverse.reshape(1, -1), torch.arange(90).view(30, 3), torch.zeros(1, dtype=torch.long))
    assert torch.equal(buffer[0], depth_bits(keys))


def test_a_right_triangle_covers_the_pixels_that_it_should():
    corners = facing(torch.tensor([[[2.0, 3.0], [6.0, 3.0], [2.0, 7.0]]]))
    keys = draw(corners, torch.full((1, 3), 0.01))
    covered = {(int(r), int(c)) for r, c in torch.nonzero(keys)}
    assert covered == {(r, c) for r in range(3, 8) for c in range(2, 7) if (c - 2) + (r - 3) <= 4}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_fan_of_triangles_has_no_pinholes(seed):
    """Triangles round a point, meeting at shared edges, cover their disc without gaps."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.tensor([15.0, 10.0]) + torch.rand(2, generator=generator)
    angle = torch.sort(torch.rand(9, generator=generator) * 0.5 + torch.arange(9) * 2 * torch.pi / 9).values
    ring = centre + 8.0 * torch.stack([torch.cos(angle), torch.sin(angle)], 1)
    corners = facing(torch.stack([centre.expand(9, 2), ring, ring.roll(-1, 0)], 1))
    keys = draw(corners, torch.full((9, 3), 0.01))
    v, u = torch.meshgrid(torch.arange(20.0), torch.arange(32.0), indexing="ij")
    near = (u - centre[0]) ** 2 + (v - centre[1]) ** 2 < 5.0**2
    assert (keys[near] > 0).all()


def test_order_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    corners = facing(torch.rand(40, 3, 2, generator=generator) * torch.tensor([32.0, 20.0]))
    inverse = 0.001 + 0.01 * torch.rand(40, 3, generator=generator)
    plain = draw(corners, inverse)
    order = torch.randperm(40, generator=generator)
    mixed = draw(corners, inverse, order=order)
    assert torch.equal(plain >> 32, mixed >> 32)
    number, renumbered = (plain & 0xFFFFFFFF) - 1, (mixed & 0xFFFFFFFF) - 1
    drawn = plain > 0
    assert torch.equal(number[drawn], order[renumbered[drawn]])


def test_backs_and_what_is_behind_the_camera_are_not_drawn():
    corners = facing(torch.tensor([[[2.0, 3.0], [16.0, 3.0], [2.0, 17.0]]]))
    assert (draw(corners, torch.full((1, 3), 0.01)) > 0).any()
    assert (draw(corners[:, [0, 2, 1]], torch.full((1, 3), 0.01)) == 0).all()
    assert (draw(corners, torch.tensor([[0.01, 0.01, 0.0]])) == 0).all()


def test_barycentric_is_perspective_correct():
    """A point of a slanted triangle in space is found again from its projection."""
    triangle = torch.tensor([[-20.0, -10.0, 300.0], [40.0, 0.0, 500.0], [0.0, 60.0, 900.0]], dtype=torch.float64)
    weights = torch.tensor([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]], dtype=torch.float64).t()
    points = weights.t() @ triangle
    focal = 200.0
    x, y = (focal * triangle[:, i] / triangle[:, 2] for i in (0, 1))
    u, v = (focal * points[:, i] / points[:, 2] for i in (0, 1))
    found, depth = barycentric(
        x[:, None].expand(3, 2), y[:, None].expand(3, 2), (1 / triangle[:, 2])[:, None].expand(3, 2), u, v
    )
    assert torch.allclose(found, weights, atol=1e-9)
    assert torch.allclose(depth, points[:, 2], atol=1e-6)


def test_soft_shadow_under_a_plate():
    buffer = torch.zeros(1, 16, 24)
    buffer[0, :, :12] = 500.0  # a plate 100 mm above the points, over the left half
    x = torch.tensor([3.0, 20.0, 11.5, -5.0])
    y = torch.full((4,), 8.0)
    image = torch.zeros(4, dtype=torch.long)
    lit = soft_shadow(buffer, image, x, y, torch.full((4,), 400.0), bias=3.0, softness=5.0)
    assert lit.tolist() == pytest.approx([0.0, 1.0, 0.5, 1.0])  # shaded, lit, on the edge, outside the map
    own = soft_shadow(buffer, image[:1], x[:1], y[:1], torch.tensor([499.0]), bias=3.0, softness=5.0)
    assert own.item() == 1.0  # a surface does not shade itself


def test_crevices_are_dark_and_ridges_are_not():
    depth = torch.full((1, 20, 32), 400.0)
    depth[0, :, 15:18] = 420.0  # a groove
    depth[0, :, 25:27] = 380.0  # a ridge
    shade = crevice_shade(depth, radius=3, reach=26.0)
    assert (shade[0, 3:-3, 16] > 0.3).all()
    assert (shade[0, :, 26] == 0).all()
    assert (shade[0, :, 5] < 1e-5).all()
    alone = torch.full((1, 20, 32), torch.inf)
    alone[0, 8:12, 8:12] = 400.0  # nothing round it: open
    assert crevice_shade(alone, radius=3, reach=26.0).max() < 1e-4


@pytest.mark.parametrize("sizes", [(64,), (1, 2, 3, 64), tuple(range(1, 65))])
def test_the_boxes_that_triangles_are_tested_in_change_no_pixel(monkeypatch, sizes):
    generator = torch.Generator().manual_seed(1)
    corners = 64 * torch.rand(1, 2, 40, 1, generator=generator)
    spread = torch.linspace(0.5, 60, 40)[:, None] * torch.randn(1, 2, 40, 3, generator=generator)
    xy, w = (corners + spread).flatten(2), 0.1 + torch.rand(1, 120, generator=generator)
    faces = torch.arange(120).view(40, 3)

    def drawn() -> torch.Tensor:
        keys = torch.zeros(1, 64, 64, dtype=torch.long)
        renderer.rasterise(keys, xy, w, faces, torch.zeros(1, dtype=torch.long))
        return keys

    expected = drawn()
    assert expected.count_nonzero() > 100
    monkeypatch.setattr(renderer, "_BOX_SIZES", sizes)
    assert torch.equal(drawn(), expected)
