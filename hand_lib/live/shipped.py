"""Trained networks in the package: a file of rounded weights and its record for each row, made from recorded runs.

``python -m hand_lib export`` makes them where a recorded run's checkpoint lies in the cache. Whoever reads them checks
that the weights are those that the record tells of; so a site can be built where nothing was trained.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from hand_lib import cache, experiments
from hand_lib.datasets.augmentation import crop
from hand_lib.errors import HandLibError, choose
from hand_lib.evaluation import EVALUATION_BATCH, predict
from hand_lib.experiments.planning import MODEL_FILE, RECORD_FILE
from hand_lib.experiments.recording import is_own, read_run
from hand_lib.experiments.schema import Network, Recorded, possible_network, seal
from hand_lib.live.rounding import folded, restored, rounded
from hand_lib.live.structure import structure
from hand_lib.metrics import joint_errors
from hand_lib.models.decoders import MultiHeadDecoder
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples
from hand_lib.strict import Hash, Millimetres, Name, Positive, Seed, Text, check

PROFILE = "quick"
# What the pages and `predict` can show. All of them together stay below fifteen megabytes.
SHIPPED_ROWS = ("fr", "afr", "maps", "maps-shared", "multihead", "refine-hdr", "heatmap25d", "heatmap25d-sharp")
FOLDER = Path(__file__).parent / "weights"
KIND, FORMAT = "rounded weights", 1
USUAL = "usual"  # the tensor of what a row's heads say on average


class ShippedRecord(Recorded):
    """What a file of rounded weights was made from, and what the rounding costs.

    Attributes:
        row, profile, seed, network: of the recorded run.
        checkpoint_sha256: of that run's weights.
        epe_mean: that run's mean error on the evaluation set.
        rounded_epe_mean: the same of the rounded weights.
        moved_mean, moved_max: how far the rounding moves a joint.
        evaluation_images: how many hands that was measured on.
        weights_sha256: of the file of rounded weights.
        command: that made it.
        sha256: of all the rest of this record.
    """

    format: Literal[FORMAT]
    row: Name
    profile: Name
    seed: Seed
    network: Annotated[Network, AfterValidator(possible_network)]
    checkpoint_sha256: Hash
    epe_mean: Millimetres
    rounded_epe_mean: Millimetres
    moved_mean: Millimetres
    moved_max: Millimetres
    evaluation_images: Positive
    weights_sha256: Hash
    command: Text
    sha256: Hash


@dataclass(frozen=True)
class Shipped:
    """A network of the package.

    Attributes:
        path: the file of weights.
        record: a :class:`ShippedRecord` as plain JSON.
    """

    path: Path
    record: dict[str, Any]

    @property
    def row(self) -> str:
        return self.record["row"]

    @property
    def size(self) -> NetworkSize:
        return NetworkSize(**self.record["network"])

    @cached_property
    def content(self) -> bytes:
        """The file.

        Raises:
            HandLibError: it is missing, or not the one that its record tells of.
        """
        if cache.sha256(self.path) != self.record["weights_sha256"]:
            raise HandLibError(f"{self.path} is not the file its record tells of: install hand_lib again")
        with cache.open_regular(self.path) as file:
            return file.read()

    @property
    def usual(self) -> Tensor | None:
        """What its heads say on average of many hands, ``(21, n·e)``; None where it has none. Errors as content's."""
        _ = self.content
        return cache.read_tensors(self.path)[0].get(USUAL)

    def network(self) -> nn.Module:
        """The network that the page computes, on the CPU, folded and in evaluation mode; errors as :attr:`content`."""
        _ = self.content  # which checks it
        tensors, _ = cache.read_tensors(self.path)
        tensors.pop(USUAL, None)
        model = _blank(self.row, self.size)
        tensors = restored(tensors)
        cache.expect_tensors(self.path, tensors, model.state_dict())
        model.load_state_dict(tensors)
        return model


def _blank(row: str, size: NetworkSize) -> nn.Module:
    return folded(experiments.get_row(row).build(size))


# ---------------------------------------------------------------------------------------------------------------- read


def get_shipped(row: str) -> Shipped:
    """The network of a row that comes with the package.

    Raises:
        HandLibError: none of this row does, with those that do; a record that is damaged.
    """
    if (found := find_shipped().get(row)) is None:
        raise choose("row in the package", row, find_shipped())
    return found


