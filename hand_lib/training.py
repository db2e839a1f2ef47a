"""One training loop for every row of every table.

Adam on an L1 loss, a cosine from the first learning rate to 0, bfloat16 where the hardware is faster with it.
Lightning Fabric places the model and joins the processes, so the same loop runs on a CPU, on a GPU, and on many under
``torchrun``.

What a step sees follows from ``(seed, step)`` alone: which images (:func:`batch_indices`), and how they are augmented
(:func:`generator_for`). So to go on after an interruption the loop needs the weights, the optimiser's state and the
number of the step, nothing else; on a CPU the final weights are the same bit for bit whether or not it was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed
from torch import Tensor, nn

from hand_lib import cache
from hand_lib.datasets.augmentation import Augmentation, crop, to_xyz
from hand_lib.errors import HandLibError, choose
from hand_lib.metrics import joint_errors
from hand_lib.samples import Samples

if TYPE_CHECKING:
    from lightning.fabric import Fabric

EVALUATION_BATCH = 256
CHECKPOINT_KIND = "training checkpoint"
CHECK_EVERY_ON_GPU = 10  # steps between two looks at the loss, each of which waits for the GPU


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, whatever the model.

    Attributes:
        steps: optimiser steps in all.
        batch_size: images a step, over all processes together.
        image_size: side of the crop the model sees, in pixels.
        augmentation: random changes of each crop.
        learning_rate: of Adam at step 0; a cosine takes it to 0 at the last step.
        precision: "bf16-mixed" or "32-true", see :func:`choose_precision`.
        seed: of the data's order and augmentation.
        validations: how often the validation error is measured, evenly over the steps.
        validation_images: on how many images; the curve is for the eye, the record's figures use them all.
    """

    steps: int
    batch_size: int
    image_size: int
    augmentation: Augmentation
    learning_rate: float = 3e-4
    precision: str = "32-true"
    seed: int = 0
    validations: int = 10
    validation_images: int = 256


@dataclass(kw_only=True)
class Progress:
    """How far a training has come: what is saved beside the weights and the optimiser's state.

    Attributes:
        step: steps done.
        losses: ``(steps,)`` float32, the last stage's L1 of each step, NaN for steps to come.
        curve: one dict a validation: ``step``, ``loss`` (mean since the one before), ``epe`` (mm), ``seconds``.
        seconds: wall time of all parts of an interrupted training together, validation included.
        data_seconds: of it, time in which the network waited for its next batch (on a GPU: sampled steps, scaled up).
        finished: all steps are done.
        stopped_by: "budget" or "Ctrl-C" where the training stopped before the end, else None.
    """

    step: int = 0
    losses: Tensor = field(default_factory=lambda: torch.empty(0))
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    data_seconds: float = 0.0
    finished: bool = False
    stopped_by: str | None = None


# ---------------------------------------------------------------------------------------------------- device and engine


def choose_device(device: str | None = None) -> torch.device:
    """The device to train on: the one asked for, or the GPU if there is one, or the CPU.

    Raises:
        HandLibError: this machine has no such device; names those it has.
    """
    available = ["cpu"]
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        available.append("mps")
    if device is None:
        return torch.device("cuda" if "cuda" in available else "cpu")
    if str(device) not in available:
        raise choose("device (on this machine)", str(device), available)
    return torch.device(device)


def choose_precision(device: torch.device) -> str:
    """ "bf16-mixed" where the hardware computes in bfloat16 faster than in float32, else "32-true"."""
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if device.type == "cpu":  # without these instructions bfloat16 is emulated, and slower
        tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        if any(getattr(torch.cpu, test, lambda: False)() for test in tests):
            return "bf16-mixed"
    return "32-true"


def make_fabric(device: torch.device, precision: str) -> Fabric:
    """The engine: one process, or one of the processes that ``torchrun`` has started (gloo on CPUs, NCCL on GPUs)."""
    from lightning.fabric import Fabric

    for library in ("lightning.fabric", "lightning.pytorch"):  # what they announce, the record says
        logging.getLogger(library).setLevel(logging.WARNING)
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if world > 1:
        fabric = Fabric(
            accelerator=device.type, devices=local, num_nodes=world // local, strategy="ddp", precision=precision
        )
    else:
        devices = [device.index or 0] if device.type == "cuda" else 1
        fabric = Fabric(accelerator=device.type, devices=devices, precision=precision)
    fabric.launch()
    return fabric


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; each process's loss sends its gradient back to all of them."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        torch.distributed.all_reduce(total)
        return total


class SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation with the statistics of all processes' images, by plain all-reduce, so also on CPUs.

    The library's ``nn.SyncBatchNorm`` needs a GPU. Parameters, buffers and their names are those of ``nn.BatchNorm2d``.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any shape (B, C, ...) will do."""

    def forward(self, input: Tensor) -> Tensor:
        """``(B, C, ...)`` of this process to the same shape, normalised over all processes' B and positions."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        dims = [d for d in range(x.dim()) if d != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        count = x.numel() / x.shape[1] * torch.distributed.get_world_size()  # equal parts: checked in `train`
        mean = _SumOverProcesses.apply(x.sum(dims)) / count
        centred = x - mean.view(shape)
        variance = (
            _SumOverProcesses.apply(centred.square().sum(dims)) / count
        )  # in two passes: E[x²] − E[x]² cancels badly
        if self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked += 1
                rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, rate)
                self.running_var.lerp_(variance * (count / max(count - 1, 1)), rate)
        y = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)


def synchronise_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace each batch normalisation by one that sees all processes' images; state-dict keys stay the same."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, child in model.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            twin = SynchronisedBatchNorm(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            twin._parameters, twin._buffers, twin.training = child._parameters, child._buffers, child.training
            setattr(model, name, twin)
        else:
            synchronise_batch_norm(child, device)
    return model


# ------------------------------------------------------------------------------------------------------ data, by number


def generator_for(*counters: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A random generator that depends on the counters alone, for example ``("augmentation", seed, step)``."""
    digest = hashlib.blake2b(repr(counters).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def batch_indices(step: int, *, count: int, batch_size: int, seed: int) -> Tensor:
    """Which images step ``step`` sees: ``(batch_size,)`` int64.

    The data are walked epoch after epoch, each in an order of its own that only ``(seed, epoch)`` decides; a batch may
    span two epochs, so that every image is seen equally often.
    """
    positions = torch.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // count
    indices = torch.empty_like(positions)
    for epoch in epochs.unique().tolist():
        here = epochs == epoch
        indices[here] = _order(count, seed, epoch)[positions[here] % count]
    return indices


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator_for("order", seed, epoch))


class Batches:
    """The batches of a training by number of step: crops of this process's part of the global batch.

    Args:
        samples: the training set, its pictures on the device they are to be cropped on (uint8: 41,258 of 160 px are
            3.2 GB), the rest on the CPU.
        config: batch size, crop size, augmentation and seed.
        rank, world: which of how many equal parts of each global batch this process takes.
    """

    def __init__(self, samples: Samples, config: TrainingConfig, *, rank: int = 0, world: int = 1) -> None:
        if config.batch_size % world:
            raise HandLibError(f"a batch of {config.batch_size} cannot be shared equally by {world} processes")
        self.samples, self.config = samples, config
        self.part = slice(rank * config.batch_size // world, (rank + 1) * config.batch_size // world)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Images ``(b, 3, S, S)`` in [0, 1], channels last, and targets ``(b, 21, 3)`` of this process at ``step``."""
        config = self.config
        generator = generator_for("augmentation", config.seed, step)
        # `crop` draws eight numbers an image: skip those of the processes before this one, so that each image of the
        # global batch is augmented in the same way however many processes share it.
        torch.rand(self.part.start, 8, generator=generator)
        crops = crop(
            self.samples[self.indices(step)],
            size=config.image_size,
            augmentation=config.augmentation,
            generator=generator,
        )
        return crops.images.contiguous(memory_format=torch.channels_last), crops.targets

    def indices(self, step: int) -> Tensor:
        """The numbers of this process's images at ``step``, ``(b,)`` int64 on the CPU."""
        config = self.config
        return batch_indices(step, count=len(self.samples), batch_size=config.batch_size, seed=config.seed)[self.part]


def build_seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model with the random weights of ``seed``; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator_for("weights", seed).initial_seed())
        return build()


# ------------------------------------------------------------------------------------------------------- loss and error


