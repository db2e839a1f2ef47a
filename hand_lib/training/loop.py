"""One training loop for every row of every table, and for what they start from.

Adam on the objective's loss (of joints an L1), a cosine from the first learning rate to 0, bfloat16 where the hardware
is faster with it. What a row asks for beyond that (another rate for a part, a buffer that follows the step) stands in
its :class:`~hand_lib.training.config.TrainingConfig`.

What a step sees follows from ``(seed, step)`` alone, and so does what the network draws in it. So to go on after an
interruption the loop needs the weights, the optimiser's state and the number of the step, nothing else; on a CPU the
final weights are the same bit for bit whether or not it was interrupted.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hand_lib import cache
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.training.batches import Batches, generator_for
from hand_lib.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from hand_lib.training.config import TrainingConfig
from hand_lib.training.engine import choose_device, make_fabric, now, synchronise_batch_norm
from hand_lib.training.interruption import Interruption, gentle_interruption
from hand_lib.training.objectives import JOINTS, Objective

if TYPE_CHECKING:
    from lightning.fabric import Fabric

CHECKPOINT_FILE = "checkpoint.safetensors"
CHECK_EVERY_ON_GPU = 10  # steps between two looks at the loss, each of which waits for the GPU


# ---------------------------------------------------------------------------------------------------------- one step


class AllStages(nn.Module):
    """A network whose ``forward`` gives every stage, which is what training asks for.

    The engine sets precision, and joins processes, in ``forward`` and nowhere else: a call of another method of the
    network would go past it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, S, S)`` in [0, 1] to ``(stages, B, ...)``, of a row ``(stages, B, 21, 3)``."""
        return self.model.stages(images)


def training_step(
    fabric: Fabric,
    network: nn.Module,
    optimiser: Any,
    images: Tensor,
    targets: Tensor,
    objective: Objective = JOINTS,
) -> Tensor:
    """One step of the optimiser; gives the loss of each stage before it, ``(S,)``, without waiting for the device.

    Args:
        fabric: the engine that has set up the two that follow.
        network: :class:`AllStages` of the model, as ``fabric.setup`` returns it.
        optimiser: likewise.
        images: ``(B, 3, S, S)`` in [0, 1].
        targets: the objective's, of joints ``(B, 21, 3)``.
        objective: whose losses.
    """
    losses = objective.losses(network(images), targets)
    optimiser.zero_grad()
    fabric.backward(losses.sum())
    optimiser.step()
    return losses.detach()


def make_optimiser(model: nn.Module, config: TrainingConfig) -> torch.optim.Adam:
    """Adam over the parameters that are to be learnt; the parts of ``config.rates`` in groups of their own.

    Raises:
        HandLibError: a part that no parameter is left for.
    """
    left = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    groups = []
    for rate in config.rates:
        members = {name: left.pop(name) for name in list(left) if rate.covers(name)}
        if not members:
            raise HandLibError(f"no parameter is left for a learning rate of {rate.part!r}")
        groups.append({"params": list(members.values()), "factor": rate.factor})
    if left:
        groups.insert(0, {"params": list(left.values()), "factor": 1.0})
    device = next(model.parameters()).device
    return torch.optim.Adam(groups, lr=config.learning_rate, fused=device.type in ("cpu", "cuda"))


def follow_schedules(model: nn.Module, optimiser: torch.optim.Optimizer, config: TrainingConfig, step: int) -> None:
    """Set what depends on the number of the step: learning rates, annealed buffers, and torch's own random numbers."""
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate_at(step) * group["factor"]
    for anneal in config.anneals:
        model.get_buffer(anneal.buffer).fill_(anneal.at(step / config.steps))
    torch.manual_seed(generator_for("drawn by the network", config.seed, step).initial_seed())


