"""Public data sets: what reading and converting a hand costs, and what training on converted hands does.

    python benchmarks/real_data.py [--hands 4096] [--device cpu]

Nobody's pictures are shipped, so rendered hands are written as the data sets lie on disk, a few and over again.
Reading: a picture decoded by Pillow alone, the reader's hand, the same cut out, and a converted hand taken out of its
file. Training: steps of one row with their batches, from rendered hands in memory, from converted hands in memory and
from the same in their files, mapped. Both of the latter are first shown to give the same batch. The memory is that of a
process that trains, without what belongs to files.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Benchmark, Timing, as_json, at_least, interleaved, show_spread
from PIL import Image

from hand_lib import cache, experiments, training
from hand_lib.datasets.augmentation import Augmentation
from hand_lib.datasets.mapped import Mapped
from hand_lib.datasets.real import imitations
from hand_lib.datasets.real.conversion import Conversion, convert, open_converted
from hand_lib.datasets.real.cut_outs import CutOut, cut
from hand_lib.datasets.real.published import PUBLISHED
from hand_lib.errors import HandLibError
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples
from hand_lib.synthetic import render
from hand_lib.training import TrainingConfig

ROOT = Path(__file__).resolve().parent.parent
DECODE, READ, CUT, TAKE = "Pillow decodes the picture", "hand read", "hand read and cut out", "converted hand taken"
RENDERED, IN_MEMORY, IN_FILES = "rendered, in memory", "converted, in memory", "converted, in files"
WRITTEN = 12  # different hands
PICTURES = {"freihand": "training/rgb/*.jpg", "rhd": "training/color/*.png", "ho3d-v2": "train/*/rgb/*.png"}
MEMORY_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is read, and what is trained.

    Attributes:
        row: that is trained.
        profile: gives the scene, the augmentation and whatever is not named otherwise.
        network: size of the row's network.
        batch_size: pictures a step.
        precision: as in :class:`hand_lib.training.config.TrainingConfig`.
        hands: converted ones that are trained on.
        rendered: hands that the batches are drawn from beside them.
    """

    row: str = "multihead"
    profile: str
    network: NetworkSize
    batch_size: int
    precision: str
    hands: int = 4096
    rendered: int = 128

    def __post_init__(self) -> None:
        experiments.get_row(self.row)
        at_least("batch size", 2, self.batch_size)
        at_least("hands", 4, self.hands)
        at_least("rendered hands", 1, self.rendered)

    @property
    def augmentation(self) -> Augmentation:
        return experiments.get_profile(self.profile).augmentation

    @property
    def config(self) -> TrainingConfig:
        """Of a training of the row."""
        plain = experiments.get_profile(self.profile).training_config(seed=0, precision=self.precision)
        return replace(plain, batch_size=self.batch_size, image_size=self.network.image_size)

    @property
    def how(self) -> CutOut:
        return CutOut(image_size=self.network.image_size, augmentation=self.augmentation)


# ---------------------------------------------------------------------------------------------------------- on the disk


WRITERS: dict[str, Callable[..., object]] = {
    "freihand": imitations.write_freihand,
    "rhd": imitations.write_rhd,
    "ho3d-v2": imitations.write_ho3d,
}


def write(name: str, root: Path, hands: int = WRITTEN) -> None:
    """Write a data set's training hands: rendered ones, the first twelve over and over again."""
    root.mkdir()
    WRITERS[name](root, count=hands)


def converted(settings: Settings, name: str, root: Path) -> Conversion:
    """The data set's training hands, converted by this process."""
    of = Conversion(published=PUBLISHED[name], root=root, split="training", how=settings.how)
    convert(of, workers=0)
    return of


# -------------------------------------------------------------------------------------------------------------- reading


def decode(content: bytes) -> np.ndarray:
    """A picture's pixels, by Pillow alone."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture)


def reading(settings: Settings, name: str, root: Path, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line for each way to a hand of one data set."""
    of = converted(settings, name, root)
    reader, hands = of.reader, open_converted(of)
    contents = [path.read_bytes() for path in sorted(root.glob(PICTURES[name]))]
    shown = {decode(content).tobytes() for content in contents}
    if reader.hand(0).image.permute(1, 2, 0).numpy().tobytes() not in shown:
        raise AssertionError(f"{name}: the reader shows another picture than Pillow")
    if not torch.equal(cut(reader.hand(1), of.how).images[0], hands[[1]].images[0]):
        raise AssertionError(f"{name}: the converted hand is another than the one cut out")
    turn = itertools.count()

    def in_turn(call: Callable[[int], object], count: int) -> Callable[[], object]:
        return lambda: call(next(turn) % count)

    sides = {
        DECODE: in_turn(lambda i: decode(contents[i]), len(contents)),
        READ: in_turn(reader.hand, len(reader)),
        CUT: in_turn(lambda i: cut(reader.hand(i), of.how), len(reader)),
        TAKE: in_turn(lambda i: hands[[i]], len(hands)),
    }
    times = interleaved(sides, device=device, timing=timing)
    return [
        times.line(
            side,
            work=name,
            side=side,
            images_per_second=as_json(times.rate(side)),
            ratio=as_json(times.ratio(side, DECODE)),
            memory_mib=None,
        )
        for side in sides
    ]


# ------------------------------------------------------------------------------------------------------------- training


