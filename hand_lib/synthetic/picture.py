"""From parameters to annotated pictures: pose, place, rasterise, shade, compose, annotate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.skeleton import NUM_JOINTS, TIPS
from hand_lib.synthetic.anatomy import RADII, SEGMENTS, forward_kinematics, move
from hand_lib.synthetic.renderer import barycentric, crevice_shade, rasterise, rasterise_depth, soft_shadow
from hand_lib.synthetic.scene import (
    WIDE,
    HandParameters,
    SceneConfig,
    SceneParameters,
    Skin,
    backgrounds,
    hash_noise,
    sample_hands,
    sample_scenes,
)
from hand_lib.synthetic.surface import FOREARM_PART, NUM_PARTS, PALM_PART, HandSurface, hand_surface, pose_surface

# What a pixel shows, as a code: 0 nothing, 1–17 a part of this hand (part + 1), 18 another hand, 19 an object.
_OTHER, _OBJECT, _CODES = NUM_PARTS + 1, NUM_PARTS + 2, NUM_PARTS + 3
# RHD's classes of a right hand; a left hand's are 16 less.
_CLASS_OF_CODE = torch.tensor([0, *(18 + p for p in range(PALM_PART)), 33, 1, 1, 0])
_SLEEVE = 3.0  # mm of cloth


def _parts_of_joint() -> Tensor:
    """(21, 20) bool: the codes that may be seen where a joint is visible, which are the parts that meet there."""
    table = torch.zeros(NUM_JOINTS, _CODES, dtype=torch.bool)
    table[0, [PALM_PART + 1, FOREARM_PART + 1]] = True
    for joint in range(1, NUM_JOINTS):
        chain, place = divmod(joint - 1, 4)
        for segment in {2 - min(place, 2), min(3 - place, 2)}:
            table[joint, 3 * chain + segment + 1] = True
        if place == 0 or (chain == 0 and place == 1):
            table[joint, PALM_PART + 1] = True
    return table


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
    """Joints and skin of hands from :func:`~hand_lib.synthetic.scene.sample_hands`.

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

    def power(value: Tensor, exponent: Tensor) -> Tensor:
        return value.sign() * (value.abs() + 1e-7) ** exponent

    e1, e2 = scene.object_shape[rows, :1], scene.object_shape[rows, 1:]
    flat, up = torch.cos(latitude).clamp(min=0), torch.sin(latitude)
    cos, sin = torch.cos(longitude), torch.sin(longitude)
    unit = torch.stack([power(flat, e1) * power(cos, e2), power(flat, e1) * power(sin, e2), power(up, e1)], 2)
    normal = torch.stack([power(flat, 2 - e1) * power(cos, 2 - e2), power(flat, 2 - e1) * power(sin, 2 - e2), power(up, 2 - e1)], 2)
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
    vertices = (unit * scale[:, None]) @ rotation.transpose(1, 2) + centre[:, None]
    normal = (normal / scale[:, None]) @ rotation.transpose(1, 2)
    return vertices, normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-9), faces


def _step(value: Tensor, edge: float | Tensor, width: float | Tensor) -> Tensor:
    """A soft step: 0 below the edge, 1 above it."""
    return ((value - edge) / width + 0.5).clamp(0, 1)