def find_shipped(folder: Path | None = None) -> dict[str, Shipped]:
    """The networks in the package, by row, in the order of :data:`SHIPPED_ROWS`.

    Args:
        folder: instead of the package's own.

    Raises:
        HandLibError: a record is damaged, or another row's.
    """
    folder = folder or FOLDER
    paths = {row: folder / f"{row}.json" for row in SHIPPED_ROWS}
    return {row: _read(path) for row, path in paths.items() if cache.exists(path)}


def _read(path: Path) -> Shipped:
    try:
        record = check(ShippedRecord, cache.read_json(path)).model_dump()
        if record["sha256"] != seal(record)["sha256"] or record["row"] != path.stem:
            raise HandLibError("it is another row's, or was changed")
    except HandLibError as error:
        raise HandLibError(f"cannot use {path}: {error}; install hand_lib again") from error
    return Shipped(path.with_suffix(".safetensors"), record)


# ---------------------------------------------------------------------------------------------------------------- ship


def best_run(row: str, profile: str = PROFILE) -> experiments.Run:
    """The recorded run of a row with the smallest error, from the cache.

    Its checkpoint is known by its sha256, whatever the code has become since.

    Raises:
        HandLibError: no such run is recorded, or its checkpoint is not in the cache: how to have it.
    """
    found = [r for r in experiments.records(profile, row) if is_own(r) and experiments.is_current(r)]
    if not found:
        raise HandLibError(f"no run of {row} in profile {profile} is recorded: python -m hand_lib train {row}")
    best = min(found, key=lambda record: record["metrics"]["epe_mean"])
    plan = experiments.plan(row, profile=profile, seed=best["seed"], device="cpu")
    for folder in sorted(plan.folder.parent.glob(f"{plan.name}-*")):
        weights = folder / MODEL_FILE
        if cache.exists(weights) and cache.sha256(weights) == best["checkpoint_sha256"]:
            return experiments.Run(folder, read_run(folder / RECORD_FILE), plan)
    again = f"python -m hand_lib train {row} --profile {profile} --seed {best['seed']}"
    raise HandLibError(f"the best recorded run of {row} is not in the cache {plan.folder.parent}: {again}")


def ship(run: experiments.Run, *, command: str, commit: str, folder: Path | None = None) -> Shipped:
    """Round a run's weights and put them into the package, the record last.

    Args:
        run: finished, with its predictions of the evaluation set.
        command: that made it.
        commit: of the package, as :func:`~hand_lib.experiments.recording.check_recordable` gives it.
        folder: instead of the package's own.

    Raises:
        HandLibError: the run's files are damaged; the folder cannot be written.
    """
    model, size = run.model(), run.plan.network
    small = rounded(folded(model))
    network = _blank(run.plan.row.name, size)
    network.load_state_dict(restored(small))
    hands = run.plan.data[1]
    said = predict(network, hands, image_size=size.image_size, device="cpu")
    moved = joint_errors(said.xyz, run.predictions)
    if isinstance(network.decoder, MultiHeadDecoder):
        small[USUAL] = _usual(network, hands, size)
    about = {
        "kind": KIND,
        "row": run.plan.row.name,
        "profile": run.plan.profile.name,
        "seed": str(run.plan.config.seed),
        "network": json.dumps(asdict(size)),
        "structure": json.dumps(structure(network, size)),
        "checkpoint_sha256": run.record["checkpoint_sha256"],
    }
    path = (folder or FOLDER) / f"{run.plan.row.name}.safetensors"
    cache.write_tensors(path, small, about)
    record = {
        "format": FORMAT,
        **{name: run.record[name] for name in ("row", "profile", "seed", "checkpoint_sha256", "evaluation_images")},
        "network": asdict(size),
        "epe_mean": run.record["metrics"]["epe_mean"],
        "rounded_epe_mean": said.metrics["epe_mean"],
        "moved_mean": moved.mean().item(),
        "moved_max": moved.max().item(),
        "weights_sha256": cache.sha256(path),
    }
    now = datetime.now(UTC).isoformat(timespec="seconds")
    cache.write_json(path.with_suffix(".json"), seal({**record, "command": command, "commit": commit, "date": now}))
    return _read(path.with_suffix(".json"))


@torch.inference_mode()
def _usual(network: nn.Module, hands: Samples, size: NetworkSize) -> Tensor:
    """What the heads of the last stage say on average of some hands, ``(21, n·e)``."""
    heard: list[Tensor] = []
    last = list(getattr(network, "refinements", ())) or [network]
    hook = last[-1].decoder.fusion.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    for start in range(0, len(hands), EVALUATION_BATCH):
        network(crop(hands[start : start + EVALUATION_BATCH], size=size.image_size).images)
    hook.remove()
    return torch.cat(heard).mean(dim=0)
