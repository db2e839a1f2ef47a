"""The record of a run: plain JSON that says what came out, how and on what."""

from __future__ import annotations

import functools
import platform
import re
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.experiments.planning import Plan, run_name
from hand_lib.experiments.profiles import BACKBONES, PROFILES, Profile, get_profile, get_row
from hand_lib.models.counting import count as count_model
from hand_lib.models.rows import ROWS
from hand_lib.synthetic import DATA_VERSION

RECORD_FORMAT = 1


def make_record(
    planned: Plan,
    done: training.Progress,
    device: torch.device,
    processes: int,
    measured: dict[str, Any],
    checkpoint_sha256: str,
) -> dict[str, Any]:
    """A run in plain JSON: what was asked, with what, and what came out.

    ``decides`` and ``key`` (its hash) say what decided the outcome; ``seconds`` is the wall time of training,
    validations included, and ``data_wait_share`` the part of it in which the network waited for its next batch;
    ``metrics`` are those of :func:`hand_lib.metrics.summarise` on the whole evaluation set, in millimetres, and
    ``constant_prediction`` the same metrics for the mean training target.
    """
    counts = count_model(planned.build(), planned.network.image_size)
    commit, changed = commit_of_code()
    return {
        "format": RECORD_FORMAT,
        "row": planned.row.name,
        "title": planned.row.title,
        "table_id": planned.row.table_id,
        "profile": planned.profile.name,
        "backbone": planned.backbone,
        "imagenet": planned.imagenet,
        "seed": planned.config.seed,
        "key": planned.key,
        "source": planned.source,
        "decides": planned.decides,
        "commit": commit,
        "uncommitted_changes": changed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name(device),
        "processes": processes,
        "libraries": library_versions(),
        "data_version": DATA_VERSION,
        "split": "evaluation",
        "evaluation_images": planned.profile.evaluation_count,
        "training_images": planned.profile.training_count,
        "steps": done.step,
        "images_seen": done.step * planned.config.batch_size,
        "seconds": round(done.seconds, 2),
        "data_wait_share": round(done.data_seconds / max(done.seconds, 1e-9), 4),
        **asdict(counts),
        **measured,
        "curve": done.curve,
        "checkpoint_sha256": checkpoint_sha256,
    }


def record_path(record: dict[str, Any], folder: Path | None = None) -> Path:
    """Where a record is kept: ``results/<profile>/<row>[-backbone][-imagenet]-s<seed>.json``."""
    name = run_name(record["row"], record["profile"], record["backbone"], record["imagenet"], record["seed"])
    return (folder or cache.results_dir()) / record["profile"] / f"{name}.json"


def write_record(record: dict[str, Any], folder: Path | None = None) -> Path:
    """Write a record under ``results/``; returns its path."""
    path = record_path(record, folder)
    cache.write_json(path, record)
    return path


def records(profile: str | None = None, row: str | None = None, folder: Path | None = None) -> list[dict[str, Any]]:
    """The recorded runs, by profile, row (in the tables' order), backbone and seed.

    Args:
        profile, row: only these; None for all.
        folder: instead of :func:`hand_lib.cache.results_dir`.

    Raises:
        HandLibError: a record cannot be read; an unknown profile or row.
    """
    if profile is not None:
        get_profile(profile)
    if row is not None:
        get_row(row)
    found = []
    for path in sorted((folder or cache.results_dir()).glob("*/*.json")):
        if path.parent.name == "benchmarks":  # records of speed, not of runs
            continue
        record = cache.read_json(path)
        if not isinstance(record, dict) or record.get("format") != RECORD_FORMAT:
            raise HandLibError(f"{path} is no record of a run")
        if profile in (None, record["profile"]) and row in (None, record["row"]):
            found.append(record)
    order = {name: i for i, name in enumerate(ROWS)}
    profiles = {name: i for i, name in enumerate(PROFILES)}
    return sorted(
        found,
        key=lambda r: (
            profiles.get(r["profile"], 99),
            order.get(r["row"], 99),
            r["row"],
            int(r["backbone"].removeprefix("resnet")),
            r["imagenet"],
            r["seed"],
        ),
    )


def missing(profile: str | Profile, folder: Path | None = None) -> list[tuple[str, int]]:
    """The (row, seed) pairs of which a profile has no current record, the first seed of all rows first."""
    profile = get_profile(profile)
    backbone = f"resnet{profile.network.depth}"
    have = {
        (r["row"], r["seed"])
        for r in records(profile.name, folder=folder)
        if r["backbone"] == backbone and not r["imagenet"] and is_current(r)
    }
    return [(row, seed) for seed in profile.seeds for row in ROWS if (row, seed) not in have]


def is_current(record: dict[str, Any]) -> bool:
    """Whether a run planned today would be decided by all that decided this one.

    Of the code that is its revisions, not its text: a record outlives a change that leaves the outcome as it was.
    """
    return record["decides"] == today(record)


def today(record: dict[str, Any]) -> dict[str, Any] | None:
    """What would decide a record's run if it were planned today; None where there is no such row or profile now."""
    row, profile, depth = ROWS.get(record["row"]), PROFILES.get(record["profile"]), BACKBONES.get(record["backbone"])
    if row is None or profile is None or depth is None:
        return None
    precision = record["decides"].get("training", {}).get("precision", "")
    return Plan(
        row=row,
        profile=profile,
        network=replace(profile.network, depth=depth),
        config=profile.training_config(seed=record["seed"], precision=precision, recipe=row.recipe),
        imagenet=record["imagenet"],
    ).decides


def commit_of_code() -> tuple[str, bool | None]:
    """The checkout's commit, and whether the package has uncommitted changes; "unknown" without git."""
    here = Path(__file__).resolve().parents[1]  # all of hand_lib
    try:
        outputs = [
            subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=20
            ).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", str(here)])
        ]
    except (OSError, subprocess.SubprocessError):
        return "unknown", None
    return outputs[0].strip(), bool(outputs[1].strip())


def library_versions() -> dict[str, str]:
    """Python's version and those of the libraries that decide a run's numbers."""
    versions = {"python": platform.python_version()}
    for name in ("torch", "numpy", "scipy", "lightning", "safetensors"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = getattr(sys.modules.get(name), "__version__", "unknown")
    return versions


def device_name(device: torch.device) -> str:
    """The device for people and records: "NVIDIA …", or the processor and the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"{_processor()} (GPU)"
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


@functools.cache
def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
