"""Hashes of the code that decides an outcome: who edits a decoder sees it trained again, and nothing else."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import textwrap
from pathlib import Path

from hand_lib import training
from hand_lib.experiments.lessons import Lesson
from hand_lib.models import rows as rows_module
from hand_lib.models.rows import Row
from hand_lib.models.size import NetworkSize

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
    "hand_lib.training.objectives",
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
def lesson_hash(lesson: Lesson) -> str:
    """A hash of the code that decides what a backbone learns in a lesson."""
    modules = _with_imports(set(lesson.modules)) | set(_TRAINING_MODULES)
    return hashlib.sha256("\n".join(_plain(_source(name)) for name in sorted(modules)).encode()).hexdigest()


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
