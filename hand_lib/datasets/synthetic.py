"""The embedded default dataset: synthetic hands, rendered once and kept on disk.

Nothing is downloaded. The first :func:`load_synthetic` renders, later ones read. Sample ``i`` depends only on the data
version, the split, the seed, the size and the scene, never on the count or on who renders it, so the work is cut into
shards: one file each, whole or absent. An interrupted rendering keeps its finished shards; a shard that is damaged is
rendered again, with a message that names it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import torch

from hand_lib import cache
from hand_lib.errors import HandLibError, choose
from hand_lib.samples import Samples
from hand_lib.skeleton import NUM_JOINTS
from hand_lib.synthetic import DATA_VERSION, SPLITS, WIDE, SceneConfig, render

SHARD = 128  # images a file

# Kept where they are asked for: five bytes a pixel, beside the picture's three.
MAPS = ("mask", "depth")

# What a row is trained and measured on. Figures that show a mask call `synthetic.render` themselves.
KEPT = tuple(field.name for field in fields(Samples) if field.name not in MAPS)


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
    spans = [(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]
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
                path = _shard_path(folder, span)
                raise HandLibError(f"cannot read {path} right after writing it: is the disk sound?")
    return Samples.concat([shards[span] for span in spans])


def dataset_folder(*, split: str, size: int, scene: SceneConfig, seed: int = 0, also: Sequence[str] = ()) -> Path:
    """Where a dataset's shards are kept; the name holds a hash of all that decides their pixels, and the maps."""
    decides = {"version": DATA_VERSION, "split": split, "size": size, "seed": seed, "scene": asdict(scene)}
    key = hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return cache.cache_dir() / "synthetic" / "-".join([split, f"{size}px", f"s{seed}", *also, key])


def _shard_path(folder: Path, span: tuple[int, int]) -> Path:
    return folder / f"{span[0]:06d}-{span[1]:06d}.safetensors"


def _about(path: Path) -> dict[str, str]:
    """What a shard says it is: a file under another's name is not what it should be, though whole."""
    return {"dataset": path.parent.name, "images": path.stem}


