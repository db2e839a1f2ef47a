"""A data set converted once: its hands cut out of their pictures, in files from which a training takes what it needs.

Decoding a large picture takes longer than a step of a small network. So each hand is cut out once
(:mod:`hand_lib.datasets.real.cut_outs`) and kept in the cache, some hundred to a file. The work is shared by processes
and can be stopped at any moment: finished files stay. What decides a file's content decides its folder's name, so
another profile's crops, or another choice of the reader, never find the wrong one. The manifest is written last.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path

import torch

from hand_lib import cache
from hand_lib.datasets.mapped import Mapped
from hand_lib.datasets.real.checks import evenly
from hand_lib.datasets.real.cut_outs import CutOut, cut
from hand_lib.datasets.real.hands import Reader
from hand_lib.datasets.real.manifests import MANIFEST_FILE, Manifest, read_manifest, write_manifest
from hand_lib.datasets.real.published import Published, get_published
from hand_lib.datasets.shards import KEPT, read_shard, shard_path, write_shard
from hand_lib.datasets.workers import Span, free_cores, share, spans_of
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.skeleton import NUM_JOINTS

CONVERSION_VERSION = 1  # raised when the same picture would give another cut-out
SHARD = 256  # hands a file
_TRIED = 4  # hands from which the time is estimated
_SKIPPED = "skipped"  # in a shard's metadata: names and reasons of hands that were left out


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """One split of a data set, and how its hands are to be cut out.

    Attributes:
        published: which data set.
        root: its folder.
        split: of ``published.hands``.
        how: the cut-outs.
    """

    published: Published
    root: Path
    split: str
    how: CutOut

    @functools.cached_property
    def reader(self) -> Reader:
        return self.published.reader(self.root, self.split)

    @property
    def title(self) -> str:
        return f"{self.published.name}, {self.split}"

    @functools.cached_property
    def decides(self) -> dict[str, object]:
        """What decides the cut-outs, as JSON holds it. Where the data set lies does not: hands of one name are one."""
        chosen = {field.name: getattr(self.reader, field.name) for field in fields(self.reader)}
        options = {name: _plain(value) for name, value in chosen.items() if name not in ("root", "split")}
        said = {
            "version": CONVERSION_VERSION,
            "dataset": self.published.name,
            "split": self.split,
            "options": options,
            "image_size": self.how.image_size,
            "margin": self.how.margin,
            "size": self.how.size,
            "reach": self.how.reach,
        }
        return json.loads(json.dumps(said))

    @functools.cached_property
    def names(self) -> list[str]:
        return [self.reader.name(index) for index in range(len(self.reader))]

    @functools.cached_property
    def folder(self) -> Path:
        """In the cache; the name holds a hash of :attr:`decides` and of which hands there are."""
        content = json.dumps([self.decides, self.names], sort_keys=True)
        key = hashlib.sha256(content.encode()).hexdigest()[:12]
        return cache.cache_dir() / "converted" / f"{self.published.name}-{self.split}-{self.how.size}px-{key}"


def _plain(value: object) -> object:
    """An option of a reader as JSON holds it; of a file its name."""
    if isinstance(value, Path):
        return value.name
    return asdict(value) if is_dataclass(value) else value


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a conversion will take.

    Attributes:
        hands: that are still to be converted.
        size: side of a cut-out, in pixels.
        bytes: on the disk.
        free: bytes that are free there.
        seconds: by the first few.
        workers: processes that share it.
    """

    hands: int
    size: int
    bytes: int
    free: int
    seconds: float
    workers: int


def convert(
    conversion: Conversion,
    *,
    workers: int | None = None,
    skip_damaged: bool = False,
    announce: Callable[[Estimate], object] = lambda estimate: None,
) -> Manifest:
    """Convert what is not converted yet. Two processes that ask for the same do it once.

    Args:
        conversion: what.
        workers: processes, each with one thread; None takes one a core, 0 this process.
        skip_damaged: leave out hands whose files are missing or damaged, or of which a joint is not known, and record
            them; otherwise the first of them ends the conversion.
        announce: told what it will take, before it begins.

    Raises:
        HandLibError: a damaged file, named, unless those are to be skipped; too little room on the disk; no hand that
            can be used; the cache cannot be written.
    """
    if (found := _finished(conversion, skip_damaged)) is not None:
        return found
    with cache.lock(conversion.folder, waiting_for=f"converting {conversion.title}"):
        cache.remove_leftovers(conversion.folder)
        if (found := _finished(conversion, skip_damaged)) is not None:  # by another process meanwhile
            return found
        spans = spans_of(len(conversion.names), SHARD)
        missing = [span for span in spans if _kept(conversion, span, skip_damaged) is None]
        if missing:
            _convert_shards(conversion, missing, workers, skip_damaged, announce)
        return _say_what_it_is(conversion, spans)


