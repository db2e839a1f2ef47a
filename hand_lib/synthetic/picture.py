"""From parameters to annotated pictures: pose, place, rasterise, shade, compose, annotate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.skeleton import TIPS
from hand_lib.synthetic.anatomy import RADII, SEGMENTS, forward_kinematics, move, rotate
from hand_lib.synthetic.annotation import CLASS_OF_CODE, OBJECT, OTHER, boxes, second_nearest, visible_joints
from hand_lib.synthetic.hands import HandParameters, sample_hands
from hand_lib.synthetic.renderer import barycentric, crevice_shade, pierce, rasterise, rasterise_depth, soft_shadow
from hand_lib.synthetic.scene import (
    WIDE,
    SceneConfig,
    SceneParameters,
    Skin,
    backgrounds,
    hash_noise,
    power,
    sample_scenes,
)
from hand_lib.synthetic.surface import FOREARM_PART, PALM_PART, HandSurface, cell_for, hand_surface, pose_surface
from hand_lib.synthetic.views import clear_forearm

_SLEEVE = 3.0  # mm of cloth


@dataclass(frozen=True, kw_only=True)
class PosedHands:
    """B posed hands, hand frame of a right hand, mm.

    Attributes:
        joints: ``(B, 21, 3)`` in canonical order.
        vertices: ``(B, V, 3)``; normals ``(B, V, 3)`` unit, outwards.
        faces: ``(T, 3)``, the same for all.
        part: ``(V,)`` part of each vertex (0–14 finger segments, thumb first, each tip → palm; 15 palm; 16 forearm).
    """

    joints: Tensor
    vertices: Tensor
    normals: Tensor
    faces: Tensor
    part: Tensor


def pose_hand(hands: HandParameters, *, cell: float = 4.0, iterations: int = 2) -> PosedHands:
    """Joints and skin of hands from :func:`~hand_lib.synthetic.hands.sample_hands`.

    Args:
        hands: B hands; left ones are posed as the right hands whose mirror images they are.
        cell: mm, fineness of the mesh.
        iterations: volume-keeping steps (0: plain linear blend skinning).
    """
    surface = hand_surface(cell, str(hands.right.device))
    joints, frames = forward_kinematics(hands.shape, hands.pose)
    points, normals = pose_surface(surface, hands.shape, frames, iterations=iterations)
    return PosedHands(
        joints=joints,
        vertices=points.transpose(1, 2),
        normals=normals.transpose(1, 2),
        faces=surface.faces,
        part=surface.part,
    )


@lru_cache(maxsize=4)
def _ellipsoid_mesh(device: str) -> tuple[Tensor, Tensor]:
    """Angles (latitude, longitude) of a sphere's vertices, (2, 182), and faces, outwards anticlockwise."""
    rings, around = 11, 18
    latitude = torch.linspace(-torch.pi / 2, torch.pi / 2, rings)[1:-1]
    longitude = torch.arange(around) * (2 * torch.pi / around)
    grid = torch.stack(torch.meshgrid(latitude, longitude, indexing="ij")).flatten(1)
    poles = torch.tensor([[-torch.pi / 2, torch.pi / 2], [0.0, 0.0]])
    south, north = grid.shape[1], grid.shape[1] + 1
    faces = []
    for i in range(rings - 2):
        for k in range(around):
            a, b = i * around + k, i * around + (k + 1) % around
            if i == 0:
                faces.append((south, b, a))
            if i == rings - 3:
                faces.append((north, a, b))
            else:
                faces += [(a, b, b + around), (a, b + around, a + around)]
    return torch.cat([grid, poles], 1).to(device), torch.tensor(faces, device=device)


