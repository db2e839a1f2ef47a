"""What is seen behind the hand: a room with a table, walls and furniture, or the open air, lit by the hand's own lamps.

Every picture has a box-shaped room round the camera, with flat patterned walls. Things in it are boxes that stand on
the floor, on the table or hang on the wall; leaves are boxes with holes. A ray for each pixel finds the nearest face,
whose material gives the colour, and the hand's lamps light it. The hand throws its shadow on the table below or the
wall behind it. Frames: the room's (x right, y down, z ahead, level with the ground, origin at the camera), mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import rotate
from hand_lib.synthetic.cloth import muted
from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.light import Lamps, Shadows
from hand_lib.synthetic.pixels import FINE, SMOOTH, mixed, sheet_at, soft_step, spread, texel, to_linear
from hand_lib.synthetic.skin import DARKEST, reflectance

MAX_SHAPES = 6
FAR, TABLE, WALL = range(3)  # what the hand is seen against
_LIMBS = 2
_SIDES, _FLOOR, _BACK, _CEILING, _TABLE, _SHAPES = range(6)  # rows of a room's materials; shapes' follow one another
_SURFACES = _SHAPES + MAX_SHAPES

# Kinds of material: cells along u and v (mm, 0 for none), shift of each second row, how much cells differ, depth of the
# lines between them, strength and stretch along u of fine grain, strength of coarse mottling.
_MATERIALS = torch.tensor(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.05, 1.0, 0.12],  # plaster
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.015, 1.0, 0.05],  # paint
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.16, 10.0, 0.14],  # a wooden board
        [1100.0, 120.0, 0.37, 0.28, 0.50, 0.15, 12.0, 0.12],  # planks
        [200.0, 200.0, 0.0, 0.10, 0.40, 0.03, 1.0, 0.10],  # tiles
        [230.0, 75.0, 0.5, 0.30, 0.45, 0.10, 1.0, 0.12],  # bricks
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.14, 1.0, 0.10],  # carpet
        [36.0, 34.0, 0.0, 0.0, 0.25, 0.12, 2.0, 0.08],  # woven cloth
        [34.0, 270.0, 0.2, 1.00, 0.70, 0.04, 0.3, 0.08],  # books on shelves
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.50, 1.0, 0.35],  # leaves, stone, earth
    ]
)
_PLASTER, _PAINT, _BOARD, _PLANKS, _TILES, _BRICKS, _CARPET, _CLOTH, _BOOKS, _LEAVES = range(len(_MATERIALS))
_WALLS = torch.tensor([_PLASTER, _PAINT, _PAINT, _PLASTER, _BRICKS, _TILES])
_FLOORS = torch.tensor([_PLANKS, _TILES, _CARPET, _CARPET, _PLANKS, _BOARD])
_TABLES = torch.tensor([_BOARD, _BOARD, _PLANKS, _PAINT, _CLOTH, _CLOTH, _PLASTER, _PAINT])
_THINGS = torch.tensor([_PAINT, _PAINT, _BOARD, _BOOKS, _BOOKS, _CLOTH, _LEAVES, _PLASTER])
_WOODY = torch.tensor([False, False, True, True, False, False, False, False, False, False])
_EMISSION = 19  # column of a material's light of its own
_ENDLESS = 1e6  # mm, cells of what has none


@dataclass(frozen=True, kw_only=True)
class Room:
    """The surroundings of B pictures.

    Attributes:
        rotation: ``(B, 3, 3)`` camera frame to room frame.
        low, high: ``(B, 3)`` mm, the room's walls.
        kind: ``(B,)`` int64: the hand is seen against the far room (0), a table (1) or a wall (2). gap: ``(B,)`` mm
            between that and the hand. table: ``(B, 2)`` mm, how far the table goes on beyond the hand, to each side and
            ahead.
        dim: ``(B,)`` how much light of the hand's place gets to what is far.
        count: ``(B,)`` int64, how many things stand there. where: ``(B, 6, 3)`` numbers in [0, 1) that place them,
            half ``(B, 6, 3)`` mm half their sizes; flat ``(B, 6)`` bool: hangs on the wall; ragged ``(B, 6)``: leaves.
        material: ``(B, 11, 20)`` colours and pattern of walls, floor, back wall, ceiling, table and things.
        limb_count: ``(B,)`` int64. limbs: ``(B, 2, 8)`` numbers in [0, 1) of each bare limb in the background.
        key: ``(B,)`` int64 of the patterns' random cells.
    """

    rotation: Tensor
    low: Tensor
    high: Tensor
    kind: Tensor
    gap: Tensor
    table: Tensor
    dim: Tensor
    count: Tensor
    where: Tensor
    half: Tensor
    flat: Tensor
    ragged: Tensor
    material: Tensor
    limb_count: Tensor
    limbs: Tensor
    key: Tensor

    @property
    def up(self) -> Tensor:
        """``(B, 3)`` away from the ground, camera frame."""
        return -self.rotation[:, 1]

    @property
    def facing(self) -> Tensor:
        """``(B, 3)`` normal of the table or wall that the hand is seen against, camera frame; of the far wall else."""
        return torch.where((self.kind == TABLE)[:, None], self.up, -self.rotation[:, 2])


def _turn(pitch: Tensor, roll: Tensor, yaw: Tensor) -> Tensor:
    """Camera to room (B, 3, 3) for a camera that looks down by ``pitch``, is turned by ``roll`` and by ``yaw``."""
    o, i = torch.zeros_like(pitch), torch.ones_like(pitch)
    (cp, sp), (cr, sr), (cy, sy) = ((torch.cos(a), torch.sin(a)) for a in (pitch, roll, yaw))
    about_x = torch.stack([i, o, o, o, cp, sp, o, -sp, cp], 1).unflatten(1, (3, 3))
    about_z = torch.stack([cr, -sr, o, sr, cr, o, o, o, i], 1).unflatten(1, (3, 3))
    about_y = torch.stack([cy, o, sy, o, i, o, -sy, o, cy], 1).unflatten(1, (3, 3))
    return about_y @ about_x @ about_z


def _material(draws: Draws, choice: Tensor, contrast: Tensor, *, wall: bool = False) -> Tensor:
    """(B, 20), walls are pale: two colours; cells' sizes along u and v and one over them; texels of grain a mm along u
    and v; shift of each second row, how much cells differ, depth of lines, strength of grain and of mottling; texels of
    mottling a mm, an offset, light of its own (none)."""
    kind = choice[draws.integer(0, len(choice) - 1)]
    u = draws.unit(8)
    # Walls, floors and tables are seldom dark or strong in colour; wood is brown to grey.
    color = muted(torch.cat([0.25 + 0.75 * u[:, :1], 0.6 * u[:, 1:2], u[:, 2:4]], 1) if wall else u[:, :4])
    wood = torch.tensor([0.60, 0.44, 0.30]) + (u[:, :1] - 0.45) * torch.tensor([0.60, 0.52, 0.42])
    wood = to_linear(wood + 0.8 * u[:, 1:2] * (wood.mean(1, keepdim=True) - wood))
    leaf = to_linear(torch.tensor([0.24, 0.31, 0.14]) * (0.5 + 0.8 * u[:, :1]) + 0.10 * u[:, 1:2])
    color = torch.where(_WOODY[kind][:, None], wood, color)
    color = torch.where((kind == _LEAVES)[:, None], leaf, color)
    second = color * (0.45 + 1.0 * u[:, 4:5])
    second = torch.where((kind == _BOOKS)[:, None], muted(draws.unit(4)), second).clamp(0.02, 0.9)
    pattern = _MATERIALS[kind] * torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    relief = _MATERIALS[kind] * torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0]) * contrast[:, None]
    scale = 0.7 + 0.9 * u[:, 5:6]
    pattern = pattern + relief
    size = torch.where(pattern[:, :2] > 0, pattern[:, :2] * scale, _ENDLESS)
    grain = 0.8 * torch.cat([scale / pattern[:, 6:7].clamp(min=0.1), scale], 1)
    rest = [pattern[:, 2:6], pattern[:, 7:], 0.11 * scale, 500.0 * u[:, 6:7], torch.zeros(len(kind), 1)]
    return torch.cat([color, second, size, 1.0 / size, grain, *rest], 1)


def sample_room(
    draws: Draws,
    *,
    surface: float,
    outdoors: float,
    shapes: tuple[int, int],
    limbs: float,
    clutter: tuple[float, float],
) -> Room:
    """Draw surroundings.

    Args:
        draws: B rows of random numbers.
        surface: probability that a table or wall is near the hand.
        outdoors: probability of the open air instead of a room.
        shapes: how many things there are. limbs: probability of each of two bare limbs in the background.
        clutter: contrast of all patterns.
    """
    near, table = draws.chance(surface), draws.chance(0.6)
    kind = torch.where(near, torch.where(table, TABLE, WALL), FAR)
    open_air = draws.chance(outdoors)
    pitch = torch.where(kind == TABLE, draws.uniform(0.5, 1.45), draws.uniform(-0.25, 0.5))
    pitch = torch.where(kind == WALL, 0.5 * pitch, pitch)
    rotation = _turn(pitch, 0.2 * draws.normal(1)[:, 0], draws.uniform(-0.7, 0.7) * torch.where(kind == WALL, 0.7, 1.0))
    u = draws.unit(6)
    high = torch.stack([900 + 1800 * u[:, 0], 800 + 800 * u[:, 1], 1200 + 2600 * u[:, 2]], 1)
    low = -torch.stack([900 + 1800 * u[:, 3], 700 + 900 * u[:, 4], 1500 + 1000 * u[:, 5]], 1)
    far = torch.tensor([30_000.0, 1.0, 30_000.0]) * torch.ones(len(kind), 1)
    high = torch.where(open_air[:, None], torch.cat([far[:, :1], high[:, 1:2], far[:, 2:]], 1), high)
    low = torch.where(open_air[:, None], -20_000.0, low)
    contrast = draws.uniform(*clutter)
    own = [_WALLS, _FLOORS, _WALLS, torch.tensor([_PAINT]), _TABLES]
    material = [_material(draws, choice, contrast, wall=True) for choice in own]
    material = torch.stack(material + [_material(draws, _THINGS, contrast) for _ in range(MAX_SHAPES)], 1)
    # All walls of a room are alike, its ceiling is pale.
    material[:, _SIDES] = material[:, _BACK]
    material[:, _CEILING, :6] = 0.55 + 0.25 * material[:, _CEILING, :6]
    # Open air: sky above and around, earth below, leaves, stones and stems.
    sky = to_linear(torch.stack([0.55 + 0.4 * u[:, 0], 0.68 + 0.27 * u[:, 0], 0.85 + 0.1 * u[:, 1]], 1))
    for row in (_SIDES, _BACK, _CEILING):
        material[:, row, :3] = torch.where(open_air[:, None], sky, material[:, row, :3])
        material[:, row, 13:17] = torch.where(open_air[:, None], 0.0, material[:, row, 13:17])
        material[:, row, _EMISSION] = torch.where(open_air, 0.9 + u[:, 2], 0.0)
    leaves = torch.stack([_material(draws, torch.tensor([_LEAVES]), contrast.clamp(min=0.7)) for _ in range(3)], 1)
    for row in [_FLOOR, *range(_SHAPES, _SURFACES)]:
        material[:, row] = torch.where(open_air[:, None], leaves[:, row % 3], material[:, row])
    flat = (draws.unit(MAX_SHAPES) < torch.where(kind == WALL, 1.0, 0.4)[:, None]) & ~open_air[:, None]
    # Some of what hangs on far walls are windows.
    window = flat & (draws.unit(MAX_SHAPES) < 0.3) & (kind == FAR)[:, None]
    bright = material[:, _SHAPES:]
    bright[..., :3] = torch.where(window[..., None], 0.85, bright[..., :3])
    bright[..., _EMISSION] = torch.where(window, 1.5, bright[..., _EMISSION])
    ragged = (draws.unit(MAX_SHAPES) < 0.25) | open_air[:, None]
    where = draws.unit(3 * MAX_SHAPES).unflatten(1, (MAX_SHAPES, 3))
    half = draws.unit(3 * MAX_SHAPES).unflatten(1, (MAX_SHAPES, 3))
    big = torch.where((kind == FAR)[:, None, None], 1.0, torch.where((kind == WALL)[:, None, None], 0.45, 0.17))
    half = (torch.tensor([90.0, 120.0, 90.0]) + torch.tensor([330.0, 560.0, 330.0]) * half) * big
    half = half * torch.where(open_air & (kind == FAR), 2.0, 1.0)[:, None, None]
    return Room(
        rotation=rotation,
        low=low,
        high=high,
        kind=kind,
        gap=2.0 + 140.0 * draws.unit(1)[:, 0] ** 2,
        table=torch.stack([draws.uniform(150.0, 900.0), draws.uniform(100.0, 700.0)], 1),
        dim=draws.uniform(0.45, 1.25),
        count=draws.integer(*shapes),
        where=where,
        half=half,
        flat=flat,
        ragged=torch.where(ragged & ~flat, 0.35, -9.0),
        material=material,
        limb_count=draws.chance(limbs).long() + draws.chance(limbs),
        limbs=draws.unit(8 * _LIMBS).unflatten(1, (_LIMBS, 8)),
        key=(draws.unit(1)[:, 0].double() * (1 << 24)).long() * 61 + 17,
    )


def paint(
    room: Room, lamps: Lamps, shadows: Shadows, *, K: Tensor, place: Tensor, reach: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """Paint what is behind the hand.

    Args:
        room, lamps, shadows: of B pictures.
        K: ``(B, 3, 3)`` intrinsics for pixels of pictures ``size`` wide.
        place: ``(B, 3)`` the hand's middle, camera frame, mm.
        reach: ``(B, 3)`` the hand's lowest, and its farthest point along the room's axes, room frame: x is not used.
        size: side of the pictures.

    Returns:
        linear RGB ``(B, 3, size, size)``, and ``(B, size, size)`` mm, how far it is along the optical axis.
    """
    device, batch = K.device, len(K)
    grid = torch.arange(size, device=device, dtype=torch.float32)
    u = ((grid - K[:, :1, 2]) / K[:, :1, 0])[:, None, :].expand(batch, size, size).reshape(batch, -1)
    v = ((grid - K[:, 1:2, 2]) / K[:, 1:2, 1])[:, :, None].expand(batch, size, size).reshape(batch, -1)
    r = room.rotation[..., None]
    ray = [r[:, i, 0] * u + r[:, i, 1] * v + r[:, i, 2] for i in range(3)]
    ray = [c + 1.7e-6 for c in ray]  # never zero, but for a chance in millions
    inverse = [1.0 / c for c in ray]

    # The room's own walls: the way out of a box. The wall behind the hand, and the table below it, are where it says.
    high, low = room.high.clone(), room.low
    at_wall, at_table = room.kind == WALL, room.kind == TABLE
    near_wall = reach[:, 2] + room.gap
    high[:, 2] = torch.where(at_wall, near_wall, torch.maximum(high[:, 2], near_wall + 300.0))
    top = reach[:, 1] + room.gap
    high[:, 1] = torch.where(at_table, top + 720.0, torch.maximum(high[:, 1], reach[:, 1] + 100.0))
    out = [torch.where(c > 0, high[:, i : i + 1], low[:, i : i + 1]) * inverse[i] for i, c in enumerate(ray)]
    t = torch.minimum(torch.minimum(out[0], out[1]), out[2])
    axis = torch.where(out[0] <= t, 0, torch.where(out[1] <= t, 1, 2)).to(torch.int32)
    face = 4 * torch.where((axis == 1) & (ray[1] < 0), _CEILING, axis) + axis  # 4 · row of the materials + axis

    def put(rows: Tensor, middle: Tensor, half: Tensor, row: int, ragged: Tensor | None) -> None:
        """Draw boxes, given their middles and half sizes (N, 3), into pictures ``rows``."""
        distance, enter, leave = t.index_select(0, rows), [], []
        for i in range(3):
            over = inverse[i].index_select(0, rows)
            a, b = (middle[:, i, None] - half[:, i, None]) * over, (middle[:, i, None] + half[:, i, None]) * over
            enter.append(torch.minimum(a, b))
            leave.append(torch.maximum(a, b))
        first = torch.maximum(torch.maximum(enter[0], enter[1]), enter[2])
        last = torch.minimum(torch.minimum(leave[0], leave[1]), leave[2])
        seen = (first < last) & (first > 1.0) & (first < distance)
        if ragged is not None:
            leafy = torch.nonzero(ragged > -1)[:, 0]
            if len(leafy):
                some = rows[leafy]
                p, q = ray[0][some] * first[leafy], ray[1][some] * first[leafy]
                holes = sheet_at(FINE, texel(p * 0.5 + 37.0 * row, q * 0.5)) + 0.7 * sheet_at(
                    SMOOTH, texel(q * 0.3, p * 0.3)
                )
                seen[leafy] &= holes > ragged[leafy, None]
        side = 4 * row + 2 - (enter[1] >= first).int() - 2 * (enter[0] >= first).int()
        t.index_copy_(0, rows, torch.where(seen, first, distance))
        face.index_copy_(0, rows, torch.where(seen, side, face.index_select(0, rows)))

    middle_of_hand = rotate(room.rotation, place[..., None])[..., 0]
    tables = torch.nonzero(at_table)[:, 0]
    if len(tables):
        hand = middle_of_hand[tables]
        spread_x, ahead = room.table[tables, 0], room.table[tables, 1]
        half = torch.stack([150.0 + spread_x, torch.full_like(ahead, 15.0), 250.0 + ahead], 1)
        middle = torch.stack([hand[:, 0], top[tables] + 15.0, hand[:, 2] + ahead - 150.0], 1)
        put(tables, middle, half, _TABLE, None)
    for i in range(int(room.count.max()) if batch else 0):
        rows = torch.nonzero(room.count > i)[:, 0]
        at, half, hand = room.where[rows, i], room.half[rows, i].clone(), middle_of_hand[rows]
        flat, on_table, by_wall = room.flat[rows, i], at_table[rows], at_wall[rows]
        around = torch.where(on_table, 600.0, torch.where(by_wall, 700.0, 2600.0))
        x = hand[:, 0] + (at[:, 0] - 0.5) * around
        # On the floor or the table; pictures and windows hang at any height.
        ground = torch.where(on_table, top[rows], high[rows, 1])
        hangs = flat & ~on_table
        y = torch.where(hangs, hand[:, 1] + (at[:, 1] - 0.6) * torch.where(by_wall, 600.0, 1100.0), ground - half[:, 1])
        behind = hand[:, 2] + torch.where(on_table, 110.0 + 300.0 * at[:, 2], 500.0 + 1500.0 * at[:, 2])
        z = torch.where(hangs, high[rows, 2], behind + half[:, 2])
        half[:, 2] = torch.where(hangs, 8.0, half[:, 2])
        half[:, 1] = torch.where(flat & on_table, 6.0, half[:, 1])
        y = torch.where(flat & on_table, ground - 6.0, y)
        put(rows, torch.stack([x, y, z], 1), half, _SHAPES + i, room.ragged[rows, i])

    # Material. Patterns lie along the two axes of a face.
    image = torch.arange(batch, device=device, dtype=torch.int32)[:, None]
    row, axis = face >> 2, face & 3
    material = spread(room.material.flatten(0, 1), (image * _SURFACES + row).view(-1)).view(-1, batch, size * size)
    first_color, second_color, pattern = material[:3], material[3:6], material[6:]
    cell_u, cell_v, over_u, over_v, grain_u, grain_v, stagger, vary, line, fine, coarse, wide, offset, emission = (
        pattern
    )
    p = [c * t for c in ray]
    at_side, level = axis == 0, axis == 1

    def by_axis(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Of three values for each pixel, that of its face's axis."""
        return torch.where(at_side, x, torch.where(level, y, z))

    pu = torch.where(at_side, p[2], p[0]) + offset
    pv = torch.where(level, p[2], p[1]) + offset
    footprint = t * (1.0 / K[:, :1, 0])  # mm on a face across the ray
    in_v = pv * over_v + 0.5
    row_floor = in_v.floor()
    in_u = pu * over_u + (stagger * row_floor + 0.5)
    column_floor = in_u.floor()
    cell = column_floor.to(torch.int32) * 747796405 + row_floor.to(torch.int32) * 277803737
    chosen = mixed(cell + room.key[:, None].to(torch.int32)).float() * (1.0 / 2**31)
    border = torch.minimum(
        (0.5 - (in_u - column_floor - 0.5).abs()) * cell_u, (0.5 - (in_v - row_floor - 0.5).abs()) * cell_v
    )
    blur = 1.5 + 0.7 * footprint
    joint = line * soft_step(-border, -1.5, blur) * (4.0 / blur).clamp(max=1.0)
    grain = fine * sheet_at(FINE, texel(pu * grain_u, pv * grain_v + 100.0 * chosen)) / (1.0 + 0.08 * footprint)
    clouds = coarse * sheet_at(SMOOTH, texel(pu * wide, pv * wide))
    bright = ((1.0 + grain + clouds) * (1.0 - joint)).clamp(min=0.08)
    mix = (vary * chosen + (0.5 * clouds).clamp(0, 0.5)).clamp(max=1.0)

    # Light: the main lamp at its own distance, the second one, and the room's, darker in corners.
    ahead = (by_axis(*ray) > 0).int()  # whether the face's normal, which looks at the camera, is against its axis
    axis_sign = 1.0 - 2.0 * ahead
    lamp = middle_of_hand + rotate(room.rotation, lamps.key[..., None])[..., 0] * lamps.reach[:, None]
    to_lamp = [lamp[:, i, None] - p[i] for i in range(3)]
    square = to_lamp[0] * to_lamp[0] + to_lamp[1] * to_lamp[1] + to_lamp[2] * to_lamp[2]
    near = square.clamp(min=1.0).rsqrt()
    direct = (by_axis(*to_lamp) * axis_sign * near).clamp(min=0)
    direct = direct * ((lamps.reach[:, None] * near) ** 2).clamp(max=2.0)
    to_floor, to_back = high[:, 1:2] - p[1], high[:, 2:] - p[2]
    corner = by_axis(torch.minimum(to_floor, to_back), to_back, to_floor).clamp(min=0)
    open_ = 1.0 - 0.45 * torch.exp(corner * (-1 / 220.0))
    beside = torch.nonzero(room.kind > 0)[:, 0]
    if len(beside):
        depth = t.index_select(0, beside)
        points = torch.stack([u.index_select(0, beside) * depth, v.index_select(0, beside) * depth, depth])
        lit, sky = shadows.cast(beside, points, lamps.size[beside])
        direct[beside] *= lit
        open_[beside] *= sky
    # What is far from the hand has its own share of light.
    near_hand = (1.0 - (t - place[:, 2:]) * (1 / 1200.0)).clamp(0, 1)
    share = room.dim[:, None] + (1.0 - room.dim[:, None]) * near_hand
    direct, open_ = direct * share, open_ * share
    even = spread(_even_light(room, lamps).flatten(0, 1), (image * 6 + 2 * axis + ahead).view(-1))
    channels = []
    for c, light in enumerate(even.view(3, batch, -1)):
        albedo = (second_color[c] - first_color[c]).mul_(mix).add_(first_color[c]).mul_(bright)
        received = (lamps.key_color[:, c, None] * direct).add_(light * open_).add_(emission)
        channels.append(albedo.mul_(received))
    picture = torch.stack(channels, 1).view(batch, 3, size, size)
    depth = t.view(batch, size, size)
    _paint_limbs(picture, depth, room, lamps, place)
    return picture, depth


