"""The labels are true at every size of picture: joints under the skin, masks and depth where K puts them, and visible
what a line of sight reaches."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from hand_lib.skeleton import FINGER_OF_JOINT, NUM_JOINTS, ROOT, TIPS, WRIST
from hand_lib.synthetic import (
    WIDE,
    HandParameters,
    HandPose,
    annotation,
    barycentric,
    hand_surface,
    pose_hand,
    rasterise,
    render,
    render_scene,
    sample_hands,
    sample_scenes,
)
from hand_lib.synthetic.annotation import visible_joints
from hand_lib.synthetic.renderer import pierce
from hand_lib.synthetic.surface import FOREARM_PART, PALM_PART, cell_for

SIZES = [64, 80, 96, 128, 256]
COUNT = 40
PLAIN = replace(WIDE, shapes=(0, 0), distractor=0.0, occluder=0.0, motion_blur=0.0, sleeve=0.5, noise=(0.0, 0.0))


@cache
def pictures(size: int, scene=WIDE):
    return render(seed=5, split="training", indices=range(COUNT), size=size, scene=scene)


def lookup(maps, uv):
    """Values (B, 21) of maps (B, H, W) at the nearest pixels of uv (B, 21, 2)."""
    pixel = torch.floor(uv + 0.5).long().clamp(0, maps.shape[-1] - 1)
    return maps[torch.arange(len(maps))[:, None], pixel[..., 1], pixel[..., 0]]


def own_classes(right):
    """(B, 21, 34) bool: RHD's classes of the parts that meet in each joint. Written out: tip → palm is 0, 1, 2."""
    table = torch.zeros(NUM_JOINTS, 34, dtype=torch.bool)
    for joint in range(1, NUM_JOINTS):
        first = 18 + 3 * FINGER_OF_JOINT[joint]
        parts = {1: (2,), 2: (2, 1), 3: (1, 0), 0: (0,)}[joint % 4]
        table[joint, [first + p for p in parts]] = True
    table[[0, 1, 2, 5, 9, 13, 17], 33] = True
    table[:2, [1, 20]] = True  # person, for the forearm; the ball of the thumb
    left = torch.cat([table[:, :2], table[:, 18:], table[:, :16] & False], 1)
    return torch.where(right[:, None, None], table, left)


# ------------------------------------------------------------------------------------------------ joints and the skin


