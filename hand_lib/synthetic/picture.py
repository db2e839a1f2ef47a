"""From parameters to annotated pictures: pose, place, rasterise, shade, compose, annotate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.synthetic.anatomy import concat, forward_kinematics, move, rotate
from hand_lib.synthetic.annotation import CLASS_OF_CODE, OBJECT, OTHER, boxes, second_nearest, visible_joints
from hand_lib.synthetic.backdrop import paint
from hand_lib.synthetic.cloth import THICKNESS, cloth_at
from hand_lib.synthetic.hands import HandParameters, draw_hands, relaxed
from hand_lib.synthetic.lens import defocus, develop, motion_blur, soften
from hand_lib.synthetic.light import Shadows, radiance_of
from hand_lib.synthetic.objects import objects_of
from hand_lib.synthetic.pixels import power, soft_step, spread
from hand_lib.synthetic.renderer import barycentric, crevice_shade, pierce, rasterise
from hand_lib.synthetic.scene import (
    WIDE,
    SceneConfig,
    SceneParameters,
    sample_scenes,
)
from hand_lib.synthetic.skin import bumped, skin_at
from hand_lib.synthetic.surface import (
    FOREARM_PART,
    NUM_PARTS,
    cell_for,
    frame_of_part,
    hand_surface,
    pose_surface,
)
from hand_lib.synthetic.views import clear_forearm


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
    picture_of = torch.arange(batch, device=device)
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
    lift = THICKNESS * soft_step(from_wrist, scene.cloth.cuff[:, None].clamp(max=1e6), 24.0) * arm
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

    # How far down and how far away the hand and what is seen of the arm reach, in the room's frame.
    pixel = plane * focal[:, None, None] + centre[..., None]
    in_room = rotate(scene.room.rotation, camera)
    in_picture = ((pixel > -0.1 * size) & (pixel < 1.1 * size)).all(1)[:, None]
    reach = torch.where(in_picture, in_room, -torch.inf).amax(2)

    # Bystanders' hands, behind.
    skin = hands.skin
    hand_size = extent.amax(1) * scene.place[:, 2]  # mm, as seen
    if len(other_rows):
        other_joints, other_frames = forward_kinematics(others.shape, others.pose)
        other_points, other_normals = pose_surface(surface, others.shape, other_frames)
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
        skin = concat(skin, others.skin)
    number = len(camera)
    # The turn of each part of each hand from its own frame to the camera's.
    turns = _turned(scene.rotation, frames.rotation)
    if len(other_rows):
        turns = torch.cat([turns, _turned(rotation, other_frames.rotation)])
    turns = turns[:, [frame_of_part(p) for p in range(NUM_PARTS)]].flatten(0, 1).flatten(1)

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
    object_rows = torch.nonzero(scene.things.present)[:, 0]
    first_object = number * triangles
    if len(object_rows):
        object_points, object_normals, object_faces = objects_of(
            scene.things, object_rows, xyz, scene.rotation, hand_size
        )
        object_screen, object_inverse = to_screen(object_points.transpose(1, 2), object_rows)
        rasterise(keys, object_screen, object_inverse, object_faces, object_rows, first_id=first_object)
        rows = torch.cat([object_screen, object_inverse[:, None], object_normals.transpose(1, 2)], 1)
        table = torch.cat([table, rows.transpose(1, 2).reshape(-1, 6)])

    # Shadow map of this hand and its object, seen from the key light.
    side = min(max(40, size // 2), 160)
    shadows = Shadows(scene.lamps, scene.place, camera[:batch], surface.faces, own, side=side)
    if len(object_rows):
        shadows.add(object_points.transpose(1, 2), object_rows, object_faces)

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
    x, y, w, *corner_normals = spread(table, corner.t().reshape(-1)).view(6, 3, -1)  # each of three corners
    weights, z = barycentric(x, y, w, (u + 0.5) * supersample - 0.5, (v + 0.5) * supersample - 0.5)
    weights = weights.clamp_(-0.5, 1.5)
    normal = torch.stack([weights[0] * n[0] + weights[1] * n[1] + weights[2] * n[2] for n in corner_normals])
    length = normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]
    normal = normal / length.clamp(min=1e-12).sqrt()  # (3, P)
    per_image = spread(torch.cat([focal[:, None], centre], 1), image)
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
    image_of_hand = image[hand_pixels]
    footprint = z[hand_pixels] / per_image[0][hand_pixels]
    colour, shine, slope, flesh_hand = skin_at(surface, skin, hand_owner, part, detail, footprint)
    # Sleeves, on the arm behind the cuff. The bystander wears the same cloth.
    arm = torch.nonzero(part == FOREARM_PART)[:, 0]
    sleeved, cloth, cloth_slope = cloth_at(
        scene.cloth, image_of_hand[arm], detail[:3].index_select(1, arm), footprint[arm]
    )
    arm = arm[sleeved]
    colour[:, arm], slope[:, arm] = cloth[:, sleeved], cloth_slope[:, sleeved]
    shine[arm], flesh_hand[arm] = 0.0, 0.0
    turn = spread(turns, hand_owner * NUM_PARTS + part)
    slope = torch.stack(
        [turn[3 * i] * slope[0] + turn[3 * i + 1] * slope[1] + turn[3 * i + 2] * slope[2] for i in range(3)]
    )
    smooth_normal, normal = normal, normal.clone()
    normal[:, hand_pixels] = bumped(normal[:, hand_pixels], slope)
    code_hand = torch.where(hand_owner < batch, part + 1, OTHER)
    if len(object_rows):
        albedo = spread(scene.things.color, image)
        albedo[:, hand_pixels] = colour
        gloss = spread(scene.things.gloss[:, None], image)[0]
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
    lit = shadows.lit(image, place, smooth_normal, bias=2.0, softness=4.0)
    radiance = radiance_of(scene.lamps, image, place, normal, albedo, gloss, flesh, shade, lit)  # (3, P)

    # Exposure: between a fixed one and one that would make every hand equally bright.
    luminance = 0.25 * radiance[0] + 0.6 * radiance[1] + 0.15 * radiance[2]
    mine = ((code > 0) & (code < OTHER)) * share
    total = torch.zeros(batch, 2, device=device, dtype=torch.float64)
    total.index_add_(0, image, torch.stack([luminance * mine, mine], 1).double())
    mean = (total[:, 0] / total[:, 1].clamp(min=1e-3)).float().clamp(min=0.01)
    gain = scene.lamps.exposure * 0.30 / mean * power(mean / 0.30, 0.60)

    shaded = torch.cat([radiance * (gain.index_select(0, image) * share), share[None]]).t()
    edges = torch.zeros(len(block), 4, device=device)
    edges[samples] = shaded[len(once) :]
    buffer = torch.zeros(batch * size * size, 4, device=device)
    buffer[once] = shaded[: len(once)]
    buffer[edge] = sum(edges.view(-1, supersample**2, 4).unbind(1))
    buffer = buffer.view(batch, size, size, 4).permute(0, 3, 1, 2)
    behind = _background(scene, shadows, K, reach, size)
    picture = behind * gain[:, None, None, None] * (1.0 - buffer[:, 3:]) + buffer[:, :3]
    picture = motion_blur(soften(picture, scene.lens), scene.lens.motion)
    picture = develop(picture, scene.lens)

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


def _background(scene: SceneParameters, shadows: Shadows, K: Tensor, reach: Tensor, size: int) -> Tensor:
    """What is behind the hand, as sharp as the lens makes it: (B, 3, size, size) linear RGB.

    Large pictures are painted at half their size, as what lies far behind the hand is seldom in focus.
    """
    coarse = size if size < 128 else size // 2
    scale = torch.tensor([coarse / size, coarse / size, 1.0], device=K.device)
    shift = torch.tensor([0.5, 0.5, 0.0], device=K.device)
    small = K * scale[:, None]
    small[:, :, 2] += (scale - 1.0) * shift * torch.tensor([1.0, 1.0, 0.0], device=K.device)
    picture, depth = paint(scene.room, scene.lamps, shadows, K=small, place=scene.place, reach=reach, size=coarse)
    # A thin lens that is in focus at the hand.
    width = (1.0 - scene.place[:, 2, None, None] / depth).abs() * (scene.lens.aperture * coarse)[:, None, None]
    picture = defocus(picture, width.clamp(min=1.2) if coarse < size else width)  # no stairs when enlarged
    if coarse < size:
        picture = torch.nn.functional.interpolate(picture, size=(size, size), mode="bilinear")
    return picture


def _turned(rotation: Tensor, frames: Tensor) -> Tensor:
    """Frames (B, F, 3, 3) turned by rotations (B, 3, 3)."""
    count = frames.shape[1]
    turned = rotate(rotation, frames.transpose(1, 2).flatten(2))  # (B, 3, 3F)
    return turned.unflatten(2, (count, 3)).transpose(1, 2)


_BLOCK = 512  # pictures whose parameters are drawn at once


def _chunk(size: int, device: torch.device | str) -> int:
    """Pictures rendered at once: few enough to stay in a CPU's caches, many enough to fill a GPU."""
    if torch.device(device).type != "cpu":
        return max(1, (1 << 23) // (size * size))
    return max(2, min(64, (1 << 19) // (size * size)))


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
        scenes = move(sample_scenes(seed, split, block, scene), device)
        with_other = torch.nonzero(scenes.has_other.cpu())[:, 0].tolist()
        hands = draw_hands(seed, split, block, left=scene.left)
        others = draw_hands(seed, split, [block[i] for i in with_other], stream="other hand")
        everyone = move(relaxed(concat(hands, others)), device)
        hands, others = everyone[: len(block)], everyone[len(block) :]
        hands = replace(hands, pose=clear_forearm(hands.shape, hands.pose, scenes.rotation, scenes.place))
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
