"""Records of runs: plain JSON that says what came out, how and on what; written once, checked whenever it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.experiments.lessons import LESSONS
from hand_lib.experiments.planning import Plan, run_name
from hand_lib.experiments.profiles import BACKBONES, PROFILES, Profile, get_profile, get_row, own_backbone, own_start
from hand_lib.experiments.provenance import commit_of_code, device_name, library_versions
from hand_lib.experiments.real_data import DATA_SET_VERSION
from hand_lib.experiments.real_records import kind_of, recorded_kind_of
from hand_lib.experiments.schema import RECORD_FORMAT, Record, RunRecord, seal, validate
from hand_lib.experiments.starts import find_shipped
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.counting import count as count_model
from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.rows import ROWS
from hand_lib.models.variants import VARIANTS

REAL = "real"  # the folder in results/ of runs on public data sets, which stand in no table of rendered hands
NOT_OF_RUNS = ("benchmarks", REAL)  # folders in results/ with records of another kind


def make_record(
    planned: Plan,
    done: training.Progress,
    device: torch.device,
    processes: int,
    measured: dict[str, Any],
    checkpoint_sha256: str,
) -> dict[str, Any]:
    """A run in plain JSON, see :class:`~hand_lib.experiments.schema.RunRecord`, without its checksum.

    Args:
        planned: what was asked.
        done: the training, finished.
        device, processes: what it ran on.
        measured: ``metrics``, ``constant_prediction``, ``elsewhere``, ``evaluation_source`` and, of a row with joint
            groups, ``group_of_joint``; on a public data set ``scores`` and ``pck`` in the place of ``elsewhere``.
        checkpoint_sha256: of the weights' file.
    """
    counts = count_model(planned.build(), planned.network.image_size)
    data = planned.decides["data"]
    return {
        **({} if planned.real is None else {"dataset": planned.real.name}),
        "format": RECORD_FORMAT,
        "row": planned.row.name,
        "title": planned.row.title,
        "table_id": planned.row.table_id,
        "profile": planned.profile.name,
        "backbone": planned.backbone,
        "start": planned.start,
        "seed": planned.config.seed,
        "key": planned.key,
        "source": planned.source,
        "decides": planned.decides,
        "device": device_name(device),
        "processes": processes,
        "libraries": library_versions(),
        "data_version": data["version"],
        "split": "evaluation",
        "evaluation_images": data["evaluation_count"],
        "training_images": data["training_count"],
        "steps": done.step,
        "images_seen": done.step * planned.config.batch_size,
        "seconds": round(done.seconds, 2),
        # Sampled and scaled up on a GPU, so it can come out above the whole.
        "data_wait_share": min(1.0, round(done.data_seconds / max(done.seconds, 1e-9), 4)),
        **asdict(counts),
        **measured,
        "curve": done.curve,
        "checkpoint_sha256": checkpoint_sha256,
    }


def check_recordable() -> str:
    """The commit that a record made now would name.

    Raises:
        HandLibError: the package has uncommitted changes, so that no commit says what ran; names the files.
    """
    commit, changed = commit_of_code()
    if changed:
        few = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise HandLibError(
            f"a recorded run names its commit, but these have uncommitted changes: {few}; commit them first"
        )
    return commit


def record_path(record: dict[str, Any], folder: Path | None = None) -> Path:
    """Where a record is kept: ``results/<profile>/<row>[-backbone][-start]-s<seed>.json``.

    Of a run on a public data set ``results/real/<data set>-<profile>/…``; of several in shares the hands of each in an
    epoch are named, too, as in ``rhd-and-stb-41258-and-41258-full``: with other shares it is another run.
    """
    name = run_name(record["row"], record["profile"], record["backbone"], record["start"], record["seed"])
    if "dataset" in record:
        folder = (folder or real_results()) / real_folder(record["decides"]["data"], record["profile"])
    else:
        folder = (folder or cache.results_dir()) / record["profile"]
    return folder / f"{name}.json"


def real_folder(data: Mapping[str, Any], profile: str) -> str:
    """What the folder of records is called of a profile's runs on public data, by :attr:`RealData.decides`."""
    epoch = data.get("epoch") or ()
    shares = "-and-".join(map(str, epoch)) + "-" if sum(epoch) > data["training_count"] else ""
    return f"{data['dataset']}-{shares}{profile}"


def real_results() -> Path:
    """Where runs on public data sets are recorded."""
    return cache.results_dir() / REAL


def write_record(record: dict[str, Any], folder: Path | None = None, *, commit: str | None = None) -> Path:
    """Write a run's record under ``results/``, with the commit and today's date; returns its path.

    Where the same run is recorded there already, that record stays as it is.

    Args:
        record: a :class:`~hand_lib.experiments.schema.RunRecord`, as :func:`make_record` gives it.
        folder: instead of :func:`hand_lib.cache.results_dir`.
        commit: what :func:`check_recordable` gave when this process began, for the checkout may have changed since;
            None asks it now.

    Raises:
        HandLibError: what is given is no record of a run; the package has uncommitted changes; the file cannot be
            written.
    """
    path = record_path(validate(record, kind_of(record)), folder)
    if not _is_recorded(record, path):
        cache.write_json(path, recorded(record, recorded_kind_of(record), commit or check_recordable()))
    return path