def _skin_colour(
    surface: HandSurface, skin: Skin, shape_thickness: Tensor, owner: Tensor, part: Tensor, detail: Tensor
) -> tuple[Tensor, Tensor]:
    """Albedo (P, 3) and gloss (P,) of skin and nails at P points.

    Args:
        owner: (P,) row of ``skin``. part: (P,). detail: (P, 8) resting place, palmar, grain, interpolated.
    """
    place, palmar, grain = detail[:, :3], _step(detail[:, 3], 0.5, 0.55)[:, None], detail[:, 4:8]
    local = ((place - surface.part_origin[part])[:, None] @ surface.part_rotation[part])[:, 0]
    x, y, z = local.unbind(1)
    device = place.device
    finger = part < PALM_PART
    bone = torch.cat([SEGMENTS.flip(1).flatten(), torch.tensor([60.0, 60.0])]).to(device)[part]
    width = torch.cat([RADII[:, 1:].flip(1).flatten(), torch.tensor([40.0, 40.0])]).to(device)[part]
    segment = part % 3

    back, palm = skin.back[owner], skin.palm[owner]
    albedo = back + palmar * (palm - back)
    # Mottling, and more blood at finger tips and knuckles.
    tone = skin.tone[owner]
    patch = (grain * skin.mottle[owner]).sum(1)
    near_joint = torch.exp(-((y / 6.5) ** 2)) * finger
    tip = _step(y, bone * 0.7, 9.0) * (finger & (segment == 0))
    warmth = patch + 0.05 * tip + 0.04 * near_joint * (1 - tone)
    darker = 1.0 - (0.10 + 0.12 * tone) * near_joint * (1 - palmar[:, 0]) * (z < 0)
    # Creases: across the palmar side of the finger joints, wrinkles on the back of them, three lines in the palm.
    crease_at = torch.minimum((y - torch.where(segment == 2, 0.45 * bone, 0.0)).abs(), torch.where(segment == 0, 99.0, (y - bone).abs()))
    line = torch.exp(-((crease_at / 0.75) ** 2)) * palmar[:, 0] * finger
    wrinkled = torch.where(segment == 1, y, torch.where(segment == 2, y - bone, y * 1.6))
    line = line + 0.55 * torch.exp(-((wrinkled / 4.0) ** 2)) * torch.cos(wrinkled * 2.6).clamp(min=0) ** 2 * (1 - palmar[:, 0]) * finger
    px, py = place[:, 0], place[:, 1]
    life = (((px - 35.0) ** 2 + (py - 27.0) ** 2).sqrt() - 37.0).abs() + 99.0 * ((py < 4) | (py > 64) | (px > 30))
    heart = (py - (62.6 + 0.45 * (px + 10) + 0.0125 * (px + 10) ** 2)).abs() * 0.9 + 99.0 * ((px > 11) | (px < -38))
    head = (py - (52.0 + 0.5 * px - 0.004 * px * px)).abs() * 0.9 + 99.0 * ((px > 21) | (px < -23))
    palm_line = torch.exp(-((torch.minimum(torch.minimum(life, heart), head) / 1.1) ** 2))
    line = line + 0.6 * palm_line * palmar[:, 0] * ((part == PALM_PART) | (part == 2))
    ink = (0.30 + 0.22 * tone) * line
    albedo = albedo * (darker * (1.0 - ink))[:, None]
    albedo = albedo * (1.0 + warmth[:, None] * torch.tensor([0.8, -0.9, -0.7], device=device) + 0.5 * patch[:, None])

    # Nails: a rounded rectangle on the back of the last segment.
    nail_x, nail_y = x / (0.80 * width), (y - 0.80 * bone) / (0.36 * bone)
    inside = 1.0 - (nail_x.square().square() + nail_y.square().square()).sqrt()
    nail = _step(inside, 0.0, 0.16) * _step(-z, 0.15 * width, 0.2 * width) * (finger & (segment == 0))
    rim = torch.exp(-((inside / 0.12) ** 2)) * (finger & (segment == 0)) * (z < 0) * _step(-z, 0.2 * width, 0.2 * width)
    white = _step(nail_y, 0.74, 0.12)[:, None]
    plate = skin.nail[owner]
    plate = plate + white * 0.35 * (plate.amax(1, keepdim=True) * 1.15 - plate)
    albedo = albedo * (1 - 0.28 * rim[:, None])
    albedo = albedo + nail[:, None] * (plate - albedo)
    gloss = skin.gloss[owner]
    gloss = gloss + nail * (skin.nail_gloss[owner] - gloss)
    return albedo.clamp(0.004, 0.95), gloss


