"""Where a training computes: device, precision, and the processes that share it.

Lightning Fabric places the model and joins the processes, so the same loop runs on a CPU, on a GPU, and on many under
``torchrun``.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed
from torch import Tensor, nn

from hand_lib.errors import HandLibError, choose, stop_signals

if TYPE_CHECKING:
    from lightning.fabric import Fabric


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


# GNU's numbers of what mallopt sets: from how much free memory on it is given back, how much more than asked is taken,
# and how many blocks may come from the system one by one.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


@functools.cache
def keep_freed_memory() -> None:
    """Let this process keep the memory that tensors leave, for the next ones, instead of giving it back at once.

    Each step makes and drops tensors of the same sizes. Large ones would get fresh pages from the system every time,
    and on a CPU those cost more than the arithmetic. Where the allocator is not GNU's, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 2**26)


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those that ``torchrun`` has started; alone without it.

    Attributes:
        rank: its number, from 0; the first one renders, writes and speaks.
        world: how many there are.
        local: how many of them run on this machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 1


def processes() -> Processes:
    """What ``torchrun`` has left in the environment.

    Raises:
        HandLibError: a variable there is no number, or they do not fit together.
    """
    found = {}
    for name, variable in (("rank", "RANK"), ("world", "WORLD_SIZE"), ("local", "LOCAL_WORLD_SIZE")):
        if (text := os.environ.get(variable)) is None:
            continue
        if not (text.isascii() and text.isdigit()):
            raise HandLibError(f"{variable}={text[:40]!r} in the environment is no number: torchrun sets it, or nobody")
        found[name] = int(text)
    if not os.environ.get("LOCAL_RANK", "0").isdecimal():
        raise HandLibError(f"LOCAL_RANK={os.environ['LOCAL_RANK'][:40]!r} in the environment is no number")
    ours = Processes(**found)
    if not (ours.rank < ours.world and 1 <= ours.local <= ours.world):
        raise HandLibError(
            f"RANK={ours.rank}, WORLD_SIZE={ours.world} and LOCAL_WORLD_SIZE={ours.local} in the environment do not "
            "fit together: torchrun sets them, or nobody"
        )
    lacking = [name for name in ("MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK") if name not in os.environ]
    if ours.world > 1 and lacking:  # it would wait for the others without end
        raise HandLibError(f"WORLD_SIZE={ours.world} in the environment, but no {lacking[0]}: start it with torchrun")
    if ours.world > 1 and not os.environ["MASTER_PORT"].isdecimal():
        raise HandLibError(f"MASTER_PORT={os.environ['MASTER_PORT'][:40]!r} in the environment is no number")
    return ours


def make_fabric(device: torch.device, precision: str) -> Fabric:
    """The engine: one process, or one of the processes that ``torchrun`` has started (gloo on CPUs, NCCL on GPUs)."""
    ours = processes()
    if device.type == "cpu":
        keep_freed_memory()
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

    for library in ("lightning.fabric", "lightning.pytorch"):  # what they announce, the record says
        logging.getLogger(library).setLevel(logging.WARNING)
    # Named, so that the library does not ask a scheduler whose variables it finds how many processes there should be.
    if ours.world > 1:
        fabric = Fabric(
            plugins=[TorchElasticEnvironment()],
            accelerator=device.type,
            devices=ours.local,
            num_nodes=ours.world // ours.local,
            strategy="ddp",
            precision=precision,
        )
    else:
        devices = [device.index or 0] if device.type == "cuda" else 1
        plugins = [LightningEnvironment()]
        fabric = Fabric(plugins=plugins, accelerator=device.type, devices=devices, precision=precision)
    with _plain_signals() if ours.world > 1 else nullcontext():
        fabric.launch()
    return fabric


@contextmanager
def _plain_signals() -> Iterator[None]:
    """Let signals that ask to stop end the process: one that waits for others inside a library would not hear them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def now(device: torch.device) -> float:
    """The time in seconds (monotonic), once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()
