"""Lamps and how surfaces answer to them."""

from __future__ import annotations

import torch
from torch import Tensor

from hand_lib.synthetic.pixels import spread
from hand_lib.synthetic.scene import SceneParameters


def radiance_of(
    scene: SceneParameters, image: Tensor, place: Tensor, normal: Tensor, albedo: Tensor, gloss: Tensor,
    flesh: Tensor, shade: Tensor, lit: Tensor,
) -> Tensor:  # fmt: skip
    """Linear RGB (3, P) that leaves P points towards the camera; vectors and colours are (3, P)."""
    lamps = torch.cat([scene.key, scene.key_color, scene.fill_dir, scene.fill_color, scene.sky, scene.ground], 1)
    key, key_color, fill_dir, fill_color, sky, ground = spread(lamps, image).split(3)

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