def _light(
    scene: SceneParameters, image: Tensor, place: Tensor, normal: Tensor, albedo: Tensor, gloss: Tensor,
    flesh: Tensor, shade: Tensor, lit: Tensor,
) -> Tensor:  # fmt: skip
    """Linear RGB (P, 3) that leaves P points towards the camera."""
    view = -place / place.norm(dim=1, keepdim=True)
    key = scene.key[image]
    facing = (normal * key).sum(1)
    # Light bleeds through flesh past the terminator, red farthest: a wrapped cosine with one wrap a colour.
    wrap = torch.tensor([0.30, 0.14, 0.10], device=place.device) * flesh[:, None]
    diffuse = ((facing[:, None] + wrap) / (1 + wrap)).clamp(min=0)
    lit3 = lit[:, None] ** (1.0 - 0.45 * wrap / 0.3)
    half = key + view
    half = half / half.norm(dim=1, keepdim=True)
    sharp = (normal * half).sum(1).clamp(min=0)
    highlight = 0.055 * sharp**10 + 0.07 * sharp**40
    rim = (1 - (normal * view).sum(1).clamp(0, 1)) ** 4
    fill = (normal * scene.fill_dir[image]).sum(1).clamp(min=0)
    up = (0.5 - 0.5 * normal[:, 1])[:, None]
    sky, ground = scene.sky[image], scene.ground[image]
    ambient = ground + up * (sky - ground)
    open_ = (1.0 - shade)[:, None]
    # Shaded flesh is lit by flesh: crevices turn redder, not only darker.
    open_rgb = open_ ** (1.0 - 0.25 * wrap / 0.3)
    key_color = scene.key_color[image]
    light = key_color * diffuse * lit3 * (0.55 + 0.45 * open_) + scene.fill_color[image] * fill[:, None] * open_ + ambient * open_rgb
    shine = (gloss * lit * (facing > 0) * highlight)[:, None] * key_color + (0.10 * gloss * rim)[:, None] * sky * open_
    return albedo * light + shine


