"""What a few steps of training give, row by row: the fingerprint that says whether records are still of today's code.

``python tests/outcomes.py NAME …`` prints it for some rows and variants, all without a name, as JSON. With ``--write``
it is kept in ``outcomes.json``, beside those of the others: do so for a new one, and after a change that is meant to
change the outcome, when the row's ``revision`` (or ``TRAINING_REVISION``, where it concerns all rows) has been raised.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from hand_lib.datasets.augmentation import JAR  # noqa: E402
from hand_lib.experiments.revisions import TRAINING_REVISION  # noqa: E402
from hand_lib.models.catalogue import rows_and_variants  # noqa: E402
from hand_lib.models.size import NetworkSize  # noqa: E402
from hand_lib.samples import Samples  # noqa: E402
from hand_lib.training import TrainingConfig, build_seeded, joints_by_depth, train  # noqa: E402

KEPT = Path(__file__).with_name("outcomes.json")
SIZE = NetworkSize(depth=18, width=8, image_size=64, final_stride=1)
STEPS = 6


def smooth_hands(count: int = 16, side: int = 72) -> Samples:
    """Pictures of a few waves and points on a slanted plane: without noise, alike on every machine."""
    g = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    phase = torch.rand(count, 3, 1, 1, generator=g)
    waves = torch.sin(0.2 * rows + 6 * phase) + torch.cos(0.13 * columns - 9 * phase)
    angle = torch.arange(21) * 0.3 + torch.rand(count, 1, generator=g)
    xyz = torch.stack([60 * angle.cos(), 60 * angle.sin(), 500 + 20 * angle.sin()], dim=-1)
    K = torch.tensor([[300.0, 0.0, side / 2], [0.0, 300.0, side / 2], [0.0, 0.0, 1.0]]).expand(count, 3, 3).clone()
    uv = torch.einsum("bij,bkj->bki", K, xyz)
    uv = uv[..., :2] / uv[..., 2:]
    return Samples(
        images=(60 * waves + 128).clamp(0, 255).to(torch.uint8),
        uv=uv,
        xyz=xyz,
        visible=torch.ones(count, 21, dtype=torch.bool),
        K=K,
        right=torch.arange(count) % 3 > 0,
        box=torch.cat([uv.amin(1), uv.amax(1)], dim=-1),
    )


def outcome(name: str) -> dict[str, object]:
    """The row's and the training's revision, the last stage's loss of each step, and what it then says of a picture."""
    row = rows_and_variants()[name]
    config = TrainingConfig(
        steps=STEPS,
        batch_size=8,
        image_size=SIZE.image_size,
        augmentation=JAR,
        rates=row.recipe.rates,
        anneals=row.recipe.anneals,
        validations=1,
    )
    samples = smooth_hands()
    model = build_seeded(lambda: row.build(SIZE), 0)
    if row.recipe.start is not None:
        model.load_state_dict(row.recipe.start(SIZE), strict=False)
    with tempfile.TemporaryDirectory() as folder:
        done = train(
            model,
            samples,
            config=config,
            folder=Path(folder),
            objective=joints_by_depth(row.recipe.depth_weight),
            device="cpu",
            progress_bar=False,
        )
    with torch.inference_mode():
        said = model.eval()(samples.images[:2, :, :64, :64] / 255.0)
    return {
        "revision": {"row": row.revision, "training": TRAINING_REVISION},
        "losses": [round(loss, 6) for loss in done.losses.tolist()],
        "says": [round(value, 6) for value in said.abs().mean(dim=(0, 1)).tolist()],
    }


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    write = "--write" in arguments
    known = rows_and_variants()
    found = {name: outcome(name) for name in [word for word in arguments if word != "--write"] or known}
    print(json.dumps(found, indent=1) + "\n")
    if write:
        found = json.loads(KEPT.read_text()) | found
        KEPT.write_text(json.dumps({name: found[name] for name in known if name in found}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