def _objects(scene: SceneParameters, rows: Tensor, joints: Tensor, span: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices (N, Vo, 3), normals and faces of the objects of pictures ``rows``, camera frame."""
    angles, faces = _ellipsoid_mesh(str(rows.device))
    latitude, longitude = angles

    def signed(value: Tensor, exponent: Tensor) -> Tensor:
        return value.sign() * power(value.abs() + 1e-7, exponent)

    e1, e2 = scene.object_shape[rows, :1], scene.object_shape[rows, 1:]
    flat, up = torch.cos(latitude).clamp(min=0), torch.sin(latitude)
    cos, sin = torch.cos(longitude), torch.sin(longitude)
    unit = torch.stack([signed(flat, e1) * signed(cos, e2), signed(flat, e1) * signed(sin, e2), signed(up, e1)], 2)
    normal = torch.stack(
        [signed(flat, 2 - e1) * signed(cos, 2 - e2), signed(flat, 2 - e1) * signed(sin, 2 - e2), signed(up, 2 - e1)], 2
    )
    proportion = scene.object_size[rows]
    # Held: in the middle of palm and finger tips, as large as there is room; else between the hand and the camera.
    joints = joints[rows]
    palm = joints[:, [0, 1, 5, 9, 13, 17]].mean(1)
    tips = joints[:, list(TIPS)].mean(1)
    grasp = 0.5 * palm + 0.5 * tips
    bones = torch.cat([joints[:, 1:], 0.5 * (joints[:, 1:] + joints[:, :-1])], 1)
    room = (bones - grasp[:, None]).norm(dim=-1).amin(1) - 8.0
    held = scene.object_held[rows] & (room > 9.0)
    offset = scene.object_offset[rows]
    middle = joints.mean(1)
    front = middle + span[rows, None] * torch.stack(
        [0.8 * (offset[:, 0] - 0.5), 0.8 * (offset[:, 1] - 0.5), -0.45 - 0.2 * offset[:, 2]], 1
    )
    longest = proportion.amax(1)
    size = torch.where(held, room / longest, (0.07 + 0.10 * offset[:, 2]) * span[rows])
    centre = torch.where(held[:, None], grasp, front)
    scale = size[:, None] * proportion
    rotation = scene.object_rotation[rows]
    vertices = rotate(rotation, (unit * scale[:, None]).transpose(1, 2)).transpose(1, 2) + centre[:, None]
    normal = rotate(rotation, (normal / scale[:, None]).transpose(1, 2)).transpose(1, 2)
    return vertices, normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-9), faces


def _step(value: Tensor, edge: float | Tensor, width: float | Tensor) -> Tensor:
    """A soft step: 0 below the edge, 1 above it."""
    return ((value - edge) / width + 0.5).clamp(0, 1)


def _spread(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table (N, C) at P indices, as C contiguous columns (C, P)."""
    return table.t().contiguous().index_select(1, index)


def _skin_colour(
    surface: HandSurface, skin: Skin, owner: Tensor, part: Tensor, detail: Tensor
) -> tuple[Tensor, Tensor]:
    """Albedo (3, P) and gloss (P,) of skin and nails at P points.

    Args:
        owner: (P,) row of ``skin``. part: (P,). detail: (8, P) resting place, palmar, grain, interpolated.
    """
    device = detail.device
    px, py, pz = detail[0], detail[1], detail[2]
    palmar = _step(detail[3], 0.5, 0.55)
    # Per part: its resting frame, the length of its bone and the thickness of its end.
    bone = torch.cat([SEGMENTS.flip(1).flatten(), torch.tensor([60.0, 60.0])]).to(device)
    width = torch.cat([RADII[:, 1:].flip(1).flatten(), torch.tensor([40.0, 40.0])]).to(device)
    turn = surface.part_rotation.transpose(1, 2)
    table = torch.cat(
        [turn.flatten(1), -(turn @ surface.part_origin[..., None])[..., 0], bone[:, None], width[:, None]], 1
    )
    t = _spread(table, part)
    x, y, z = (t[3 * i] * px + t[3 * i + 1] * py + t[3 * i + 2] * pz + t[9 + i] for i in range(3))
    bone, width = t[12], t[13]
    finger, segment = part < PALM_PART, part % 3
    end = finger & (segment == 0)
    # Per person.
    people = torch.cat(
        [
            skin.back,
            skin.palm,
            skin.nail,
            skin.tone[:, None],
            skin.mottle,
            skin.gloss[:, None],
            skin.nail_gloss[:, None],
        ],
        1,
    )
    people = _spread(people, owner)
    back, palm, plate, tone, mottle, gloss, nail_gloss = people.split([3, 3, 3, 1, 4, 1, 1])
    tone, gloss, nail_gloss = tone[0], gloss[0], nail_gloss[0]

    # Mottling, more blood at finger tips and knuckles, darker knuckles.
    patch = sum(field * weight for field, weight in zip(detail[4:], mottle, strict=True))
    near_joint = torch.exp(-((y / 6.5) ** 2)) * finger
    tip = _step(y, bone * 0.7, 9.0) * end
    warmth = patch + 0.05 * tip + 0.04 * near_joint * (1 - tone)
    dorsal = 1 - palmar
    darker = 1.0 - (0.10 + 0.12 * tone) * near_joint * dorsal
    # Creases: across the palmar side of the finger joints, wrinkles on the back of them, three lines in the palm.
    crease = (y - torch.where(segment == 2, 0.45 * bone, 0.0)).abs()
    crease = torch.where(segment == 0, crease, torch.minimum(crease, (y - bone).abs()))
    wrinkled = torch.where(segment == 1, y, torch.where(segment == 2, y - bone, y * 1.6))
    wrinkle = torch.exp(-((wrinkled / 4.0) ** 2)) * torch.cos(wrinkled * 2.6).clamp(min=0) ** 2
    line = (torch.exp(-((crease / 0.75) ** 2)) * palmar + 0.55 * wrinkle * dorsal) * finger
    life = (((px - 35.0) ** 2 + (py - 27.0) ** 2).sqrt() - 37.0).abs() + 99.0 * ((py < 4) | (py > 64) | (px > 30))
    heart = (py - (62.6 + 0.45 * (px + 10) + 0.0125 * (px + 10) ** 2)).abs() * 0.9 + 99.0 * ((px > 11) | (px < -38))
    head = (py - (52.0 + 0.5 * px - 0.004 * px * px)).abs() * 0.9 + 99.0 * ((px > 21) | (px < -23))
    palm_line = torch.exp(-((torch.minimum(torch.minimum(life, heart), head) / 1.1) ** 2))
    line = line + 0.6 * palm_line * palmar * ((part == PALM_PART) | (part == 2))
    darker = darker * (1.0 - (0.30 + 0.22 * tone) * line)

    # Nails: a rounded rectangle on the back of the last segment, with a rim and a pale edge.
    nail_x, nail_y = x / (0.80 * width), (y - 0.85 * bone) / (0.36 * bone)
    inside = 1.0 - (nail_x.square().square() + nail_y.square().square()).sqrt()
    on_back = _step(-z, 0.17 * width, 0.2 * width) * end
    nail = _step(inside, 0.0, 0.16) * on_back
    darker = darker * (1 - 0.28 * torch.exp(-((inside / 0.12) ** 2)) * on_back)
    white = 0.35 * _step(nail_y, 0.74, 0.12)
    plate = plate + white * (plate.amax(0) * 1.15 - plate)

    blush = torch.tensor([0.8, -0.9, -0.7], device=device)[:, None]
    albedo = (back + palmar * (palm - back)) * (darker * (1.0 + 0.5 * patch)) * (1.0 + warmth * blush)
    albedo = albedo + nail * (plate - albedo)
    gloss = gloss + nail * (nail_gloss - gloss)
    return albedo.clamp_(0.004, 0.95), gloss


def _light(
    scene: SceneParameters, image: Tensor, place: Tensor, normal: Tensor, albedo: Tensor, gloss: Tensor,
    flesh: Tensor, shade: Tensor, lit: Tensor,
) -> Tensor:  # fmt: skip
    """Linear RGB (3, P) that leaves P points towards the camera; vectors and colours are (3, P)."""
    lamps = torch.cat([scene.key, scene.key_color, scene.fill_dir, scene.fill_color, scene.sky, scene.ground], 1)
    key, key_color, fill_dir, fill_color, sky, ground = _spread(lamps, image).split(3)

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

    view = place * -(dot(place, place).rsqrt())
    facing = dot(normal, key)
    half = key + view
    sharp = (dot(normal, half) * dot(half, half).rsqrt()).clamp_(min=0)
    sharp8 = sharp.square().square().square()
    highlight = 0.055 * sharp8 + 0.07 * sharp8.square().square() * sharp8
    rim = (1 - dot(normal, view).clamp(0, 1)).square().square()
    fill = dot(normal, fill_dir).clamp(min=0)
    up = 0.5 - 0.5 * normal[1]
    open_ = 1.0 - shade
    # Shaded flesh is lit by flesh, and light bleeds through it past the terminator, red farthest: a wrapped cosine
    # with one wrap a colour, and shadows and crevices that turn redder, not only darker.
    soft_lit, soft_open = lit.sqrt(), open_.sqrt()
    shine = gloss * (lit * (facing > 0) * highlight)
    glance = 0.10 * gloss * rim * open_
    direct = 0.55 + 0.45 * open_
    channels = []
    for c, (wrap, bleed) in enumerate(((0.30, 0.9), (0.14, 0.42), (0.10, 0.3))):
        wrap, bleed = wrap * flesh, bleed * flesh
        diffuse = ((facing + wrap) / (1 + wrap)).clamp_(min=0) * (lit + bleed * 0.7 * (soft_lit - lit)) * direct
        ambient = (ground[c] + up * (sky[c] - ground[c])) * (open_ + 0.5 * bleed * (soft_open - open_))
        light = key_color[c] * diffuse + fill_color[c] * (fill * open_) + ambient
        channels.append(albedo[c] * light + shine * key_color[c] + glance * sky[c])
    return torch.stack(channels)


def _motion_blur(picture: Tensor, blur: Tensor) -> Tensor:
    rows = torch.nonzero(blur.abs().sum(1) > 0)[:, 0]
    if len(rows) == 0:
        return picture
    some, size = picture[rows], picture.shape[-1]
    grid = (torch.arange(size, device=picture.device) + 0.5) / size * 2 - 1
    base = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    total = torch.zeros_like(some)
    steps = torch.linspace(-0.5, 0.5, 7).tolist()
    for t in steps:  # symmetric about the middle of the exposure, where the joints are annotated
        grid = base + 2 * t * blur[rows, None, None]
        total += torch.nn.functional.grid_sample(some, grid, padding_mode="border", align_corners=False)
    picture = picture.clone()
    picture[rows] = total / len(steps)
    return picture


def render_scene(
    hands: HandParameters,
    scene: SceneParameters,
    *,
    size: int,
    others: HandParameters | None = None,
    cell: float | None = None,
    supersample: int = 2,
) -> Samples:
    """Render given hands in given scenes.

    Args:
        hands: B hands. scene: B scenes, on the same device.
        size: side of the pictures in pixels.
        others: hands of the bystanders, one for each picture with ``scene.has_other``, in order; None for nobody.
        cell: mm, fineness of the mesh; chosen from the size if None.
        supersample: samples along a pixel's side, 1 or 2.

    Returns:
        :class:`~hand_lib.samples.Samples` with mask and depth.
    """
    if supersample not in (1, 2):
        raise HandLibError(f"supersample is {supersample}: choose 1 or 2")
    if not 16 <= size <= 1024:
        raise HandLibError(f"size is {size}: pictures can be 16 to 1024 pixels wide")
    if cell is None:
        cell = cell_for(size)
    device = scene.place.device
    batch, fine = len(hands), size * supersample
    surface = hand_surface(cell, str(device))
    count = len(surface.vertices)

    # Pose, and put before the camera. Left hands are rendered as right ones and mirrored with the whole picture.
    everyone, picture_of = hands, torch.arange(batch, device=device)
    other_rows = torch.nonzero(scene.has_other)[:, 0]
    if others is None:
        other_rows = other_rows[:0]
    elif len(others) != len(other_rows):
        raise HandLibError(f"others has {len(others)} hands, but {len(other_rows)} scenes have a bystander")
    joints, frames = forward_kinematics(hands.shape, hands.pose)
    points, normals = pose_surface(surface, hands.shape, frames)
    middle = joints.mean(1)
    # The sleeve lies on the arm.
    from_wrist = -surface.vertices[:, 1]
    arm = surface.part == FOREARM_PART
    lift = _SLEEVE * _step(from_wrist, scene.cuff[:, None].clamp(max=1e6), 6.0) * arm
    points = points + lift[:, None] * normals
    camera = rotate(scene.rotation, points - middle[..., None]) + scene.place[..., None]  # (B, 3, V)
    normals = rotate(scene.rotation, normals)
    xyz = rotate(scene.rotation, (joints - middle[:, None]).transpose(1, 2)).transpose(1, 2) + scene.place[:, None]

    # The crop: a square of the photograph round the hand, which is wholly inside.
    own = surface.part != FOREARM_PART
    depth = camera[:, 2].clamp(min=20.0)
    plane = camera[:, :2] / depth[:, None]
    low, high = plane[:, :, own].amin(2), plane[:, :, own].amax(2)
    extent = high - low
    focal = scene.fill * size / extent.amax(1)
    room = (0.5 * (size - focal[:, None] * extent)).clamp(max=0.20 * size) * 0.7
    target = 0.5 * (size - 1) + scene.shift * room
    centre = target - focal[:, None] * 0.5 * (low + high)
    K = torch.zeros(batch, 3, 3, device=device)
    K[:, 0, 0], K[:, 1, 1], K[:, 2, 2] = focal, focal, 1.0
    K[:, :2, 2] = centre
    uv = xyz[..., :2] / xyz[..., 2:] * focal[:, None, None] + centre[:, None]

    # Bystanders' hands, behind.
    skin = hands.skin
    hand_size = extent.amax(1) * scene.place[:, 2]  # mm, as seen
    if len(other_rows):
        other = others
        other_joints, other_frames = forward_kinematics(other.shape, other.pose)
        other_points, other_normals = pose_surface(surface, other.shape, other_frames)
        rotation = scene.other_rotation[other_rows]
        place = scene.place[other_rows] + torch.cat(
            [
                scene.other_place[other_rows, :2] * hand_size[other_rows, None],
                60.0 + 140.0 * scene.other_place[other_rows, 2:],
            ],
            1,
        )
        other_camera = rotate(rotation, other_points - other_joints.mean(1)[..., None]) + place[..., None]
        camera = torch.cat([camera, other_camera])
        normals = torch.cat([normals, rotate(rotation, other_normals)])
        picture_of = torch.cat([picture_of, other_rows])
        everyone = HandParameters(
            **{
                name: _concat(getattr(hands, name), getattr(other, name))
                for name in ("shape", "pose", "skin", "right", "character")
            }
        )
        skin = everyone.skin
    number = len(camera)

    def to_screen(points: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, V) to pixels of the fine grid (N, 2, V) and inverse depths (N, V), 0 for points too near."""
        z = points[:, 2]
        inverse = 1.0 / z.clamp(min=1.0)
        pixel = points[:, :2] * (inverse * focal[image, None])[:, None] + centre[image, :, None]
        pixel = (pixel + 0.5) * supersample - 0.5
        return pixel, torch.where(z > 40.0, inverse, 0.0)

    screen, inverse = to_screen(camera, picture_of)
    keys = torch.zeros(batch, fine, fine, dtype=torch.long, device=device)
    rasterise(keys, screen, inverse, surface.faces, picture_of)

    # One row for each vertex: where it is on the screen, and its normal.
    table = torch.cat([screen, inverse[:, None], normals], 1).transpose(1, 2).reshape(-1, 6)
    triangles = len(surface.faces)
    object_rows = torch.nonzero(scene.has_object)[:, 0]
    first_object = number * triangles
    if len(object_rows):
        object_points, object_normals, object_faces = _objects(scene, object_rows, xyz, hand_size)
        object_screen, object_inverse = to_screen(object_points.transpose(1, 2), object_rows)
        rasterise(keys, object_screen, object_inverse, object_faces, object_rows, first_id=first_object)
        rows = torch.cat([object_screen, object_inverse[:, None], object_normals.transpose(1, 2)], 1)
        table = torch.cat([table, rows.transpose(1, 2).reshape(-1, 6)])

    # Shadow map of this hand and its object, seen from the key light; w is the height towards the light.
    side = min(max(40, size // 2), 160)
    toward = scene.key
    helper = torch.tensor([[0.0, 1.0, 0.0]], device=device).expand(batch, 3)
    across = torch.linalg.cross(helper, toward)
    across = across / across.norm(dim=1, keepdim=True).clamp(min=1e-6)
    down = torch.linalg.cross(-toward, across)
    basis = torch.stack([across, down, toward], 1)  # (B, 3, 3): x, y, and −z of the light's own camera
    middle_camera = scene.place[..., None]
    light = rotate(basis, camera[:batch] - middle_camera)  # (B, 3, V)
    low_l, high_l = light[:, :2, own].amin(2) - 12.0, light[:, :2, own].amax(2) + 12.0
    texel = side / (high_l - low_l).amax(1)
    light_xy = (light[:, :2] - low_l[..., None]) * texel[:, None, None]
    shadows = torch.zeros(batch, side, side, device=device)
    lift_w = 1000.0
    rasterise_depth(shadows, light_xy, light[:, 2] + lift_w, surface.faces, picture_of[:batch])
    if len(object_rows):
        object_light = rotate(basis[object_rows], object_points.transpose(1, 2) - middle_camera[object_rows])
        object_xy = (object_light[:, :2] - low_l[object_rows][..., None]) * texel[object_rows, None, None]
        rasterise_depth(shadows, object_xy, object_light[:, 2] + lift_w, object_faces, object_rows)

    # Deferred shading, only where there is something. A pixel whose samples lie on one smooth piece of surface is
    # shaded once, in its middle; at edges every sample is shaded.
    views = [keys[:, r::supersample, c::supersample] for r in range(supersample) for c in range(supersample)]
    nearest_key, farthest_key = views[0].contiguous(), views[0].contiguous()
    for view in views[1:]:
        nearest_key, farthest_key = torch.maximum(nearest_key, view), torch.minimum(farthest_key, view)
    near, far = ((k >> 32).to(torch.int32).view(torch.float32) for k in (nearest_key, farthest_key))
    smooth = ((near - far) * focal[:, None, None] < 1.5 * near) & (farthest_key > 0)
    nearest_key = nearest_key.view(-1)
    once = torch.nonzero(smooth.view(-1))[:, 0]
    edge = torch.nonzero((~smooth).view(-1) & (nearest_key > 0))[:, 0]
    # The samples of the edges' pixels, (E, supersample²), and which of them show something.
    line = torch.div(edge, size, rounding_mode="floor")  # row of pixels, counted through all pictures
    first_sample = (line * fine + (edge - line * size)) * supersample
    steps = torch.arange(supersample, device=device)
    steps = (steps[:, None] * fine + steps).view(-1)
    block = keys.view(-1).index_select(0, (first_sample[:, None] + steps).view(-1))
    samples = torch.nonzero(block)[:, 0]
    key = torch.cat([nearest_key.index_select(0, once), block.index_select(0, samples)])
    edge_row = torch.div(samples, supersample**2, rounding_mode="floor")
    pixel = torch.cat([once, edge.index_select(0, edge_row)])
    share = torch.ones(len(pixel), device=device)
    share[len(once) :] = supersample**-2.0
    triangle = (key & 0xFFFFFFFF) - 1
    image = torch.div(pixel, size * size, rounding_mode="floor")
    rest = pixel - image * (size * size)
    row = torch.div(rest, size, rounding_mode="floor")
    u, v = (rest - row * size).float(), row.float()  # pixels; then the sample's place within
    within = samples - edge_row * supersample**2
    down_, right_ = torch.div(within, supersample, rounding_mode="floor"), within % supersample
    u[len(once) :] += (right_ + 0.5) / supersample - 0.5
    v[len(once) :] += (down_ + 0.5) / supersample - 0.5
    is_hand = triangle < first_object
    owner = torch.div(triangle, triangles, rounding_mode="floor").clamp(max=number - 1)
    face = triangle - owner * triangles
    hand_face = surface.faces.index_select(0, face.clamp(max=triangles - 1))
    corner = hand_face + (owner * count)[:, None]
    if len(object_rows):
        object_triangle = (triangle - first_object).clamp(min=0)
        which = torch.div(object_triangle, len(object_faces), rounding_mode="floor")
        object_vertex = object_faces[object_triangle - which * len(object_faces)]
        object_vertex = object_vertex + (number * count + which * object_points.shape[1])[:, None]
        corner = torch.where(is_hand[:, None], corner, object_vertex)
    columns = table.t().contiguous()
    corners = [columns.index_select(1, corner[:, i]) for i in range(3)]  # three of (6, P)
    x, y, w = (torch.stack([c[i] for c in corners]) for i in range(3))
    weights, z = barycentric(x, y, w, (u + 0.5) * supersample - 0.5, (v + 0.5) * supersample - 0.5)
    weights = weights.clamp_(-0.5, 1.5)
    normal = weights[0] * corners[0][3:] + weights[1] * corners[1][3:] + weights[2] * corners[2][3:]
    length = normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]
    normal = normal / length.clamp(min=1e-12).sqrt()  # (3, P)
    per_image = _spread(torch.cat([focal[:, None], centre], 1), image)
    place = torch.stack([(u - per_image[1]) * z / per_image[0], (v - per_image[2]) * z / per_image[0], z])  # (3, P)

    detail_table = torch.cat([surface.vertices, surface.palmar, surface.grain], 1).t().contiguous()
    hand_pixels = torch.nonzero(is_hand)[:, 0] if len(object_rows) else slice(None)
    hand_face, hand_weights = hand_face[hand_pixels], weights[:, hand_pixels]
    detail = sum(hand_weights[i] * detail_table.index_select(1, hand_face[:, i]) for i in range(3))  # (8, P)
    w0, w1, w2 = hand_weights  # a point has the part of its nearest corner
    nearest = torch.where(
        w0 >= torch.maximum(w1, w2), hand_face[:, 0], torch.where(w1 >= w2, hand_face[:, 1], hand_face[:, 2])
    )
    part = surface.part.index_select(0, nearest)
    hand_owner = owner[hand_pixels]
    colour, shine = _skin_colour(surface, skin, hand_owner, part, detail)
    # Sleeves, on the arm behind the cuff. The bystander wears the same cloth.
    image_of_hand = image[hand_pixels]
    cloth = torch.cat([scene.cuff[:, None].clamp(max=1e6), scene.weave, scene.cloth.flatten(1)], 1)
    cuff, period, band, *cloth = _spread(cloth, image_of_hand)
    up_arm = -detail[1]
    arm_pixel = part == FOREARM_PART
    sleeved = arm_pixel & (up_arm > cuff)
    striped = torch.remainder(up_arm / period, 1.0) < band
    cloth = torch.stack([torch.where(striped, b, a) for a, b in zip(cloth[:3], cloth[3:], strict=True)])
    hem = torch.where(arm_pixel, 1.0 - 0.45 * torch.exp(-(((up_arm - cuff) / 2.0) ** 2)), 1.0)
    colour = torch.where(sleeved, cloth, colour) * hem
    shine = torch.where(sleeved, 0.0, shine)
    flesh_hand = (~sleeved).float()
    code_hand = torch.where(hand_owner < batch, part + 1, OTHER)
    if len(object_rows):
        albedo = _spread(scene.object_color, image)
        albedo[:, hand_pixels] = colour
        gloss = torch.full_like(z, 0.8)
        gloss[hand_pixels] = shine
        flesh = torch.zeros_like(z)
        flesh[hand_pixels] = flesh_hand
        code = torch.full_like(image, OBJECT)
        code[hand_pixels] = code_hand
    else:
        albedo, gloss, flesh, code = colour, shine, flesh_hand, code_hand

    # Shade in crevices, from the depth map of whole pixels.
    thin = max(1, size // 64)  # on every n-th pixel only
    open_depth = (1.0 / near).view(batch, size, size)[:, ::thin, ::thin].contiguous()
    crevice = crevice_shade(open_depth, radius=3, reach=26.0)
    if thin > 1:
        crevice = torch.nn.functional.interpolate(crevice[:, None], size=(size, size), mode="bilinear")
    shade = 0.75 * crevice.view(-1).index_select(0, pixel)
    # The camera's frame and the light's differ by a rotation: one affine map to texels and height for each picture.
    to_light = torch.cat([basis[:, :2] * texel[:, None, None], basis[:, 2:]], 1)
    shift = -(to_light @ middle_camera)[..., 0]
    shift = shift + torch.cat([-low_l * texel[:, None], torch.full_like(texel[:, None], lift_w)], 1)
    to_light = _spread(torch.cat([to_light.flatten(1), shift], 1), image)  # (12, P)
    texel_u, texel_v, height = (
        to_light[3 * i] * place[0] + to_light[3 * i + 1] * place[1] + to_light[3 * i + 2] * place[2] + to_light[9 + i]
        for i in range(3)
    )
    lit = soft_shadow(shadows, image, texel_u, texel_v, height, bias=3.0, softness=5.0)
    radiance = _light(scene, image, place, normal, albedo, gloss, flesh, shade, lit)  # (3, P)

    # Exposure: half-way between a fixed one and one that would make every hand equally bright.
    luminance = 0.25 * radiance[0] + 0.6 * radiance[1] + 0.15 * radiance[2]
    mine = ((code > 0) & (code < OTHER)) * share
    total = torch.zeros(batch, 2, device=device, dtype=torch.float64)
    total.index_add_(0, image, torch.stack([luminance * mine, mine], 1).double())
    mean = (total[:, 0] / total[:, 1].clamp(min=1e-3)).float().clamp(min=0.01)
    gain = scene.exposure * 0.30 / mean * power(mean / 0.30, 0.45)

    shaded = torch.cat([radiance * (gain.index_select(0, image) * share), share[None]]).t()
    edges = torch.zeros(len(block), 4, device=device)
    edges[samples] = shaded[len(once) :]
    buffer = torch.zeros(batch * size * size, 4, device=device)
    buffer[once] = shaded[: len(once)]
    buffer[edge] = sum(edges.view(-1, supersample**2, 4).unbind(1))
    buffer = buffer.view(batch, size, size, 4).permute(0, 3, 1, 2)
    picture = backgrounds(scene, size) * (1.0 - buffer[:, 3:]) + buffer[:, :3]
    picture = _motion_blur(picture, scene.blur)
    picture = _develop(picture, scene)

    # Annotations: a pixel belongs to what covers it at least half.
    seen_w = 1.0 / z  # in the middle of the pixel, or of the sample
    seen_w[: len(once)].clamp_(far.view(-1).index_select(0, once), near.view(-1).index_select(0, once))
    coded = (seen_w.view(torch.int32).long() << 32) | code
    edge_codes = torch.zeros_like(block)
    edge_codes[samples] = coded[len(once) :]
    codes = torch.zeros_like(nearest_key)
    codes[once] = coded[: len(once)]
    codes[edge] = second_nearest(edge_codes.view(-1, supersample**2))
    codes = codes.view(batch, size, size)
    depth_map = (codes >> 32).to(torch.int32).view(torch.float32)
    depth_map = torch.where(depth_map > 0, 1.0 / depth_map, 0.0)
    codes = codes & 0xFF
    mask = CLASS_OF_CODE.to(device)[codes]

    # Visibility, on the lines of sight to the joints.
    sight, sight_w = (uv + 0.5) * supersample - 0.5, 1.0 / xyz[..., 2]
    hits = pierce(sight, sight_w, screen, inverse, surface.faces, picture_of)
    things = None
    if len(object_rows):
        things = pierce(sight, sight_w, object_screen, object_inverse, object_faces, object_rows)
    in_picture = ((uv >= -0.5) & (uv < size - 0.5)).all(-1)
    visible = visible_joints(xyz, in_picture, surface.part, hits, things)

    # Mirror the left hands, picture and all.
    left = ~hands.right
    flip = left[:, None, None]
    mask = torch.where(flip, mask.flip(2), mask)
    mask = torch.where(flip & (mask >= 18), mask - 16, mask).to(torch.uint8)
    sign = torch.where(left, -1.0, 1.0)[:, None, None] * torch.tensor([1.0, 0, 0], device=device) + torch.tensor(
        [0, 1.0, 1], device=device
    )
    uv = torch.stack([torch.where(left[:, None], size - 1 - uv[..., 0], uv[..., 0]), uv[..., 1]], -1)
    K[:, 0, 2] = torch.where(left, size - 1 - K[:, 0, 2], K[:, 0, 2])
    return Samples(
        images=torch.where(flip[:, None], picture.flip(3), picture),
        uv=uv,
        xyz=xyz * sign,
        visible=visible,
        K=K,
        right=hands.right.clone(),
        box=boxes(mask >= 2, uv),
        mask=mask,
        depth=torch.where(flip, depth_map.flip(2), depth_map),
    )


def _concat(a, b):
    if isinstance(a, Tensor):
        return torch.cat([a, b])
    return type(a)(**{name: torch.cat([getattr(a, name), getattr(b, name)]) for name in a.__dataclass_fields__})


def _develop(picture: Tensor, scene: SceneParameters) -> Tensor:
    """Linear light to 8-bit sRGB, with a film-like shoulder and the sensor's noise."""
    batch, _, size, _ = picture.shape
    picture = torch.exp(torch.log((1.0 - torch.exp(-1.35 * picture)).clamp_(min=1e-5)).mul_(1 / 2.2))
    bits = hash_noise(scene.noise_key, size * size, salt=101)
    more = hash_noise(scene.noise_key, size * size, salt=102)
    # Three ten-bit numbers from each hash; the sum of two is triangular with variance 1/6.
    noise = torch.stack([((bits >> s) & 1023) + ((more >> s) & 1023) for s in (0, 10, 20)], 1).float()
    noise = (noise / 1024.0 - 1.0) * 6**0.5
    strength = scene.noise[:, None, None, None] * (1.25 - 0.5 * picture)
    picture = picture + strength * noise.view(batch, 3, size, size)
    return (picture * 255.0).round_().clamp_(0, 255).to(torch.uint8)


_BLOCK = 512  # pictures whose parameters are drawn at once


def _chunk(size: int, device: torch.device | str) -> int:
    """Pictures rendered at once: few enough to stay in a CPU's caches, many enough to fill a GPU."""
    if torch.device(device).type != "cpu":
        return max(1, (1 << 23) // (size * size))
    return max(2, min(64, (1 << 18) // (size * size)))


def render(
    *,
    seed: int,
    split: str,
    indices: Tensor | list[int],
    size: int,
    scene: SceneConfig = WIDE,
    device: torch.device | str = "cpu",
    supersample: int = 2,
) -> Samples:
    """Render annotated pictures of hands.

    Picture ``i`` is a function of ``(seed, split, i, size, scene, supersample)`` alone: it does not depend on the
    other indices, their order or the number of processes. CPU and GPU agree within rounding. Wrists are bent where the
    forearm would stand between hand and camera (:func:`~hand_lib.synthetic.views.clear_forearm`).

    Args:
        seed: of the data set.
        split: ``"training"``, ``"evaluation"`` or ``"held_out_gestures"``, see
            :func:`~hand_lib.synthetic.hands.sample_hands`. No background is in two of them.
        indices: ``(B,)`` which pictures.
        size: their side in pixels.
        scene: how they vary.
        device: where to render and to leave the result.
        supersample: samples along a pixel's side, 1 or 2.

    Returns:
        :class:`~hand_lib.samples.Samples` of B pictures with mask and depth. The visible hand's box fills about
        60–75 % of the side (``scene.fill``) and is wholly inside the picture.

    Raises:
        HandLibError: unknown split, or a size or supersampling out of range.
    """
    indices = [int(i) for i in indices]
    if not indices:
        raise HandLibError("indices is empty: give at least one")
    # Parameters for many pictures at once, pixels for as many as suit the device.
    step, parts = _chunk(size * supersample, device), []
    for start in range(0, len(indices), _BLOCK):
        block = indices[start : start + _BLOCK]
        hands = move(sample_hands(seed, split, block, left=scene.left), device)
        scenes = move(sample_scenes(seed, split, block, scene), device)
        hands = replace(hands, pose=clear_forearm(hands.shape, hands.pose, scenes.rotation, scenes.place))
        with_other = torch.nonzero(scenes.has_other.cpu())[:, 0].tolist()
        others = move(sample_hands(seed, split, [block[i] for i in with_other], stream="other hand"), device)
        for first in range(0, len(block), step):
            rows = slice(first, first + step)
            other_rows = [k for k, i in enumerate(with_other) if first <= i < first + step]
            with torch.no_grad():
                parts.append(
                    render_scene(
                        hands[rows], scenes[rows], size=size, others=others[other_rows], supersample=supersample
                    )
                )
    return Samples.concat(parts)