def _second_nearest(block: Tensor) -> Tensor:
    """(B, S, 2, S, 2) to (B, S, S): the second largest of each 2 × 2 block."""
    a, b, c, d = block[:, :, 0, :, 0], block[:, :, 0, :, 1], block[:, :, 1, :, 0], block[:, :, 1, :, 1]
    ab, cd = torch.maximum(a, b), torch.maximum(c, d)
    return torch.maximum(torch.minimum(ab, cd), torch.maximum(torch.minimum(a, b), torch.minimum(c, d)))


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
        others: B bystanders' hands, needed where ``scene.has_other``.
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
        cell = 5.0 if size <= 96 else 4.0
    device = scene.place.device
    batch, fine = len(hands), size * supersample
    surface = hand_surface(cell, str(device))
    count = len(surface.vertices)

    # Pose, and put before the camera. Left hands are rendered as right ones and mirrored with the whole picture.
    everyone, picture_of = hands, torch.arange(batch, device=device)
    other_rows = torch.nonzero(scene.has_other)[:, 0] if others is not None else torch.zeros(0, dtype=torch.long, device=device)
    joints, frames = forward_kinematics(hands.shape, hands.pose)
    points, normals = pose_surface(surface, hands.shape, frames)
    middle = joints.mean(1)
    # The sleeve lies on the arm.
    from_wrist = -surface.vertices[:, 1]
    arm = (surface.part == FOREARM_PART) & (from_wrist < 180.0)
    lift = _SLEEVE * _step(from_wrist, scene.cuff[:, None].clamp(max=1e6), 6.0) * arm
    points = points + lift[:, None] * normals
    camera = scene.rotation @ (points - middle[..., None]) + scene.place[..., None]  # (B, 3, V)
    normals = scene.rotation @ normals
    xyz = (joints - middle[:, None]) @ scene.rotation.transpose(1, 2) + scene.place[:, None]

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
    skin, thickness = hands.skin, hands.shape.thickness
    hand_size = extent.amax(1) * scene.place[:, 2]  # mm, as seen
    if len(other_rows):
        other = others[other_rows]
        other_joints, other_frames = forward_kinematics(other.shape, other.pose)
        other_points, other_normals = pose_surface(surface, other.shape, other_frames)
        rotation = scene.other_rotation[other_rows].clone()
        mirror = torch.ones(len(other_rows), 3, device=device)
        place = scene.place[other_rows] + torch.cat(
            [
                scene.other_place[other_rows, :2] * hand_size[other_rows, None],
                (60.0 + scene.other_place[other_rows, 2:] * 140.0),
            ],
            1,
        )
        del mirror
        other_camera = rotation @ (other_points - other_joints.mean(1)[..., None]) + place[..., None]
        camera = torch.cat([camera, other_camera])
        normals = torch.cat([normals, rotation @ other_normals])
        picture_of = torch.cat([picture_of, other_rows])
        everyone = HandParameters(
            **{
                name: _concat(getattr(hands, name), getattr(other, name))
                for name in ("shape", "pose", "skin", "right", "character")
            }
        )
        skin, thickness = everyone.skin, everyone.shape.thickness
    number = len(camera)

    def to_screen(points: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, V) to pixels of the fine grid (N, V, 2) and inverse depths (N, V), 0 for points too near."""
        z = points[:, 2]
        inverse = 1.0 / z.clamp(min=1.0)
        pixel = points[:, :2] * (inverse * focal[image, None])[:, None] + centre[image, :, None]
        pixel = (pixel + 0.5) * supersample - 0.5
        return pixel.transpose(1, 2).contiguous(), torch.where(z > 40.0, inverse, 0.0)

    screen, inverse = to_screen(camera, picture_of)
    keys = torch.zeros(batch, fine, fine, dtype=torch.long, device=device)
    rasterise(keys, screen, inverse, surface.faces, picture_of)

    all_points = camera.transpose(1, 2).reshape(-1, 3)
    all_normals = normals.transpose(1, 2).reshape(-1, 3)
    all_screen, all_inverse = screen.view(-1, 2), inverse.view(-1)
    triangles = len(surface.faces)
    object_rows = torch.nonzero(scene.has_object)[:, 0]
    first_object = number * triangles
    if len(object_rows):
        object_points, object_normals, object_faces = _objects(scene, object_rows, xyz, hand_size)
        object_screen, object_inverse = to_screen(object_points.transpose(1, 2), object_rows)
        rasterise(keys, object_screen, object_inverse, object_faces, object_rows, first_id=first_object)
        all_points = torch.cat([all_points, object_points.reshape(-1, 3)])
        all_normals = torch.cat([all_normals, object_normals.reshape(-1, 3)])
        all_screen = torch.cat([all_screen, object_screen.view(-1, 2)])
        all_inverse = torch.cat([all_inverse, object_inverse.view(-1)])

    # Shadow map of this hand and its object, seen from the key light; w is the height towards the light.
    side = size if size <= 128 else 128
    toward = scene.key
    helper = torch.tensor([[0.0, 1.0, 0.0]], device=device).expand(batch, 3)
    across = torch.linalg.cross(helper, toward)
    across = across / across.norm(dim=1, keepdim=True).clamp(min=1e-6)
    down = torch.linalg.cross(-toward, across)
    basis = torch.stack([across, down, toward], 1)  # (B, 3, 3): x, y, and −z of the light's own camera
    middle_camera = scene.place[..., None]
    light = basis @ (camera[:batch] - middle_camera)  # (B, 3, V)
    low_l, high_l = light[:, :2, own].amin(2) - 12.0, light[:, :2, own].amax(2) + 12.0
    texel = side / (high_l - low_l).amax(1)
    light_xy = ((light[:, :2] - low_l[..., None]) * texel[:, None, None]).transpose(1, 2).contiguous()
    shadows = torch.zeros(batch, side, side, device=device)
    lift_w = 1000.0
    rasterise_depth(shadows, light_xy, light[:, 2] + lift_w, surface.faces, picture_of[:batch])
    if len(object_rows):
        object_light = basis[object_rows] @ (object_points.transpose(1, 2) - middle_camera[object_rows])
        object_xy = ((object_light[:, :2] - low_l[object_rows][..., None]) * texel[object_rows, None, None]).transpose(1, 2)
        rasterise_depth(shadows, object_xy.contiguous(), object_light[:, 2] + lift_w, object_faces, object_rows)

    # Deferred shading: only pixels that show something.
    flat = torch.nonzero(keys.view(-1))[:, 0]
    key = keys.view(-1)[flat]
    triangle = (key & 0xFFFFFFFF) - 1
    image = torch.div(flat, fine * fine, rounding_mode="floor")
    rest = flat - image * (fine * fine)
    v = torch.div(rest, fine, rounding_mode="floor")
    u = rest - v * fine
    is_hand = triangle < first_object
    owner = torch.div(triangle, triangles, rounding_mode="floor").clamp(max=number - 1)
    face = triangle - owner * triangles
    if len(object_rows):
        hand_face = surface.faces[face.clamp(max=triangles - 1)]
        object_triangle = (triangle - first_object).clamp(min=0)
        which = torch.div(object_triangle, len(object_faces), rounding_mode="floor")
        object_vertex = object_faces[object_triangle - which * len(object_faces)] + (
            number * count + which * object_points.shape[1]
        )[:, None]
        corner = torch.where(is_hand[:, None], hand_face + (owner * count)[:, None], object_vertex)
    else:
        hand_face = surface.faces[face]
        corner = hand_face + (owner * count)[:, None]
    weights, z = barycentric(all_screen[corner], all_inverse[corner], u.to(torch.float32), v.to(torch.float32))
    weights = weights.clamp(-0.5, 1.5)
    normal = (weights[:, None] @ all_normals[corner])[:, 0]
    normal = normal / normal.norm(dim=1, keepdim=True).clamp(min=1e-6)
    place = torch.stack(
        [
            (((u + 0.5) / supersample - 0.5) - centre[image, 0]) * z / focal[image],
            (((v + 0.5) / supersample - 0.5) - centre[image, 1]) * z / focal[image],
            z,
        ],
        1,
    )

    detail_table = torch.cat([surface.vertices, surface.palmar, surface.grain], 1)
    hand_pixels = torch.nonzero(is_hand)[:, 0] if len(object_rows) else slice(None)
    hand_corner, hand_weights = hand_face[hand_pixels], weights[hand_pixels]
    detail = (hand_weights[:, None] @ detail_table[hand_corner])[:, 0]
    nearest = hand_weights.argmax(1, keepdim=True)
    part = surface.part[hand_corner.gather(1, nearest)[:, 0]]
    hand_owner = owner[hand_pixels]
    colour, shine = _skin_colour(surface, skin, thickness, hand_owner, part, detail)
    # Sleeves, on the arm behind the cuff. The bystander wears the same cloth.
    image_of_hand = image[hand_pixels]
    cuff = scene.cuff[image_of_hand]
    sleeved = (part == FOREARM_PART) & (-detail[:, 1] > cuff)
    weave = scene.weave[image_of_hand]
    stripe = (torch.remainder(-detail[:, 1] / weave[:, 0], 1.0) < weave[:, 1]).float()[:, None]
    cloth = scene.cloth[image_of_hand]
    cloth = cloth[:, 0] + stripe * (cloth[:, 1] - cloth[:, 0])
    hem = 1.0 - 0.45 * torch.exp(-(((-detail[:, 1] - cuff).clamp(-1e3, 1e3) / 2.0) ** 2))
    colour = torch.where(sleeved[:, None], cloth, colour) * torch.where(part == FOREARM_PART, hem, 1.0)[:, None]
    shine = torch.where(sleeved, 0.0, shine)
    flesh_hand = (~sleeved).float()
    code_hand = torch.where(hand_owner < batch, part + 1, _OTHER)
    if len(object_rows):
        albedo = scene.object_color[image].clone()
        albedo[hand_pixels] = colour
        gloss = torch.full_like(z, 0.8)
        gloss[hand_pixels] = shine
        flesh = torch.zeros_like(z)
        flesh[hand_pixels] = flesh_hand
        code = torch.full_like(image, _OBJECT)
        code[hand_pixels] = code_hand
    else:
        albedo, gloss, flesh, code = colour, shine, flesh_hand, code_hand

    # Shade in crevices, from the depth map of whole pixels.
    nearest_key = keys.view(batch, size, supersample, size, supersample).amax((2, 4)) if supersample > 1 else keys
    coarse = 1.0 / (nearest_key >> 32).to(torch.int32).view(torch.float32)
    crevice = crevice_shade(coarse, radius=max(2, size // 20), reach=26.0)
    pixel = (image * size + torch.div(v, supersample, rounding_mode="floor")) * size + torch.div(
        u, supersample, rounding_mode="floor"
    )
    shade = 0.75 * crevice.view(-1)[pixel]
    at_light = (basis[image] @ (place - scene.place[image])[..., None])[..., 0]
    texels = (at_light[:, :2] - low_l[image]) * texel[image, None]
    lit = soft_shadow(shadows, image, texels[:, 0], texels[:, 1], at_light[:, 2] + lift_w, bias=3.0, softness=5.0)
    radiance = _light(scene, image, place, normal, albedo, gloss, flesh, shade, lit)

    # Exposure: half-way between a fixed one and one that would make every hand equally bright.
    luminance = radiance @ torch.tensor([0.25, 0.6, 0.15], device=device)
    mine = ((code > 0) & (code < _OTHER)).float()
    total = torch.zeros(batch, device=device, dtype=torch.float64).index_add_(0, image, (luminance * mine).double())
    seen = torch.zeros(batch, device=device, dtype=torch.float64).index_add_(0, image, mine.double())
    mean = (total / seen.clamp(min=1)).float().clamp(min=0.01)
    gain = scene.exposure * 0.30 / mean * (mean / 0.30) ** 0.45

    buffer = torch.zeros(batch * fine * fine, 4, device=device)
    buffer[flat] = torch.cat([radiance * gain[image, None], torch.ones_like(z)[:, None]], 1)
    buffer = buffer.view(batch, fine, fine, 4).permute(0, 3, 1, 2)
    if supersample > 1:
        buffer = torch.nn.functional.avg_pool2d(buffer, supersample)
    picture = backgrounds(scene, size) * (1.0 - buffer[:, 3:]) + buffer[:, :3]
    picture = _motion_blur(picture, scene.blur)
    picture = _develop(picture, scene)

    # Annotations: a pixel belongs to what covers it at least half.
    codes = torch.zeros_like(keys)
    codes.view(-1)[flat] = ((key >> 32) << 32) | code
    if supersample > 1:
        codes = _second_nearest(codes.view(batch, size, 2, size, 2))
    depth_map = (codes >> 32).to(torch.int32).view(torch.float32)
    depth_map = torch.where(depth_map > 0, 1.0 / depth_map, 0.0)
    codes = codes & 0xFF
    mask = _CLASS_OF_CODE.to(device)[codes]
    visible = _visible(xyz, uv, thickness[:batch], depth_map, codes)

    # Mirror the left hands, picture and all.
    left = ~hands.right
    flip = left[:, None, None]
    mask = torch.where(flip, mask.flip(2), mask)
    mask = torch.where(flip & (mask >= 18), mask - 16, mask).to(torch.uint8)
    sign = torch.where(left, -1.0, 1.0)[:, None, None] * torch.tensor([1.0, 0, 0], device=device) + torch.tensor([0, 1.0, 1], device=device)
    uv = torch.stack([torch.where(left[:, None], size - 1 - uv[..., 0], uv[..., 0]), uv[..., 1]], -1)
    K[:, 0, 2] = torch.where(left, size - 1 - K[:, 0, 2], K[:, 0, 2])
    return Samples(
        images=torch.where(flip[:, None], picture.flip(3), picture),
        uv=uv,
        xyz=xyz * sign,
        visible=visible,
        K=K,
        right=hands.right.clone(),
        box=_boxes(mask >= 2, uv),
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
    picture = (1.0 - torch.exp(-1.35 * picture)).clamp_(min=1e-5) ** (1 / 2.2)
    bits = hash_noise(scene.noise_key, size * size, salt=101)
    more = hash_noise(scene.noise_key, size * size, salt=102)
    # Three ten-bit numbers from each hash; the sum of two is triangular with variance 1/6.
    noise = torch.stack([((bits >> s) & 1023) + ((more >> s) & 1023) for s in (0, 10, 20)], 1).float()
    noise = (noise / 1024.0 - 1.0) * 6**0.5
    strength = scene.noise[:, None, None, None] * (1.25 - 0.5 * picture)
    picture = picture + strength * noise.view(batch, 3, size, size)
    return (picture * 255.0).round_().clamp_(0, 255).to(torch.uint8)


def _visible(xyz: Tensor, uv: Tensor, thickness: Tensor, depth: Tensor, codes: Tensor) -> Tensor:
    """(B, 21) bool: the surface at a joint's pixel is that of its own parts, and no farther in front than flesh is."""
    batch, size = len(xyz), depth.shape[-1]
    pixel = torch.floor(uv + 0.5).long()
    inside = ((pixel >= 0) & (pixel < size)).all(-1)
    pixel = pixel.clamp(0, size - 1)
    flat = pixel[..., 1] * size + pixel[..., 0]
    front = depth.view(batch, -1).gather(1, flat)
    code = codes.view(batch, -1).gather(1, flat)
    allowed = _parts_of_joint().to(xyz.device)[torch.arange(NUM_JOINTS, device=xyz.device), code]
    flesh = flesh_at_joints(thickness)
    return inside & allowed & (xyz[..., 2] - front < flesh)


