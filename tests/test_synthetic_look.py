"""What makes rendered hands look like photographs: skin, light, surroundings and lens, from first principles."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hand_lib.errors import HandLibError
from hand_lib.synthetic import (
    EASY,
    OTHER_LOOK,
    WIDE,
    SceneConfig,
    hand_surface,
    render,
    sample_hands,
    sample_scenes,
)
from hand_lib.synthetic.anatomy import HandPose, HandShape, forward_kinematics
from hand_lib.synthetic.backdrop import FAR, TABLE, WALL, paint
from hand_lib.synthetic.cloth import cloth_at
from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.lens import defocus, develop, jpeg, motion_blur, soften
from hand_lib.synthetic.light import Lamps, Shadows, radiance_of
from hand_lib.synthetic.objects import _ellipsoid_mesh, objects_of
from hand_lib.synthetic.pixels import FINE, FINE_DU, FINE_DV, SMOOTH, sheet_at, texel
from hand_lib.synthetic.skin import DARKEST, Skin, bumped, reflectance, sample_skins, skin_at

PALM, NAIL = 15, 6  # parts: the palm, and the last segment of the middle finger


def skins(tones) -> Skin:
    """Skins of given tones, alike in all else but chance."""
    draws = Draws(seed=0, split="training", indices=range(len(tones)), stream="character", width=48)
    draws.table[:, 0] = torch.as_tensor(tones)
    return sample_skins(draws)


def lab(linear: torch.Tensor) -> torch.Tensor:
    """CIE L*a*b* (D65) of linear sRGB (..., 3)."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear.double() @ torch.tensor(to_xyz).double().T / torch.tensor([0.9505, 1.0, 1.0888]).double()
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return torch.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def lamps(batch: int = 1, **changes) -> Lamps:
    """A white lamp straight from the camera, two units strong, and nothing else."""
    o, i = torch.zeros(batch, 3), torch.ones(batch, 3)
    toward = torch.tensor([0.0, 0.0, -1.0]).expand(batch, 3)
    given_ = {
        "key": toward, "key_color": 2 * i, "reach": torch.full((batch,), 1e5), "size": torch.full((batch,), 0.1),
        "fill_dir": toward, "fill_color": o, "up": torch.tensor([0.0, -1.0, 0.0]).expand(batch, 3), "sky": o,
        "ground": o, "exposure": torch.ones(batch),
    } | changes  # fmt: skip
    return Lamps(**given_)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=0, keepdim=True)


# Skin


def test_skin_darkens_with_melanin_and_reddens_with_blood():
    tones = reflectance(torch.linspace(0, DARKEST, 60), torch.zeros(60))
    assert (tones.diff(dim=0) < 0).all()
    assert (tones[:, 0] > tones[:, 1]).all() and (tones[:, 1] > tones[:, 2]).all()
    pale, flushed = reflectance(torch.tensor(0.5), torch.tensor([0.0, 0.3]))
    assert (flushed < pale).all()
    assert flushed[0] / flushed[1] > pale[0] / pale[1]


def test_tones_span_those_of_people():
    """Individual typology angles from very light (above 55 degrees) to dark (below −30), with hues of measured skin."""
    L, a, b = lab(reflectance(torch.linspace(0, DARKEST, 30), torch.zeros(30))).unbind(1)
    angle = torch.rad2deg(torch.atan2(L - 50, b))
    assert angle[0] > 55 and angle[-1] < -60
    assert (angle.diff() < 0).all()
    assert L[-1] < 27
    assert (a > 4).all() and (a < 15).all() and (b > 7).all() and (b < 22).all()


def test_palms_are_paler_than_backs_the_more_the_darker_the_skin():
    people = skins(torch.linspace(0, 0.999, 12))
    difference = lab(people.palm)[:, 0] - lab(people.back)[:, 0]
    assert (difference[6:] > 10).all()
    assert difference[-1] > difference[0] + 15


def place_on(part: int, x: float, y: float, palmar: float) -> torch.Tensor:
    """``detail`` (8, 1) of a point at (x, y) of a part's frame, on its back or its palmar side."""
    surface = hand_surface(4.0)
    z = 7.0 if palmar else -7.0
    place = surface.part_rotation[part] @ torch.tensor([x, y, z]) + surface.part_origin[part]
    return torch.cat([place, torch.tensor([palmar]), torch.zeros(4)])[:, None]


