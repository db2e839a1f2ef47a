"""Records of runs that nobody trained: whole and consistent, with an error that the test chooses."""

from __future__ import annotations

import copy
from typing import Any

from hand_lib.experiments import RECORD_FORMAT, Profile, plan
from hand_lib.experiments.schema import run_key, seal
from hand_lib.models.rows import Row
from hand_lib.synthetic import DATA_VERSION

HASH = "ab" * 32
COMMIT = "cd" * 20


def made_metrics(epe: float) -> dict[str, Any]:
    """Metrics of a model whose every error is ``epe`` mm."""
    auc = {"auc_0_50": 0.5, "auc_20_50": 0.6, "auc_21_50_groups": 0.6, "auc_0_100": max(0.75, 1 - epe / 100)}
    names = ("mean", "median", "median_over_joints", "visible", "visible_over_joints")
    aligned = dict.fromkeys(("root_epe_mean", "pa_epe_mean", "pa_epe_mean_reflection"), epe)
    return {**{f"epe_{name}": epe for name in names}, "epe_per_joint": [epe] * 21, **auc, **aligned}


def made_run(row: str | Row, seed: int, epe: float = 20.0, *, profile: str | Profile = "quick", **changes: Any) -> dict:
    """What a run of this row would measure, see ``RunRecord``, with other fields as in ``changed``."""
    planned = plan(row, profile=profile, seed=seed, device="cpu")
    steps = planned.config.steps
    decides = copy.deepcopy(planned.decides)
    if planned.start != "random" and decides["weights"] is None:  # of a start that is not here
        decides["weights"] = HASH
    record = {
        "format": RECORD_FORMAT,
        "row": planned.row.name,
        "title": planned.row.title,
        "table_id": planned.row.table_id,
        "profile": planned.profile.name,
        "backbone": planned.backbone,
        "start": planned.start,
        "seed": seed,
        "key": planned.key,
        "source": planned.source,
        "decides": decides,
        "device": "a processor, 1 thread",
        "processes": 1,
        "libraries": dict.fromkeys(("python", "torch", "numpy", "scipy", "lightning", "safetensors"), "1.0"),
        "data_version": DATA_VERSION,
        "split": "evaluation",
        "evaluation_images": planned.profile.evaluation_count,
        "training_images": planned.profile.training_count,
        "steps": steps,
        "images_seen": steps * planned.config.batch_size,
        "seconds": 12.5,
        "data_wait_share": 0.1,
        "params": 1000,
        "head_params": 400,
        "macs": 2000,
        "head_macs": 300,
        "head_macs_output_grid": 300,
        "metrics": made_metrics(epe),
        "constant_prediction": made_metrics(51.25),
        "elsewhere": {
            name: {"images": 64, "metrics": made_metrics(epe + 4), "constant_epe_mean": 53.5}
            for name in ("held_out_gestures", "other_look")
        },
        "evaluation_source": HASH,
        "curve": [
            {"step": 0, "epe": 80.0, "seconds": 0.5},
            {"step": steps, "loss": 0.2, "epe": epe, "seconds": 12.0},
        ],
        "checkpoint_sha256": HASH,
    }
    return changed(seal(record), **changes)


def made_record(row: str | Row, seed: int, epe: float = 20.0, **changes: Any) -> dict:
    """The same as it is recorded, see ``RecordedRun``."""
    return seal({**made_run(row, seed, epe, **changes), "commit": COMMIT, "date": "2026-11-21T02:19:49+00:00"})


def changed(record: dict[str, Any], *, revision: int | None = None, **changes: Any) -> dict[str, Any]:
    """A record of another revision of its row, or with other fields; all that must agree with them is changed alike."""
    record = copy.deepcopy(record) | changes
    decides = record["decides"]
    for name in ("row", "profile", "start"):
        decides[name] = record[name]
    decides["weights"] = None if record["start"] == "random" else decides["weights"] or HASH
    decides["pretraining"] = (decides["pretraining"] or HASH) if record["start"] in ("parts", "points") else None
    decides["revision"]["row"] = revision or decides["revision"]["row"]
    if record["backbone"] != "hourglass":
        decides["network"]["depth"] = int(record["backbone"].removeprefix("resnet"))
    decides["training"]["seed"] = record["seed"]
    decides["data"]["version"] = record["data_version"]
    return sealed(record)


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with the key and the checksum of what it holds."""
    return seal(record | {"key": run_key(record["decides"], record["source"])})
