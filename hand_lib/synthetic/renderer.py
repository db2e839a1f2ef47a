"""A batched software rasteriser and a deferred shader in plain PyTorch: the same code on CPU and GPU.

Triangles become *fragments* (triangle, pixel) in bulk: those whose bounding boxes are of like size share one small
grid of pixels, tested at once by barycentric coordinates. Each pixel keeps its nearest fragment by a maximum over
integers that hold the inverse depth in their high bits and the triangle's number in their low ones. A maximum does
not care about order, so pictures do not depend on batches, threads or the device's scheduling.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BOX_SIZES = (2, 3, 4, 5, 6, 7, 8, 10, 13, 18, 26, 40, 80, 200, 512, 2048)
_EDGE = 1e-4  # pixels on a shared edge belong to both triangles: no pinholes from rounding


def _fragments(xy: Tensor, w: Tensor, start: Tensor, height: int, width: int):
    """Yield (triangle, pixel number in the buffer, w) of the pixels that triangles cover.

    ``xy`` is ``(6, T)``: x and y of the first, second, third corner; ``w`` is ``(3, T)``; ``start`` ``(T,)`` is the
    number of the first pixel of each triangle's picture.
    """
    x, y = xy[0::2], xy[1::2]
    low = torch.stack([x.amin(0), y.amin(0)]).sub_(_EDGE).ceil_().clamp_(min=0)  # (2, T)
    high = torch.stack([x.amax(0).clamp_(max=width - 1), y.amax(0).clamp_(max=height - 1)]).add_(_EDGE).floor_()
    extent = high - low
    nonempty = extent.amin(0) >= 0
    extent = torch.where(nonempty, extent.amax(0) + 1, 0.0)
    at_once = 1 << (20 if xy.device.type == "cpu" else 24)  # cells: a CPU's caches, or a GPU's many lanes
    smallest = 0
    for size in _box_sizes(extent, at_once >> 5):
        rows = torch.nonzero((extent > smallest) & (extent <= size))[:, 0]
        smallest = size
        for part in rows.split(max(1, at_once // (size * size))) if len(rows) else ():
            row, pixel, value = _cover(
                xy.index_select(1, part),
                w.index_select(1, part),
                low.index_select(1, part),
                start.index_select(0, part),
                size,
                height,
                width,
            )
            yield part, row, pixel, value


def _box_sizes(extent: Tensor, start: int) -> list[int]:
    """The sides of boxes, some of ``_BOX_SIZES``, with which triangles of these extents take the least time.

    ``start`` is what each further size costs, in cells tested. Which box holds a triangle changes no pixel.
    """
    if not len(extent):
        return []
    bounds = torch.tensor(_BOX_SIZES, dtype=extent.dtype, device=extent.device)
    held = torch.bincount(torch.bucketize(extent[extent > 0], bounds), minlength=len(_BOX_SIZES)).tolist()
    best, cuts = [0], [[]]  # of the first n sizes: the least cost, and the sizes that are used
    for n, size in enumerate(_BOX_SIZES, 1):
        if held[n - 1] == 0:
            best.append(best[-1])
            cuts.append(cuts[-1])
            continue
        count, options = 0, []
        for first in reversed(range(n)):
            count += held[first]
            options.append((best[first] + start + count * size * size, first))
        cost, first = min(options)
        best.append(cost)
        cuts.append([*cuts[first], size])
    return cuts[-1]


def _cover(
    xy: Tensor, w: Tensor, low: Tensor, start: Tensor, size: int, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    # Small numbers relative to the box's corner: precise, and the same wherever the triangle lies.
    x0, y0, x1, y1, x2, y2 = (xy.view(3, 2, -1) - low).view(6, -1)
    inverse = 1.0 / ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
    a1, b1 = (y2 - y0) * inverse, (x0 - x2) * inverse
    a2, b2 = (y0 - y1) * inverse, (x1 - x0) * inverse
    c1, c2 = -(a1 * x0 + b1 * y0), -(a2 * x0 + b2 * y0)
    grid = torch.arange(size, device=xy.device, dtype=xy.dtype)
    gx, gy = grid[None, :, None], grid[:, None, None]
    l1 = (b1 * gy + c1) + a1 * gx  # (size, size, T)
    l2 = (b2 * gy + c2) + a2 * gx
    d1, d2 = w[1] - w[0], w[2] - w[0]
    plane = ((b1 * d1 + b2 * d2) * gy + (c1 * d1 + c2 * d2 + w[0])) + (a1 * d1 + a2 * d2) * gx
    hit = torch.minimum(torch.minimum(l1, l2), 1.0 - l1 - l2) >= -_EDGE
    count = xy.shape[1]
    # Boxes at the border may reach over it.
    over = (low[0] + size > width) | (low[1] + size > height)
    if bool(over.any()):
        hit &= (low[0] + gx < width) & (low[1] + gy < height)
    flat = torch.nonzero(hit.view(-1))[:, 0]
    cell = torch.div(flat, count, rounding_mode="floor")
    row = flat - cell * count
    offset = torch.arange(size, device=xy.device)
    offset = (offset[:, None] * width + offset).view(-1)
    origin = (low[1] * width + low[0]).long() + start
    return row, origin.index_select(0, row) + offset.index_select(0, cell), plane.view(-1).index_select(0, flat)


def front_facing(xy: Tensor, w: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The triangles that look at the camera.

    Args:
        xy: ``(N, 2, V)`` vertices in pixels. w: ``(N, V)`` inverse depths. faces: ``(T, 3)``.

    Returns:
        their numbers ``mesh · T + face`` ``(M,)``, corners ``(6, M)`` as x, y of each, and inverse depths ``(3, M)``.
    """
    meshes, _, count = xy.shape
    order = faces.t().reshape(-1)
    table = torch.cat([xy, w[:, None]], 1).transpose(0, 1).reshape(3 * meshes, count)
    x, y, d = table.index_select(1, order).view(3, meshes, 3, -1)  # each (N, 3, T)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    # v runs down, so triangles that are anticlockwise from outside are clockwise here. w ≤ 0 is behind the camera.
    keep = torch.nonzero(((area < -1e-5) & (d.amin(1) > 0)).view(-1))[:, 0]
    corners = torch.stack([x, y], 2).view(meshes, 6, -1).transpose(0, 1).reshape(6, -1).index_select(1, keep)
    return keep, corners, d.transpose(0, 1).reshape(3, -1).index_select(1, keep)


