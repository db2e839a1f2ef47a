"""What the paper trained on what, what a profile trains instead, and why: one table, from the code that trains."""

from __future__ import annotations

import torch

from hand_lib.datasets.augmentation import Augmentation
from hand_lib.experiments import PROFILES, Profile, get_profile
from hand_lib.experiments.profiles import STARTS
from hand_lib.figures.tables import Table, together
from hand_lib.models.decoders import MLP
from hand_lib.models.rows import HEADS, MAPS, ROWS, level
from hand_lib.models.size import NetworkSize

SAME = "as theirs"
NOT_PRINTED = "not printed"


def protocol_table(profile: str | Profile) -> Table:
    """Theirs, ours, why: JAR's training on RHD beside a profile's.

    Theirs is what the profile ``paper`` follows (section 3.2), but for the pictures. Where the two are equal no reason
    is given.

    Raises:
        HandLibError: an unknown profile.
    """
    ours, theirs = get_profile(profile), PROFILES["paper"]
    lines = [_data(ours, theirs), _views(ours)]
    reasons = _REASONS
    for name, value in _settings(theirs).items():
        own = _settings(ours)[name]
        lines.append((name, value, own, SAME if own == value else reasons[name]))
    lines += [_level(ours), _widths(ours.network), _seeds(ours)]
    header = ("", "theirs, on RHD", f"ours, profile {ours.name}", "why")
    return Table(header, tuple(lines), align="left")


def network_words(size: NetworkSize) -> str:
    """How large a network is, in two sentences, beside the published one."""
    published = NetworkSize(depth=size.depth)
    said = (
        f"ResNet-{size.depth} with {size.width} channels in its first block, for pictures of {size.image_size} px, "
        f"which X divides into {size.grid} × {size.grid} cells."
    )
    if size == published:
        return said
    return (
        f"{said} What a paper calls R-{size.depth} has {published.width} channels, pictures of {published.image_size} "
        f"px and {published.grid} × {published.grid} cells."
    )


def _data(ours: Profile, theirs: Profile) -> tuple[str, ...]:
    return (
        "hands",
        f"{theirs.training_count:,} rendered ones of RHD, measured on {theirs.evaluation_count:,} others",
        f"{ours.training_count:,} that this package renders, measured on {ours.evaluation_count:,} others",
        "nothing to download, and every label is exact",
    )


def _views(ours: Profile) -> tuple[str, ...]:
    scene = ours.scene
    if scene.cone >= 180:
        return "viewpoints", "all sides", "all sides", SAME
    seen = f"within {scene.cone:g}° of the palm's normal, upright ± {scene.roll:g}°"
    return "viewpoints", "all sides", seen, "time: palms are learnt in fewer steps"


def _settings(profile: Profile) -> dict[str, str]:
    """What a profile says of its network and its training."""
    size, config = profile.network, profile.training_config(seed=0, precision="32-true")
    epochs = profile.steps * profile.batch_size / profile.training_count
    return {
        "start of the backbone": STARTS[profile.start],
        "picture": f"{size.image_size} px",
        "grid of X": f"{size.grid} × {size.grid}, a cell each {size.stride} px",
        "grid of F⁰": f"{size.middle_grid} × {size.middle_grid}, a cell each {size.middle_stride} px",
        "backbone": f"ResNet-{size.depth}, {size.width} channels in its first block",
        "heads × maps": f"{HEADS} × {MAPS}",
        "crops are turned by": f"± {profile.augmentation.rotation_degrees:g}°",
        "crops are changed otherwise": _otherwise(profile.augmentation),
        "batch": f"{profile.batch_size}",
        "epochs": f"{epochs:.3g}",
        "steps": f"{profile.steps:,}",
        "learning rate of Adam": f"{config.learning_rate:g}, by a cosine to 0",
        "loss": "L1, of every stage",
    }


def _otherwise(augmentation: Augmentation) -> str:
    colours = (augmentation.brightness, augmentation.contrast, augmentation.saturation)
    low, high = augmentation.scale
    return (
        f"size × {low:g} to {high:g}, shifted by ± {augmentation.translation_px:g} px of 256, "
        f"colours ± {max(colours):.0%}"
    )


_REASONS = {
    "start of the backbone": "a start of the book's own making needs no photographs; it is the same for all rows",
    "picture": "time: a picture of half the side is a quarter of the work",
    "grid of X": "the strides follow the picture's size",
    "grid of F⁰": "the last block keeps X as fine as F⁰, so that both have enough cells",
    "backbone": "time; hidden layers are thinner in proportion",
    "heads × maps": "",
    "crops are turned by": "upright hands are learnt in fewer steps",
    "crops are changed otherwise": "",
    "batch": "more steps from as many pictures",
    "epochs": "time",
    "steps": "time",
    "learning rate of Adam": "fewer steps, so longer ones",
    "loss": "",
}


def _level(ours: Profile) -> tuple[str, ...]:
    return (
        "parameters after the backbone",
        f"“at the same level”; {ROWS['multihead'].paper.head_params} M with ResNet-50",
        together(f"{level(ours.network) / 1e6:.2f} M") + ", ID-1 to ID-7 alike",
        "the paper's rule, made exact: one hidden width a row is solved for it",
    )


def _widths(size: NetworkSize) -> tuple[str, ...]:
    """The decoders' hidden widths, of which the paper prints none."""
    widths = []
    for row in ("fr", "afr", "pooled", "pooled-shared", "maps", "maps-shared", "multihead"):
        with torch.device("meta"):
            decoder = ROWS[row].build(size).decoder
        layer = next(module for module in decoder.modules() if isinstance(module, MLP)).first.weight
        times = f"{layer.shape[0]} × " if layer.ndim == 3 else ""  # decoders or heads side by side
        name = ROWS[row].table_id.replace("-", "\N{NON-BREAKING HYPHEN}")
        widths.append(together(f"{name}: {times}{layer.shape[-2]}"))
    return "hidden units of a decoder or head", NOT_PRINTED, ", ".join(widths), "they follow from the level"


def _seeds(ours: Profile) -> tuple[str, ...]:
    """How many seeds the profile plans; what is recorded of them the tables say, and it may be fewer."""
    more = {"of a variant": ours.variant_seeds, "with groups": ours.group_seeds}
    planned = [f"{len(ours.seeds)} planned", *(f"{len(seeds)} {of}" for of, seeds in more.items() if seeds)]
    return (
        "trainings of a row",
        NOT_PRINTED,
        f"{', '.join(planned)}; each table says how many it has",
        "two trainings of one row differ, and only seeds tell by how much",
    )