def l1_of_stages(stages: Tensor, targets: Tensor) -> Tensor:
    """The L1 loss of each stage, ``(S,)``: mean over images, joints and coordinates.

    Every stage has its own loss and they are summed ("We use L1 loss for all the stages", JAR, section 4).

    Args:
        stages: ``(S, B, 21, 3)`` predictions in the targets' units.
        targets: ``(B, 21, 3)``.
    """
    return (stages.float() - targets).abs().mean(dim=(1, 2, 3))


class AllStages(nn.Module):
    """A network whose ``forward`` gives every stage, which is what training asks for.

    The engine sets precision, and joins processes, in ``forward`` and nowhere else: a call of another method of the
    network would go past it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, S, S)`` in [0, 1] to ``(stages, B, 21, 3)``."""
        return self.model.stages(images)


def training_step(fabric: Fabric, network: nn.Module, optimiser: Any, images: Tensor, targets: Tensor) -> Tensor:
    """One step of the optimiser; gives the loss of each stage before it, ``(S,)``, without waiting for the device.

    Args:
        fabric: the engine that has set up the two that follow.
        network: :class:`AllStages` of the model, as ``fabric.setup`` returns it.
        optimiser: likewise.
        images: ``(B, 3, S, S)`` in [0, 1].
        targets: ``(B, 21, 3)``.
    """
    losses = l1_of_stages(network(images), targets)
    optimiser.zero_grad()
    fabric.backward(losses.sum())
    optimiser.step()
    return losses.detach()


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model says about N evaluation images, in millimetres, all hands mirrored to right hands.

    Attributes:
        xyz: ``(N, 21, 3)`` predicted, with the true root depth and scale (the papers' protocol).
        true_xyz: ``(N, 21, 3)``.
        visible: ``(N, 21)`` bool.
    """

    xyz: Tensor
    true_xyz: Tensor
    visible: Tensor

    @property
    def errors(self) -> Tensor:
        """``(N, 21)`` distance between prediction and truth, mm."""
        return joint_errors(self.xyz, self.true_xyz)


@torch.inference_mode()
def predict(
    model: Callable[[Tensor], Tensor], samples: Samples, *, image_size: int, device: torch.device | str
) -> Predictions:
    """Run a model over a set, without augmentation, in float32. The model's mode is left as it was found.

    Args:
        model: ``(B, 3, S, S)`` in [0, 1] to ``(B, 21, 3)`` in the targets' units; a module on ``device`` or a function.
        samples: N images.
        image_size: S, side of the crop in pixels.
        device: where the crops are made.
    """
    was_training = isinstance(model, nn.Module) and model.training
    if was_training:
        model.eval()
    parts = []
    for start in range(0, len(samples), EVALUATION_BATCH):
        crops = crop(samples[start : start + EVALUATION_BATCH].pictures_to(device), size=image_size)
        xyz = to_xyz(model(crops.images.contiguous(memory_format=torch.channels_last)).float(), crops)
        parts.append([tensor.cpu() for tensor in (xyz, crops.xyz, crops.visible)])
    if was_training:
        model.train()
    xyz, true_xyz, visible = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Predictions(xyz=xyz, true_xyz=true_xyz, visible=visible)


def mean_targets(samples: Samples, config: TrainingConfig) -> Tensor:
    """The mean training target ``(21, 3)``, over augmented crops: the guess of one who does not look.

    It is (nearly) what a network says before it has found out what to look at. A model whose error is that of this
    constant has learnt nothing from the pictures, however its loss fell.
    """
    total = torch.zeros(21, 3)
    for start in range(0, len(samples), EVALUATION_BATCH):
        crops = crop(
            samples[start : start + EVALUATION_BATCH],
            size=config.image_size,
            augmentation=config.augmentation,
            generator=generator_for("mean targets", config.seed, start),
        )
        total += crops.targets.sum(0).cpu()
    return total / len(samples)


# --------------------------------------------------------------------------------------------------------- checkpoints


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    key: str,
    about: Mapping[str, str],
) -> None:
    """Write all that a training needs to go on, as one file that is whole or absent."""
    names = [name for name, _ in model.named_parameters()]
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{names[index]}.{what}": torch.as_tensor(value) for what, value in state.items()}
    tensors["losses"] = progress.losses
    said = {name: getattr(progress, name) for name in ("step", "curve", "seconds", "data_seconds")}
    cache.write_tensors(path, tensors, {**about, "kind": CHECKPOINT_KIND, "key": key, "progress": json.dumps(said)})


def load_checkpoint(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, key: str) -> Progress:
    """Restore the model and the optimiser in place; returns how far the training had come.

    Raises:
        HandLibError: the file is damaged, or belongs to another training.
    """
    advice = f"delete {path} to train from the beginning"
    try:
        tensors, metadata = cache.read_tensors(path)
    except HandLibError as error:
        raise HandLibError(f"{error}; {advice}") from error
    if metadata.get("kind") != CHECKPOINT_KIND or metadata.get("key") != key:
        raise HandLibError(f"cannot go on from {path}: it is no checkpoint of this training; {advice}")
    progress = Progress(**json.loads(metadata["progress"]), losses=tensors.pop("losses"))
    parameters = dict(model.named_parameters())
    state: dict[int, dict[str, Tensor]] = {index: {} for index in range(len(parameters))}
    for index, name in enumerate(parameters):
        for what in ("step", "exp_avg", "exp_avg_sq"):
            state[index][what] = tensors.pop(f"optimiser.{name}.{what}")
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter in parameters.values():
        # Files hold tensors row by row. In the parameter's own memory order the same instructions run over the same
        # numbers as before, so that not one bit differs.
        moments = optimiser.state[parameter]
        for what in ("exp_avg", "exp_avg_sq"):
            moments[what] = torch.empty_like(parameter).copy_(moments[what])
    return progress


@contextmanager
def _gentle_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that a step is never cut in two; a second one interrupts at once.

    Signals reach only the main thread; elsewhere the event simply stays unset.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


# ------------------------------------------------------------------------------------------------------------ the loop


def train(
    model: nn.Module,
    training: Samples,
    validation: Samples,
    *,
    config: TrainingConfig,
    folder: Path,
    key: str = "",
    about: Mapping[str, str] | None = None,
    title: str = "training",
    fabric: Fabric | None = None,
    device: str | None = None,
    deadline: float | None = None,
    checkpoint_seconds: float = 30.0,
    progress_bar: bool = True,
) -> Progress:
    """Train ``model`` in place, going on from the checkpoint in ``folder`` if there is one.

    Args:
        model: with ``stages(images (B, 3, S, S)) -> (S, B, 21, 3)`` and ``forward`` (the last stage), see
            :class:`hand_lib.models.network.HandPoseNet`.
        training: the training set; its pictures are moved to the device as a whole, as uint8.
        validation: images for the curve; the first ``config.validation_images`` are used.
        config: how.
        folder: for the checkpoint ("checkpoint.safetensors") and, if the loss is not finite, the batch.
        key: says which training a checkpoint belongs to: a hash of all that decides the outcome.
        about: kept in the checkpoint's metadata, for who finds the file.
        title: shown before the progress bar.
        fabric: the engine, if there is one already; else made for ``device``.
        device: "cpu", "cuda", …; None takes the GPU if there is one.
        deadline: a ``time.monotonic()`` after which to stop, with a checkpoint.
        checkpoint_seconds: time between checkpoints. It does not change the outcome.
        progress_bar: show steps, loss and time left on stderr.

    Returns:
        Progress; ``finished`` is False if the deadline or Ctrl-C came first (a checkpoint is then saved).

    Raises:
        HandLibError: the loss is not finite (names the step and the file that holds the batch); a damaged or foreign
            checkpoint; the checkpoint cannot be written; the batch cannot be shared equally by the processes.
    """
    from tqdm import tqdm

    fabric = fabric or make_fabric(choose_device(device), config.precision)
    device_ = fabric.device
    batches = Batches(training.pictures_to(device_), config, rank=fabric.global_rank, world=fabric.world_size)
    validation = validation[: config.validation_images]

    if fabric.world_size > 1:
        model = synchronise_batch_norm(model, device_)
    model = model.to(device_, memory_format=torch.channels_last).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=device_.type in ("cpu", "cuda"))
    path = folder / "checkpoint.safetensors"
    progress = Progress(losses=torch.full((config.steps,), torch.nan))
    if path.exists():
        progress = load_checkpoint(path, model, optimiser, key)
    network, stepper = fabric.setup(AllStages(model), optimiser)

    torch.backends.cudnn.benchmark = True  # every step has the same shapes: let it find the fastest convolutions
    check_every = CHECK_EVERY_ON_GPU if device_.type != "cpu" else 1
    validate_at = {round(config.steps * (i + 1) / config.validations) for i in range(config.validations)}
    recent: list[Tensor] = []  # losses of the last steps, still on the device
    began = last_save = time.monotonic()
    seconds_before, validated_at = progress.seconds, progress.curve[-1]["step"] if progress.curve else 0
    bar = partial(
        tqdm,
        total=config.steps,
        initial=progress.step,
        desc=title,
        unit="step",
        disable=not progress_bar or fabric.global_rank > 0,
        dynamic_ncols=True,
    )

    with _gentle_interrupt() as interrupted, bar() as bar:  # who sees the bar can interrupt gently
        while progress.step < config.steps:
            step = progress.step
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / config.steps))

            timed = device_.type == "cpu" or step % CHECK_EVERY_ON_GPU == 0
            start = now(device_) if timed else 0.0
            images, targets = batches(step)
            if timed:
                progress.data_seconds += (now(device_) - start) * (1 if device_.type == "cpu" else CHECK_EVERY_ON_GPU)

            losses = training_step(fabric, network, stepper, images, targets)
            recent.append(losses[-1])
            progress.step += 1
            bar.update()

            done = progress.step
            if done % check_every and done not in validate_at and done < config.steps:
                continue

            block = fabric.all_reduce(torch.stack(recent), reduce_op="mean").cpu()
            progress.losses[done - len(recent) : done] = block
            recent.clear()
            if not block.isfinite().all():
                bad = done - len(block) + int((~block.isfinite()).nonzero()[0])
                raise HandLibError(_keep_batch(folder, batches, bad, title, fabric))

            if done in validate_at:
                point = {"step": done, "loss": progress.losses[validated_at:done].mean().item()}
                if fabric.global_rank == 0:
                    point["epe"] = _validation_error(model, validation, config, device_)
                point["seconds"] = seconds_before + time.monotonic() - began
                progress.curve.append(point)
                validated_at = done
            if done % 10 == 0 or done in validate_at:
                bar.set_postfix_str(_say(progress, block), refresh=False)

            progress.seconds = seconds_before + time.monotonic() - began
            if done < config.steps:
                progress.stopped_by = _reason_to_stop(fabric, interrupted, deadline)
            if (
                done == config.steps
                or progress.stopped_by
                or _agreed(fabric, time.monotonic() - last_save >= checkpoint_seconds)
            ):
                if fabric.global_rank == 0:
                    save_checkpoint(path, model, optimiser, progress, key, about or {})
                last_save = time.monotonic()
            if progress.stopped_by:
                return progress
    progress.finished = True
    return progress


def now(device: torch.device) -> float:
    """The time in seconds (monotonic), once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()


def _say(progress: Progress, block: Tensor) -> str:
    loss = f"loss {block[-1]:.4f}"
    return loss + (
        f", error {progress.curve[-1]['epe']:.1f} mm" if progress.curve and "epe" in progress.curve[-1] else ""
    )


def _validation_error(model: nn.Module, validation: Samples, config: TrainingConfig, device: torch.device) -> float:
    return predict(model, validation, image_size=config.image_size, device=device).errors.mean().item()


def _agreed(fabric: Fabric, here: bool) -> bool:
    """True on every process if it is true on the first: all must stop, or save, at the same step."""
    return here if fabric.world_size == 1 else bool(fabric.broadcast(here))


def _reason_to_stop(fabric: Fabric, interrupted: threading.Event, deadline: float | None) -> str | None:
    reason = (
        "Ctrl-C" if interrupted.is_set() else "budget" if deadline is not None and time.monotonic() > deadline else None
    )
    return reason if fabric.world_size == 1 else fabric.broadcast(reason)


def _keep_batch(folder: Path, batches: Batches, step: int, title: str, fabric: Fabric) -> str:
    """Write the batch of a step whose loss was not finite; returns the message that names it."""
    path = folder / f"not-finite-step-{step}-rank-{fabric.global_rank}.safetensors"
    images, targets = batches(step)
    kept = {"images": images, "targets": targets, "indices": batches.indices(step)}
    cache.write_tensors(path, kept, {"step": str(step)})
    return f"{title}: the loss at step {step} is not finite; its batch is kept in {path}"