def find_converted(conversion: Conversion) -> Manifest | None:
    """What is converted already, with or without hands that were left out; None where it is not finished.

    Raises:
        HandLibError: the manifest is damaged, or another's.
    """
    return _finished(conversion, skip_damaged=True)


def open_converted(conversion: Conversion) -> Mapped:
    """The hands of a finished conversion, in their files. Every byte is read once, for its checksum.

    Raises:
        HandLibError: it is not finished, or a file of it is damaged: one line that says what to do.
    """
    manifest = _read_own_manifest(conversion)
    which = f"--dataset {conversion.published.name} --split {conversion.split} --root {conversion.root}"
    command = f"python -m hand_lib data convert {which}"
    if manifest is None:
        raise HandLibError(f"{conversion.title} is not converted to {conversion.how.size} px: {command}")
    parts = []
    for shard in manifest.shards:
        path = conversion.folder / shard.file
        try:
            samples, _ = read_shard(path, size=conversion.how.size)
            if len(samples) != shard.hands:
                raise cache.Damaged(f"{path} holds {len(samples)} hands, not {shard.hands}")
        except HandLibError as error:
            raise HandLibError(f"{error}; delete it and convert again: the other files stay ({command})") from error
        parts.append(samples)
    return Mapped(parts)


def _read_own_manifest(conversion: Conversion) -> Manifest | None:
    manifest = read_manifest(conversion.folder)
    if manifest is not None and manifest.model_dump(include=set(conversion.decides)) != conversion.decides:
        path = conversion.folder / MANIFEST_FILE
        raise HandLibError(f"{path} is the manifest of another data set: delete it to have it made again")
    return manifest


def _finished(conversion: Conversion, skip_damaged: bool) -> Manifest | None:
    """What is there already, if its files are; with hands left out only where that was asked for."""
    manifest = _read_own_manifest(conversion)
    if manifest is None or (manifest.skipped and not skip_damaged):
        return None
    return manifest if all(cache.exists(conversion.folder / shard.file) for shard in manifest.shards) else None


def _kept(conversion: Conversion, span: Span, skip_damaged: bool) -> tuple[Samples, dict[str, str]] | None:
    """The finished shard of a span and which of its hands were left out; None where it is to be made (again)."""
    path = shard_path(conversion.folder, span)
    if not cache.exists(path):
        return None
    try:
        samples, said = read_shard(path, size=conversion.how.size)
        skipped = _read_skipped(path, said, conversion.names[slice(*span)])
    except cache.Damaged as error:
        print(f"{error}; converting these hands again", file=sys.stderr, flush=True)
        with cache.readable_errors(path, "delete"):
            path.unlink(missing_ok=True)
        return None
    if len(samples) + len(skipped) != span[1] - span[0] or (skipped and not skip_damaged):
        return None
    return samples, skipped


def _read_skipped(path: Path, said: dict[str, str], names: list[str]) -> dict[str, str]:
    try:
        skipped = cache.parse_json(said.get(_SKIPPED, ""))
    except ValueError as error:
        raise cache.Damaged(f"cannot read {path}: it does not say what it lacks") from error
    if set(said) != {_SKIPPED} or not isinstance(skipped, dict) or not set(skipped) <= set(names):
        raise cache.Damaged(f"cannot read {path}: it holds other images")
    return skipped


