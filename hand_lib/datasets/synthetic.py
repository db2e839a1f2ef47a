"""The embedded default dataset: synthetic hands, rendered once and kept on disk.

Nothing is downloaded. The first :func:`load_synthetic` renders, later ones read. Sample ``i`` depends only on the data
version, the split, the seed, the size and the scene, never on the count or on who renders it, so the work is cut into
shards: one file each, whole or absent. An interrupted rendering keeps its finished shards; a shard that is damaged is
rendered again, with a message that names it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from hand_lib import cache
from hand_lib.datasets.shards import MAPS, read_shard, shard_path, span_of, write_shard
from hand_lib.datasets.workers import Span, free_cores, share, spans_of
from hand_lib.errors import HandLibError, choose
from hand_lib.samples import Samples
from hand_lib.synthetic import DATA_VERSION, SPLITS, WIDE, SceneConfig, render

SHARD = 128  # images a file


def load_synthetic(
    *,
    split: str,
    count: int,
    size: int,
    scene: SceneConfig = WIDE,
    seed: int = 0,
    also: Collection[str] = (),
    workers: int | None = None,
) -> Samples:
    """The first ``count`` synthetic hands of a split, rendered once and then read from the cache.

    Args:
        split: "training"; "evaluation", with people and backgrounds of its own and poses drawn anew from training's
            distribution; or "held_out_gestures", the evaluation's people in gestures that the others never show.
        count: how many images.
        size: their width and height in pixels.
        scene: what is in the pictures.
        seed: of the whole dataset. Sample ``i`` of a seed is always the same.
        also: "mask", "depth" or both; kept in a folder of their own, the pictures with them.
        workers: rendering processes, each with one thread. None takes the GPU if there is one, else a process a core.
            0 renders in this process.

    Returns:
        Samples on the CPU; ``mask`` and ``depth`` are None where they were not asked for.

    Raises:
        HandLibError: an unknown split; a map that is neither mask nor depth; the cache folder cannot be written; the
            disk is full.
    """
    if split not in SPLITS:
        raise choose("split", split, SPLITS)
    if count < 1:
        raise HandLibError(f"count {count} is no number of images: ask for at least 1")
    for name in also:
        if name not in MAPS:
            raise choose("map", name, MAPS)
    also = tuple(name for name in MAPS if name in also)
    folder = dataset_folder(split=split, size=size, scene=scene, seed=seed, also=also)
    spans = spans_of(count, SHARD)
    job = {"split": split, "size": size, "scene": scene, "seed": seed}

    shards = {span: _read_shard(folder, span, size, also) for span in spans}
    if any(shard is None for shard in shards.values()):
        with cache.lock(folder, waiting_for=f"rendering {split} hands"):
            cache.remove_leftovers(folder)
            # Another process may have rendered them meanwhile.
            shards = {span: shard or _read_shard(folder, span, size, also) for span, shard in shards.items()}
            missing = [span for span, shard in shards.items() if shard is None]
            if missing:
                _render_shards(folder, missing, job, also, workers)
        for span in missing:
            shards[span] = _read_shard(folder, span, size, also)
            if shards[span] is None:
                path = shard_path(folder, span)
                raise HandLibError(f"cannot read {path} right after writing it: is the disk sound?")
    return Samples.concat([shards[span] for span in spans])


def dataset_folder(*, split: str, size: int, scene: SceneConfig, seed: int = 0, also: Sequence[str] = ()) -> Path:
    """Where a dataset's shards are kept; the name holds a hash of all that decides their pixels, and the maps."""
    decides = {"version": DATA_VERSION, "split": split, "size": size, "seed": seed, "scene": asdict(scene)}
    key = hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return cache.cache_dir() / "synthetic" / "-".join([split, f"{size}px", f"s{seed}", *also, key])


def _read_shard(folder: Path, span: Span, size: int, also: Sequence[str]) -> Samples | None:
    """Read images ``span[0]`` to ``span[1]``, from their own file or the start of the whole shard's; None if missing.

    A damaged file is deleted with a message, and counts as missing. One that may not be read is an error.
    """
    start, stop = span
    for path in (shard_path(folder, span), shard_path(folder, (start, start + SHARD))):
        if not cache.exists(path):
            continue
        try:
            samples, said = read_shard(path, size=size, also=also)
            first, last = span_of(path)
            if said or len(samples) != last - first:
                raise cache.Damaged(f"cannot read {path}: it holds other images")
            return samples[: stop - start]
        except cache.Damaged as error:
            print(f"{error}; rendering these images again", file=sys.stderr, flush=True)
            with cache.readable_errors(path, "delete"):
                path.unlink(missing_ok=True)
    return None


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What to render, where it goes, and on what."""

    folder: Path
    what: dict
    also: Sequence[str]
    device: str


def _render_shard(job: _Job, span: Span, rendered: Callable[[int], object]) -> None:
    """Render one shard and write it; then calls ``rendered(number of images)``."""
    indices = list(range(*span))
    with torch.inference_mode():
        samples = render(indices=indices, device=job.device, **job.what).to("cpu")
    write_shard(shard_path(job.folder, span), samples, also=job.also)
    rendered(len(indices))


def _render_shards(folder: Path, spans: list[Span], job: dict, also: Sequence[str], workers: int | None) -> None:
    """Render the missing shards, on the GPU, in this process or in several, with one progress bar on stderr."""
    from tqdm import tqdm

    on_gpu = workers is None and torch.cuda.is_available()
    workers = min(free_cores() if workers is None else workers, len(spans))
    where = "on the GPU" if on_gpu else f"on {max(workers, 1)} core{'s' if workers > 1 else ''}"
    total = sum(stop - start for start, stop in spans)
    title = f"rendering {job['split']} hands, {job['size']} px, {where}"
    shared = _Job(folder=folder, what=job, also=also, device="cuda" if on_gpu else "cpu")
    with tqdm(total=total, desc=title, unit="img", smoothing=0.1, dynamic_ncols=True) as bar:
        if on_gpu or workers <= 1:
            for span in spans:
                _render_shard(shared, span, bar.update)
        else:
            share(_render_shard, shared, spans, workers=workers, made=bar.update, doing="rendering")
