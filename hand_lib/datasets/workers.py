"""Work that is cut into spans of numbers, shared by several processes of one thread each."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from hand_lib.errors import HandLibError

Span = tuple[int, int]  # from the first number to one after the last
Make = Callable[[Any, Span, Callable[[int], object]], None]


def free_cores() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spans_of(count: int, size: int) -> list[Span]:
    """The numbers from 0 to ``count`` in spans of ``size``, the last one perhaps shorter."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def share(
    make: Make, job: object, spans: Sequence[Span], *, workers: int, made: Callable[[int], object], doing: str
) -> None:
    """Call ``make(job, span, made)`` for each span, in ``workers`` fresh interpreters, one span at a time.

    Plain interpreters rather than multiprocessing: nothing of the caller's main module runs again in them, so this
    works alike from a notebook, a script without a main guard, a daemon and a test worker; and the number of threads
    is set before torch is loaded. A worker ends when its standard input closes, so none outlives a killed parent for
    long.

    Args:
        make: a function of a module of this package; it writes what it makes to disk.
        job: whatever it needs that is the same for all spans; it is pickled.
        spans: what to make.
        workers: how many processes.
        made: called here, one call at a time, with each number that ``make`` passes to its own ``made``.
        doing: what the processes are said to do, for example "rendering".

    Raises:
        HandLibError: what one of them raised, or a line that says how it ended. The others are stopped.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    package_root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    header = pickle.dumps((make, job, doing))
    tasks: queue.SimpleQueue[Span] = queue.SimpleQueue()
    for span in spans:
        tasks.put(span)
    failures: list[str] = []
    one_at_a_time = threading.Lock()

    def serve_one(process: subprocess.Popen) -> None:
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
                        failures.append(word or f"a {doing} process ended with exit code {process.wait()}")
                        return
                    with one_at_a_time:
                        made(int(word))
            process.stdin.close()
        except OSError:  # the pipe broke
            failures.append(f"a {doing} process ended with exit code {process.wait()}")

    command = [sys.executable, "-c", "from hand_lib.datasets.workers import serve; serve()"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        for _ in range(workers)
    ]
    threads = [threading.Thread(target=serve_one, args=(process,), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:  # also on Ctrl-C: what is finished stays, the rest is made next time
        for process in processes:
            if process.poll() is None and (failures or any(thread.is_alive() for thread in threads)):
                process.kill()
            process.wait()
    if failures:
        raise HandLibError(failures[0])


def serve() -> None:
    """The main function of a worker: what to make comes on stdin, a span a line; reports go to stdout."""
    torch.set_num_threads(1)
    stream, report = sys.stdin.buffer, sys.stdout
    sys.stdout = sys.stderr  # nothing but reports may go to the pipe
    make, job, doing = pickle.loads(stream.read(int.from_bytes(stream.read(8), "little")))

    def made(number: int) -> None:
        print(number, file=report, flush=True)

    try:
        for line in stream:
            start, stop = map(int, line.split())
            make(job, (start, stop), made)
            print("done", file=report, flush=True)
    except HandLibError as error:
        print(error, file=report, flush=True)
    except (KeyboardInterrupt, BrokenPipeError):  # the parent reports it
        os._exit(130)
    except Exception as error:
        reason = " ".join(str(error).split())
        print(f"a {doing} process failed: {type(error).__name__}: {reason}", file=report, flush=True)
        raise  # the traceback goes to stderr
