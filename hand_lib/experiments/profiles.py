"""How much of everything: the profiles, and the data they stand on."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from hand_lib.datasets.augmentation import GENTLE, JAR, Augmentation
from hand_lib.datasets.synthetic import load_synthetic
from hand_lib.errors import choose
from hand_lib.models.backbone import LAYOUTS
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.groups.rows import BEYOND_TABLE_2
from hand_lib.models.recipe import NOTHING_MORE, Recipe
from hand_lib.models.rows import Row
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples
from hand_lib.synthetic import EASY, OTHER_LOOK, WIDE, SceneConfig
from hand_lib.training import TrainingConfig

DATA_SEED = 0  # of the rendered hands; a run's own seed is that of its weights, order and augmentation
START_DATA_SEED = 1  # of those that a backbone learns from before any row: other people, other pictures
BACKBONES = {f"resnet{depth}": depth for depth in LAYOUTS}

# Where a backbone's weights may come from, and in words.
STARTS = {
    "random": "random weights",
    "parts": "weights that name the hand's parts",
    "points": "weights that find the joints in the picture",
    "imagenet": "ImageNet's weights",
}


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How a backbone learns its first lesson (:mod:`hand_lib.experiments.lessons`), before any row asks it for joints.

    Attributes:
        training_count, evaluation_count: rendered hands, with masks and depth maps.
        render_size: side of the rendered pictures, in pixels.
        scene: what is in the pictures.
        augmentation: of the training crops.
        steps, batch_size: of the training.
        learning_rate: at step 0; a cosine takes it to 0.
        data_seed: of the rendered hands, not :data:`DATA_SEED`, so that no picture of a row's is among them.
        seed: of the weights, the order of the data and the augmentation.
    """

    training_count: int
    evaluation_count: int
    render_size: int
    scene: SceneConfig
    augmentation: Augmentation
    steps: int
    batch_size: int
    learning_rate: float = 1e-3
    data_seed: int = START_DATA_SEED
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How much of everything: one word that a chapter takes.

    Attributes:
        name: as on the command line.
        title: what it is for, and what its numbers may be taken for.
        network: size of the networks.
        training_count, evaluation_count: rendered hands.
        render_size: side of the rendered pictures, in pixels; larger than the crop, so that a turned or shifted crop
            has real pixels round the hand.
        scene: what is in the pictures.
        augmentation: of the training crops.
        steps, batch_size, learning_rate: of the training.
        validations: how often the validation error is measured on the way.
        start: where the backbone's weights come from, one of ``STARTS``.
        pretraining: how those that name the hand's parts are made, and an hourglass' that find joints; None for a
            profile that has none to offer.
        seeds: those that a full set of records has of every row, in order of importance.
        variant_seeds: the same of every variant of a row.
        group_seeds: the same of every row of joint groups and its variants.
        without: rows of joint groups that a full set leaves out.
        precision: "32-true" or "bf16-mixed" on every machine, so that records of different machines stand in one
            table; None takes what the device is faster in, and records then say which it was.
    """

    name: str
    title: str
    network: NetworkSize
    training_count: int
    evaluation_count: int
    render_size: int
    scene: SceneConfig
    augmentation: Augmentation
    steps: int
    batch_size: int
    validations: int = 10
    learning_rate: float = 3e-4
    start: str = "random"
    pretraining: Pretraining | None = None
    seeds: tuple[int, ...] = (0,)
    variant_seeds: tuple[int, ...] = ()
    group_seeds: tuple[int, ...] = ()
    without: frozenset[str] = frozenset()
    precision: str | None = None

    def training_config(self, *, seed: int, precision: str, recipe: Recipe = NOTHING_MORE) -> TrainingConfig:
        """How this profile trains a row of this recipe, or any that asks for nothing of its own.

        Args:
            seed: of the data's order and augmentation.
            precision: where the profile fixes none.
            recipe: the row's.
        """
        return TrainingConfig(
            rates=recipe.rates,
            anneals=recipe.anneals,
            steps=self.steps,
            batch_size=self.batch_size,
            image_size=self.network.image_size,
            augmentation=self.augmentation,
            learning_rate=self.learning_rate,
            validations=self.validations,
            precision=self.precision or precision,
            seed=seed,
        )


RHD_TRAINING, RHD_EVALUATION = 41_258, 2_728  # images in RHD, whose sizes the large synthetic sets have
PAPER_EPOCHS, PAPER_BATCH = 30, 64  # JAR, section 3.2
PAPER_STEPS = PAPER_EPOCHS * RHD_TRAINING // PAPER_BATCH

# One network and one start for all that runs on a CPU, so that one file of weights serves them. Of sizes that take the
# same time a step, the one that comes nearest to the end of learning and to the paper's geometry. A stem of stride 2 at
# width 16 has the paper's 8×8 cells (the published stem at width 32 has 4×4), takes 53 ms a step of the backbone
# against 56, and 67 ms where 128 px bring the cells; it named parts better after the same steps (75 % to 71 %), and the
# rows that were tried ended as near or nearer. Rotations stay at ±20°, with views rolled by up to 60°: with ±180° the
# row maps-shared ended at 18.1 mm on upright hands, with ±20° at 15.0.
SMALL = NetworkSize(depth=18, width=16, image_size=64, stem_stride=2, final_stride=1)
# It has seen more than the rows' pictures show: the views are EASY's, the light, things and cameras WIDE's.
SMALL_PRETRAINING = Pretraining(
    training_count=16_384,
    evaluation_count=1024,
    render_size=80,
    scene=replace(WIDE, cone=EASY.cone, roll=EASY.roll),
    augmentation=GENTLE,
    steps=8000,
    batch_size=32,
)

QUICK = Profile(
    name="quick",
    title="small networks, small pictures, palms in view: the coarse trends, within minutes on a CPU",
    network=SMALL,
    training_count=8192,
    evaluation_count=1024,
    render_size=80,
    scene=EASY,
    augmentation=GENTLE,
    steps=800,
    batch_size=32,
    learning_rate=1e-3,
    start="parts",
    pretraining=SMALL_PRETRAINING,
    seeds=(0, 1, 2, 3, 4, 5, 6, 7),
    variant_seeds=(0, 1, 2, 3, 4),
    group_seeds=(0, 1, 2, 3, 4),
    without=BEYOND_TABLE_2,
)

LARGE_PRETRAINING = Pretraining(
    training_count=RHD_TRAINING,
    evaluation_count=RHD_EVALUATION,
    render_size=160,
    scene=WIDE,
    augmentation=JAR,
    steps=PAPER_STEPS,
    batch_size=PAPER_BATCH,
)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="smoke",
            title="does everything, learns nothing: its numbers are not results",
            network=SMALL,
            training_count=128,
            evaluation_count=64,
            render_size=64,
            scene=EASY,
            augmentation=GENTLE,
            steps=12,
            batch_size=8,
            validations=2,
            learning_rate=1e-3,
            start="parts",
            pretraining=SMALL_PRETRAINING,
            precision="32-true",
        ),
        QUICK,
        replace(
            QUICK,
            name="long",
            title="quick with four times the steps, on four times the hands, in batches of 64: hours on a CPU",
            training_count=4 * QUICK.training_count,
            steps=4 * QUICK.steps,
            batch_size=PAPER_BATCH,
            seeds=(0, 1, 2),
            variant_seeds=(0,),
            group_seeds=(0, 1),
        ),
        Profile(
            name="full",
            title="ResNet-18 at 128 px on as many hands as RHD has, seen from all sides: what is recorded, on one GPU",
            network=NetworkSize(depth=18, width=64, image_size=128, final_stride=1),
            training_count=RHD_TRAINING,
            evaluation_count=RHD_EVALUATION,
            render_size=160,
            scene=WIDE,
            augmentation=JAR,
            steps=PAPER_STEPS,
            batch_size=PAPER_BATCH,
            start="parts",
            pretraining=LARGE_PRETRAINING,
            seeds=(0, 1, 2),
            variant_seeds=(0,),
            group_seeds=(0, 1, 2),
            precision="bf16-mixed",
        ),
        Profile(
            name="paper",
            title="the paper's protocol on synthetic hands: 256 px, published backbones, 30 epochs, from ImageNet",
            network=NetworkSize(depth=18, width=64, image_size=256, final_stride=2),
            training_count=RHD_TRAINING,
            evaluation_count=RHD_EVALUATION,
            render_size=320,
            scene=WIDE,
            augmentation=JAR,
            steps=PAPER_STEPS,
            batch_size=PAPER_BATCH,
            start="imagenet",
            pretraining=replace(LARGE_PRETRAINING, render_size=320),
            seeds=(0, 1, 2),
            precision="bf16-mixed",
        ),
    )
}


def get_profile(profile: str | Profile) -> Profile:
    """The profile of this name. Raises HandLibError that names the choices."""
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise choose("profile", profile, PROFILES)
    return PROFILES[profile]


def get_row(row: str | Row) -> Row:
    """The row or variant of this name, or the row itself. Raises HandLibError that names the choices."""
    if isinstance(row, Row):
        return row
    known = rows_and_variants()
    if row not in known:
        raise choose("row", row, known)
    return known[row]


def get_depth(backbone: str) -> int:
    """ "resnet50" to 50. Raises HandLibError that names the choices."""
    if backbone not in BACKBONES:
        raise choose("backbone", backbone, BACKBONES)
    return BACKBONES[backbone]


def own_backbone(row: Row | None, profile: Profile) -> str:
    """The backbone that a row has in a profile unless asked otherwise: its own kind, or the profile's ResNet."""
    return row.backbone if row is not None and row.backbone else f"resnet{profile.network.depth}"


