"""Where files are kept, and how they are written so that a half-written one is never trusted.

Everything that costs time (rendered hands, trained rows) is kept under :func:`cache_dir`; recorded runs, which are
committed, under :func:`results_dir`. A file appears under its own name only when all of it is on the disk:
:func:`atomic_write` writes beside it, flushes, and renames. Two processes that want the same thing take a
:func:`lock`: one makes it, the other waits and finds it.

Nothing is believed unread: tensors carry a checksum of all that their file says, and readers check that a file is what
they came for. Rendered hands that fail are rendered again, which takes seconds and gives the same. Whatever took a
training (checkpoints, weights, predictions, records) is never replaced unasked: one line names the file, and what to
delete to have it anew.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import math
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from hand_lib.errors import HandLibError

CACHE_VARIABLE = "JOINT_BY_JOINT_CACHE"
RESULTS_VARIABLE = "JOINT_BY_JOINT_RESULTS"

_EXPLANATIONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder, not a file",
    errno.ENOENT: "no such file",
    errno.ENAMETOOLONG: "the name is too long",
}
_LARGEST_JSON = 16 * 2**20  # bytes; records have ten thousand
_CHECKSUM = "crc32 of names, dtypes, shapes, metadata and bytes"  # the metadata's key


class Damaged(HandLibError):
    """A file that is there and can be read, but is not what was written."""


def checkout() -> Path | None:
    """The repository this package runs from, or None when it is installed without one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir() else None