def rasterise(keys: Tensor, xy: Tensor, w: Tensor, faces: Tensor, image: Tensor, *, first_id: int = 0) -> None:
    """Draw meshes into a buffer of keys.

    Args:
        keys: ``(B, H, W)`` int64, changed in place: ``inverse depth bits << 32 | triangle number + 1``, 0 where
            nothing has been drawn. Triangle ``t`` of mesh ``n`` has the number ``first_id + n·T + t``.
        xy: ``(N, 2, V)`` vertices in pixels of the buffer.
        w: ``(N, V)`` inverse depth, linear on the screen, larger is nearer; triangles with w ≤ 0 are not drawn.
        faces: ``(T, 3)``.
        image: ``(N,)`` the picture that each mesh is in.
        first_id: number of the first triangle.
    """
    _, height, width = keys.shape
    number, corners, depths = front_facing(xy, w, faces)
    start = (image * (height * width)).index_select(0, torch.div(number, len(faces), rounding_mode="floor"))
    number = number + (first_id + 1)
    flat = keys.view(-1)
    for part, row, pixel, value in _fragments(corners, depths, start, height, width):
        key = (value.view(torch.int32).long() << 32) | number.index_select(0, part).index_select(0, row)
        flat.scatter_reduce_(0, pixel, key, reduce="amax", include_self=True)


def rasterise_depth(buffer: Tensor, xy: Tensor, w: Tensor, faces: Tensor, image: Tensor) -> None:
    """As :func:`rasterise`, but keeps only the largest ``w`` of each pixel, in a float buffer (B, H, W)."""
    _, height, width = buffer.shape
    number, corners, depths = front_facing(xy, w, faces)
    start = (image * (height * width)).index_select(0, torch.div(number, len(faces), rounding_mode="floor"))
    flat = buffer.view(-1)
    for _, _, pixel, value in _fragments(corners, depths, start, height, width):
        flat.scatter_reduce_(0, pixel, value, reduce="amax", include_self=True)


