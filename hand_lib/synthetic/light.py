"""Lamps, the shadow of the hand, and how skin and things answer to light."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import rotate
from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.pixels import dot, spread
from hand_lib.synthetic.renderer import rasterise_depth, soft_shadow

_LIFT = 1000.0  # mm added to heights in shadow maps, so that all are positive
_REFLECTANCE = 0.028  # of skin's surface, looked at straight


@dataclass(frozen=True, kw_only=True)
class Lamps:
    """The light of B pictures; colours are linear RGB, vectors in the camera's frame.

    Attributes:
        key: ``(B, 3)`` unit vector from the hand towards the main light; key_color ``(B, 3)``.
        reach: ``(B,)`` mm from the hand to the main light: what lies nearer to it is brighter.
        size: ``(B,)`` the main light's width over its distance: how fast shadows grow soft.
        fill_dir: ``(B, 3)`` unit vector towards the second light; fill_color ``(B, 3)``.
        up: ``(B, 3)`` unit vector away from the ground. sky, ground: ``(B, 3)`` ambient light from above and below.
        exposure: ``(B,)`` brightness that the hand is exposed to.
    """

    key: Tensor
    key_color: Tensor
    reach: Tensor
    size: Tensor
    fill_dir: Tensor
    fill_color: Tensor
    up: Tensor
    sky: Tensor
    ground: Tensor
    exposure: Tensor


def sample_lamps(
    draws: Draws,
    *,
    strength: tuple[float, float],
    ambient: tuple[float, float],
    warmth: float,
    up: Tensor,
    surface: Tensor,
) -> Lamps:
    """Draw lamps: the main one from above and from the camera's side, a second one opposite, the room's own light.

    Args:
        draws: B rows of random numbers.
        strength: range of the main light. ambient: of the room's. warmth: spread of their colours.
        up: ``(B, 3)`` away from the ground.
        surface: ``(B, 3)`` normal of the surface that the hand is seen against, which the main light must reach.
    """
    key = torch.stack([draws.uniform(-1.0, 1.0), draws.uniform(-1.2, 0.25), draws.uniform(-1.2, -0.35)], 1)
    key = key / key.norm(dim=1, keepdim=True)
    grazing = 0.35 - (key * surface).sum(1, keepdim=True)
    key = key + grazing.clamp(min=0) * surface
    key = key / key.norm(dim=1, keepdim=True)
    warm = warmth * draws.normal(2)

    def tinted(power: Tensor, warmth: Tensor) -> Tensor:
        return power[:, None] * torch.stack([1 + warmth, torch.ones_like(warmth), 1 - warmth], 1).clamp(0.2)

    key_color = tinted(draws.uniform(*strength), warm[:, 0])
    fill_dir = torch.stack([-key[:, 0], draws.uniform(-0.6, 0.4), -draws.uniform(0.3, 1.0)], 1)
    fill_dir = fill_dir / fill_dir.norm(dim=1, keepdim=True)
    fill_color = tinted(draws.uniform(0.1, 0.45), -warm[:, 0])
    around = draws.uniform(*ambient)
    return Lamps(
        key=key,
        key_color=key_color,
        reach=500.0 * 6.0 ** draws.unit(1)[:, 0],
        size=0.04 * 10.0 ** draws.unit(1)[:, 0],
        fill_dir=fill_dir,
        fill_color=fill_color,
        up=up,
        sky=tinted(around, warm[:, 1] - 0.03),
        ground=tinted(around * draws.uniform(0.35, 0.8), warm[:, 1] + 0.08),
        exposure=draws.uniform(0.75, 1.3),
    )


class Shadows:
    """What the main light sees of B hands: a map of heights towards it.

    Args:
        lamps: of B pictures. middle: ``(B, 3)`` the hands' middles, camera frame, mm.
        points: ``(B, 3, V)`` vertices in the camera's frame; own ``(V,)`` bool: those that the map must hold.
        faces: ``(T, 3)``.
        side: texels along the map's side.
    """

    def __init__(self, lamps: Lamps, middle: Tensor, points: Tensor, faces: Tensor, own: Tensor, *, side: int) -> None:
        batch, toward = len(points), lamps.key
        helper = torch.tensor([[0.0, 1.0, 0.0]], device=toward.device).expand(batch, 3)
        across = torch.linalg.cross(helper, toward)
        across = across / across.norm(dim=1, keepdim=True).clamp(min=1e-6)
        down = torch.linalg.cross(-toward, across)
        self.basis = torch.stack([across, down, toward], 1)  # (B, 3, 3): x, y, and −z of the light's own camera
        self.middle = middle
        light = rotate(self.basis, points - middle[..., None])
        self.low, high = light[:, :2, own].amin(2) - 12.0, light[:, :2, own].amax(2) + 12.0
        self.texel = side / (high - self.low).amax(1)  # texels a mm
        self.map = torch.zeros(batch, side, side, device=toward.device)
        self._draw(light, torch.arange(batch, device=toward.device), faces)
        # The camera's frame and the light's differ by a rotation: one affine map to texels and height a picture.
        matrix = torch.cat([self.basis[:, :2] * self.texel[:, None, None], self.basis[:, 2:]], 1)
        shift = -(matrix @ middle[..., None])[..., 0]
        shift = shift + torch.cat([-self.low * self.texel[:, None], torch.full_like(self.texel[:, None], _LIFT)], 1)
        self._affine = torch.cat([matrix.flatten(1), shift], 1)  # (B, 12)

    def _draw(self, light: Tensor, rows: Tensor, faces: Tensor) -> None:
        xy = (light[:, :2] - self.low[rows][..., None]) * self.texel[rows, None, None]
        rasterise_depth(self.map, xy, light[:, 2] + _LIFT, faces, rows)

    def add(self, points: Tensor, rows: Tensor, faces: Tensor) -> None:
        """Draw further things ``(N, 3, V)`` into the maps of pictures ``rows``."""
        self._draw(rotate(self.basis[rows], points - self.middle[rows][..., None]), rows, faces)

    def lit(self, image: Tensor, place: Tensor, normal: Tensor, *, bias: float, softness: float) -> Tensor:
        """Light that reaches P points of the hand, ``(P,)`` in [0, 1].

        Args:
            image: ``(P,)`` the picture of each. place: ``(3, P)``. normal: ``(3, P)`` unit.
            bias: mm along the normal that a point is moved before it looks, so that skin does not shade itself.
            softness: mm over which a thing above it goes from no shade to full shade.
        """
        to = spread(self._affine, image)
        place = place + bias * normal
        u, v, height = (
            to[3 * i] * place[0] + to[3 * i + 1] * place[1] + to[3 * i + 2] * place[2] + to[9 + i] for i in range(3)
        )
        return soft_shadow(self.map, image, u, v, height, bias=0.3 * bias, softness=softness)

    def cast(self, rows: Tensor, place: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """Light that reaches points that lie behind the hand, as seen from the lamp.

        Args:
            rows: ``(N,)`` pictures. place: ``(3, N, P)`` points, camera frame.
            size: ``(N,)`` the lamp's width over its distance: the half-shadow of a thing h mm above is h·size wide.

        Returns:
            ``(N, P)`` in [0, 1], 1 is lit by the lamp, and ``(N, P)`` how much of the sky is open, less close below the
            hand. Beyond the map's border, what stands at the border goes on: the arm does.
        """
        side = self.map.shape[-1]
        height = self.map[rows]
        level = torch.stack([(height > 0).to(height.dtype), height], 1)  # covered, height where covered
        levels = []
        for step in (1, 2, 4, 8):  # each blur is about as wide as all before it
            wide = torch.nn.functional.pad(level, (step,) * 4, mode="replicate")
            wide = wide[:, :, : -2 * step] + 2.0 * wide[:, :, step:-step] + wide[:, :, 2 * step :]
            level = (wide[..., : -2 * step] + 2.0 * wide[..., step:-step] + wide[..., 2 * step :]) * (1 / 16)
            levels.append(level)
        stack = torch.cat([level[:, :1] for level in levels] + [levels[-1][:, 1:]], 1)  # (N, 5, S, S)
        to = self._affine[rows].t()[..., None]  # (12, N, 1)
        u, v, height = (
            to[3 * i] * place[0] + to[3 * i + 1] * place[1] + to[3 * i + 2] * place[2] + to[9 + i] for i in range(3)
        )
        grid = torch.stack([u * (2.0 / side) + (1.0 / side - 1.0), v * (2.0 / side) + (1.0 / side - 1.0)], -1)
        # One row of P points: it is along rows that a CPU takes many at once.
        seen = torch.nn.functional.grid_sample(stack, grid[:, None], padding_mode="border", align_corners=False)
        seen = seen[:, :, 0].unbind(1)
        above = (seen[4] / seen[3].clamp(min=1e-3) - height).clamp(min=0)
        # The blurs' standard deviations are 0.7, 1.6, 3.2 and 6.5 texels.
        level = torch.log2((above * (0.5 * size * self.texel[rows])[:, None]).clamp(min=0.7) * (1 / 0.7)).clamp_(max=3)
        shade = sum(seen[i] * (1.0 - (level - i).abs()).clamp(min=0) for i in range(4))
        return 1.0 - shade, 1.0 - 0.6 * seen[3] / (1.0 + above * (1 / 40.0))


def radiance_of(
    lamps: Lamps, image: Tensor, place: Tensor, normal: Tensor, albedo: Tensor, gloss: Tensor,
    flesh: Tensor, shade: Tensor, lit: Tensor,
) -> Tensor:  # fmt: skip
    """Linear RGB (3, P) that leaves P points towards the camera.

    Args:
        image: ``(P,)`` the picture of each. place, normal, albedo: ``(3, P)``.
        gloss: ``(P,)`` 0 matt; 1 skin: a Blinn–Phong lobe as wide as roughness 0.5 makes it, with skin's reflectance;
            2 and more nails and polish, whose lobe is narrower and stronger.
        flesh: ``(P,)`` how far light bleeds through, 1 in pale flesh. shade: ``(P,)`` 1 in closed crevices.
        lit: ``(P,)`` 1 where the main light is seen.
    """
    table = [lamps.key, lamps.key_color, lamps.fill_dir, lamps.fill_color, lamps.up, lamps.sky, lamps.ground]
    key, key_color, fill_dir, fill_color, up, sky, ground = spread(torch.cat(table, 1), image).split(3)
    view = place * -(dot(place, place).rsqrt())
    facing = dot(normal, key)
    half = key + view
    sharp = (dot(normal, half) * dot(half, half).rsqrt()).clamp_(min=0)
    # Lobes with the exponents 2/roughness⁴ − 2, here 32 and 16 blended by gloss, each of unit energy: (n + 8) / 8.
    sharp16 = sharp.square().square().square().square()
    narrow = (0.5 * gloss).clamp(max=1.0)
    lobe = 3.0 * sharp16 + narrow * (5.0 * sharp16.square() - 3.0 * sharp16)
    shine = (gloss * _REFLECTANCE) * lobe * (lit * facing.clamp(min=0))
    away = 1 - dot(normal, view).clamp(0, 1)
    fresnel = away.square().square() * away
    open_ = 1.0 - shade
    glance = gloss.clamp(max=1.5) * (_REFLECTANCE + 0.14 * fresnel) * open_
    fill = dot(normal, fill_dir).clamp(min=0)
    upward = 0.5 + 0.5 * dot(normal, up)
    # Shaded flesh is lit by flesh, and light bleeds through it past the terminator, red farthest: a wrapped cosine
    # with one wrap a colour, and shadows and crevices that turn redder, not only darker.
    soft_lit, soft_open = lit.sqrt(), open_.sqrt()
    direct = 0.55 + 0.45 * open_
    channels = []
    for c, (wrap, bleed) in enumerate(((0.30, 0.9), (0.14, 0.42), (0.10, 0.3))):
        wrap, bleed = wrap * flesh, bleed * flesh
        diffuse = ((facing + wrap) / (1 + wrap)).clamp_(min=0) * (lit + bleed * 0.7 * (soft_lit - lit)) * direct
        ambient = ground[c] + upward * (sky[c] - ground[c])
        light = (
            key_color[c] * diffuse
            + fill_color[c] * (fill * open_)
            + ambient * (open_ + 0.5 * bleed * (soft_open - open_))
        )
        channels.append(albedo[c] * light + shine * key_color[c] + glance * ambient)
    return torch.stack(channels)
