"""The first picture of the book: a hand, the network that looks at it, and the pose in space, joint by joint.

``python -m hand_lib.figures.opening book/opening.html`` writes it. Pictures are rendered anew, larger than the network
saw them; feature maps and joints are those of a recorded run, which is trained where the cache does not have it.
``assets/opening.js`` moves what stands here; without it the first hand stands still, whole.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from hand_lib.cache import atomic_write
from hand_lib.camera import project
from hand_lib.datasets.augmentation import crop
from hand_lib.experiments import DATA_SEED, Run, run
from hand_lib.figures.opening_drawing import opening_html
from hand_lib.figures.sliders import data_uri
from hand_lib.models.representations import JointMaps
from hand_lib.skeleton import JOINT_COLORS, NUM_JOINTS, WRIST_COLOR
from hand_lib.synthetic import render

ROW, PROFILE, SEED = "multihead", "quick", 1
HANDS = (25, 3, 22, 23)  # right hands of the evaluation set, open enough to be read at a glance
SIDE = 288  # px of the pictures
FEATURES = 5  # maps of X that are shown: those that differ most from cell to cell


@dataclass(frozen=True, kw_only=True)
class ShownHand:
    """One held-out hand as the opening shows it.

    Attributes:
        index: in the evaluation set.
        picture: JPEG, as a data address.
        features: some maps of X: PNGs as data addresses.
        joint_maps: one for each joint, the mean of its own maps: likewise.
        uv: the predicted joints in the picture, in pixels.
        xyz, truth: the predicted and the true joints, mm, camera frame.
        error: mean distance between them, mm.
    """

    index: int
    picture: str
    features: list[str]
    joint_maps: list[str]
    uv: list[list[float]]
    xyz: list[list[float]]
    truth: list[list[float]]
    error: float


def show_hands(shown: Run, indices: Sequence[int]) -> list[ShownHand]:
    """What a run's network makes of some hands of its evaluation set.

    Args:
        shown: a run of a row with joint-specific feature maps.
        indices: of right hands.
    """
    profile = shown.plan.profile
    which = {"seed": DATA_SEED, "split": "evaluation", "indices": list(indices), "scene": profile.scene}
    pictures = render(size=SIDE, **which)
    crops = crop(render(size=profile.render_size, **which), size=profile.network.image_size)
    network = shown.model()
    with torch.inference_mode():
        X = network.backbone(crops.images)
        maps = joint_maps(network.representation, X)
    hands = []
    for i, index in enumerate(indices):
        predicted, truth = shown.predictions[index], shown.truth[index]
        strongest = X[i].var(dim=(1, 2)).topk(FEATURES).indices
        hands.append(
            ShownHand(
                index=index,
                picture=data_uri(pictures.images[i]),
                features=[_map_address(X[i, k], WRIST_COLOR) for k in strongest],
                joint_maps=[_map_address(m, c) for m, c in zip(maps[i], JOINT_COLORS, strict=True)],
                uv=_rounded(project(predicted, pictures.K[i])),
                xyz=_rounded(predicted),
                truth=_rounded(truth),
                error=round(shown.errors[index].mean().item(), 1),
            )
        )
    return hands


def joint_maps(representation: JointMaps, X: Tensor) -> Tensor:
    """The mean of each joint's own maps, ``(B, C, h, w)`` to ``(B, 21, h, w)``."""
    return representation.project(X).unflatten(1, (NUM_JOINTS, -1)).mean(dim=2)


def write(path: Path, shown: Run, indices: Sequence[int] = HANDS) -> None:
    """Write the opening as a part of a page.

    Args:
        path: where it goes.
        shown: a run of a row with joint-specific feature maps.
        indices: of right hands of its evaluation set.

    Raises:
        HandLibError: the file cannot be written.
    """
    record = shown.record
    about = {name: record[name] for name in ("row", "profile", "seed", "checkpoint_sha256", "evaluation_images")}
    about["pixels"] = record["decides"]["network"]["image_size"]
    about["epe"] = round(record["metrics"]["epe_mean"], 1)
    hands = [asdict(hand) for hand in show_hands(shown, indices)]
    with atomic_write(path) as file:
        file.write(opening_html({"run": about, "side": SIDE, "hands": hands}).encode())


def read(page: str) -> dict:
    """What :func:`write` was given, from what it wrote."""
    return json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])


def _map_address(values: Tensor, color: str) -> str:
    """A map as one colour, the more opaque the larger the value: as large as the map, and seen on any page."""
    strength = (values - values.min()) / (values.max() - values.min()).clamp_min(1e-6)
    picture = Image.new("RGB", values.shape[::-1], color)
    picture.putalpha(Image.fromarray((strength * 255).round().to(torch.uint8).numpy()))
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _rounded(points: Tensor) -> list[list[float]]:
    return [[round(value, 1) for value in point] for point in points.tolist()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m hand_lib.figures.opening", description=__doc__)
    parser.add_argument("path", type=Path)
    write(parser.parse_args().path, run(ROW, profile=PROFILE, seed=SEED))