def barycentric(x: Tensor, y: Tensor, w: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Perspective-correct weights of triangles' corners at pixels.

    Args:
        x, y: ``(3, P)`` corners in pixels. w: ``(3, P)`` their inverse depths. u, v: ``(P,)`` pixels.

    Returns:
        weights ``(3, P)`` that sum to one, and the depth ``(P,)`` there.
    """
    x, y = x - u, y - v
    area = torch.stack([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])
    weights = area * w
    # Sums are written out: a library's reduction may round differently for another number of pixels.
    total = 1.0 / (weights[0] + weights[1] + weights[2])
    return weights * total, (area[0] + area[1] + area[2]) * total


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Where lines of sight meet triangles, in front of the points that they lead to.

    Attributes:
        ray: ``(H,)`` int64, number of the line: ``picture · P + point``.
        mesh: ``(H,)`` int64. vertex: ``(H,)`` int64, the corner of the triangle that is nearest to the place.
        w: ``(H,)`` inverse depth of the place.
        step: ``(H,)`` 1 where the line enters the mesh, −1 where it leaves it.
    """

    ray: Tensor
    mesh: Tensor
    vertex: Tensor
    w: Tensor
    step: Tensor


_GROUP = 32  # triangles tested as one first; neighbours in the list of faces are neighbours on the skin


def pierce(points: Tensor, point_w: Tensor, xy: Tensor, w: Tensor, faces: Tensor, image: Tensor) -> Hits:
    """What the camera's lines of sight to some points meet on their way there. No pixels are involved.

    Args:
        points: ``(B, P, 2)`` where the points are in the pictures, in the units of ``xy``.
        point_w: ``(B, P)`` their inverse depths.
        xy: ``(N, 2, V)`` vertices in pixels. w: ``(N, V)`` inverse depths. faces: ``(T, 3)``.
        image: ``(N,)`` the picture that each mesh is in.

    Returns:
        The :class:`Hits`, in no particular order; triangles that reach behind the camera are left out.
    """
    meshes, _, count = xy.shape
    order = torch.cat([faces, faces[-1:].expand(-len(faces) % _GROUP, 3)]).t().reshape(-1)
    corners = xy.reshape(2 * meshes, count).index_select(1, order).view(meshes, 2, 3, -1, _GROUP)
    low, high = corners.amin(2), corners.amax(2)  # (N, 2, groups, _GROUP)
    # Which groups' boxes hold which points, and of those groups, which triangles' boxes.
    line = points.index_select(0, image).transpose(1, 2)[..., None]  # (N, 2, P, 1)
    within = (low.amin(3)[:, :, None] <= line) & (high.amax(3)[:, :, None] >= line)
    mesh, point, group = torch.nonzero(within[:, 0] & within[:, 1]).unbind(1)
    row = 2 * mesh * low.shape[2] + group
    boxed = torch.ones(len(row), _GROUP, dtype=torch.bool, device=xy.device)
    for axis in (0, 1):
        at = line[:, axis, :, 0].reshape(-1).index_select(0, mesh * points.shape[1] + point)[:, None]
        of = row + axis * low.shape[2]
        boxed &= (low.view(-1, _GROUP).index_select(0, of) <= at) & (high.view(-1, _GROUP).index_select(0, of) >= at)
    row, lane = torch.nonzero(boxed).unbind(1)
    mesh, point, face = mesh[row], point[row], group[row] * _GROUP + lane
    real = face < len(faces)  # the last group is filled up
    mesh, point, face = mesh[real], point[real], face[real]

    ray = image.index_select(0, mesh) * points.shape[1] + point
    vertex = faces.index_select(0, face).t()  # (3, H)
    place = (vertex + mesh * count).reshape(-1)
    u, v = points.reshape(-1, 2).index_select(0, ray).t()
    x, y = (xy[:, i].reshape(-1).index_select(0, place).view(3, -1) for i in (0, 1))
    x, y, d = x - u, y - v, w.reshape(-1).index_select(0, place).view(3, -1)
    # Twice the areas between the point and each side: of one sign all three where the point is inside.
    area = torch.stack([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])
    total = area[0] + area[1] + area[2]
    inside = (area.amin(0) >= 0) | (area.amax(0) <= 0)
    depth = (area[0] * d[0] + area[1] * d[1] + area[2] * d[2]) / total
    before = depth > point_w.reshape(-1).index_select(0, ray)
    hit = torch.nonzero(inside & before & (total != 0) & (d.amin(0) > 0))[:, 0]
    w0, w1, w2 = (area.abs() * d).index_select(1, hit)
    first, second, third = vertex.index_select(1, hit)
    return Hits(
        ray=ray[hit],
        mesh=mesh[hit],
        vertex=torch.where(w0 >= torch.maximum(w1, w2), first, torch.where(w1 >= w2, second, third)),
        w=depth[hit],
        step=torch.where(total[hit] < 0, 1, -1),
    )


def soft_shadow(buffer: Tensor, image: Tensor, x: Tensor, y: Tensor, w: Tensor, *, bias: float, softness: float):
    """Light that reaches points, by nine comparisons with a shadow map, weighed by a quadratic spline's weights.

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
    x, y = x.clamp(1, size - 2), y.clamp(1, size - 2)
    x0, y0 = torch.floor(x + 0.5), torch.floor(y + 0.5)
    fx, fy = x - x0, y - y0  # −0.5 to 0.5 from the middle texel
    base = image * (size * size) + y0.long() * size + x0.long()
    flat = buffer.view(-1)
    w = (w + bias) * (1.0 / softness)
    shares_x = (0.5 * (0.5 - fx) ** 2, 0.75 - fx * fx, 0.5 * (0.5 + fx) ** 2)
    shares_y = (0.5 * (0.5 - fy) ** 2, 0.75 - fy * fy, 0.5 * (0.5 + fy) ** 2)
    shade = torch.zeros_like(w)
    for j, share_y in enumerate(shares_y):
        row = torch.zeros_like(w)
        for i, share_x in enumerate(shares_x):
            height = flat.index_select(0, base + ((j - 1) * size + i - 1))
            row += share_x * (height * (1.0 / softness) - w).clamp_(0, 1)
        shade += share_y * row
    return torch.where(outside, 1.0, (1.0 - shade).clamp_(min=0))


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
    height, width = depth.shape[1:]
    wide = torch.nn.functional.pad(stack, (radius,) * 4)
    wide = sum(wide[:, :, i : i + height] for i in range(2 * radius + 1))
    stack = sum(wide[..., i : i + width] for i in range(2 * radius + 1)) / (2 * radius + 1) ** 2
    # Where nothing was drawn counts as being just as deep as the pixel: open, neither shading nor lifting.
    behind = depth * stack[:, 1] - stack[:, 0]
    return torch.where(drawn, (behind / reach).clamp(0, 1), torch.zeros_like(depth))