def recorded(record: dict[str, Any], model: type[Record], commit: str, **said: str) -> dict[str, Any]:
    """A record as it is committed: with its commit, today's date and whatever else is said, sealed and checked."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return validate(seal({**record, **said, "commit": commit, "date": now}), model)


def _is_recorded(record: dict[str, Any], path: Path) -> bool:
    try:
        known = read_record(path)
    except HandLibError:  # none, or one that is not to be believed
        return False
    return {**known, **record, "sha256": known["sha256"]} == known


def read_run(path: Path) -> dict[str, Any]:
    """The record that a run has left in the cache, a :class:`~hand_lib.experiments.schema.RunRecord` as plain JSON.

    Raises:
        HandLibError: no such file; no record; a field that is wrong; one that was changed. One line that names the
            file, the field and the value.
    """
    return _read(path, kind_of)


def _read(path: Path, kind: Callable[[object], type[RunRecord]]) -> dict[str, Any]:
    content = cache.read_json(path)
    try:
        return validate(content, kind(content))
    except HandLibError as error:
        raise HandLibError(f"cannot use {path}: {error}") from error


def read_record(path: Path) -> dict[str, Any]:
    """One recorded run, a :class:`~hand_lib.experiments.schema.RecordedRun` as plain JSON.

    Raises:
        HandLibError: as :func:`read_run`; or it lies where another run's record belongs.
    """
    record = _read(path, recorded_kind_of)
    wanted = record_path(record, path.parent.parent)
    if wanted != path:
        raise HandLibError(f"cannot use {path}: it is the record of another run, whose place is {wanted}")
    return record


def records(profile: str | None = None, row: str | None = None, folder: Path | None = None) -> list[dict[str, Any]]:
    """The recorded runs, by profile, row (in the tables' order, variants last), backbone and seed.

    Args:
        profile, row: only these; None for all.
        folder: instead of :func:`hand_lib.cache.results_dir`; :func:`real_results` for runs on public data sets.

    Raises:
        HandLibError: a record cannot be read, see :func:`read_record`; an unknown profile or row.
    """
    if profile is not None:
        get_profile(profile)
    if row is not None:
        get_row(row)
    paths = _record_files(folder or cache.results_dir())
    found = [read_record(path) for path in paths if profile in (None, path.parent.name.rpartition("-")[2])]
    found = [record for record in found if row in (None, record["row"])]
    order = {name: i for i, name in enumerate(rows_and_variants())}
    profiles = {name: i for i, name in enumerate(PROFILES)}
    return sorted(
        found,
        key=lambda r: (
            profiles.get(r["profile"], 99),
            order.get(r["row"], len(order)),
            r["row"],
            BACKBONES.get(r["backbone"], 0),
            r["start"],
            r["seed"],
        ),
    )


def _record_files(folder: Path) -> list[Path]:
    """All JSON files one folder deep; none where there is no such folder."""
    with cache.readable_errors(folder, "read"):
        try:
            inside = sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in NOT_OF_RUNS)
        except FileNotFoundError:
            return []
    found = []
    for part in inside:
        with cache.readable_errors(part, "read"):
            found += sorted(path for path in part.iterdir() if path.suffix == ".json" and path.name[0] != ".")
    return found


def missing(profile: str | Profile, folder: Path | None = None) -> list[tuple[str, int]]:
    """The (row, seed) pairs of which a profile has no current record.

    Every row with the profile's ``seeds`` and every variant with its ``variant_seeds``: the first seed of all rows,
    the first of all variants, the second of all rows, and so on. Then the rows of joint groups with ``group_seeds``.
    """
    profile = get_profile(profile)
    have = {(r["row"], r["seed"]) for r in records(profile.name, folder=folder) if is_own(r) and is_current(r)}
    wanted = []
    for seed, variant_seed in zip_longest(profile.seeds, profile.variant_seeds):
        wanted += [(row, seed) for row in ROWS if seed is not None]
        wanted += [(variant, variant_seed) for variant in VARIANTS if variant_seed is not None]
    of_groups = [row for row in (*GROUP_ROWS, *JOINT_AWARE_ROWS) if row not in profile.without]
    wanted += [(row, seed) for seed in profile.group_seeds for row in of_groups]
    return [run for run in wanted if run not in have]


def is_own(record: dict[str, Any]) -> bool:
    """Whether a record's row had the backbone and the start that are its own in the profile."""
    row, profile = rows_and_variants().get(record["row"]), PROFILES[record["profile"]]
    return (record["backbone"], record["start"]) == (own_backbone(row, profile), own_start(row, profile))


def is_current(record: dict[str, Any]) -> bool:
    """Whether a run planned today would be decided by all that decided this one.

    Of the code that is its revisions, not its text: a record outlives a change that leaves the outcome as it was.
    """
    return record["decides"] == today(record)


def today(record: dict[str, Any]) -> dict[str, Any] | None:
    """What would decide a record's run if it were planned today; None where there is no such row or profile now."""
    row = rows_and_variants().get(record["row"])
    profile = PROFILES.get(record["profile"])
    if row is None or profile is None or (row.backbone or record["backbone"]) != record["backbone"]:
        return None
    depth = profile.network.depth if row.backbone else BACKBONES.get(record["backbone"])
    if depth is None:
        return None
    precision = record["decides"].get("training", {}).get("precision", "")
    planned = Plan(
        row=row,
        profile=profile,
        network=replace(profile.network, depth=depth),
        config=profile.training_config(seed=record["seed"], precision=precision, recipe=row.recipe),
        start=record["start"],
    )
    if planned.start in LESSONS and profile.pretraining is None:
        return None
    # What a start was made of must be today's. Which weights came out, of a start that is not in the package, the
    # record alone knows: another machine's differ in their last bits.
    shipped = None if planned.pretraining is None else find_shipped(planned.pretraining)
    weights = record["decides"].get("weights") if shipped is None else shipped.record["weights_digest"]
    decides = planned.decides_from(weights)
    if "dataset" in record:  # which hands these were, the record alone knows
        decides["data"] = {**record["decides"]["data"], "version": DATA_SET_VERSION}
    return decides