def _even_light(room: Room, lamps: Lamps) -> Tensor:
    """(B, 6, 3) linear RGB: light of the second lamp and of the room on faces that look along +x, −x, +y, … −z."""
    fill = rotate(room.rotation, lamps.fill_dir[..., None])[..., 0]
    fill = torch.stack([fill, -fill], 2).flatten(1).clamp(min=0)[..., None]  # (B, 6, 1)
    up = torch.tensor([0.5, 0.5, 0.0, 1.0, 0.5, 0.5], device=fill.device)[:, None]
    return lamps.fill_color[:, None] * fill + lamps.ground[:, None] + up * (lamps.sky - lamps.ground)[:, None]


def _paint_limbs(picture: Tensor, depth: Tensor, room: Room, lamps: Lamps, place: Tensor) -> None:
    """Bare limbs, out of focus: tapered cylinders on the picture's plane, in human tones, lit by the lamps."""
    size = picture.shape[-1]
    grid = (torch.arange(size, device=picture.device, dtype=torch.float32) + 0.5) / size
    y, x = grid[:, None], grid[None, :]
    for i in range(int(room.limb_count.max()) if len(picture) else 0):
        rows = torch.nonzero(room.limb_count > i)[:, 0]
        s = room.limbs[rows, i, :, None, None]  # (N, 8, 1, 1)
        angle = 2 * torch.pi * s[:, 0]
        cos, sin = torch.cos(angle), torch.sin(angle)
        qx = x * cos + (y * sin - (s[:, 1] * cos + s[:, 2] * sin))  # along and across the limb
        qy = y * cos - (x * sin + (s[:, 2] * cos - s[:, 1] * sin))
        length, radius = 0.15 + 0.5 * s[:, 3], (0.025 + 0.06 * s[:, 4]) * (1.0 + 0.5 * qx)
        past = (qx.abs() - length).clamp(min=0)
        alpha = soft_step(radius - (past * past + qy * qy).sqrt(), 0.0, 1.5 / size)
        across = (qy / radius).clamp(-1, 1)
        out = (1 - across * across).clamp(min=0).sqrt()
        normal = (-across * sin, across * cos, -out)
        tone = reflectance(DARKEST * s[:, 5, 0, 0], 0.2 * s[:, 6, 0, 0])
        key = lamps.key[rows, :, None, None]
        direct = (key[:, 0] * normal[0] + key[:, 1] * normal[1] + key[:, 2] * normal[2]).clamp(min=0)
        ambient = 0.6 * lamps.sky[rows] + 0.4 * lamps.ground[rows]
        light = lamps.key_color[rows, :, None, None] * direct[:, None] + ambient[..., None, None] * (
            0.6 + 0.4 * out[:, None]
        )
        below = picture[rows]
        picture[rows] = below + alpha[:, None] * (tone[..., None, None] * light - below)
        behind = depth[rows]
        depth[rows] = torch.where(
            alpha > 0.5, torch.minimum(behind, (1.3 + s[:, 7]) * place[rows, 2, None, None]), behind
        )