def winding_number(points, vertices, faces):
    """(P,): how often a closed mesh goes round each point, by the solid angles of its triangles; 0 is outside."""
    a, b, c = (vertices[faces[:, i]] - points[:, None] for i in range(3))  # (P, T, 3)
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    above = (a * torch.linalg.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(above, below).sum(1) / (2 * torch.pi)


def test_winding_number_of_a_ball():
    ball = trimesh.creation.icosphere(subdivisions=2, radius=10.0)
    points = torch.tensor([[0.0, 0, 0], [9.0, 0, 0], [0, -11.0, 0], [30.0, 2, 1]])
    found = winding_number(points, torch.tensor(ball.vertices).float(), torch.tensor(ball.faces))
    assert torch.allclose(found, torch.tensor([1.0, 1, 0, 0]), atol=1e-4)


@cache
def posed(cell: float):
    return pose_hand(sample_hands(5, "training", range(COUNT)), cell=cell)


@pytest.mark.parametrize("cell", sorted({cell_for(size) for size in SIZES} | {6.0}))
def test_every_joint_is_inside_the_skin(cell):
    hands = posed(cell)
    winding = torch.stack(
        [winding_number(j, v, hands.faces) for j, v in zip(hands.joints, hands.vertices, strict=True)]
    )
    assert ((winding - winding.round()).abs() < 0.01).all()  # the oracle: whole numbers, as the skin is closed
    assert ((winding > 0.5).all(1)).float().mean() > 0.995


@pytest.mark.parametrize("cell", [6.0, 5.0, 3.5])
def test_fingers_end_beyond_the_bone_by_the_flesh_that_was_measured(cell):
    """Soft tissue at the tips, as Buryanov & Kotiuk found it: 5.67, 3.84, 3.95, 3.95, 3.73 mm in the mean hand."""
    surface = hand_surface(cell)
    for chain, (tip, flesh) in enumerate(zip(TIPS, (5.67, 3.84, 3.95, 3.95, 3.73), strict=True)):
        along = (surface.vertices[surface.part == 3 * chain] - surface.rest_origin[tip]) @ surface.rest_rotation[tip]
        assert along[:, 1].max().item() == pytest.approx(flesh, abs=0.2 * cell)


def volume_above(vertices, faces, level: float) -> float:
    """mm³ of a closed mesh where y > level: the flux of (0, 0, z), to which the cut across y adds nothing."""
    total = 0.0
    for triangle in vertices[faces].double().numpy():
        if triangle[:, 1].max() <= level:
            continue
        ring = []
        for p, q in zip(triangle, np.roll(triangle, -1, 0), strict=True):
            if p[1] >= level:
                ring.append(p)
            if (p[1] >= level) != (q[1] >= level):
                ring.append(p + (q - p) * (level - p[1]) / (q[1] - p[1]))
        for p, q in pairwise(ring[1:]):
            total += np.cross(p - ring[0], q - ring[0])[2] / 2 * (ring[0][2] + p[2] + q[2]) / 3
    return total


@pytest.mark.parametrize("level", [100.0, 5.0])
def test_coarse_skins_are_no_thinner_than_fine_ones(level):
    """Flat triangles between points of a round surface would lie inside it: at 6 mm, 7 % of the fingers' flesh."""
    fine, *others = (hand_surface(cell) for cell in (3.5, 5.0, 6.0))
    true = volume_above(fine.vertices, fine.faces, level)
    for coarse in others:
        assert volume_above(coarse.vertices, coarse.faces, level) == pytest.approx(true, rel=0.01)


# ---------------------------------------------------------------------------------------------- labels at every size


@pytest.mark.parametrize("size", SIZES)
def test_every_joint_projects_onto_the_person(size):
    plain = pictures(size, PLAIN)
    on_person = lookup(plain.mask, plain.uv) > 0
    assert on_person[:, list(TIPS)].float().mean() > 0.99
    assert on_person.float().mean() > 0.995


@pytest.mark.parametrize("size", SIZES)
def test_visible_joints_lie_on_their_own_part(size):
    samples = pictures(size)
    own = own_classes(samples.right)
    hand, joint = torch.meshgrid(torch.arange(COUNT), torch.arange(NUM_JOINTS), indexing="ij")
    shifts = [torch.tensor([du, dv]).float() for du in (0, -1, 1) for dv in (0, -1, 1)]
    near = torch.stack([own[hand, joint, lookup(samples.mask, samples.uv + s).long()] for s in shifts])
    seen = samples.visible
    assert near[0][seen].float().mean() > 1 - 2 / size  # borders of parts take up less of larger pictures
    assert near.any(0)[seen].float().mean() > 0.995
    missed = (seen & ~near[0]).sum(0)  # joint by joint, so that no single one may fail everywhere
    assert (missed <= 2 + 6 / size * seen.sum(0)).all()


@pytest.mark.parametrize("size", SIZES)
def test_the_surface_over_a_visible_joint_is_its_flesh(size):
    samples = pictures(size)
    gap = samples.xyz[..., 2] - lookup(samples.depth, samples.uv)
    on_hand = lookup(samples.mask, samples.uv) > 0
    gap = torch.where(samples.visible & on_hand, gap, torch.nan)
    assert (gap > -1.0)[samples.visible & on_hand].float().mean() > 0.995
    for first, thickness in ((4, 5.0), (3, 9.0), (2, 10.0)):  # tips; last joints; the joints before them
        own = gap[:, first::4]
        assert 0.5 * thickness < own.nanmedian() < 1.3 * thickness


def test_visibility_hardly_depends_on_size():
    """The same hands at every size: the same skin up to 160 pixels, so the same lines of sight, but for the border."""
    first = pictures(SIZES[0])
    for size in SIZES[1:]:
        other = pictures(size)
        assert (other.visible == first.visible).float().mean() > (0.999 if size <= 160 else 0.98)
        rates = (other.visible.float().mean(0) - first.visible.float().mean(0)).abs()
        assert rates.max() < 0.051 and rates.mean() < 0.015  # two of forty


def test_visibility_has_no_threshold_that_matters(monkeypatch):
    """Its one length, how much forearm may lie over a wrist, hardly moves any rate, even if all views are as likely."""
    count = 300
    hands, scenes = sample_hands(2, "training", range(count)), sample_scenes(2, "training", range(count), PLAIN)
    turns = torch.tensor(Rotation.random(count, random_state=0).as_matrix()).float()
    scenes = replace(scenes, rotation=turns)
    rates = []
    for factor in (0.0, 0.8, 1.0, 1.2):
        monkeypatch.setattr(annotation, "_REACH", factor)
        rates.append(render_scene(hands, scenes, size=24, supersample=1).visible.float().mean(0))
    assert (rates[1] - rates[2]).abs().max() < 0.02 and (rates[3] - rates[2]).abs().max() < 0.02
    assert (rates[2] - rates[0])[WRIST] > 0.05  # without any of it, wrists seen from the arm would not count


# ------------------------------------------------------------------------------------------------ visible and hidden


@pytest.fixture(scope="module")
def open_hand():
    """A flat, spread mean hand 500 mm before a camera (f = 100), palm to it: joints (1, 21, 3), vertices, faces."""
    hands = sample_hands(0, "training", [0])
    spread = torch.deg2rad(torch.tensor([[0.0, -9.0, -1.5, 5.5, 13.0]]))
    pose = replace(HandPose.zero(), abduction=spread)
    hands = HandParameters(
        shape=hands.shape, pose=pose, skin=hands.skin, right=torch.ones(1).bool(), character=hands.character
    )
    return pose_hand(hands, cell=5.0)


def before_camera(points, *, turn=(1.0, -1.0, -1.0), distance=500.0):
    return points * torch.tensor(turn) + torch.tensor([3.0, 80.0, distance])


def sight(points, focal=100.0):
    """Screen (N, 2, V) and inverse depth (N, V) of points (N, V, 3)."""
    return (focal * points[..., :2] / points[..., 2:]).transpose(1, 2), 1.0 / points[..., 2]


def seen(xyz, meshes, faces, part, plate=None, inside=None):
    """Visible joints of the first of some meshes (N, V, 3) of hands, behind a plate (4, 3) if there is one."""
    uv, w = sight(xyz)
    everything = torch.zeros(len(meshes), dtype=torch.long)
    hits = pierce(uv.transpose(1, 2), w, *sight(meshes), faces, everything)
    things = None
    if plate is not None:
        two = torch.tensor([[0, 1, 2], [0, 2, 3], [2, 1, 0], [3, 2, 0]])  # both sides
        things = pierce(uv.transpose(1, 2), w, *sight(plate[None]), two, everything[:1])
    inside = torch.ones(1, NUM_JOINTS, dtype=torch.bool) if inside is None else inside
    return visible_joints(xyz, inside, part, hits, things)


@pytest.mark.parametrize("turn", [(1.0, -1.0, -1.0), (-1.0, -1.0, 1.0)])
def test_a_flat_hand_shows_all_its_joints_to_both_sides(open_hand, turn):
    xyz, mesh = (before_camera(t, turn=turn) for t in (open_hand.joints, open_hand.vertices))
    assert seen(xyz, mesh, open_hand.faces, open_hand.part).all()


def test_seen_from_the_side_the_near_finger_hides_the_others():
    hands = sample_hands(0, "training", [0])
    hands = replace(hands, pose=HandPose.zero(), right=torch.ones(1).bool())
    flat = pose_hand(hands, cell=5.0)
    turned = torch.tensor([[0.0, 0, 1], [0, -1, 0], [1, 0, 0]])  # the little finger's side to the camera
    xyz, mesh = (t @ turned.t() + torch.tensor([0.0, 80.0, 3000.0]) for t in (flat.joints, flat.vertices))
    visible = seen(xyz, mesh, flat.faces, flat.part)[0]
    assert visible[17:].all()  # the little finger
    assert not visible[[5, 6, 9, 10, 13, 14]].any()  # the others, as far as it reaches


def test_behind_a_hand_nothing_is_seen_and_before_it_everything(open_hand):
    """A second hand shrunk towards the camera lies on the very same lines of sight: it hides all the joints."""
    xyz, mesh = before_camera(open_hand.joints), before_camera(open_hand.vertices)
    for scale, visible in ((0.8, False), (1.2, True)):
        both = torch.cat([mesh, scale * mesh])
        assert (seen(xyz, both, open_hand.faces, open_hand.part) == visible).all()


@pytest.mark.parametrize("distance", [300.0, 495.0, 800.0])
def test_a_plate_hides_what_lies_behind_it(open_hand, distance):
    """A rectangle square to the axis: hidden are the joints that project into it, if it is nearer than the skin."""
    xyz, mesh = before_camera(open_hand.joints), before_camera(open_hand.vertices)
    low, high = torch.tensor([-8.0, -14.0]), torch.tensor([2.0, 4.0])  # pixels
    corners = torch.tensor([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    plate = torch.cat([corners * distance / 100.0, torch.full((4, 1), distance)], 1)
    uv = sight(xyz)[0].transpose(1, 2)
    behind = ((uv > low) & (uv < high)).all(-1)
    assert 4 <= behind.sum() <= 17
    visible = seen(xyz, mesh, open_hand.faces, open_hand.part, plate=plate)
    if distance == 495.0:  # within the flesh of most joints: skin is before it, or it before the skin
        assert visible[~behind].all() and visible[behind].any()
    else:
        assert torch.equal(visible, ~behind | torch.tensor(distance > 600.0))


def test_outside_the_picture_nothing_is_visible(open_hand):
    xyz, mesh = before_camera(open_hand.joints), before_camera(open_hand.vertices)
    inside = (torch.arange(NUM_JOINTS) % 3 > 0)[None]
    assert torch.equal(seen(xyz, mesh, open_hand.faces, open_hand.part, inside=inside), inside)


def test_a_wrist_behind_an_arm_is_hidden(open_hand):
    """Seen along the arm: the skin before the wrist is forearm, which is its own only where it is near."""
    for degrees, visible in ((-20.0, True), (-60.0, True), (-88.0, False)):
        a = torch.deg2rad(torch.tensor(degrees))
        tilt = torch.tensor([[1.0, 0, 0], [0, torch.cos(a), -torch.sin(a)], [0, torch.sin(a), torch.cos(a)]])
        camera = tilt @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        xyz, mesh = (t @ camera.t() + torch.tensor([0.0, 0, 900.0]) for t in (open_hand.joints, open_hand.vertices))
        part = open_hand.part
        assert seen(xyz, mesh, open_hand.faces, part)[0, WRIST] == visible


def test_objects_and_bystanders_only_ever_hide():
    alone = pictures(64, PLAIN)
    for change in ({"occluder": 1.0}, {"distractor": 1.0}):
        more = pictures(64, replace(PLAIN, **change))
        assert torch.equal(more.uv, alone.uv)
        assert not (more.visible & ~alone.visible).any()
        changed = alone.visible & ~more.visible
        # What hides them is nearer, and neither the hand's nor, if it is an object, a person's.
        depth, before = lookup(more.depth, more.uv)[changed], lookup(alone.depth, alone.uv)[changed]
        if "occluder" in change:
            assert changed.sum() > 30
            assert (depth < before + 3.0).float().mean() > 0.97
            assert (lookup(more.mask, more.uv)[changed] == 0).float().mean() > 0.9


def first_hits(origin_to, vertices, faces):
    """Möller & Trumbore's test in double precision: distances and directions (entering or not) before each point."""
    a, b, c = (vertices[faces[:, i]].astype(float) for i in range(3))
    for point in origin_to.astype(float):
        e1, e2 = b - a, c - a
        p = np.cross(point, e2)
        determinant = (e1 * p).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = -(a * p).sum(1) / determinant
            q = np.cross(-a, e1)
            v = (q @ point) / determinant
            t = (e2 * q).sum(1) / determinant
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < 1)
        order = np.argsort(t[hit])
        yield t[hit][order], np.flatnonzero(hit)[order], determinant[hit][order] > 0


def bare_armed(scenes):
    """The same scenes without sleeves."""
    return replace(scenes, cloth=replace(scenes.cloth, cuff=torch.full_like(scenes.cloth.cuff, torch.inf)))


def test_visible_is_what_rays_in_space_find():
    """No projection, no grouping: rays from the camera to the joints, against every triangle of the skin."""
    count = 12
    hands, scenes = sample_hands(9, "training", range(count)), sample_scenes(9, "training", range(count), PLAIN)
    scenes = bare_armed(scenes)
    samples = render_scene(hands, scenes, size=128)
    skin = pose_hand(hands, cell=cell_for(128))
    own = own_classes(torch.ones(count, dtype=torch.bool))
    class_of_part = torch.tensor([*range(18, 33), 33, 1])
    agree = []
    for i in range(count):
        mirror = torch.tensor([1.0 if hands.right[i] else -1.0, 1, 1])
        vertices, joints = (
            (t[i] - skin.joints[i].mean(0)) @ scenes.rotation[i].t() + scenes.place[i]
            for t in (skin.vertices, skin.joints)
        )
        assert torch.allclose(joints * mirror, samples.xyz[i], atol=1e-2)
        reach = (joints[ROOT] - joints[WRIST]).norm().item()
        rays = first_hits(joints.numpy(), vertices.numpy(), skin.faces.numpy())
        for joint, (t, triangle, entering) in enumerate(rays):
            inside = np.cumsum(np.where(entering, 1, -1)) if len(t) else np.zeros(1)
            expected = len(t) > 0 and bool((inside > 0).all())
            if expected:
                place = joints[joint] * t[0]
                corner = skin.faces[triangle[0]]
                part = skin.part[corner[(vertices[corner] - place).norm(dim=1).argmin()]]
                near = part != FOREARM_PART or (joints[joint] - place).norm() < reach
                expected = bool(own[i, joint, class_of_part[part]]) and near
            agree.append(expected == bool(samples.visible[i, joint]))
    # The nearest corner of a long triangle may differ, by distance or by barycentric weight.
    assert np.mean(agree) > 0.98


def test_lines_of_sight_through_a_ball():
    """Where a line meets a ball is a quadratic equation. Pictures apart; one ball behind another; a point within."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=1.0)
    faces = torch.tensor(ball.faces)
    centres = torch.tensor([[5.0, -8.0, 400.0], [9.0, 2.0, 600.0], [-20.0, 30.0, 500.0]])
    radii = torch.tensor([40.0, 60.0, 50.0])
    meshes = centres[:, None] + radii[:, None, None] * torch.tensor(ball.vertices).float()
    image = torch.tensor([0, 0, 1])
    generator = torch.Generator().manual_seed(0)
    points = torch.cat([80 * torch.rand(2, 30, 2, generator=generator) - 40, torch.full((2, 30, 1), 1000.0)], 2)
    points[:, 0] = torch.tensor([0.0, 0.0, 400.0])  # in the first ball
    uv, w = sight(points)
    hits = pierce(uv.transpose(1, 2), w, *sight(meshes), faces, image)
    found = {}
    for ray, mesh, inverse, step in zip(hits.ray, hits.mesh, hits.w, hits.step, strict=True):
        found[int(ray), int(mesh), int(step)] = 1.0 / float(inverse)
    assert len(found) == len(hits.ray)
    expected = {}
    for mesh, (centre, radius, picture) in enumerate(zip(centres, radii, image, strict=True)):
        for k, point in enumerate(points[picture]):
            along = point / point[2]
            half, offset = (along @ centre) / (along @ along), (centre @ centre - radius**2) / (along @ along)
            if half**2 > offset:
                for step, depth in ((1, half - (half**2 - offset).sqrt()), (-1, half + (half**2 - offset).sqrt())):
                    if depth < point[2]:
                        expected[int(picture) * 30 + k, mesh, step] = float(depth)
    grazing = set(found) ^ set(expected)
    assert len(grazing) <= 0.1 * len(expected)  # lines that graze a ball may miss its triangles
    for key in set(found) & set(expected):
        assert found[key] == pytest.approx(expected[key], abs=1.0)


# ------------------------------------------------------------------------------------- half a pixel is not too small


def ball_on_screen(centre, radius, K, height, width, shift=0.0):
    """Where pixels' centres see a ball, bool (H, W), and at what depth: the quadratic equation of each ray."""
    v, u = torch.meshgrid(torch.arange(height).double() + shift, torch.arange(width).double() + shift, indexing="ij")
    rays = torch.stack([u, v, torch.ones_like(u)], -1) @ torch.linalg.inv(K.double()).t()
    half = (rays @ centre) / rays.square().sum(-1)
    root = half.square() - (centre @ centre - radius**2) / rays.square().sum(-1)
    return root > 0, half - root.clamp(min=0).sqrt()


@pytest.mark.parametrize("centre", [(0.0, 0.0, 500.0), (90.0, -60.0, 420.0), (-70.0, 55.0, 380.0)])
def test_a_ball_is_drawn_where_K_puts_it(centre):
    """Centroid, area and depth of a ball off the axis; the picture is not square, and K is not centred."""
    height, width = 120, 160
    K = torch.tensor([[170.0, 0, 71.3], [0, 190.0, 66.8], [0, 0, 1]])
    centre, radius = torch.tensor(centre, dtype=torch.float64), 45.0
    ball = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    points = (torch.tensor(ball.vertices) + centre).float()
    screen = points @ K.t()
    screen, w = (screen[:, :2] / screen[:, 2:]).t()[None], (1.0 / points[:, 2])[None]
    keys = torch.zeros(1, height, width, dtype=torch.long)
    faces = torch.tensor(ball.faces)
    rasterise(keys, screen, w, faces, torch.zeros(1, dtype=torch.long))
    drawn = keys[0] > 0
    v, u = torch.nonzero(drawn, as_tuple=True)
    corners = faces[(keys[0][drawn] & 0xFFFFFFFF) - 1].t()
    _, depth = barycentric(screen[0, 0][corners], screen[0, 1][corners], w[0][corners], u.float(), v.float())

    def off(shift: float) -> tuple[float, float, float]:
        """Distance of centroids in pixels, ratio of areas less one, and the median difference of depth in mm."""
        true, true_depth = ball_on_screen(centre, radius, K, height, width, shift)
        places = torch.nonzero(true).double()
        apart = (places.mean(0) - torch.stack([v, u], 1).double().mean(0)).norm().item()
        both = true[drawn]
        difference = (depth.double() - true_depth[drawn])[both].abs()
        return apart, abs(drawn.sum().item() / true.sum().item() - 1), difference.quantile(0.5).item()

    apart, area, depth_off = off(0.0)
    assert apart < 0.03 and area < 0.01 and depth_off < 0.1
    for shift in (0.5, -0.5):  # the tests would notice half a pixel
        apart, area, depth_off = off(shift)
        assert apart > 0.6 and depth_off > 0.2


def test_picture_mask_and_depth_lie_where_K_puts_the_skin():
    """Rays through the centres of pixels, by the samples' own K, against the skin in space; half a pixel would show.

    What of the picture is hand shows when its skin is painted: two pictures that differ in nothing else, but for the
    little that the camera exposes one paint otherwise than the other.
    """
    count, size = 4, 72
    sharp = replace(PLAIN, softness=(0.0, 0.0), noise=(0.0, 0.0), quality=(100.0, 100.0))
    hands, scenes = sample_hands(3, "training", range(count)), sample_scenes(3, "training", range(count), sharp)
    scenes = bare_armed(scenes)
    painted = []
    for colour in ([0.6, 0.2, 0.1], [0.1, 0.2, 0.93]):  # equally bright
        paint = torch.tensor(colour).expand(count, 3)
        skin = replace(hands.skin, back=paint, palm=paint, nail=paint)
        painted.append(render_scene(replace(hands, skin=skin), scenes, size=size))
    samples = painted[0]
    assert torch.equal(samples.mask, painted[1].mask)
    person = samples.mask > 0
    changed = ((samples.images.float() - painted[1].images.float()).abs() > 30).any(1)
    skin = pose_hand(hands, cell=cell_for(size))
    off = {}
    for shift in (0.0, 0.5, -0.5):
        rows = []
        for i in range(count):
            vertices = (skin.vertices[i] - skin.joints[i].mean(0)) @ scenes.rotation[i].t() + scenes.place[i]
            vertices = vertices * torch.tensor([1.0 if hands.right[i] else -1.0, 1, 1])
            depth = cast(vertices.double().numpy(), skin.faces.numpy(), samples.K[i].double().numpy(), size, shift)
            centre = torch.nonzero(depth > 0).double().mean(0)
            mask, picture = (torch.nonzero(t[i]).double().mean(0) - centre for t in (person, changed))
            gap = (samples.depth[i] - depth)[(depth > 0) & person[i]].abs().median()
            rows.append(torch.stack([mask.mean(), picture.mean(), gap]))
        off[shift] = torch.stack(rows).abs().mean(0)  # of the mask's and the picture's centroid, px; of depth, mm
    assert (off[0.0] < torch.tensor([0.15, 0.2, 0.25])).all()
    for shift in (0.5, -0.5):
        assert (off[shift] > torch.tensor([0.35, 0.3, 0.4])).all()


def cast(vertices, faces, K, size, shift):
    """Depth (size, size) of the nearest surface on rays through pixels' centres moved by ``shift``; 0 for none.

    In double precision; each triangle meets the rays that its own projection can contain.
    """
    screen = vertices @ K.T
    corners = (screen[:, :2] / screen[:, 2:])[faces] - shift  # (T, 3, 2)
    low = np.clip(np.ceil(corners.min(1)), 0, size).astype(int)
    extent = np.clip(np.floor(corners.max(1)), -1, size - 1).astype(int) - low
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    depth = np.full((size, size), np.inf)
    for du in range(extent[:, 0].max() + 1):
        for dv in range(extent[:, 1].max() + 1):
            t = np.flatnonzero((extent >= (du, dv)).all(1))
            pixel = low[t] + (du, dv)
            rays = np.concatenate([pixel + shift, np.ones((len(t), 1))], 1) @ np.linalg.inv(K).T
            place = rays * ((normal[t] * a[t]).sum(1) / (normal[t] * rays).sum(1))[:, None]
            sides = [(np.cross(q[t] - p[t], place - p[t]) * normal[t]).sum(1) for p, q in ((a, b), (b, c), (c, a))]
            hit = np.min(sides, axis=0) >= 0
            np.minimum.at(depth, (pixel[hit, 1], pixel[hit, 0]), place[hit, 2])
    return torch.tensor(np.where(np.isinf(depth), 0.0, depth)).float()


def test_the_palm_and_its_part_numbers():
    """The table of a joint's own parts, against the parts' numbers of the skin round each joint at rest."""
    surface = hand_surface(5.0)
    table = annotation._own_flesh()
    assert table.shape == (NUM_JOINTS, 20) and not table[:, [0, 18, 19]].any()
    for joint in range(NUM_JOINTS):
        distance = (surface.vertices - surface.rest_origin[joint]).norm(dim=1)
        assert table[joint, surface.part[distance.argsort()[:8]] + 1].float().mean() >= 0.75
    assert table[ROOT, PALM_PART + 1] and not table[ROOT + 1, PALM_PART + 1]