def test_nails_are_seen_on_every_tone():
    """A nail differs from the skin beside it by several just noticeable differences, but is no white spot."""
    people = skins(torch.linspace(0, 0.999, 16))
    plain = people.nail_gloss < 2.5
    owner = torch.arange(16)
    surface, footprint = hand_surface(4.0), torch.full((16,), 1.0)
    part = torch.full((16,), NAIL)
    tip = float(forward_kinematics(HandShape.mean(), HandPose.zero())[0][0, 12, 1])
    assert tip > 0
    nail, back = (
        skin_at(surface, people, owner, part, place_on(NAIL, 0.0, y, 0.0).expand(8, 16), footprint)[0].T
        for y in (15.5, 3.5)
    )
    gap = (lab(nail) - lab(back))[plain]
    assert (gap.norm(dim=1) > 6).all()
    assert (lab(nail)[plain, 0] < 75).all()
    assert (gap[:, 0].abs() < 40).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.0, 3.0))
def test_bumps_keep_normals_unit_and_lean_away_from_the_slope(seed, steepness):
    generator = torch.Generator().manual_seed(seed)
    normal = unit(torch.randn(3, 50, generator=generator))
    slope = steepness * torch.randn(3, 50, generator=generator)
    new = bumped(normal, slope)
    assert torch.allclose(new.norm(dim=0), torch.ones(50), atol=1e-5)
    tangent = slope - (slope * normal).sum(0) * normal
    assert ((new * tangent).sum(0) <= 1e-5).all()
    # The surface z = s·x has the normal (−s, 0, 1) / √(1 + s²): the tangent of the lean is the slope.
    lean = torch.linalg.cross(new, normal, dim=0).norm(dim=0) / (new * normal).sum(0)
    assert torch.allclose(lean, tangent.norm(dim=0), rtol=1e-3, atol=1e-4)


def test_flat_skin_is_not_bumped():
    normal = unit(torch.randn(3, 20))
    assert torch.allclose(bumped(normal, torch.zeros(3, 20)), normal, atol=1e-6)


def test_relief_fades_where_pixels_are_coarse_and_tendons_are_ridges():
    people, surface = replace(skins([0.3]), tendons=torch.tensor([1.0])), hand_surface(4.0)
    x = torch.linspace(-8, 8, 161)
    detail = torch.cat([place_on(PALM, float(v), 45.0, 0.0) for v in x], 1)
    part, owner = torch.full((161,), PALM), torch.zeros(161, dtype=torch.long)
    fine, coarse = (skin_at(surface, people, owner, part, detail, torch.full((161,), mm))[2][0] for mm in (0.4, 6.0))
    height = torch.cumsum(coarse, 0) * 0.1
    assert height.max() - height.min() > 0.5  # mm: a tendon stands between −8 and 8 mm
    roughness = (fine - coarse).std()
    assert roughness > 0.02
    assert (coarse.diff().abs().max()) < 0.2  # and no pore is left


# Noise


def test_the_sheet_of_noise_is_even_and_its_slopes_are_its_differences():
    v, u = torch.meshgrid(torch.arange(512.0), torch.arange(512.0), indexing="ij")
    number = texel(u, v)
    assert torch.equal(number, texel(u + 512, v - 1024))
    fine, smooth = sheet_at(FINE, number), sheet_at(SMOOTH, number)
    assert fine.std().item() == pytest.approx(1.0, abs=1e-3) and smooth.std().item() == pytest.approx(1.0, abs=1e-3)
    for field, axis in ((FINE_DU, 1), (FINE_DV, 0)):
        difference = 0.5 * (fine.roll(-1, axis) - fine.roll(1, axis))
        assert np.corrcoef(difference.flatten(), sheet_at(field, number).flatten())[0, 1] > 0.98


# Light


