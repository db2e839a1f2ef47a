"""Speed of the synthetic renderer: pictures per second of one CPU core's time, at 64 and 128 pixels.

    OMP_NUM_THREADS=1 python benchmarks/render.py

User CPU time is counted, not wall time. Other programs that share the core's caches still slow it, so the fastest batch
is printed beside the median. The baseline is a plain
renderer of ray-marched capsules with soft shadows, measured on the same kind of core: 139 pictures/s at 64 pixels,
37 at 128.
"""

from __future__ import annotations

import argparse
import resource
import statistics

import torch

from hand_lib.synthetic import WIDE, render

BASELINE = {64: 139.0, 128: 37.0}


def measure(size: int, *, count: int, batch: int) -> list[float]:
    """Pictures per second of user CPU time, for each batch."""
    render(seed=0, split="training", indices=range(16), size=size, scene=WIDE)  # makes the mesh, warms the caches
    rates = []
    for first in range(0, count, batch):
        start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        render(seed=0, split="training", indices=range(first, first + batch), size=size, scene=WIDE)
        rates.append(batch / (resource.getrusage(resource.RUSAGE_SELF).ru_utime - start))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--count", type=int, default=512, help="pictures a size")
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for size in arguments.sizes:
        rates = measure(size, count=arguments.count, batch=arguments.batch)
        rate, best = statistics.median(rates), max(rates)
        baseline = BASELINE.get(size)
        beside = f", {rate / baseline:.1f} times the baseline's {baseline:.0f}" if baseline else ""
        print(f"{size} px: median batch {rate:.0f} pictures/s a core, fastest {best:.0f}{beside}")


if __name__ == "__main__":
    main()