def steps_from(settings: Settings, sets: dict[str, Samples | Mapped], device: torch.device) -> dict[str, Callable]:
    """A training step with its batch, from each of several sets; each trains a network of its own."""
    config, build = settings.config, experiments.get_row(settings.row).build
    fabric = training.make_fabric(device, config.precision)
    sides = {}
    for name, samples in sets.items():
        model = training.build_seeded(lambda: build(settings.network), 0)
        network, stepper, _ = training.set_up(fabric, model, config)
        batches, numbers = training.Batches(samples.pictures_to(device), config), itertools.count()

        def step(network=network, stepper=stepper, batches=batches, numbers=numbers) -> torch.Tensor:
            return training.training_step(fabric, network, stepper, *batches(next(numbers)))

        sides[name] = step
    return sides


def trained(settings: Settings, of: Conversion, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line for each set that is trained on."""
    profile, mapped = experiments.get_profile(settings.profile), open_converted(of)
    rendered = render(
        seed=experiments.DATA_SEED,
        split="training",
        indices=range(settings.rendered),
        size=round(profile.render_size * settings.network.image_size / profile.network.image_size),
        scene=profile.scene,
    )
    sets = {RENDERED: rendered, IN_MEMORY: mapped[:], IN_FILES: mapped}
    first, second = (training.Batches(sets[name], settings.config)(0) for name in (IN_MEMORY, IN_FILES))
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    sides = steps_from(settings, sets, device)
    times = interleaved(sides, device=device, timing=timing)
    for name, step in sides.items():
        if not step().isfinite().all():
            raise HandLibError(f"{name}: the loss is not finite, so what was timed was no training")
    taken = {name: memory(settings, of, name) for name in (IN_MEMORY, IN_FILES)}
    return [
        times.line(
            side,
            work=f"training {settings.row}",
            side=side,
            images_per_second=as_json(times.rate(side, settings.batch_size)),
            ratio=as_json(times.ratio(side, RENDERED)),
            memory_mib=taken.get(side),
        )
        for side in sides
    ]


def memory(settings: Settings, of: Conversion, side: str) -> int | None:
    """MiB of its own that a process has at most while it trains on the CPU; None where the system does not say."""
    if not Path("/proc/self/status").exists():
        return None
    asked = {**asdict(settings), "folder": str(of.folder), "side": side}
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import real_data; real_data.child()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, input=json.dumps(asked), env=environment, capture_output=True, text=True)
    if ran.returncode:
        raise HandLibError(f"the process whose memory is measured failed: {ran.stderr.strip().splitlines()[-1][:200]}")
    return int(ran.stdout)


def child() -> None:
    """In a process of its own: train, and print the most MiB of its own memory. What to do comes on stdin."""
    from hand_lib.datasets.shards import read_shard

    asked = json.load(sys.stdin)
    folder, side = Path(asked.pop("folder")), asked.pop("side")
    settings = Settings(**asked | {"network": NetworkSize(**asked["network"])})
    parts = [read_shard(path, size=settings.how.size)[0] for path in sorted(folder.glob("*.safetensors"))]
    mapped = Mapped([part for part in parts if len(part)])
    torch.set_num_threads(1)
    step = steps_from(settings, {side: mapped if side == IN_FILES else mapped[:]}, torch.device("cpu"))[side]
    most = 0
    for _ in range(MEMORY_STEPS):
        step()
        said = Path("/proc/self/status").read_text()
        most = max(most, int(said.partition("RssAnon:")[2].split()[0]) // 1024)
    print(most)


# ------------------------------------------------------------------------------------------------------------ as others


def measure(settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """Lines of reading for each data set, then those of training."""
    before = os.environ.get(cache.CACHE_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="real-data-") as folder:
        os.environ[cache.CACHE_VARIABLE] = str(Path(folder) / "cache")
        try:
            lines = []
            for name in PICTURES:
                root = Path(folder) / name
                write(name, root)
                lines += reading(settings, name, root, device, timing)
            write("freihand", root := Path(folder) / "many", -(-settings.hands // 4))  # each in four versions
            return lines + trained(settings, converted(settings, "freihand", root), device, timing)
        finally:
            if before is None:
                del os.environ[cache.CACHE_VARIABLE]
            else:
                os.environ[cache.CACHE_VARIABLE] = before


def table(lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and body."""
    header = ["work", "side", "ratio to the first", "pictures/s", "own memory, MiB"]
    body = [
        [
            line["work"],
            line["side"],
            show_spread(line["ratio"]),
            show_spread(line["images_per_second"]),
            "" if line["memory_mib"] is None else str(line["memory_mib"]),
        ]
        for line in lines
    ]
    return header, body


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    parser.add_argument("--row", default="multihead", help="that is trained (default: multihead)")
    parser.add_argument("--profile", default="quick", help="smoke, quick, long, full or paper (default: quick)")
    parser.add_argument("--hands", type=int, default=4096, metavar="N", help="converted hands to train on (4096)")
    parser.add_argument("--rendered", type=int, default=128, metavar="N", help="rendered hands to draw from (128)")


def settings_from(options: argparse.Namespace, device: torch.device) -> Settings:
    """The profile's settings."""
    profile = experiments.get_profile(options.profile)
    return Settings(
        row=options.row,
        profile=profile.name,
        network=profile.network,
        batch_size=profile.batch_size,
        precision=training.choose_precision(device),
        hands=options.hands,
        rendered=options.rendered,
    )


BENCHMARK = Benchmark(
    name="real_data",
    what="Hands of public data sets read, converted and trained on, beside Pillow alone and beside rendered hands.",
    add_arguments=add_arguments,
    settings=settings_from,
    measure=measure,
    table=table,
    notes=(
        "The pictures are rendered hands on black, written as the data sets are: real ones take longer to decode.",
        "Memory that belongs to files, and which the system takes back when it is short of it, is not counted.",
    ),
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