def surface_points(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    place = torch.tensor([[0.0], [0.0], [500.0]]).expand(3, count)
    normal = torch.randn(3, count, generator=generator)
    normal[2] = -normal[2].abs()
    return place, unit(normal)


def test_matt_surfaces_give_back_no_more_light_than_they_get():
    place, normal = surface_points(500)
    one, none = torch.ones(500), torch.zeros(500)
    light = lamps(fill_color=torch.full((1, 3), 0.4), sky=torch.full((1, 3), 0.5), ground=torch.full((1, 3), 0.2))
    image = torch.zeros(500, dtype=torch.long)
    out = radiance_of(light, image, place, normal, torch.ones(3, 500), none, none, none, one)
    assert (out <= 2.0 + 0.4 + 0.5 + 1e-5).all() and (out > 0).all()
    half = radiance_of(light, image, place, normal, torch.full((3, 500), 0.5), none, none, none, one)
    assert torch.allclose(half, 0.5 * out, atol=1e-6)
    # Lambert: with the one lamp alone it is the cosine.
    alone = radiance_of(lamps(), image, place, normal, torch.ones(3, 500), none, none, none, one)
    assert torch.allclose(alone[0], 2 * -normal[2], atol=1e-5)


def test_skin_s_highlight_holds_a_few_hundredths_of_the_light():
    """Over all directions of view, the lobe of dry skin returns about its reflectance (0.028) and not more."""
    generator = torch.Generator().manual_seed(1)
    view = unit(torch.randn(3, 40_000, generator=generator))
    view[2] = view[2].abs()  # upper half of the sphere, about the normal
    normal = torch.tensor([[0.0], [0.0], [1.0]]).expand(3, 40_000)
    for lean in (0.0, 0.6):
        toward = torch.tensor([[np.sin(lean), 0.0, np.cos(lean)]], dtype=torch.float32)
        light = lamps(key=toward, key_color=torch.ones(1, 3))
        image = torch.zeros(40_000, dtype=torch.long)
        arguments = (torch.zeros(3, 40_000), torch.ones(40_000), torch.zeros(40_000), torch.zeros(40_000))
        out = radiance_of(light, image, -500 * view, normal, *arguments, torch.ones(40_000))[0]
        # Radiances are in units of a white matt surface's: the integral of cos / π over the half sphere is 1.
        returned = (out * view[2]).mean() * 2
        assert 0.5 * 0.028 < returned / np.cos(lean) < 1.15 * 0.028


def test_shadows_turn_redder_on_flesh_and_not_on_cloth():
    place, normal = surface_points(200)
    image, one, none = torch.zeros(200, dtype=torch.long), torch.ones(200), torch.zeros(200)
    light = lamps(sky=torch.full((1, 3), 0.4), ground=torch.full((1, 3), 0.4))
    grey = torch.full((3, 200), 0.4)
    flesh, cloth = (radiance_of(light, image, place, normal, grey, none, f, none, 0.3 * one) for f in (one, none))
    assert (flesh[0] > flesh[2]).all() and torch.allclose(cloth[0], cloth[2])


def ball(middle, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    (latitude, longitude), faces = _ellipsoid_mesh("cpu")
    around = torch.cos(latitude)
    points = torch.stack([around * torch.cos(longitude), around * torch.sin(longitude), torch.sin(latitude)])
    return (radius * points + torch.tensor(middle)[:, None])[None], faces


def test_a_ball_throws_its_shadow_where_the_lamp_s_ray_ends():
    """On the side away from the lamp, as wide as the ball, darker in its middle than its half-shadow."""
    points, faces = ball((0.0, 0.0, 400.0), 30.0)
    toward = torch.tensor([[0.6, 0.0, -0.8]])
    light = lamps(key=toward)
    shadows = Shadows(
        light, torch.tensor([[0.0, 0.0, 400.0]]), points, faces, torch.ones(points.shape[2], dtype=torch.bool), side=64
    )
    x = torch.linspace(-200, 200, 401)
    plane = torch.stack([x, torch.zeros(401), torch.full((401,), 500.0)])[:, None]  # 100 mm behind the ball's middle
    lit, sky = (v[0] for v in shadows.cast(torch.tensor([0]), plane, torch.tensor([0.02])))
    foot = -100 * 0.6 / 0.8
    dark = x[lit < 0.5]
    assert dark.mean().item() == pytest.approx(foot, abs=4.0)
    assert (dark.max() - dark.min()).item() == pytest.approx(2 * 30 / 0.8, rel=0.15)
    assert lit[(x - foot).abs() < 10].max() < 0.1 and lit[x > 40].min() > 0.95
    wide = shadows.cast(torch.tensor([0]), plane, torch.tensor([0.6]))[0][0]
    half = [((v > 0.1) & (v < 0.9)).sum() for v in (lit, wide)]
    assert half[1] > 1.8 * half[0]
    assert sky.min() >= 0.3 and sky[(x - foot).abs() < 3].max() < sky[x > 120].min()


def test_shadows_on_the_hand_run_smoothly():
    """Along a straight edge of shade the light changes monotonically and without steps of a texel."""
    points = torch.tensor([[[-100.0, 0.0, -100.0, 0.0], [-100.0, -100.0, 100.0, 100.0], [300.0] * 4]])
    faces = torch.tensor([[0, 2, 1], [1, 2, 3]])  # a sheet that faces the camera and ends at x = 0
    light = lamps()
    own = torch.ones(4, dtype=torch.bool)
    shadows = Shadows(light, torch.tensor([[0.0, 0.0, 300.0]]), points, faces, own, side=40)
    x = torch.linspace(-20, 20, 400)
    place = torch.stack([x, torch.full((400,), 7.0), torch.full((400,), 340.0)])
    normal = torch.tensor([[0.0], [0.0], [-1.0]]).expand(3, 400)
    lit = shadows.lit(torch.zeros(400, dtype=torch.long), place, normal, bias=2.0, softness=4.0)
    assert lit[x < -12].max() < 1e-3 and lit[x > 12].min() > 1 - 1e-3
    assert (lit.diff() > -1e-6).all() and lit.diff().max() < 0.02


# Surroundings


def painted(scene: SceneConfig, *, count: int = 24, size: int = 48, change=lambda light: light):
    """Backgrounds (B, 3, S, S), their depth (B, S, S) and rooms, of scenes with a ball in the hand's place."""
    scenes = sample_scenes(3, "training", range(count), scene)
    light = change(scenes.lamps)
    points, faces = ball((0.0, 0.0, 0.0), 60.0)
    points = points + scenes.place[..., None]
    shadows = Shadows(light, scenes.place, points, faces, torch.ones(points.shape[2], dtype=torch.bool), side=40)
    K = torch.tensor([[90.0, 0.0, size / 2], [0.0, 90.0, size / 2], [0.0, 0.0, 1.0]]).expand(count, 3, 3)
    reach = (scenes.room.rotation[..., None] * points[:, None]).sum(2).amax(2)
    image, depth = paint(scenes.room, light, shadows, K=K, place=scenes.place, reach=reach, size=size)
    return image, depth, scenes


INDOORS = replace(WIDE, outdoors=0.0, limbs=0.0)


def test_backgrounds_are_lit_by_the_hand_s_lamps():
    """A redder lamp makes the red of the background brighter and leaves the blue; without light there is none."""
    plain = painted(INDOORS)[0]
    redder = painted(INDOORS, change=lambda lit: replace(lit, key_color=lit.key_color * torch.tensor([1.5, 1.0, 1.0])))[
        0
    ]
    assert torch.equal(plain[:, 2], redder[:, 2])
    gain = redder[:, 0].mean((1, 2)) / plain[:, 0].mean((1, 2))
    assert (gain >= 1).all() and (gain < 1.5).all() and (gain > 1.05).float().mean() > 0.8
    dark = replace(INDOORS, surface=1.0)  # no window is near
    out = painted(
        dark,
        change=lambda lit: replace(
            lit, **{name: torch.zeros_like(lit.sky) for name in ("key_color", "fill_color", "sky", "ground")}
        ),
    )[0]
    assert out.abs().max() == 0


def test_no_background_is_brighter_than_its_light_allows():
    """Albedo stays below one, the lamp's nearness at most doubles it."""
    image, _, scenes = painted(replace(INDOORS, surface=1.0))
    light = scenes.lamps
    most = 2 * light.key_color + light.fill_color + torch.maximum(light.sky, light.ground)
    assert (image.amax((2, 3)) <= 1.5 * most).all() and (image >= 0).all()


def test_tables_and_walls_are_behind_the_hand_and_near_it():
    _, depth, scenes = painted(replace(INDOORS, surface=1.0, shapes=(0, 0)))
    kind, place, gap = scenes.room.kind, scenes.place, scenes.room.gap
    assert set(kind.tolist()) == {TABLE, WALL}
    u, v = (torch.round(90 * place[:, i] / place[:, 2] + 24).long().clamp(0, 47) for i in range(2))
    behind = depth[torch.arange(len(depth)), v, u] - place[:, 2]
    # The ball's middle is 60 mm + gap from the plane along its normal, and further along an oblique line of sight.
    assert (behind > 55).all()
    walls = kind == WALL
    assert (behind[walls] < 2 * (60 + gap[walls]) + 60).all()
    rooms = painted(replace(INDOORS, surface=0.0, shapes=(0, 0)))
    assert (rooms[2].room.kind == FAR).all() and rooms[1].median() > 900


def test_surfaces_are_flat():
    """On an empty wall, all points that one face is hit at lie in one plane."""
    _, depth, scenes = painted(replace(INDOORS, surface=1.0, shapes=(0, 0)), count=12)
    for i in torch.nonzero(scenes.room.kind == WALL)[:, 0].tolist():
        grid = (torch.arange(48.0) - 24) / 90
        v, u = torch.meshgrid(grid, grid, indexing="ij")
        ray = torch.stack([u, v, torch.ones_like(u)])
        ahead = (scenes.room.rotation[i, 2][:, None, None] * ray).sum(0) * depth[i]
        on_wall = ahead > ahead.max() - 1.0
        assert on_wall.float().mean() > 0.4


def test_splits_and_pictures_have_rooms_of_their_own():
    rooms = [sample_scenes(0, split, range(150), WIDE).room for split in ("training", "evaluation")]
    walls = [{tuple(row) for row in room.material[:, 2, :6].tolist()} for room in rooms]
    assert len(walls[0]) == len(walls[1]) == 150 and not walls[0] & walls[1]


# Sleeves and objects


def test_sleeves_begin_at_the_cuff_and_nobody_wears_an_infinite_one():
    cloth = sample_scenes(0, "training", range(60), replace(WIDE, sleeve=1.0)).cloth
    assert torch.isfinite(cloth.cuff).all() and (cloth.cuff > 20).all()
    bare = sample_scenes(0, "training", range(60), replace(WIDE, sleeve=0.0)).cloth
    up_arm = torch.linspace(0, 200, 60)
    place = torch.stack([torch.zeros(60), -up_arm, torch.full((60,), 15.0)])
    image, footprint = torch.arange(60), torch.full((60,), 1.0)
    sleeved, albedo, slope = cloth_at(cloth, image, place, footprint)
    assert torch.equal(sleeved, up_arm > cloth.cuff)
    assert ((albedo > 0) & (albedo < 1.2)).all() and torch.isfinite(slope).all()
    assert not cloth_at(bare, image, place, footprint)[0].any()


def test_held_objects_touch_the_hand_and_do_not_enter_its_bones():
    scenes = sample_scenes(2, "training", range(40), replace(WIDE, occluder=1.0))
    things = replace(
        scenes.things, held=torch.ones(40, dtype=torch.bool), shape=torch.ones(40, 2), size=torch.ones(40, 3)
    )
    hands = sample_hands(2, "training", range(40))
    joints, _ = forward_kinematics(hands.shape, hands.pose)
    still = torch.eye(3).expand(40, 3, 3)
    vertices, normals, _ = objects_of(things, torch.arange(40), joints, still, torch.full((40,), 180.0))
    bones = torch.cat([joints[:, 1:], 0.5 * (joints[:, 1:] + joints[:, :-1])], 1)
    middle = 0.5 * (vertices[:, -2] + vertices[:, -1])  # of the poles
    radius = (vertices - middle[:, None]).norm(dim=2)
    assert torch.allclose(radius, radius[:, :1].expand_as(radius), rtol=1e-3)
    gap = (middle[:, None] - bones).norm(dim=2).amin(1) - radius[:, 0]
    assert (gap > 5).all()  # outside the bones, whose flesh is about 8 mm thick
    assert (gap < 11).float().mean() > 0.9
    assert torch.allclose(normals.norm(dim=2), torch.ones_like(radius), atol=1e-4)


# Lens


def test_blurs_keep_even_pictures_and_total_light():
    even = torch.full((2, 3, 32, 32), 0.37)
    for blurred in (
        defocus(even, torch.tensor([0.0, 4.0])[:, None, None]),
        motion_blur(even, torch.tensor([[0.05, 0.0], [0.0, 0.1]])),
    ):
        assert torch.allclose(blurred, even, atol=1e-6)


@pytest.mark.parametrize("width", [0.7, 1.0, 1.5, 2.5, 4.0])
def test_defocus_is_as_wide_as_asked(width):
    point = torch.zeros(1, 3, 64, 64)
    point[:, :, 31:33, 31:33] = 0.25  # symmetric about the middle of the picture
    spread = defocus(point, torch.full((1, 1, 1), width))[0, 0].double()
    place = torch.arange(64).double() - 31.5
    assert spread.sum().item() == pytest.approx(1.0, abs=1e-4)
    deviation = ((spread.sum(0) * place**2).sum() - 0.25).sqrt().item()
    assert deviation == pytest.approx(width, rel=0.25)


def test_what_is_in_focus_stays_sharp_and_what_is_far_does_not():
    lens = sample_scenes(0, "training", range(4), WIDE).lens
    stripes = (torch.arange(64) % 8 < 4).float().expand(4, 3, 64, 64).contiguous()
    sharp = replace(lens, softness=torch.tensor([0.0, 0.0, 0.02, 0.02]))
    out = soften(stripes, sharp)
    assert torch.equal(out[:2], stripes[:2])
    assert (out[2:].std() < 0.9 * stripes[2:].std()).all()


def test_jpeg_is_a_jpeg_file():
    """Losses are those of Pillow's files, grow as the quality falls, and vanish on even grey."""
    images = render(
        seed=0, split="training", indices=range(3), size=40, scene=replace(WIDE, quality=(100.0, 100.0))
    ).images
    stored = [jpeg(images, torch.full((3,), q)) for q in (100.0, 75.0, 20.0)]
    file = io.BytesIO()
    Image.fromarray(images[1].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=75)
    file.seek(0)
    assert np.array_equal(np.asarray(Image.open(file)), stored[1][1].permute(1, 2, 0).numpy())
    errors = [(s.float() - images.float()).abs().mean().item() for s in stored]
    assert errors[0] < errors[1] < errors[2] < 25
    grey = torch.full((1, 3, 40, 40), 128, dtype=torch.uint8)
    assert torch.equal(jpeg(grey, torch.tensor([50.0])), grey)


def test_more_light_never_makes_a_darker_picture():
    lens = replace(
        sample_scenes(0, "training", range(1), WIDE).lens, noise=torch.zeros(1), quality=torch.full((1,), 100.0)
    )
    values = [
        develop(torch.full((1, 3, 32, 32), float(v)), lens).float().mean().item() for v in torch.linspace(0, 3, 12)
    ]
    assert values[0] < 4 and values[-1] > 240 and values == sorted(values)


# Configurations


def test_the_held_back_look_is_another_one():
    """Of another kind, not only another draw: open air, harder light, poorer files; and it renders."""
    for look in (EASY, WIDE):
        assert look.outdoors == 0 and OTHER_LOOK.outdoors == 1
        assert OTHER_LOOK.light[0] > look.light[1] and OTHER_LOOK.quality[1] < look.quality[0]
    samples = render(seed=0, split="evaluation", indices=range(6), size=48, scene=OTHER_LOOK)
    same = render(
        seed=0, split="evaluation", indices=range(6), size=48, scene=replace(WIDE, surface=0.0, shapes=(3, 6))
    )
    assert torch.equal(samples.uv, same.uv)
    assert (samples.images.float() - same.images.float()).abs().mean() > 20


@pytest.mark.parametrize(
    "change",
    [
        {"surface": 1.2}, {"outdoors": -0.1}, {"limbs": 2.0}, {"light": (2.0, 1.0)}, {"aperture": (0.0, 0.5)},
        {"softness": (0.0, 0.1)}, {"warmth": 0.9}, {"quality": (0.0, 50.0)}, {"quality": (50.0, 120.0)},
    ],
)  # fmt: skip
def test_looks_out_of_range_are_refused(change):
    with pytest.raises(HandLibError, match=next(iter(change))):
        SceneConfig(**change)