def _layout(count: int, size: int, also: Sequence[str]) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Type and shape of each tensor in a shard of so many images of this side, see :class:`Samples`."""
    maps = {"mask": (torch.uint8, (count, size, size)), "depth": (torch.float32, (count, size, size))}
    return {
        "images": (torch.uint8, (count, 3, size, size)),
        "uv": (torch.float32, (count, NUM_JOINTS, 2)),
        "xyz": (torch.float32, (count, NUM_JOINTS, 3)),
        "visible": (torch.bool, (count, NUM_JOINTS)),
        "K": (torch.float32, (count, 3, 3)),
        "right": (torch.bool, (count,)),
        "box": (torch.float32, (count, 4)),
        **{name: maps[name] for name in also},
    }


def _read_shard(folder: Path, span: tuple[int, int], size: int, also: Sequence[str]) -> Samples | None:
    """Read images ``span[0]`` to ``span[1]``, from their own file or the start of the whole shard's; None if missing.

    A damaged file is deleted with a message, and counts as missing. One that may not be read is an error.
    """
    start, stop = span
    for path in (_shard_path(folder, span), _shard_path(folder, (start, start + SHARD))):
        if not cache.exists(path):
            continue
        try:
            tensors, metadata = cache.read_tensors(path)
            first, last = map(int, path.stem.split("-"))
            layout = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
            if metadata != _about(path) or layout != _layout(last - first, size, also):
                raise cache.Damaged(f"cannot read {path}: it holds other images")
            return Samples(**tensors)[: stop - start]
        except cache.Damaged as error:
            print(f"{error}; rendering these images again", file=sys.stderr, flush=True)
            with cache.readable_errors(path, "delete"):
                path.unlink(missing_ok=True)
    return None


def _render_shard(
    folder: Path, span: tuple[int, int], job: dict, also: Sequence[str], device: str, rendered: Callable[[int], object]
) -> None:
    """Render one shard and write it; then calls ``rendered(number of images)``."""
    indices = list(range(*span))
    with torch.inference_mode():
        samples = render(indices=indices, device=device, **job).to("cpu")
    path = _shard_path(folder, span)
    cache.write_tensors(path, {name: getattr(samples, name) for name in (*KEPT, *also)}, _about(path))
    rendered(len(indices))


def _render_shards(
    folder: Path, spans: list[tuple[int, int]], job: dict, also: Sequence[str], workers: int | None
) -> None:
    """Render the missing shards, on the GPU, in this process or in several, with one progress bar on stderr."""
    from tqdm import tqdm

    on_gpu = workers is None and torch.cuda.is_available()
    workers = min(_free_cores() if workers is None else workers, len(spans))
    where = "on the GPU" if on_gpu else f"on {max(workers, 1)} core{'s' if workers > 1 else ''}"
    total = sum(stop - start for start, stop in spans)
    title = f"rendering {job['split']} hands, {job['size']} px, {where}"
    with tqdm(total=total, desc=title, unit="img", smoothing=0.1, dynamic_ncols=True) as bar:
        if on_gpu or workers <= 1:
            for span in spans:
                _render_shard(folder, span, job, also, "cuda" if on_gpu else "cpu", bar.update)
        else:
            _render_in_processes(folder, spans, job, also, workers, bar.update)


def _free_cores() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _render_in_processes(
    folder: Path,
    spans: list[tuple[int, int]],
    job: dict,
    also: Sequence[str],
    workers: int,
    rendered: Callable[[int], object],
) -> None:
    """Render shards in ``workers`` fresh interpreters, each with one thread, handing out one shard at a time.

    Plain interpreters rather than multiprocessing: nothing of the caller's main module runs again in them, so this
    works alike from a notebook, a script without a main guard, a daemon and a test worker; and the number of threads
    is set before torch is loaded. A worker ends when its standard input closes, so none outlives a killed parent for
    long.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    package_root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    header = pickle.dumps((folder, job, also))
    tasks: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    for span in spans:
        tasks.put(span)
    failures: list[str] = []
    update_lock = threading.Lock()

    def serve(process: subprocess.Popen) -> None:
        try:
            process.stdin.write(len(header).to_bytes(8, "little") + header)
            while not failures:
                try:
                    start, stop = tasks.get_nowait()
                except queue.Empty:
                    break
                process.stdin.write(f"{start} {stop}\n".encode())
                process.stdin.flush()
                while (word := process.stdout.readline().decode().strip()) != "done":
                    if not word.isdigit():  # an error's text, or nothing: the worker has died
                        failures.append(word or f"a rendering process ended with exit code {process.wait()}")
                        return
                    with update_lock:
                        rendered(int(word))
            process.stdin.close()
        except OSError:  # the pipe broke
            failures.append(f"a rendering process ended with exit code {process.wait()}")

    command = [sys.executable, "-c", "from hand_lib.datasets.synthetic import serve_shards; serve_shards()"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        for _ in range(workers)
    ]
    threads = [threading.Thread(target=serve, args=(process,), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:  # also on Ctrl-C: the finished shards stay, the rest is rendered next time
        for process in processes:
            if process.poll() is None and (failures or any(thread.is_alive() for thread in threads)):
                process.kill()
            process.wait()
    if failures:
        raise HandLibError(failures[0])


def serve_shards() -> None:
    """The main function of a rendering process: what to render comes on stdin, a shard a line; reports go to stdout."""
    torch.set_num_threads(1)
    stream, report = sys.stdin.buffer, sys.stdout
    sys.stdout = sys.stderr  # nothing but reports may go to the pipe
    folder, job, also = pickle.loads(stream.read(int.from_bytes(stream.read(8), "little")))

    def done(number: int) -> None:
        print(number, file=report, flush=True)

    try:
        for line in stream:
            start, stop = map(int, line.split())
            _render_shard(folder, (start, stop), job, also, "cpu", done)
            print("done", file=report, flush=True)
    except HandLibError as error:
        print(error, file=report, flush=True)
    except (KeyboardInterrupt, BrokenPipeError):  # the parent reports it
        os._exit(130)
    except Exception as error:
        reason = " ".join(str(error).split())
        print(f"a rendering process failed: {type(error).__name__}: {reason}", file=report, flush=True)
        raise  # the traceback goes to stderr