def set_up(fabric: Fabric, model: nn.Module, config: TrainingConfig) -> tuple[nn.Module, Any, torch.optim.Adam]:
    """Place a model and make its optimiser.

    Returns:
        :class:`AllStages` of the model and the optimiser, both as the engine wraps them; and the optimiser itself.
    """
    model.to(fabric.device, memory_format=torch.channels_last).train()
    optimiser = make_optimiser(model, config)
    network, stepper = fabric.setup(AllStages(model), optimiser)
    return network, stepper, optimiser


# ------------------------------------------------------------------------------------------------------------ the loop


def train(
    model: nn.Module,
    samples: Samples,
    *,
    config: TrainingConfig,
    folder: Path,
    objective: Objective = JOINTS,
    validate: Callable[[nn.Module], float] | None = None,
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
        model: with ``stages(images (B, 3, S, S)) -> (S, B, ...)``, such as
            :class:`hand_lib.models.network.HandPoseNet`.
        samples: the training set; its pictures are moved to the device as a whole, as uint8.
        config: how.
        folder: for the checkpoint and, if the loss is not finite, the batch.
        objective: what to learn; unless told otherwise the joints.
        validate: the model's error (mm) for the curve, which begins before the first step; it must leave the model's
            mode as it was.
        key: says which training a checkpoint belongs to: a hash of all that decides the outcome.
        about: kept in the checkpoint's metadata, for who finds the file.
        title: shown before the progress bar.
        fabric: the engine, if there is one already; else made for ``device``.
        device: "cpu", "cuda", …; None takes the GPU if there is one.
        deadline: a ``time.monotonic()`` after which to stop, with a checkpoint.
        checkpoint_seconds: time between checkpoints. It does not change the outcome.
        progress_bar: show steps, loss and time left on stderr.

    Returns:
        Progress; ``finished`` is False if the deadline or a signal came first (a checkpoint is then saved). A signal
        that came too late to stop it is in ``stopped_by`` all the same.

    Raises:
        HandLibError: the loss is not finite (names the step and the file that holds the batch); a damaged or foreign
            checkpoint; the checkpoint cannot be written; the batch cannot be shared equally by the processes; the
            config names a part or a buffer that the model lacks.
    """
    from tqdm import tqdm

    fabric = fabric or make_fabric(choose_device(device), config.precision)
    device_ = fabric.device
    here = samples.pictures_to(device_)
    batches = Batches(here, config, objective, rank=fabric.global_rank, world=fabric.world_size)
    if fabric.world_size > 1:
        model = synchronise_batch_norm(model, device_)
    kept = model.state_dict()
    for anneal in config.anneals:
        if anneal.buffer not in dict(model.named_buffers()):
            raise HandLibError(f"the network has no buffer {anneal.buffer!r} to anneal")
        if anneal.buffer not in kept or not kept[anneal.buffer].is_floating_point():
            raise HandLibError(
                f"the buffer {anneal.buffer!r} cannot be annealed: it must be kept with the weights, in floats"
            )
    network, stepper, optimiser = set_up(fabric, model, config)
    path = folder / CHECKPOINT_FILE
    progress = Progress(losses=torch.full((config.steps,), torch.nan))
    if path.exists():
        progress = load_checkpoint(path, model, optimiser, config, key)

    torch.backends.cudnn.benchmark = True  # every step has the same shapes: let it find the fastest convolutions
    check_every = CHECK_EVERY_ON_GPU if device_.type != "cpu" else 1
    validate_at = config.validation_steps
    recent: list[Tensor] = []  # losses of the last steps, still on the device
    began = last_save = time.monotonic()
    seconds_before = progress.seconds

    def point_at(step: int) -> dict[str, float]:
        error = {"epe": validate(model)} if validate is not None and fabric.global_rank == 0 else {}
        return {"step": step, **error, "seconds": seconds_before + time.monotonic() - began}

    bar = partial(
        tqdm,
        total=config.steps,
        initial=progress.step,
        desc=title,
        unit="step",
        disable=not progress_bar or fabric.global_rank > 0,
        dynamic_ncols=True,
    )

    cards = [device_] if device_.type == "cuda" else []
    with torch.random.fork_rng(devices=cards), gentle_interruption() as interruption, bar() as bar:
        if not progress.curve:
            follow_schedules(model, optimiser, config, 0)
            progress.curve.append(point_at(0))
        while progress.step < config.steps:
            step = progress.step
            follow_schedules(model, optimiser, config, step)

            timed = device_.type == "cpu" or step % CHECK_EVERY_ON_GPU == 0
            start = now(device_) if timed else 0.0
            images, targets = batches(step)
            if timed:
                progress.data_seconds += (now(device_) - start) * (1 if device_.type == "cpu" else CHECK_EVERY_ON_GPU)

            losses = training_step(fabric, network, stepper, images, targets, objective)
            recent.append(losses[-1])
            progress.step = done = step + 1
            bar.update()
            if done % check_every and done not in validate_at and done < config.steps:
                continue

            block = fabric.all_reduce(torch.stack(recent), reduce_op="mean").cpu()
            progress.losses[done - len(recent) : done] = block
            recent.clear()
            if not block.isfinite().all():
                bad = done - len(block) + int((~block.isfinite()).nonzero()[0])
                raise HandLibError(_keep_batch(folder, batches, bad, title, fabric))

            if done in validate_at:
                loss = progress.losses[progress.curve[-1]["step"] : done].mean().item()
                progress.curve.append(point_at(done) | {"loss": loss})
            if done % 10 == 0 or done in validate_at:
                bar.set_postfix_str(_say(progress, block), refresh=False)

            progress.seconds = seconds_before + time.monotonic() - began
            if done < config.steps:
                progress.stopped_by = _reason_to_stop(fabric, interruption, deadline)
            if (
                done == config.steps
                or progress.stopped_by
                or _agreed(fabric, time.monotonic() - last_save >= checkpoint_seconds)
            ):
                if fabric.global_rank == 0:
                    save_checkpoint(path, model, optimiser, progress, key, about or {})
                last_save = time.monotonic()
            if progress.stopped_by and done < config.steps:
                return progress
        if (number := _signal(fabric, interruption)) is not None:  # while the last step was saved
            progress.stopped_by = number.name
    progress.finished = True
    return progress


def _say(progress: Progress, block: Tensor) -> str:
    loss = f"loss {block[-1]:.4f}"
    known = progress.curve and "epe" in progress.curve[-1]
    return f"{loss}, error {progress.curve[-1]['epe']:.1f} mm" if known else loss


def _agreed(fabric: Fabric, here: bool) -> bool:
    """True on every process if it is true on the first: all must stop, or save, at the same step."""
    return here if fabric.world_size == 1 else bool(fabric.broadcast(here))


def _signal(fabric: Fabric, interruption: Interruption) -> signal.Signals | None:
    """The signal that one of the processes was sent."""
    number = torch.tensor(int(interruption.signal or 0), device=fabric.device)
    number = int(number if fabric.world_size == 1 else fabric.all_reduce(number, reduce_op="max"))
    return signal.Signals(number) if number else None


def _reason_to_stop(fabric: Fabric, interruption: Interruption, deadline: float | None) -> str | None:
    if (number := _signal(fabric, interruption)) is not None:
        return number.name
    out_of_time = deadline is not None and time.monotonic() > deadline
    return "budget" if _agreed(fabric, out_of_time) else None


def _keep_batch(folder: Path, batches: Batches, step: int, title: str, fabric: Fabric) -> str:
    """Write the batch of a step whose loss was not finite; returns the message that names it."""
    path = folder / f"not-finite-step-{step}-rank-{fabric.global_rank}.safetensors"
    images, targets = batches(step)
    kept = {"images": images, "targets": targets, "indices": batches.indices(step)}
    cache.write_tensors(path, kept, {"step": str(step)})
    return f"{title}: the loss at step {step} is not finite; its batch is kept in {path}"
