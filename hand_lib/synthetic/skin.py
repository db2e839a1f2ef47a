"""The look of skin: people's tones, and the colour, gloss and relief of a point of a hand.

Colour follows two pigments. Melanin in the thin outer layer and blood below it take their shares of the light, in each
colour by a power of their amount (Beer and Lambert). The more is absorbed, the shorter the paths of the light that
comes back, so melanin's exponents bend. They are fitted to colours of bare skin from very light to very dark, L*a*b*
(72, 6.5, 11.5) by (52, 12.5, 19) to (24, 9, 9.5): an individual typology angle from 62 to below −60 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import BASES, RADII, SEGMENTS
from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.pixels import FINE, FINE_DU, FINE_DV, SMOOTH, sheet_at, soft_step, spread, texel
from hand_lib.synthetic.surface import PALM_PART, HandSurface

# Natural logarithm of the reflectance of red, green and blue: pale skin, then per unit of melanin's optical depth in
# green, then per its square; and per unit of blood's.
_PALE = torch.tensor([-0.576, -0.888, -1.086])
_MELANIN = torch.tensor([-0.511, -1.0, -1.457])
_MELANIN_SQUARED = torch.tensor([-0.132, 0.0, 0.162])
_BLOOD = torch.tensor([-0.22, -1.0, -0.75])
DARKEST = 2.4  # optical depth of the darkest skin's melanin


@dataclass(frozen=True, kw_only=True)
class Skin:
    """Colours and relief of B people's hands; colours are linear RGB.

    Attributes:
        back: ``(B, 3)`` albedo of the back of the hand; palm ``(B, 3)`` of the palm; nail ``(B, 3)`` of the nails.
        tone: ``(B,)`` 0 the lightest human skin, 1 the darkest.
        mottle: ``(B, 4)`` weights of the four fields of the skin's grain.
        gloss: ``(B,)`` strength of the highlights, 1 for dry skin; nail_gloss ``(B,)`` of the nails'.
        tendons: ``(B,)`` mm, how high the tendons stand on the back. veins: ``(B,)`` how clearly veins show, 0 to 1.
        place: ``(B,)`` where on the sheet of noise this person's skin lies.
    """

    back: Tensor
    palm: Tensor
    nail: Tensor
    tone: Tensor
    mottle: Tensor
    gloss: Tensor
    nail_gloss: Tensor
    tendons: Tensor
    veins: Tensor
    place: Tensor


def reflectance(melanin: Tensor, blood: Tensor) -> Tensor:
    """Albedo ``(..., 3)`` of skin, linear RGB.

    Args:
        melanin: optical depth in green light, 0 for the palest skin to :data:`DARKEST`.
        blood: optical depth in green beyond that of the mean, about ± 0.2.
    """
    m, b = melanin[..., None], blood[..., None]
    pale, once, twice, of_blood = (t.to(m.device) for t in (_PALE, _MELANIN, _MELANIN_SQUARED, _BLOOD))
    logarithm = pale + m * once + m * m * twice + b * of_blood
    return torch.exp(logarithm.double()).float().clamp(0.01, 0.9)


def sample_skins(draws: Draws) -> Skin:
    """Draw people's skins; tones are even in melanin's optical depth, which is nearly even to the eye."""
    tone = draws.unit(1)[:, 0]
    jitter = draws.normal(3)
    melanin = DARKEST * tone
    blood = 0.10 * jitter[:, 0]
    back = reflectance(melanin, blood) * (1.0 + 0.03 * jitter[:, 1:2])
    # Palms have little pigment, and thick skin with more blood to be seen.
    palm = reflectance(0.30 * melanin + 0.08 * melanin**2, blood + 0.10 + 0.03 * jitter[:, 2])
    # The nail's bed has blood and little pigment; under the plate it is duller than the palm.
    nail = 0.86 * reflectance(0.05 + 0.28 * melanin + 0.08 * melanin**2, blood + 0.45)
    varnished = draws.chance(0.08)[:, None]
    hue = draws.unit(3)
    varnish = torch.tensor([0.50, 0.05, 0.09]) * (0.2 + 0.8 * hue[:, :1]) + 0.12 * hue
    mottle = torch.tensor([0.03, 0.03, 0.035, 0.035]) * draws.normal(4)
    gloss = draws.unit(1)[:, 0]
    relief = draws.unit(2)
    return Skin(
        back=back,
        palm=palm,
        nail=torch.where(varnished, varnish, nail),
        tone=tone,
        mottle=mottle,
        gloss=0.3 + 0.6 * gloss,
        nail_gloss=torch.where(varnished[:, 0], 3.0, 1.7),
        tendons=0.15 + 1.1 * relief[:, 0] ** 2,
        veins=relief[:, 1] ** 1.5,
        place=1000.0 * (relief[:, 0] + relief[:, 1]),
    )


def skin_at(
    surface: HandSurface, skin: Skin, owner: Tensor, part: Tensor, detail: Tensor, footprint: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Albedo, gloss, slope and pallor of skin and nails at P points.

    Args:
        owner: ``(P,)`` row of ``skin``. part: ``(P,)``. detail: ``(8, P)`` resting place, palmar, grain, interpolated.
        footprint: ``(P,)`` mm of skin that a pixel covers: finer relief is left out, as a pixel would average it.

    Returns:
        albedo ``(3, P)`` linear RGB, gloss ``(P,)``, the relief's slope ``(3, P)`` in the frame of the point's part
        (y along the bone, mm a mm), and how far light bleeds through the skin ``(P,)``.
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
    in_palm = part == PALM_PART
    scalars = [skin.tone, skin.gloss, skin.nail_gloss, skin.tendons, skin.veins, skin.place]
    people = spread(torch.cat([skin.back, skin.palm, skin.nail, skin.mottle, torch.stack(scalars, 1)], 1), owner)
    back, palm, plate, mottle, (tone, gloss, nail_gloss, tendons, veins, place) = people.split([3, 3, 3, 4, 6])
    dorsal = 1 - palmar

    # Pores and grain.
    number = texel((px + 0.7 * pz) * 4.0 + place, py * 4.0 + 3.0 * place)
    grain_shown = _resolved(3.0, footprint)
    grain = sheet_at(FINE, number) * grain_shown
    slope_x = 0.045 * grain_shown * sheet_at(FINE_DU, number)
    slope_y = 0.045 * grain_shown * sheet_at(FINE_DV, number)

    # Mottling; more blood at finger tips, knuckles and the ball of the thumb; darker knuckles.
    patch = sum(field * weight for field, weight in zip(detail[4:], mottle, strict=True))
    near_joint = torch.exp(-((y / 6.5) ** 2)) * finger
    tip = soft_step(y, bone * 0.7, 9.0) * end
    waves = sheet_at(SMOOTH, texel((px + pz) * 1.6 + place, py * 1.3 - place))
    pale_skin = 1 - 0.6 * tone
    warmth = patch + pale_skin * (0.10 * tip + 0.07 * near_joint + 0.022 * waves * (0.4 + palmar)) + 0.02 * grain
    darker = 1.0 - (0.08 + 0.16 * tone) * near_joint * dorsal

    # Creases: across the palmar side of the finger joints, wrinkles on the back of them, three lines in the palm.
    crease = y - torch.where(segment == 2, 0.45 * bone, 0.0)
    other = y - bone
    crease = torch.where((segment == 0) | (crease.abs() < other.abs()), crease, other)
    wrinkled = torch.where(segment == 1, y, torch.where(segment == 2, y - bone, y * 1.6)) + 0.25 * waves
    fold = _resolved(2.4, footprint) * torch.exp(-((wrinkled / 4.2) ** 2)) * dorsal * finger
    wrinkle = fold * torch.cos(wrinkled * 2.6).clamp(min=0) ** 2
    wide = 0.75 + 0.25 * footprint
    valley = torch.exp(-((crease / wide) ** 2)) * palmar * finger * (0.75 / wide)
    slope_y = slope_y + 0.9 * valley * crease / wide - 0.35 * fold * torch.sin(wrinkled * 5.2)
    line, vein = valley + 0.45 * wrinkle, torch.zeros_like(px)
    rows = torch.nonzero(in_palm | (part == 2))[:, 0]
    columns = torch.stack([px, py, palmar, dorsal * in_palm, waves, footprint, tendons, veins, slope_x, slope_y, line])
    slope_x[rows], slope_y[rows], line[rows], vein[rows] = _palm_relief(*columns.index_select(1, rows))
    darker = darker * (1.0 - (0.26 + 0.26 * tone) * line)

    # Nails: a rounded rectangle on the back of the last segment, pale at its root, a fold round it, a free edge.
    nail_x, nail_y = x / (0.80 * width), (y - 0.85 * bone) / (0.36 * bone)
    inside = 1.0 - (nail_x.square().square() + nail_y.square().square()).sqrt()
    on_back = soft_step(-z, 0.17 * width, 0.2 * width) * end
    nail = soft_step(inside, 0.0, 0.16) * on_back
    rim = torch.exp(-((inside / 0.13) ** 2)) * on_back
    darker = darker * (1 - 0.42 * rim)
    moon = soft_step(-(nail_x.square() * 1.3 + (nail_y + 0.95).square() * 1.6), -0.42, 0.16)
    edge = soft_step(nail_y, 0.80, 0.12)
    plain = nail_gloss < 2.5  # varnish hides both
    bright = plate.amax(0)
    plate = plate + (plain * (0.16 * moon + 0.38 * edge)) * (
        torch.stack([bright, 0.93 * bright, 0.84 * bright]) * 1.12 - plate
    )

    blush = torch.tensor([0.35, -0.9, -0.75], device=device)[:, None]
    blue = torch.tensor([0.24, 0.13, 0.07], device=device)[:, None] * (1 - 0.5 * tone)
    albedo = back + palmar * (palm - back)
    albedo = albedo * (darker * (1.0 + 0.5 * patch + 0.05 * grain)) * (1.0 + warmth * blush) * (1.0 - vein * blue)
    albedo = albedo + nail * (plate - albedo) * (1 - 0.45 * rim)
    soft = 1 - nail
    gloss = (gloss + 0.10 * grain).clamp(min=0.1) * soft + nail_gloss * nail
    slope = torch.stack([slope_x * soft, slope_y * soft, torch.zeros_like(slope_x)])
    return albedo.clamp_(0.004, 0.95), gloss, slope, pale_skin


def _palm_relief(
    px: Tensor, py: Tensor, palmar: Tensor, back: Tensor, waves: Tensor, footprint: Tensor, tendons: Tensor,
    veins: Tensor, slope_x: Tensor, slope_y: Tensor, line: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Lines of the palm, tendons and knuckles on its back: slopes, depth of lines and strength of veins, all (P,)."""
    life = ((px - 35.0) ** 2 + (py - 27.0) ** 2).sqrt() - 37.0 + 99.0 * ((py < 4) | (py > 64) | (px > 30))
    heart = (py - (62.6 + 0.45 * (px + 10) + 0.0125 * (px + 10) ** 2)) * 0.9 + 99.0 * ((px > 11) | (px < -38))
    head = (py - (52.0 + 0.5 * px - 0.004 * px * px)) * 0.9 + 99.0 * ((px > 21) | (px < -23))
    across = torch.where(heart.abs() < head.abs(), heart, head)
    is_life = life.abs() < across.abs()
    wide = 1.1 + 0.2 * footprint
    crease = (torch.where(is_life, life, across) + 0.4 * waves) / wide
    groove = torch.exp(-crease * crease) * palmar * (1.1 / wide)
    steep = (0.6 / wide) * groove * crease
    slope_x = slope_x - torch.where(is_life, 0.8, 0.25) * steep
    slope_y = slope_y + torch.where(is_life, 0.2, 0.9) * steep
    # Tendons run from the wrist to the knuckles; the nearest one counts.
    along = (py / 75.0).clamp(0, 1.1)
    sides = [(px - 3.0) - (x - 3.0) * along for x, _, _ in BASES[1:].tolist()]
    side, ahead = sides[0], py - BASES[1, 1].item()
    for other, (_, y, _) in zip(sides[1:], BASES[2:].tolist(), strict=True):
        nearer = other.abs() < side.abs()
        side, ahead = torch.where(nearer, other, side), torch.where(nearer, py - y, ahead)
    cord = torch.exp(-((side / 2.3) ** 2)) * soft_step(py, 26.0, 30.0) * soft_step(-py, -88.0, 12.0)
    knuckle = (1.6 * 2 / 6.0**2) * torch.exp(-(side * side + ahead * ahead) * (1 / 6.0**2))
    slope_x = slope_x - back * side * (tendons * cord * (2 / 2.3**2) + knuckle)
    slope_y = slope_y - back * ahead * knuckle
    vein = torch.exp(-((waves * 5.0) ** 2)) * soft_step(py, 8.0, 20.0) * soft_step(-py, -74.0, 16.0)
    vein = vein * back * veins * _resolved(4.5, footprint)
    return slope_x, slope_y, line + 0.55 * groove, vein


def _resolved(period: float, footprint: Tensor) -> Tensor:
    """1 where a pixel is much finer than a period (mm), 0 where it is coarser."""
    return (1.3 * period / footprint - 0.45).clamp(0, 1)


def bumped(normal: Tensor, slope: Tensor) -> Tensor:
    """Unit normals ``(3, P)`` of a surface whose height above the smooth one has the gradient ``slope`` ``(3, P)``."""
    lean = slope[0] * normal[0] + slope[1] * normal[1] + slope[2] * normal[2]
    normal = normal * (1.0 + lean) - slope
    return normal * (normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]).clamp(min=1e-12).rsqrt()