def own_start(row: Row | None, profile: Profile) -> str:
    """What a row's backbone starts from in a profile unless asked otherwise, one of ``STARTS``."""
    hourglass = row is not None and row.backbone == "hourglass"
    return "points" if hourglass and profile.start != "random" else profile.start


def possible_starts(row: Row) -> list[str]:
    """What a row's backbone can start from: an hourglass learns points, a ResNet parts or ImageNet's classes."""
    others = ("parts", "imagenet") if row.backbone == "hourglass" else ("points",)
    return [start for start in STARTS if start not in others]


def sized(profile: Profile, backbone: str | None) -> NetworkSize:
    """The profile's network, or the same with another backbone. Raises HandLibError that names the choices."""
    return profile.network if backbone is None else replace(profile.network, depth=get_depth(backbone))


def datasets(profile: str | Profile) -> tuple[Samples, Samples]:
    """The training and the evaluation set of a profile, rendered once (see :mod:`hand_lib.datasets.synthetic`).

    They are kept in memory: treat them as read-only.
    """
    profile = get_profile(profile)
    shared = {"size": profile.render_size, "scene": profile.scene, "seed": DATA_SEED}
    return (
        load_once(split="training", count=profile.training_count, **shared),
        load_once(split="evaluation", count=profile.evaluation_count, **shared),
    )


def elsewhere(profile: str | Profile) -> dict[str, Samples]:
    """Held-out hands that differ in kind from a profile's own, half as many as it has in its evaluation set.

    ``held_out_gestures``: gestures that no training shows, in the profile's scenes. ``other_look``: the evaluation's
    hands under light, against backgrounds and through cameras that no training shows, seen from where the profile
    sees them; they stand in for photographs. Kept in memory: treat them as read-only.
    """
    profile = get_profile(profile)
    shared = {"count": max(1, profile.evaluation_count // 2), "size": profile.render_size, "seed": DATA_SEED}
    other_look = replace(OTHER_LOOK, cone=profile.scene.cone, roll=profile.scene.roll)
    return {
        "held_out_gestures": load_once(split="held_out_gestures", scene=profile.scene, **shared),
        "other_look": load_once(split="evaluation", scene=other_look, **shared),
    }


load_once = functools.lru_cache(maxsize=4)(load_synthetic)  # a profile's own two sets, and the two that differ in kind