def cache_dir() -> Path:
    """Where what can be made again is kept: ``$JOINT_BY_JOINT_CACHE``, or the checkout's ``.cache``, or the user's."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return _folder(CACHE_VARIABLE, chosen)
    if root := checkout():
        return root / ".cache"
    if sys.platform == "darwin":
        base = _folder(CACHE_VARIABLE, "~/Library/Caches")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or _folder(CACHE_VARIABLE, "~/.cache"))
    return base / "joint-by-joint"


def results_dir() -> Path:
    """Where recorded runs are: ``$JOINT_BY_JOINT_RESULTS``, else ``results`` in the checkout or the current folder."""
    if chosen := os.environ.get(RESULTS_VARIABLE):
        return _folder(RESULTS_VARIABLE, chosen)
    return (checkout() or Path.cwd()) / "results"


def _folder(variable: str, chosen: str) -> Path:
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:  # ~somebody
        raise HandLibError(f"{variable}: no home folder for {chosen!r}; choose a folder by its whole path") from error


@contextmanager
def readable_errors(path: Path | str, doing: str = "write") -> Iterator[None]:
    """Turn an OSError inside the block into one line that names the file: full disk, no permission, not found."""
    try:
        yield
    except OSError as error:
        reason = _EXPLANATIONS.get(error.errno, error.strerror or str(error))
        advice = ""
        if doing == "write" and Path(path).absolute().is_relative_to(cache_dir()):
            advice = f" (another folder can be chosen with {CACHE_VARIABLE})"
        raise HandLibError(f"cannot {doing} {path}: {reason}{advice}") from error


def exists(path: Path | str) -> bool:
    """Whether there is such a file or folder. Raises HandLibError where that cannot be known."""
    with readable_errors(path, "read"):
        return Path(path).exists()


def make_folder(path: Path) -> Path:
    """Make a folder and its parents; returns it. Raises HandLibError with one readable line."""
    with readable_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def atomic_write(path: Path | str) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only once it is whole and on the disk.

    The bytes go to a file beside ``path``, are flushed to the disk and then renamed, so a reader (or the next run,
    after a crash at any moment) sees the old file, or the new one, or none. If the block fails nothing is left.

    Raises:
        HandLibError: the disk is full, or the folder cannot be written.
    """
    path = Path(path)
    make_folder(path.parent)
    _remove_parts_of_the_dead(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with readable_errors(path):
        try:
            with open(part, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make a rename durable. Not every system can open a folder; there the rename is merely atomic."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _remove_parts_of_the_dead(path: Path) -> None:
    """Delete what killed processes had written of this file."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = part.name.split(".")[-2]
        if number.isdecimal() and int(number) != os.getpid():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                part.unlink(missing_ok=True)
            except (OSError, OverflowError):  # somebody else's, who lives; or no process's number
                continue


def leftovers(folder: Path) -> Iterator[Path]:
    """The partial files of writers that were killed, or that are writing now."""
    return folder.glob(".*.part")


def remove_leftovers(folder: Path) -> None:
    """Delete the partial files of killed writers. Call it only while holding the folder's :func:`lock`."""
    for part in leftovers(folder):
        part.unlink(missing_ok=True)


class Busy(HandLibError):
    """Another process has the folder, and it was not to be waited for."""


@contextmanager
def lock(folder: Path, *, waiting_for: str, wait: bool = True) -> Iterator[None]:
    """Hold ``folder``'s lock: one process at a time. The system frees it if the holder is killed.

    Args:
        folder: made if missing; the lock is a file in it.
        waiting_for: what is said on stderr if another process holds the lock, for example "the training of fr".
        wait: wait for another process that holds the lock.

    Raises:
        Busy: another process holds the lock, and ``wait`` is false.
    """
    make_folder(folder)
    with readable_errors(folder):
        file_lock = FileLock(folder / ".lock")
        try:
            file_lock.acquire(timeout=0.5)
        except Timeout:
            if not wait:
                raise Busy(f"another process is busy with {waiting_for}") from None
            print(f"another process is busy with {waiting_for}: waiting for it", file=sys.stderr, flush=True)
            file_lock.acquire()
    try:
        yield
    finally:
        file_lock.release()


def write_json(path: Path | str, content: object) -> None:
    """Write JSON atomically, keys in the order given, with a final newline."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path | str) -> object:
    """Read JSON as the standard has it, with each key once.

    Raises:
        HandLibError: the file is missing, cut short, no JSON, has a key twice, a number that is not finite, or more
            layers or bytes than anything that is kept as JSON here.
    """
    with open_regular(path) as file:
        content = file.read(_LARGEST_JSON + 1)
    advice = "delete it to make it again"
    if len(content) > _LARGEST_JSON:
        raise Damaged(f"cannot read {path}: it is too large, more than {_LARGEST_JSON // 2**20} MiB; {advice}")
    try:
        return parse_json(content)
    except ValueError as error:
        raise Damaged(f"cannot read {path}: it is cut short or no JSON ({error}); {advice}") from error


def parse_json(content: bytes | str) -> object:
    """JSON as the standard has it, with each key once. Raises ValueError."""
    try:
        return json.loads(content, object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("too many layers") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key stands there twice")
    return content


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:20]} is no finite number")
    return value


@contextmanager
def open_regular(path: Path | str) -> Iterator[BinaryIO]:
    """Open a regular file for reading; one readable line where that fails. A pipe would be waited for without end."""
    with readable_errors(path, "read"):
        if stat.S_ISREG(mode := os.stat(path).st_mode) or stat.S_ISDIR(mode):
            with open(path, "rb") as file:
                yield file
                return
        raise HandLibError(f"cannot read {path}: it is no regular file")


def read_at_most(path: Path | str, most: int) -> bytes:
    """A regular file's content. Raises HandLibError where it cannot be read or has more than ``most`` bytes."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise HandLibError(f"cannot read {path}: it is too large, more than {most // 2**20} MiB")
    return content


def write_tensors(path: Path | str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors atomically as safetensors, with a checksum of all that the file says, metadata included."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = dict(metadata or {})
    content = save(tensors, {**metadata, _CHECKSUM: _checksum(tensors, metadata)})
    with atomic_write(path) as file:
        file.write(content)


def read_tensors(path: Path | str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what :func:`write_tensors` wrote: the tensors, on the CPU, and the metadata.

    Raises:
        Damaged: cut short, no safetensors file, changed since it was written, or not written by this package.
        HandLibError: no such file, or no permission.
    """
    from safetensors import SafetensorError, safe_open

    with open_regular(path):  # safe_open's own errors do not tell a folder or a missing right from a missing file
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, RuntimeError, OverflowError, MemoryError, TypeError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise Damaged(f"cannot read {path}: it is cut short or no safetensors file ({reason})") from error
    checksum = metadata.pop(_CHECKSUM, None)
    if checksum is None:
        raise Damaged(f"cannot read {path}: it has no checksum, so it was not written by this version of hand_lib")
    if checksum != _checksum(tensors, metadata):
        raise Damaged(f"cannot read {path}: its content is damaged (the checksum does not match)")
    return tensors, metadata


def expect_tensors(path: Path | str, tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> None:
    """Check that what was read from a file has the names, types and shapes of ``like``, on whatever device.

    Raises:
        Damaged: names the first tensor that is missing, too many, or of another type or shape.
    """
    for name in sorted(like.keys() | tensors.keys()):
        here, there = tensors.get(name), like.get(name)
        if here is None:
            raise Damaged(f"cannot use {path}: it lacks the tensor {name}")
        if there is None:
            raise Damaged(f"cannot use {path}: nothing here is called {name[:100]}")
        if (here.dtype, here.shape) != (there.dtype, there.shape):
            said, wanted = (f"{str(t.dtype).removeprefix('torch.')} of {tuple(t.shape)}" for t in (here, there))
            raise Damaged(f"cannot use {path}: {name} is {said}, not {wanted}")


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """CRC-32 of what tensors and metadata are called and what they hold. Tensors are on the CPU and contiguous."""
    names = sorted(tensors)
    header = [sorted(metadata.items()), [(name, str(tensors[name].dtype), list(tensors[name].shape)) for name in names]]
    checksum = zlib.crc32(json.dumps(header).encode())
    for name in names:
        if tensors[name].numel():
            checksum = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), checksum)
    return f"{checksum:08x}"


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A hash of named tensors, their types and shapes, as hexadecimal digits."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, as hexadecimal digits. Raises HandLibError where it cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
