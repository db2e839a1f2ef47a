"""A batched software rasteriser and a deferred shader in plain PyTorch: the same code on CPU and GPU.

Triangles become *fragments* (triangle, pixel) in bulk: those whose bounding boxes are of like size share one small
grid of pixels, tested at once by barycentric coordinates. Each pixel keeps its nearest fragment by a maximum over
integers that hold the inverse depth in their high bits and the triangle's number in their low ones. A maximum does
not care about order, so pictures do not depend on batches, threads or the device's scheduling.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BOX_SIZES = (2, 3, 4, 6, 9, 14, 24, 48, 96, 192, 384, 1024)
_EDGE = 1e-4  # pixels on a shared edge belong to both triangles: no pinholes from rounding


def _fragments(xy: Tensor, w: Tensor, height: int, width: int):
    """Yield (triangle row, u, v, w) of the pixels covered by triangles xy (T, 3, 2), inverse depths w (T, 3)."""
    low = torch.ceil(xy.amin(1) - _EDGE).clamp_(min=0)
    high = torch.floor(xy.amax(1) + _EDGE)
    high = torch.minimum(high, high.new_tensor([width - 1, height - 1]))
    extent = (high - low).amax(1) + 1
    nonempty = (high >= low).all(1)
    largest = int(extent.max().item()) if len(extent) else 0
    smallest = 0
    for size in _BOX_SIZES:
        rows = torch.nonzero(nonempty & (extent > smallest) & (extent <= size))[:, 0]
        smallest = size
        if len(rows):
            per_chunk = max(1, (1 << 21) // (size * size))
            for part in rows.split(per_chunk):
                yield part, *_cover(xy[part], w[part], low[part], size, height, width)
        if size >= largest:
            return


def _cover(xy: Tensor, w: Tensor, low: Tensor, size: int, height: int, width: int):
    grid = torch.arange(size, device=xy.device, dtype=xy.dtype)
    local = xy - low[:, None]  # small numbers: precise, and the same wherever the triangle lies
    (x0, y0), (x1, y1), (x2, y2) = (local[:, i].unbind(1) for i in range(3))
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    inverse = 1.0 / area
    a1, b1 = (y2 - y0) * inverse, (x0 - x2) * inverse
    a2, b2 = (y0 - y1) * inverse, (x1 - x0) * inverse
    c1, c2 = -(a1 * x0 + b1 * y0), -(a2 * x0 + b2 * y0)
    l1 = ((b1[:, None] * grid + c1[:, None])[:, :, None] + (a1[:, None] * grid)[:, None]).flatten(1)  # (T, size²)
    l2 = ((b2[:, None] * grid + c2[:, None])[:, :, None] + (a2[:, None] * grid)[:, None]).flatten(1)
    hit = torch.minimum(torch.minimum(l1, l2), 1.0 - l1 - l2) >= -_EDGE
    flat = torch.nonzero(hit.flatten())[:, 0]
    row = torch.div(flat, size * size, rounding_mode="floor")
    cell = flat - row * (size * size)
    dv = torch.div(cell, size, rounding_mode="floor")
    u = low[row, 0].long() + (cell - dv * size)
    v = low[row, 1].long() + dv
    inside = (u < width) & (v < height)
    if not bool(inside.all()):
        row, u, v, flat = row[inside], u[inside], v[inside], flat[inside]
    wa, wb, wc = w[:, 0], w[:, 1] - w[:, 0], w[:, 2] - w[:, 0]
    value = wa[row] + l1.flatten()[flat] * wb[row] + l2.flatten()[flat] * wc[row]
    return row, u, v, value


def front_facing(xy: Tensor, faces: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Meshes (N, V, 2), faces (T, 3), inverse depths (N, V): mesh and face numbers of the triangles to draw."""
    corner = xy[:, faces]  # (N, T, 3, 2)
    e1, e2 = corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0]
    area = e1[..., 0] * e2[..., 1] - e1[..., 1] * e2[..., 0]
    # v runs down, so triangles that are anticlockwise from outside are clockwise here. w ≤ 0 is behind the camera.
    return torch.nonzero((area < -1e-7) & (w[:, faces].amin(-1) > 0), as_tuple=True)


def rasterise(
    keys: Tensor, xy: Tensor, w: Tensor, faces: Tensor, image: Tensor, *, first_id: int = 0
) -> None:
    """Draw meshes into a buffer of keys.

    Args:
        keys: ``(B, H, W)`` int64, changed in place: ``inverse depth bits << 32 | triangle number + 1``, 0 where
            nothing has been drawn. Triangle ``t`` of mesh ``n`` has the number ``first_id + n·T + t``.
        xy: ``(N, V, 2)`` vertices in pixels of the buffer.
        w: ``(N, V)`` inverse depth, linear on the screen, larger is nearer; triangles with w ≤ 0 are not drawn.
        faces: ``(T, 3)``.
        image: ``(N,)`` the picture that each mesh is in.
        first_id: number of the first triangle.
    """
    _, height, width = keys.shape
    mesh, face = front_facing(xy, faces, w)
    corner = faces[face]
    corners, depths = xy[mesh[:, None], corner], w[mesh[:, None], corner]
    number = first_id + 1 + mesh * len(faces) + face
    start = image[mesh] * (height * width)
    flat = keys.view(-1)
    for rows, part, u, v, value in _fragments(corners, depths, height, width):
        owner = rows[part]
        key = (value.view(torch.int32).long() << 32) | number[owner]
        flat.scatter_reduce_(0, start[owner] + v * width + u, key, reduce="amax", include_self=True)