def flesh_at_joints(thickness: Tensor) -> Tensor:
    """(B, 5) finger thicknesses to (B, 21) mm: how deep under the skin a visible joint can lie."""
    radii = RADII.to(thickness.device) * thickness[..., None]
    wrist = 26.0 * thickness.mean(1, keepdim=True)
    deep = torch.tensor([2.3, 1.9, 1.6, 1.6], device=thickness.device)
    return torch.cat([wrist, (radii * deep).flatten(1)], 1)


def _boxes(mask: Tensor, uv: Tensor) -> Tensor:
    """(B, 4) ``u0, v0, u1, v1``, pixels' sides included; the joints' own where no pixel is seen."""
    size = mask.shape[-1]
    grid = torch.arange(size, device=mask.device, dtype=torch.float32)
    columns, rows = mask.any(1), mask.any(2)
    far = 1e9
    box = torch.stack(
        [
            torch.where(columns, grid, far).amin(1) - 0.5,
            torch.where(rows, grid, far).amin(1) - 0.5,
            torch.where(columns, grid, -far).amax(1) + 0.5,
            torch.where(rows, grid, -far).amax(1) + 0.5,
        ],
        1,
    )
    joints = torch.cat([uv.amin(1) - 0.5, uv.amax(1) + 0.5], 1)
    return torch.where(columns.any(1)[:, None], box, joints)


def _chunk(size: int, device: str) -> int:
    """Pictures rendered at once: few enough to stay in a CPU's caches, many enough to fill a GPU."""
    if torch.device(device).type != "cpu":
        return max(1, (1 << 23) // (size * size))
    return max(2, min(16, (1 << 18) // (size * size)))


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
    other indices, their order or the number of processes. CPU and GPU agree within rounding.

    Args:
        seed: of the data set.
        split: ``"training"`` or ``"evaluation"``; they share no person, gesture or background.
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
    step = _chunk(size * supersample, str(device))
    parts = []
    for start in range(0, len(indices), step):
        some = indices[start : start + step]
        hands = move(sample_hands(seed, split, some, left=scene.left), device)
        scenes = move(sample_scenes(seed, split, some, scene), device)
        others = None
        if bool(scenes.has_other.any()):
            others = move(sample_hands(seed, split, some, stream="other hand"), device)
        with torch.no_grad():
            parts.append(render_scene(hands, scenes, size=size, others=others, supersample=supersample))
    return Samples.concat(parts)