# ------------------------------------------------------------------------------------------------------------ the work


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A conversion as a worker is told it: a reader is made anew in each process."""

    dataset: str
    root: Path
    split: str
    how: CutOut
    folder: Path
    skip_damaged: bool


@functools.lru_cache(maxsize=1)
def _reader(dataset: str, root: Path, split: str) -> Reader:
    return get_published(dataset).reader(root, split)


def _convert_shard(job: _Job, span: Span, made: Callable[[int], object]) -> None:
    """Convert the hands of one span and write them; calls ``made(1)`` after each."""
    _write_converted(_reader(job.dataset, job.root, job.split), job, span, made)


def _write_converted(reader: Reader, job: _Job, span: Span, made: Callable[[int], object]) -> None:
    parts, skipped = [], {}
    for index in range(*span):
        try:
            parts.append(_cut(reader, index, job.how))
        except HandLibError as error:
            if not job.skip_damaged:
                raise HandLibError(f"{error} (`data convert --skip-damaged` leaves such hands out)") from error
            skipped[reader.name(index)] = str(error)[:1000]
        made(1)
    samples = Samples.concat(parts) if parts else _none(job.how.size)
    write_shard(shard_path(job.folder, span), samples, said={_SKIPPED: json.dumps(skipped)})


def _cut(reader: Reader, index: int, how: CutOut) -> Samples:
    hand = reader.hand(index)
    try:
        return cut(hand, how)
    except HandLibError as error:
        raise HandLibError(f"cannot use {reader.name(index)}: {error}") from error


def _none(size: int) -> Samples:
    """Samples of no hand."""
    return Samples(
        images=torch.empty(0, 3, size, size, dtype=torch.uint8),
        uv=torch.empty(0, NUM_JOINTS, 2),
        xyz=torch.empty(0, NUM_JOINTS, 3),
        visible=torch.empty(0, NUM_JOINTS, dtype=torch.bool),
        K=torch.empty(0, 3, 3),
        right=torch.empty(0, dtype=torch.bool),
        box=torch.empty(0, 4),
    )


def _convert_shards(
    conversion: Conversion,
    spans: list[Span],
    workers: int | None,
    skip_damaged: bool,
    announce: Callable[[Estimate], object],
) -> None:
    from tqdm import tqdm

    workers = min(free_cores() if workers is None else workers, len(spans))
    expected = _estimate(conversion, spans, max(workers, 1))
    announce(expected)
    if expected.bytes > expected.free:
        needed, free = (f"{number / 1e9:.1f} GB" for number in (expected.bytes, expected.free))
        where = f"in {conversion.folder.parent} (another folder can be chosen with {cache.CACHE_VARIABLE})"
        raise HandLibError(f"converting {conversion.title} needs {needed}, but {free} are free {where}")
    job = _Job(
        dataset=conversion.published.name,
        root=Path(conversion.root).absolute(),
        split=conversion.split,
        how=conversion.how,
        folder=conversion.folder,
        skip_damaged=skip_damaged,
    )
    with tqdm(total=expected.hands, desc=f"converting {conversion.title}", unit="hand", dynamic_ncols=True) as bar:
        if workers <= 1:
            for span in spans:
                _write_converted(conversion.reader, job, span, bar.update)
        else:
            share(_convert_shard, job, spans, workers=workers, made=bar.update, doing="converting")


def _estimate(conversion: Conversion, spans: list[Span], workers: int) -> Estimate:
    """By the time of a few hands, evenly spread; what is wrong with one is said when its turn comes."""
    indices = [index for span in spans for index in range(*span)]
    tried = evenly(len(indices), _TRIED)
    began = time.monotonic()
    for place in tried:
        with contextlib.suppress(HandLibError):
            _cut(conversion.reader, indices[place], conversion.how)
    seconds = (time.monotonic() - began) / len(tried)
    kept = [getattr(_none(conversion.how.size), name) for name in KEPT]
    bytes_each = sum(tensor.shape[1:].numel() * tensor.element_size() for tensor in kept)
    return Estimate(
        hands=len(indices),
        size=conversion.how.size,
        bytes=len(indices) * bytes_each,
        free=shutil.disk_usage(conversion.folder).free,
        seconds=seconds * len(indices) / workers,
        workers=workers,
    )


def _say_what_it_is(conversion: Conversion, spans: list[Span]) -> Manifest:
    """Read every shard once more, and write the manifest."""
    shards, hands, skipped = [], [], []
    for span in spans:
        path = shard_path(conversion.folder, span)
        found = _kept(conversion, span, skip_damaged=True)
        if found is None:
            raise HandLibError(f"cannot read {path} right after writing it: is the disk sound?")
        samples, left_out = found
        shards.append({"file": path.name, "hands": len(samples)})
        hands += [name for name in conversion.names[slice(*span)] if name not in left_out]
        skipped += [{"hand": name, "why": why} for name, why in left_out.items()]
    if not hands:
        raise HandLibError(f"no hand of {conversion.title} can be used: {skipped[0]['why']}")
    return write_manifest(
        conversion.folder, {**conversion.decides, "hands": hands, "skipped": skipped, "shards": shards}
    )