def rasterise_depth(buffer: Tensor, xy: Tensor, w: Tensor, faces: Tensor, image: Tensor) -> None:
    """As :func:`rasterise`, but keeps only the largest ``w`` of each pixel, in a float buffer (B, H, W)."""
    _, height, width = buffer.shape
    mesh, face = front_facing(xy, faces, w)
    corner = faces[face]
    corners, depths = xy[mesh[:, None], corner], w[mesh[:, None], corner]
    start = image[mesh] * (height * width)
    flat = buffer.view(-1)
    for rows, part, u, v, value in _fragments(corners, depths, height, width):
        flat.scatter_reduce_(0, start[rows[part]] + v * width + u, value, reduce="amax", include_self=True)


def barycentric(xy: Tensor, w: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Perspective-correct weights of corners xy (P, 3, 2) with inverse depths w (P, 3) at pixels u, v (P,).

    Returns:
        weights ``(P, 3)`` that sum to one, and the depth ``(P,)`` = 1 / w there.
    """
    x0, y0 = xy[:, 0, 0] - u, xy[:, 0, 1] - v
    x1, y1 = xy[:, 1, 0] - u, xy[:, 1, 1] - v
    x2, y2 = xy[:, 2, 0] - u, xy[:, 2, 1] - v
    l0 = x1 * y2 - x2 * y1
    l1 = x2 * y0 - x0 * y2
    l2 = x0 * y1 - x1 * y0
    weights = torch.stack([l0, l1, l2], dim=1) * w
    total = weights.sum(1)
    depth = (l0 + l1 + l2) / total
    return weights / total[:, None], depth


def soft_shadow(buffer: Tensor, image: Tensor, x: Tensor, y: Tensor, w: Tensor, *, bias: float, softness: float):
    """Light that reaches points, by four comparisons with a shadow map, blended by distance to its texels.

    Args:
        buffer: ``(B, S, S)`` height towards the light of the nearest surface to it (mm), 0 where there is none.
        image: ``(P,)``; x, y: ``(P,)`` texel coordinates; w: ``(P,)`` mm, the points' own height.
        bias: mm a surface must be above the point before it begins to shade it.
        softness: mm over which it goes from no shade to full shade.

    Returns:
        ``(P,)`` in [0, 1], 1 is lit, as all is that lies outside the map.
    """
    size = buffer.shape[-1]
    outside = (x < 0) | (y < 0) | (x > size - 1) | (y > size - 1)
    x, y = x.clamp(0, size - 1.001), y.clamp(0, size - 1.001)
    x0, y0 = torch.floor(x), torch.floor(y)
    fx, fy = x - x0, y - y0
    base = image * (size * size) + y0.long() * size + x0.long()
    flat = buffer.view(-1)
    w = w + bias
    lit = 0.0
    for offset, share in (
        (0, (1 - fx) * (1 - fy)),
        (1, fx * (1 - fy)),
        (size, (1 - fx) * fy),
        (size + 1, fx * fy),
    ):
        lit = lit + share * (1.0 - ((flat[base + offset] - w) / softness).clamp_(0, 1))
    return torch.where(outside, 1.0, lit)


def crevice_shade(depth: Tensor, *, radius: int, reach: float) -> Tensor:
    """Ambient occlusion from the depth map alone: how far each pixel lies behind its neighbourhood's mean.

    Args:
        depth: ``(B, H, W)`` mm, infinite where nothing was drawn.
        radius: pixels of the box that is averaged.
        reach: mm of being behind that give full shade.

    Returns:
        ``(B, H, W)`` in [0, 1], 0 is open.
    """
    drawn = torch.isfinite(depth)
    z = torch.where(drawn, depth, torch.zeros_like(depth))
    stack = torch.stack([z, drawn.to(z.dtype)], dim=1)
    k = 2 * radius + 1
    pool = torch.nn.functional.avg_pool2d
    stack = pool(pool(stack, (k, 1), 1, (radius, 0)), (1, k), 1, (0, radius))
    # Where nothing was drawn counts as being just as deep as the pixel: open, neither shading nor lifting.
    behind = depth * stack[:, 1] - stack[:, 0]
    return torch.where(drawn, (behind / reach).clamp(0, 1), torch.zeros_like(depth))
