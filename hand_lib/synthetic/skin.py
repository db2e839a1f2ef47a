"""The look of skin: people's tones, and the colour of a point of a hand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import RADII, SEGMENTS
from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.pixels import soft_step, spread, to_linear
from hand_lib.synthetic.surface import PALM_PART, HandSurface


@dataclass(frozen=True, kw_only=True)
class Skin:
    """Colours of B people's hands, linear RGB.

    Attributes:
        back: ``(B, 3)`` albedo of the back of the hand; palm ``(B, 3)`` of the palm; nail ``(B, 3)`` of the nails.
        tone: ``(B,)`` 0 the lightest human skin, 1 the darkest.
        mottle: ``(B, 4)`` weights of the four fields of the skin's grain.
        gloss: ``(B,)`` strength of the highlights; nail_gloss ``(B,)`` of the nails'.
    """

    back: Tensor
    palm: Tensor
    nail: Tensor
    tone: Tensor
    mottle: Tensor
    gloss: Tensor
    nail_gloss: Tensor


# sRGB of bare skin from the lightest to the darkest, roughly even steps of the individual typology angle.
_TONES = torch.tensor(
    [
        [0.955, 0.775, 0.680],
        [0.925, 0.720, 0.605],
        [0.865, 0.645, 0.515],
        [0.765, 0.545, 0.410],
        [0.640, 0.445, 0.320],
        [0.490, 0.325, 0.230],
        [0.360, 0.235, 0.170],
        [0.265, 0.175, 0.135],
    ]
)


def sample_skins(draws: Draws) -> Skin:
    batch = len(draws)
    tone = draws.unit(1)[:, 0]
    position = tone * (len(_TONES) - 1)
    low = position.floor().long().clamp(max=len(_TONES) - 2)
    f = (position - low)[:, None]
    colour = _TONES[low] * (1 - f) + _TONES[low + 1] * f
    jitter = draws.normal(3)
    colour = colour * (1.0 + 0.035 * jitter[:, :1]) + torch.stack(
        [0.012 * jitter[:, 1], -0.012 * jitter[:, 1], 0.02 * jitter[:, 2]], 1
    )
    colour = colour.clamp(0.08, 0.98)
    # Palms have little pigment: the darker the skin, the larger the difference; and they are redder.
    pale = torch.tensor([0.84, 0.62, 0.52])
    share = (0.10 + 0.38 * tone)[:, None]
    palm = (1 - share) * colour + share * pale * (0.6 + 0.4 * (1 - tone[:, None]))
    palm = palm * torch.tensor([1.02, 0.965, 0.955])
    nail = 0.55 * palm + 0.45 * torch.tensor([0.90, 0.72, 0.67]) * (1 - 0.3 * tone[:, None])
    varnished = draws.chance(0.10)[:, None]
    varnish = torch.tensor([0.75, 0.08, 0.15]) * (0.4 + 0.6 * draws.unit(3)) + 0.35 * draws.unit(3)
    nail = torch.where(varnished, varnish.clamp(0, 1), nail)
    mottle = torch.tensor([0.03, 0.03, 0.035, 0.035]) * draws.normal(4)
    return Skin(
        back=to_linear(colour),
        palm=to_linear(palm),
        nail=to_linear(nail),
        tone=tone,
        mottle=mottle,
        gloss=0.5 + 0.9 * draws.unit(1)[:, 0] ** 2,
        nail_gloss=torch.where(varnished[:, 0], 3.0, 1.6) * torch.ones(batch),
    )


def skin_colour(surface: HandSurface, skin: Skin, owner: Tensor, part: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
    """Albedo (3, P) and gloss (P,) of skin and nails at P points.

    Args:
        owner: (P,) row of ``skin``. part: (P,). detail: (8, P) resting place, palmar, grain, interpolated.
    """
    device = detail.device
    px, py, pz = detail[0], detail[1], detail[2]
    palmar = soft_step(detail[3], 0.5, 0.55)
    # Per part: its resting frame, the length of its bone and the thickness of its end.
    bone = torch.cat([SEGMENTS.flip(1).flatten(), torch.tensor([60.0, 60.0])]).to(device)
    width = torch.cat([RADII[:, 1:].flip(1).flatten(), torch.tensor([40.0, 40.0])]).to(device)
    turn = surface.part_rotation.transpose(1, 2)
    table = torch.cat(
        [turn.flatten(1), -(turn @ surface.part_origin[..., None])[..., 0], bone[:, None], width[:, None]], 1
    )
    t = spread(table, part)
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
    people = spread(people, owner)
    back, palm, plate, tone, mottle, gloss, nail_gloss = people.split([3, 3, 3, 1, 4, 1, 1])
    tone, gloss, nail_gloss = tone[0], gloss[0], nail_gloss[0]

    # Mottling, more blood at finger tips and knuckles, darker knuckles.
    patch = sum(field * weight for field, weight in zip(detail[4:], mottle, strict=True))
    near_joint = torch.exp(-((y / 6.5) ** 2)) * finger
    tip = soft_step(y, bone * 0.7, 9.0) * end
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
    on_back = soft_step(-z, 0.17 * width, 0.2 * width) * end
    nail = soft_step(inside, 0.0, 0.16) * on_back
    darker = darker * (1 - 0.28 * torch.exp(-((inside / 0.12) ** 2)) * on_back)
    white = 0.35 * soft_step(nail_y, 0.74, 0.12)
    plate = plate + white * (plate.amax(0) * 1.15 - plate)

    blush = torch.tensor([0.8, -0.9, -0.7], device=device)[:, None]
    albedo = (back + palmar * (palm - back)) * (darker * (1.0 + 0.5 * patch)) * (1.0 + warmth * blush)
    albedo = albedo + nail * (plate - albedo)
    gloss = gloss + nail * (nail_gloss - gloss)
    return albedo.clamp_(0.004, 0.95), gloss
