"""The papers' tables, run: profiles, runs kept and recorded, and their comparison.

A *run* is one row of a table, trained with one seed in one profile and measured on held-out hands. :func:`run` trains
it if the cache lacks it, so a row that one chapter trained is not trained again by the next. The key of a run holds
all that decides its outcome, the code included (:func:`source_hash`); the record of a run says what came out, how, and
on what. Records that are committed lie under ``results/`` and come from the command line only.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.datasets.augmentation import GENTLE, JAR, Augmentation
from hand_lib.datasets.synthetic import load_synthetic
from hand_lib.errors import HandLibError, choose
from hand_lib.metrics import summarise
from hand_lib.models import rows as rows_module
from hand_lib.models.backbone import LAYOUTS, load_imagenet
from hand_lib.models.counting import count as count_model
from hand_lib.models.rows import ROWS, NetworkSize, Row
from hand_lib.samples import Samples
from hand_lib.synthetic import DATA_VERSION, EASY, WIDE, SceneConfig
from hand_lib.training import TrainingConfig, predict

RECORD_FORMAT = 1
DATA_SEED = 0  # of the rendered hands; a run's own seed is that of its weights, order and augmentation
BACKBONES = {f"resnet{depth}": depth for depth in LAYOUTS}

# ------------------------------------------------------------------------------------------------------------ profiles


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
        steps, batch_size: of the training.
        seeds: those that a full set of records has, in order of importance.
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
    seeds: tuple[int, ...] = (0,)

    def training_config(self, *, seed: int, precision: str) -> TrainingConfig:
        """How this profile trains any row."""
        return TrainingConfig(
            steps=self.steps,
            batch_size=self.batch_size,
            image_size=self.network.image_size,
            augmentation=self.augmentation,
            precision=precision,
            seed=seed,
        )


RHD_TRAINING, RHD_EVALUATION = 41_258, 2_728  # images in RHD, whose sizes the large synthetic sets have
PAPER_EPOCHS, PAPER_BATCH = 30, 64  # JAR, section 4
PAPER_STEPS = PAPER_EPOCHS * RHD_TRAINING // PAPER_BATCH

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="smoke",
            title="does everything, learns nothing: its numbers are not results",
            network=NetworkSize(depth=18, width=16, image_size=64, final_stride=1),
            training_count=512,
            evaluation_count=128,
            render_size=64,
            scene=EASY,
            augmentation=GENTLE,
            steps=40,
            batch_size=16,
        ),
        Profile(
            name="quick",
            title="small networks, small pictures, palms in view: the coarse trends, within minutes on a CPU",
            network=NetworkSize(depth=18, width=32, image_size=64, final_stride=1),
            training_count=8192,
            evaluation_count=1024,
            render_size=80,
            scene=EASY,
            augmentation=GENTLE,
            steps=800,
            batch_size=32,
            seeds=(0, 1),
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
            seeds=(0, 1, 2),
        ),
        Profile(
            name="paper",
            title="the paper's protocol on synthetic hands: 256 px, published backbones, 30 epochs; takes --imagenet",
            network=NetworkSize(depth=18, width=64, image_size=256, final_stride=2),
            training_count=RHD_TRAINING,
            evaluation_count=RHD_EVALUATION,
            render_size=320,
            scene=WIDE,
            augmentation=JAR,
            steps=PAPER_STEPS,
            batch_size=PAPER_BATCH,
            seeds=(0, 1, 2),
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
    """The row of this name, or the row itself. Raises HandLibError that names the choices."""
    if isinstance(row, Row):
        return row
    if row not in ROWS:
        raise choose("row", row, ROWS)
    return ROWS[row]


def get_depth(backbone: str) -> int:
    """ "resnet50" to 50. Raises HandLibError that names the choices."""
    if backbone not in BACKBONES:
        raise choose("backbone", backbone, BACKBONES)
    return BACKBONES[backbone]


def datasets(profile: str | Profile) -> tuple[Samples, Samples]:
    """The training and the evaluation set of a profile, rendered once (see :mod:`hand_lib.datasets.synthetic`).

    They are kept in memory: treat them as read-only.
    """
    profile = get_profile(profile)
    shared = {"size": profile.render_size, "scene": profile.scene, "seed": DATA_SEED}
    return (
        _load(split="training", count=profile.training_count, **shared),
        _load(split="evaluation", count=profile.evaluation_count, **shared),
    )


_load = functools.lru_cache(maxsize=2)(load_synthetic)


# ---------------------------------------------------------------------------------------- what decides a run's outcome


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that decides the outcome of a run.

    Attributes:
        row, profile: what and how much.
        network: the profile's, or with another backbone.
        imagenet: the backbone starts from ImageNet's weights, as in the paper, and not from random ones.
        config: the training's.
        source: hash of the code that trains this row.
    """

    row: Row
    profile: Profile
    network: NetworkSize
    config: TrainingConfig
    source: str
    imagenet: bool = False

    @property
    def name(self) -> str:
        """``row[-backbone][-imagenet]-s<seed>``; the backbone where it is not the profile's own."""
        return _run_name(self.row.name, self.profile.name, self.backbone, self.imagenet, self.config.seed)

    @property
    def title(self) -> str:
        return f"{self.name.rpartition('-s')[0]}, profile {self.profile.name}, seed {self.config.seed}"

    @property
    def backbone(self) -> str:
        return f"resnet{self.network.depth}"

    @cached_property
    def decides(self) -> dict[str, Any]:
        """As JSON holds it."""
        profile = self.profile
        decides = {
            "row": self.row.name,
            "profile": profile.name,
            "network": asdict(self.network),
            "imagenet": self.imagenet,
            "training": asdict(self.config),
            "data": {
                "version": DATA_VERSION,
                "seed": DATA_SEED,
                "training_count": profile.training_count,
                "evaluation_count": profile.evaluation_count,
                "render_size": profile.render_size,
                "scene": asdict(profile.scene),
            },
            "source": self.source,
        }
        return json.loads(json.dumps(decides, default=str))

    @property
    def key(self) -> str:
        """The hash of :attr:`decides`."""
        return hashlib.sha256(json.dumps(self.decides, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        return cache.cache_dir() / "runs" / self.profile.name / f"{self.name}-{self.key[:12]}"

    def build(self) -> nn.Module:
        """The row's network with the seed's random weights, on the CPU."""
        return training.build_seeded(lambda: self.row.build(self.network), self.config.seed)

    def start(self) -> nn.Module:
        """The network as its training begins: :meth:`build`, with ImageNet's weights in the backbone if so planned."""
        model = self.build()
        if self.imagenet:
            weights = load_imagenet(self.network.depth, folder=_imagenet_folder())
            if weights is None:
                raise HandLibError(f"the ImageNet weights in {_imagenet_folder()} are gone")
            model.backbone.load_weights(weights)
        return model


def _run_name(row: str, profile: str, backbone: str, imagenet: bool, seed: int) -> str:
    own = PROFILES[profile].network.depth if profile in PROFILES else None
    parts = [row, backbone if backbone != f"resnet{own}" else "", "imagenet" if imagenet else "", f"s{seed}"]
    return "-".join(filter(None, parts))


def _imagenet_folder() -> Path:
    return cache.cache_dir() / "imagenet"


def plan(
    row: str | Row,
    *,
    profile: str | Profile = "quick",
    seed: int = 0,
    device: str | None = None,
    backbone: str | None = None,
    imagenet: bool = False,
) -> Plan:
    """What :func:`run` would do with these arguments; trains nothing.

    Where ImageNet's weights are asked for they are fetched now; without a network a warning says so, and the plan is
    one with random weights.

    Raises:
        HandLibError: an unknown row, profile, device or backbone; the line names the choices. ImageNet's weights for
            a thinner backbone than the published one.
    """
    profile, row_ = get_profile(profile), get_row(row)
    network = profile.network if backbone is None else replace(profile.network, depth=get_depth(backbone))
    precision = training.choose_precision(training.choose_device(device))
    config = profile.training_config(seed=seed, precision=precision)
    if imagenet:
        if network.width != 64:
            raise HandLibError(f"ImageNet's weights are of width 64, profile {profile.name} has width {network.width}")
        imagenet = load_imagenet(network.depth, folder=_imagenet_folder()) is not None
    source = source_hash(row, network)
    return Plan(row=row_, profile=profile, network=network, config=config, source=source, imagenet=imagenet)


_TRAINING_MODULES = (
    "hand_lib.camera",
    "hand_lib.datasets.augmentation",
    "hand_lib.samples",
    "hand_lib.skeleton",
    "hand_lib.training",
)
_EVALUATION_MODULES = ("hand_lib.camera", "hand_lib.datasets.augmentation", "hand_lib.metrics")


@functools.lru_cache(maxsize=256)
def source_hash(row: str | Row, network: NetworkSize) -> str:
    """A hash of the code that decides the row's weights: its network's modules, the loop, the augmentation.

    Taken from the syntax trees without docstrings, so that a comment or a line break does not train everything again,
    and only from the modules that this row's network uses, so that a new row leaves the others' runs alone.
    """
    build = get_row(row).build
    # On the CPU: random initialisation on the meta device makes torch load its compiler, which takes seconds.
    model = training.build_seeded(lambda: build(network), 0)
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    used = {type(module).__module__ for module in model.modules()}
    modules = _with_imports({name for name in used if name.startswith("hand_lib.")}) | set(_TRAINING_MODULES)
    modules.discard(rows_module.__name__)  # lists every row; what concerns this one follows
    parts = [repr(model), repr(shapes), _plain(inspect.getsource(build)), _constants(rows_module.__name__)]
    parts += [_plain(_source(name)) for name in sorted(modules)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@functools.cache
def evaluation_hash() -> str:
    """A hash of the code that measures: where it has changed, a kept run is measured again, not trained again."""
    return hashlib.sha256("\n".join(_plain(_source(name)) for name in _EVALUATION_MODULES).encode()).hexdigest()


def _source(module: str) -> str:
    return Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")


def _with_imports(modules: set[str]) -> set[str]:
    """These modules and all of hand_lib.models that they import, directly or not."""
    found: set[str] = set()
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(_source(name))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hand_lib.models."):
                queue.append(node.module)
    return found


class _Plain(ast.NodeTransformer):
    """Drops docstrings, and writes f-strings as tuples: Python versions unparse them differently."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return ast.Tuple(elts=node.values, ctx=ast.Load())

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        spec = [node.format_spec] if node.format_spec else []
        return ast.Tuple(elts=[node.value, ast.Constant(node.conversion), *spec], ctx=ast.Load())

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def _plain(source: str) -> str:
    return ast.unparse(ast.fix_missing_locations(_Plain().visit(ast.parse(textwrap.dedent(source)))))


def _constants(module: str) -> str:
    """The module's plain constants (``HEADS = 8``), which its row builders use."""
    nodes = [node for node in ast.parse(_source(module)).body if isinstance(node, ast.Assign)]
    return "\n".join(ast.unparse(node) for node in nodes if isinstance(node.value, ast.Constant))


# ---------------------------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it is kept: ``record.json``, ``model.safetensors``, ``evaluation.safetensors``.
        record: what came out, how and on what; plain JSON (see :func:`make_record`).
        plan: what decided it.
    """

    folder: Path
    record: dict[str, Any]
    plan: Plan

    def model(self, device: str | torch.device = "cpu") -> nn.Module:
        """The trained network, in evaluation mode.

        Raises:
            HandLibError: its file is missing, damaged, or not the one the record tells of.
        """
        path = self.folder / "model.safetensors"
        tensors, _ = cache.read_tensors(path)
        if _sha256(path) != self.record["checkpoint_sha256"]:
            raise HandLibError(f"{path} is not the file its record tells of; delete {self.folder} to train again")
        model = self.plan.build()
        model.load_state_dict(tensors)
        return model.to(device, memory_format=torch.channels_last).eval()

    @cached_property
    def _evaluation(self) -> dict[str, Tensor]:
        return cache.read_tensors(self.folder / "evaluation.safetensors")[0]

    @property
    def predictions(self) -> Tensor:
        """``(N, 21, 3)`` float32 millimetres: each evaluation hand, mirrored to a right one, as predicted."""
        return self._evaluation["xyz"]

    @property
    def truth(self) -> Tensor:
        """``(N, 21, 3)`` float32 millimetres: the evaluation hands, mirrored to right ones."""
        return self._evaluation["true_xyz"]

    @property
    def visible(self) -> Tensor:
        """``(N, 21)`` bool."""
        return self._evaluation["visible"]

    @cached_property
    def errors(self) -> Tensor:
        """``(N, 21)`` millimetres: each evaluation image's error, joint by joint."""
        return training.joint_errors(self.predictions, self.truth)

    @property
    def curve(self) -> list[dict[str, float]]:
        """One dict a validation: ``step``, ``loss``, ``epe`` (mm, on a part of the evaluation set), ``seconds``."""
        return self.record["curve"]


class Unfinished(Exception):
    """The training stopped before its end, with a checkpoint, because its time was used up."""


def run(
    row: str | Row,
    *,
    profile: str | Profile = "quick",
    seed: int = 0,
    device: str | None = None,
    progress: bool = True,
    backbone: str | None = None,
    imagenet: bool = False,
    deadline: float | None = None,
) -> Run:
    """The run of a row: from the cache, or trained now. Two processes that ask for the same run train it once.

    Args:
        row: name of the row, see ``ROWS`` in :mod:`hand_lib.models.rows`; or a row that is in no table, such as
            :func:`~hand_lib.models.rows.multi_head_row` makes.
        profile: "smoke", "quick", "full" or "paper".
        seed: of the weights, the order of the data and the augmentation.
        device: "cpu", "cuda", …; None takes the GPU if there is one.
        progress: say what is done, how long it should take, and show the steps, on stderr.
        backbone: "resnet18" to "resnet152" instead of the profile's own.
        imagenet: start the backbone from ImageNet's weights.
        deadline: ``time.monotonic()`` after which to stop with a checkpoint.

    Raises:
        HandLibError: an unknown name; a damaged file; a loss that is not finite; a disk that is full.
        Unfinished: the deadline came first.
        KeyboardInterrupt: Ctrl-C, after the checkpoint was saved; the same call goes on from there.
    """
    planned = plan(row, profile=profile, seed=seed, device=device, backbone=backbone, imagenet=imagenet)
    if int(os.environ.get("RANK", "0")) > 0:  # under torchrun the first process keeps the lock for all
        return _run(planned, device, progress, deadline)
    with cache.lock(planned.folder, waiting_for=planned.title):
        cache.remove_leftovers(planned.folder)
        return _run(planned, device, progress, deadline)


def _run(planned: Plan, device: str | None, progress: bool, deadline: float | None) -> Run:
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1
    fabric = None
    if together:  # joined before anything is looked up, so that all see the same
        fabric = training.make_fabric(training.choose_device(device), planned.config.precision)
    found = find(planned) if fabric is None or fabric.global_rank == 0 else None
    if fabric is not None:
        if not fabric.broadcast(found is not None):
            if fabric.global_rank == 0:
                datasets(planned.profile)  # rendered by one, read by all
            fabric.barrier()
            _train(planned, fabric, progress and fabric.global_rank == 0, deadline)
        fabric.barrier()
        return found or _load_run(planned)
    if found is None:
        datasets(planned.profile)  # rendered first: the estimate is of the training
        if progress:
            expected = estimate(planned.row, planned.profile, device, backbone=planned.backbone)
            print(f"{planned.title}: {expected}", file=sys.stderr, flush=True)
        fabric = training.make_fabric(training.choose_device(device), planned.config.precision)
        _train(planned, fabric, progress, deadline)
        found = _load_run(planned)
    return found


def find(planned: Plan) -> Run | None:
    """The finished run, if the cache has it; measured again if the measuring code has changed."""
    if not (planned.folder / "record.json").exists():
        return None
    found = _load_run(planned)
    if found.record["evaluation_source"] != evaluation_hash():
        measured = _measure(planned, found.model(), found.folder, torch.device("cpu"))
        record = {**found.record, **measured}
        cache.write_json(found.folder / "record.json", record)
        found = Run(found.folder, record, planned)
    return found


def _load_run(planned: Plan) -> Run:
    record = cache.read_json(planned.folder / "record.json")
    if not isinstance(record, dict) or record.get("key") != planned.key:
        raise HandLibError(f"{planned.folder / 'record.json'} is no record of this run; delete {planned.folder}")
    return Run(planned.folder, record, planned)


def _train(planned: Plan, fabric: Any, progress: bool, deadline: float | None) -> None:
    training_set, evaluation_set = datasets(planned.profile)
    model = planned.start()
    about = {
        "row": planned.row.name,
        "profile": planned.profile.name,
        "seed": str(planned.config.seed),
        "network": json.dumps(asdict(planned.network)),
    }
    done = training.train(
        model,
        training_set,
        evaluation_set,
        config=planned.config,
        folder=planned.folder,
        key=planned.key,
        about=about,
        title=planned.name,
        fabric=fabric,
        deadline=deadline,
        progress_bar=progress,
    )
    if not done.finished:
        step = f"step {done.step} of {planned.config.steps}"
        where = f"{planned.title}: stopped at {step}; the same command goes on from there"
        raise KeyboardInterrupt(where) if done.stopped_by == "Ctrl-C" else Unfinished(where)
    if fabric.global_rank > 0:
        return
    folder = planned.folder
    cache.write_tensors(
        folder / "model.safetensors", model.state_dict(), {**about, "kind": "weights", "key": planned.key}
    )
    measured = _measure(planned, model, folder, fabric.device)
    record = make_record(
        planned, done, fabric.device, fabric.world_size, measured, _sha256(folder / "model.safetensors")
    )
    cache.write_json(folder / "record.json", record)  # last: a run without a record is not finished
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def _measure(planned: Plan, model: nn.Module, folder: Path, device: torch.device) -> dict[str, Any]:
    """Measure a trained model on the evaluation set; keeps the predictions, returns the record's part."""
    _, evaluation_set = datasets(planned.profile)
    size = planned.network.image_size
    result = predict(model.eval(), evaluation_set, image_size=size, device=device)
    cache.write_tensors(
        folder / "evaluation.safetensors",
        {"xyz": result.xyz, "true_xyz": result.true_xyz, "visible": result.visible},
    )
    return {
        "metrics": summarise(result.xyz, result.true_xyz, result.visible),
        "constant_prediction": constant_prediction(planned.profile),
        "evaluation_source": evaluation_hash(),
    }


@functools.lru_cache(maxsize=8)
def constant_prediction(profile: Profile) -> dict[str, Any]:
    """The metrics of one who does not look: the mean training target, for every evaluation image."""
    shared = {"size": profile.render_size, "scene": profile.scene, "seed": DATA_SEED}
    evaluation_set = _load(split="evaluation", count=profile.evaluation_count, **shared)
    config = profile.training_config(seed=0, precision="32-true")
    few = min(profile.training_count, 2048)
    constant = training.mean_targets(load_synthetic(split="training", count=few, **shared), config)
    result = predict(
        lambda images: constant.expand(len(images), -1, -1), evaluation_set, image_size=config.image_size, device="cpu"
    )
    return summarise(result.xyz, result.true_xyz, result.visible)


# ------------------------------------------------------------------------------------------------------------- records


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
    commit, changed = _commit()
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
        "libraries": _libraries(),
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
    name = _run_name(record["row"], record["profile"], record["backbone"], record["imagenet"], record["seed"])
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
    """The (row, seed) pairs of a profile that are not recorded, most wanted first: the first seed of all rows first."""
    profile = get_profile(profile)
    backbone = f"resnet{profile.network.depth}"
    have = {
        (r["row"], r["seed"])
        for r in records(profile.name, folder=folder)
        if r["backbone"] == backbone and not r["imagenet"]
    }
    return [(row, seed) for seed in profile.seeds for row in ROWS if (row, seed) not in have]


def is_current(record: dict[str, Any]) -> bool:
    """Whether the code and the data that made a record are today's."""
    if record["row"] not in ROWS or record["data_version"] != DATA_VERSION:
        return False
    network = NetworkSize(**record["decides"]["network"])
    return record["source"] == source_hash(record["row"], network)


def _sha256(path: Path) -> str:
    with cache.readable_errors(path, "read"), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit() -> tuple[str, bool | None]:
    """The checkout's commit, and whether the package has uncommitted changes; "unknown" without git."""
    here = Path(__file__).resolve().parent
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


def _libraries() -> dict[str, str]:
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


# ------------------------------------------------------------------------------------------------------------ estimate


def estimate(
    row: str | Row, profile: str | Profile = "quick", device: str | None = None, *, backbone: str | None = None
) -> str:
    """How long training should take and on what, for example "about 50 s on this CPU (AMD EPYC, 1 thread)".

    Taken from a finished run of the same row, profile and backbone on a like device, else from a few measured steps.

    Raises:
        HandLibError: an unknown row, profile, device or backbone.
    """
    planned = plan(row, profile=profile, device=device, backbone=backbone)
    where = training.choose_device(device)
    name = device_name(where)
    seconds = _recorded_seconds(planned, name) or _measured_seconds(planned, where)
    kind = {"cpu": "this CPU", "cuda": "this GPU", "mps": "this GPU"}[where.type]
    return f"about {say_duration(seconds)} on {kind} ({name})"


def say_duration(seconds: float) -> str:
    """A duration for people: "8 s", "50 s", "3 min", "2.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds) if seconds < 20 else round(seconds, -1)):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _recorded_seconds(planned: Plan, device: str) -> float | None:
    paths = (cache.cache_dir() / "runs" / planned.profile.name).glob(f"{planned.row.name}-*/record.json")
    known = records(planned.profile.name) if planned.profile.name in PROFILES else []
    for path in paths:
        try:
            known.append(cache.read_json(path))
        except HandLibError:  # the run itself will complain
            continue
    like = [
        record["seconds"] / record["steps"]
        for record in known
        if record["row"] == planned.row.name
        and record["device"] == device
        and record["processes"] == 1
        and record["decides"]["network"] == planned.decides["network"]
        and record["decides"]["training"]["batch_size"] == planned.config.batch_size
    ]
    return statistics.median(like) * planned.config.steps if like else None


def _measured_seconds(planned: Plan, device: torch.device, steps: int = 4) -> float:
    """The time of a few steps on noise, warmed up by one."""
    size, batch = planned.profile.render_size, planned.config.batch_size
    corner = torch.tensor([0.0, 0.0, size - 1, size - 1])
    xyz = torch.rand(batch, 21, 3) * 100 + torch.tensor([-50.0, -50.0, 500.0])
    K = torch.tensor([[2.0 * size, 0, size / 2], [0, 2.0 * size, size / 2], [0, 0, 1]])
    noise = Samples(
        images=torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8),
        uv=torch.zeros(batch, 21, 2),
        xyz=xyz,
        visible=torch.ones(batch, 21, dtype=torch.bool),
        K=K.expand(batch, 3, 3).contiguous(),
        right=torch.ones(batch, dtype=torch.bool),
        box=corner.expand(batch, 4).contiguous(),
    )
    batches = training.Batches(noise.to(device), planned.config)
    model = planned.build().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), fused=device.type in ("cpu", "cuda"))
    began = 0.0
    for step in range(steps + 1):
        if step == 1:
            began = training.now(device)
        images, targets = batches(step)
        with torch.autocast(device.type, torch.bfloat16, enabled=planned.config.precision == "bf16-mixed"):
            stages = model.stages(images)
        optimiser.zero_grad()
        training.l1_of_stages(stages, targets).sum().backward()
        optimiser.step()
    return (training.now(device) - began) / steps * planned.config.steps


# ---------------------------------------------------------------------------------------------------------- comparison


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two rows on the same evaluation images, paired by seed and image.

    The interval is a bootstrap over **images**: what another draw of as many evaluation hands could have shown of
    these very networks. It does **not** cover the seeds: how much retraining would move the difference is seen in
    ``per_seed``, and two or three seeds are too few for an interval.

    Attributes:
        difference: mean over seeds and images of a's error minus b's, mm; negative: a is better.
        low, high: ends of the interval, mm.
        confidence: its level.
        per_seed: the difference of each pair of runs, mm.
        seeds: the pairs' seeds.
        images: how many images.
        names: of a and b.
    """

    difference: float
    low: float
    high: float
    confidence: float
    per_seed: tuple[float, ...]
    seeds: tuple[int, ...]
    images: int
    names: tuple[str, str]

    @property
    def clear(self) -> bool:
        """The interval excludes 0, and all seeds agree on the sign."""
        same_sign = len({value > 0 for value in self.per_seed}) == 1
        return same_sign and not self.low <= 0 <= self.high

    def __str__(self) -> str:
        by_seed = ", ".join(f"{value:+.2f}" for value in self.per_seed)
        return (
            f"{self.names[0]} − {self.names[1]}: {self.difference:+.2f} mm "
            f"[{self.low:+.2f}, {self.high:+.2f}] ({self.confidence:.0%} over {self.images} images), "
            f"seeds {', '.join(map(str, self.seeds))}: {by_seed}"
        )


def compare(runs_a: Run | Sequence[Run], runs_b: Run | Sequence[Run], *, confidence: float = 0.95) -> Comparison:
    """Compare two rows on the same images: mean difference of the mean EPE, with a paired bootstrap interval.

    Args:
        runs_a, runs_b: runs of the same seeds, in any order, on the same evaluation set.
        confidence: level of the interval.

    Raises:
        HandLibError: the seeds differ, or the evaluation sets do.
    """
    from scipy.stats import bootstrap

    a, b = ({run.plan.config.seed: run for run in _as_list(runs)} for runs in (runs_a, runs_b))
    if a.keys() != b.keys() or not a:
        raise HandLibError(f"runs are compared seed by seed: got seeds {sorted(a)} and {sorted(b)}")
    seeds = sorted(a)
    if any(not torch.equal(a[seed].truth, b[seed].truth) for seed in seeds):
        raise HandLibError("these runs were measured on different evaluation images")
    by_seed = np.stack([(a[s].errors.mean(dim=1) - b[s].errors.mean(dim=1)).double().numpy() for s in seeds])  # (S, N)
    by_image = by_seed.mean(axis=0)
    if np.ptp(by_image) == 0:  # nothing to resample, for example a run and itself
        low = high = float(by_image[0])
    else:
        generator = np.random.default_rng(0)
        interval = bootstrap(
            (by_image,), np.mean, confidence_level=confidence, method="BCa", batch=500, rng=generator
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return Comparison(
        difference=float(by_image.mean()),
        low=low,
        high=high,
        confidence=confidence,
        per_seed=tuple(by_seed.mean(axis=1).tolist()),
        seeds=tuple(seeds),
        images=by_seed.shape[1],
        names=tuple(_name(runs) for runs in (a, b)),
    )


def _as_list(runs: Run | Iterable[Run]) -> list[Run]:
    return [runs] if isinstance(runs, Run) else list(runs)


def _name(runs: dict[int, Run]) -> str:
    return " ".join(sorted({run.plan.name.rpartition("-s")[0] for run in runs.values()}))


# -------------------------------------------------------------------------------------------------- foreign checkpoints


def evaluate_checkpoint(path: Path, *, profile: str | None = None, device: str | None = None) -> dict[str, Any]:
    """Measure a weights file or a training checkpoint that this package wrote.

    Args:
        path: ``model.safetensors`` or ``checkpoint.safetensors``.
        profile: whose evaluation set to use; None takes the one it was trained in.
        device: where to compute.

    Returns:
        ``row``, ``profile``, ``seed``, ``backbone``, ``step`` (None for finished weights), ``metrics``,
        ``constant_prediction``.

    Raises:
        HandLibError: no such file; damaged; a file that tells of no row of this package; weights that do not fit.
    """
    tensors, metadata = cache.read_tensors(path)
    try:
        row, network = get_row(metadata["row"]), NetworkSize(**json.loads(metadata["network"]))
        profile_ = get_profile(profile or metadata["profile"])
        seed = int(metadata["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise HandLibError(
            f"{path} is not a checkpoint of this package: its metadata name no row and network"
        ) from error
    step = None
    if metadata.get("kind") == training.CHECKPOINT_KIND:
        step = json.loads(metadata["progress"])["step"]
        tensors = {name[len("model.") :]: value for name, value in tensors.items() if name.startswith("model.")}
    model = row.build(network)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise HandLibError(f"{path} does not fit the row {row.name}: {str(error).splitlines()[1].strip()}") from error
    where = training.choose_device(device)
    _, evaluation_set = datasets(profile_)
    result = predict(
        model.to(where, memory_format=torch.channels_last).eval(),
        evaluation_set,
        image_size=network.image_size,
        device=where,
    )
    return {
        "row": row.name,
        "profile": profile_.name,
        "seed": seed,
        "backbone": f"resnet{network.depth}",
        "step": step,
        "metrics": summarise(result.xyz, result.true_xyz, result.visible),
        "constant_prediction": constant_prediction(profile_),
    }


def stop_time(budget: float | None) -> float | None:
    """The ``deadline`` of :func:`run` for a budget of so many seconds from now."""
    return None if budget is None else time.monotonic() + budget
