"""What decides a run's outcome, and the key made of it."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.experiments.profiles import DATA_SEED, PROFILES, Profile, get_depth, get_profile, get_row
from hand_lib.experiments.schema import run_key
from hand_lib.models import rows as rows_module
from hand_lib.models.backbone import load_imagenet
from hand_lib.models.rows import Row
from hand_lib.models.size import NetworkSize
from hand_lib.synthetic import DATA_VERSION
from hand_lib.training import TrainingConfig

# What a run's folder holds when it is finished.
RECORD_FILE, MODEL_FILE, EVALUATION_FILE = "record.json", "model.safetensors", "evaluation.safetensors"

# Raised whenever a change of code outside the rows' own networks changes what training gives (a test notices): of the
# backbone, the loop, the batches, the augmentation, the camera. Records hold it.
TRAINING_REVISION = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that decides the outcome of a run.

    Attributes:
        row, profile: what and how much.
        network: the profile's, or with another backbone.
        config: the training's.
        imagenet: the backbone starts from ImageNet's weights, as in the paper, and not from random ones.
    """

    row: Row
    profile: Profile
    network: NetworkSize
    config: TrainingConfig
    imagenet: bool = False

    @property
    def name(self) -> str:
        """``row[-backbone][-imagenet]-s<seed>``; the backbone where it is not the profile's own."""
        return run_name(self.row.name, self.profile.name, self.backbone, self.imagenet, self.config.seed)

    @property
    def title(self) -> str:
        return f"{self.name.rpartition('-s')[0]}, profile {self.profile.name}, seed {self.config.seed}"

    @property
    def backbone(self) -> str:
        return f"resnet{self.network.depth}"

    @cached_property
    def given(self) -> Mapping[str, Tensor] | None:
        """The weights that the row brings to start from; asked for once, so that the key is that of what is used."""
        return None if self.row.recipe.start is None else self.row.recipe.start(self.network)

    @cached_property
    def decides(self) -> dict[str, Any]:
        """What decides the outcome, as JSON holds it; of the code its revisions. A record is current while this is."""
        profile = self.profile
        decides = {
            "row": self.row.name,
            "revision": {"row": self.row.revision, "training": TRAINING_REVISION},
            "profile": profile.name,
            "network": asdict(self.network),
            "imagenet": self.imagenet,
            "start": None if self.given is None else cache.digest(self.given),
            "training": asdict(self.config),
            "data": {
                "version": DATA_VERSION,
                "seed": DATA_SEED,
                "training_count": profile.training_count,
                "evaluation_count": profile.evaluation_count,
                "render_size": profile.render_size,
                "scene": asdict(profile.scene),
            },
        }
        return json.loads(json.dumps(decides, default=str))

    @cached_property
    def source(self) -> str:
        """The hash of the code that trains this row."""
        return source_hash(self.row, self.network)

    @property
    def key(self) -> str:
        """The hash of :attr:`decides` and :attr:`source`: who edits a decoder sees it trained."""
        return run_key(self.decides, self.source)

    @property
    def folder(self) -> Path:
        return cache.cache_dir() / "runs" / self.profile.name / f"{self.name}-{self.key[:12]}"

    def build(self) -> nn.Module:
        """The row's network with the seed's random weights, on the CPU."""
        return training.build_seeded(lambda: self.row.build(self.network), self.config.seed)

    def start(self) -> nn.Module:
        """The network as its training begins: :meth:`build`, with the weights that the plan or its row starts from.

        Raises:
            HandLibError: weights that the network has no place for; ImageNet's weights are gone.
        """
        model = self.build()
        if self.imagenet:
            weights = load_imagenet(self.network.depth, folder=_imagenet_folder())
            if weights is None:
                raise HandLibError(f"the ImageNet weights in {_imagenet_folder()} are gone")
            model.load_backbone(weights)
        if self.given is not None:
            try:
                wrong = model.load_state_dict(self.given, strict=False).unexpected_keys
            except RuntimeError as error:  # of another shape
                wrong = [str(error).splitlines()[1].strip()]
            if wrong:
                raise HandLibError(f"the start of {self.row.name} does not fit its network: {wrong[0]}")
        return model


def run_name(row: str, profile: str, backbone: str, imagenet: bool, seed: int) -> str:
    """``row[-backbone][-imagenet]-s<seed>``, the backbone where it is not the profile's own."""
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
    """What :func:`~hand_lib.experiments.runs.run` would do with these arguments; trains nothing.

    Where ImageNet's weights are asked for they are fetched now; without a network a warning says so, and the plan is
    one with random weights.

    Raises:
        HandLibError: an unknown row, profile, device or backbone; the line names the choices. ImageNet's weights for
            a thinner backbone than the published one.
    """
    profile, row = get_profile(profile), get_row(row)
    network = profile.network if backbone is None else replace(profile.network, depth=get_depth(backbone))
    precision = training.choose_precision(training.choose_device(device))
    config = profile.training_config(seed=seed, precision=precision, recipe=row.recipe)
    if imagenet:
        if network.width != 64:
            raise HandLibError(f"ImageNet's weights are of width 64, profile {profile.name} has width {network.width}")
        imagenet = load_imagenet(network.depth, folder=_imagenet_folder()) is not None
    return Plan(row=row, profile=profile, network=network, config=config, imagenet=imagenet)


_TRAINING_MODULES = (
    "hand_lib.camera",
    "hand_lib.datasets.augmentation",
    "hand_lib.samples",
    "hand_lib.skeleton",
    "hand_lib.training.batches",
    "hand_lib.training.checkpoints",
    "hand_lib.training.config",
    "hand_lib.training.engine",
    "hand_lib.training.loop",
)
_EVALUATION_MODULES = (
    "hand_lib.camera",
    "hand_lib.datasets.augmentation",
    "hand_lib.evaluation",
    "hand_lib.metrics",
    "hand_lib.skeleton",
)


@functools.lru_cache(maxsize=256)
def source_hash(row: Row, network: NetworkSize) -> str:
    """A hash of the code that decides the row's weights: its network's modules, the loop, the augmentation.

    Taken from the syntax trees without docstrings, so that a comment or a line break does not train everything again,
    and only from the modules that this row's network uses, so that a new row leaves the others' runs alone.
    """
    build = row.build
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
