"""Rendered once, then read; whole or absent; the same whoever renders."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from hand_lib.datasets import synthetic
from hand_lib.datasets.shards import KEPT, about
from hand_lib.datasets.synthetic import SHARD, load_synthetic
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.synthetic import EASY, WIDE, render

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JOINT_BY_JOINT_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    """A renderer of plain pictures that say which sample they are; lists what it was asked for."""
    asked: list[int] = []

    def draw(*, seed, split, indices, size, scene, device="cpu"):
        asked.extend(indices)
        n = torch.tensor(indices, dtype=torch.float32)
        count = len(indices)
        point = n[:, None, None] + torch.arange(21)[None, :, None]
        return Samples(
            images=(n.long() % 256).to(torch.uint8).view(-1, 1, 1, 1).expand(count, 3, size, size).contiguous(),
            uv=point.expand(count, 21, 2).contiguous(),
            xyz=point.expand(count, 21, 3).contiguous(),
            visible=torch.ones(count, 21, dtype=torch.bool),
            K=torch.eye(3).expand(count, 3, 3).contiguous(),
            right=n % 2 == 0,
            box=n[:, None].expand(count, 4).contiguous(),
            mask=torch.zeros(count, size, size, dtype=torch.uint8),
            depth=torch.zeros(count, size, size),
        )

    monkeypatch.setattr(synthetic, "render", draw)
    return asked


def load(count=5, *, size=8, split="training", scene=EASY, seed=0, also=(), workers=0):
    return load_synthetic(split=split, count=count, size=size, scene=scene, seed=seed, also=also, workers=workers)


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("synthetic/*/*.safetensors"))


def equal(a: Samples, b: Samples) -> bool:
    for field in fields(Samples):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if (x is None) != (y is None) or (x is not None and not torch.equal(x, y)):
            return False
    return True


def test_rendered_once_and_then_read(drawn, own_cache):
    count = SHARD + 3
    first = load(count)
    assert sorted(drawn) == list(range(count))
    assert first.uv[:, 0, 0].tolist() == list(range(count))
    assert first.mask is None and first.depth is None and first.box.shape == (count, 4)
    drawn.clear()
    assert equal(load(count), first) and drawn == []
    assert not list(own_cache.glob("synthetic/*/.*.part"))


def test_a_smaller_count_is_the_beginning_of_a_larger_one(drawn):
    large = load(SHARD + 10)
    drawn.clear()
    assert equal(load(SHARD - 20), large[: SHARD - 20]) and drawn == []
    assert equal(load(2 * SHARD)[: SHARD + 10], large)
    assert sorted(drawn) == list(range(SHARD, 2 * SHARD))  # the first shard was there


@pytest.mark.parametrize(
    "other", [{"split": "evaluation"}, {"split": "held_out_gestures"}, {"size": 9}, {"scene": WIDE}, {"seed": 1}]
)
def test_whatever_decides_the_pixels_has_its_own_files(drawn, own_cache, other):
    load(3)
    load(3, **other)
    assert len(drawn) == 6 and len(shards(own_cache)) == 2


def test_another_version_of_the_renderer_renders_again(drawn, monkeypatch):
    load(3)
    monkeypatch.setattr(synthetic, "DATA_VERSION", "another")
    load(3)
    assert len(drawn) == 6


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_shard_is_named_and_rendered_again(drawn, own_cache, capsys, damage):
    whole = load(2 * SHARD)
    path = shards(own_cache)[1]
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    path.write_bytes({"cut": content[:-1], "flipped": flipped, "empty": b"", "foreign": b"x" * 100}[damage])
    drawn.clear()
    assert equal(load(2 * SHARD), whole)
    assert sorted(drawn) == list(range(SHARD, 2 * SHARD))
    said = [line for line in capsys.readouterr().err.splitlines() if str(path) in line]
    assert len(said) == 1 and "again" in said[0]


def test_a_whole_shard_in_another_s_place_is_rendered_again(drawn, own_cache, capsys):
    whole = load(2 * SHARD)
    first, second = shards(own_cache)
    second.write_bytes(first.read_bytes())
    drawn.clear()
    assert equal(load(2 * SHARD), whole)
    assert sorted(drawn) == list(range(SHARD, 2 * SHARD))
    assert str(second) in capsys.readouterr().err


def test_a_shard_that_may_not_be_read_is_an_error_and_stays(drawn, own_cache):
    load(3)
    (path,) = shards(own_cache)
    path.unlink()
    path.mkdir()  # the one thing that root may not read either
    with pytest.raises(HandLibError, match="cannot read") as error:
        load(3)
    assert str(path) in str(error.value) and path.exists()


def test_a_finished_set_is_read_from_a_cache_that_cannot_be_written(drawn, own_cache, monkeypatch):
    whole = load(3)

    def refuse(*arguments, **options):
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    assert equal(load(3), whole)


def test_an_interrupted_rendering_keeps_its_finished_shards(drawn, own_cache, monkeypatch):
    draw = synthetic.render

    def break_off(*, indices, **rest):
        if indices[0] >= SHARD:
            raise KeyboardInterrupt
        return draw(indices=indices, **rest)

    monkeypatch.setattr(synthetic, "render", break_off)
    with pytest.raises(KeyboardInterrupt):
        load(2 * SHARD)
    assert len(shards(own_cache)) == 1
    drawn.clear()
    monkeypatch.setattr(synthetic, "render", draw)
    load(2 * SHARD)
    assert sorted(drawn) == list(range(SHARD, 2 * SHARD))


def test_unknown_split_and_senseless_count(drawn):
    with pytest.raises(HandLibError, match=r"'test'.*evaluation, held_out_gestures, training"):
        load(split="test")
    with pytest.raises(HandLibError, match="count 0"):
        load(0)


def test_a_cache_that_cannot_be_written_is_one_line(drawn, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOINT_BY_JOINT_CACHE", str(tmp_path / "file"))
    with pytest.raises(HandLibError) as error:
        load()
    assert str(tmp_path / "file") in str(error.value) and "\n" not in str(error.value)


# --------------------------------------------------------------------------------------------- with the real renderer


@pytest.mark.slow
def test_processes_render_what_one_process_renders(own_cache, monkeypatch):
    """Two fresh interpreters against this one, and against the renderer asked directly, bit for bit."""
    monkeypatch.setattr(synthetic, "SHARD", 4)  # the workers are told each shard's first and last image
    together = load(10, size=32, workers=2)
    assert len(shards(own_cache)) == 3
    monkeypatch.setenv("JOINT_BY_JOINT_CACHE", str(own_cache / "other"))
    alone = load(10, size=32, workers=0)
    assert equal(together, alone)
    direct = render(seed=0, split="training", indices=list(range(4, 8)), size=32, scene=EASY)
    assert torch.equal(direct.images, together.images[4:8]) and torch.equal(direct.xyz, together.xyz[4:8])


@pytest.mark.slow
def test_processes_work_from_a_script_without_a_main_guard(own_cache):
    """As in a notebook: whatever runs at the caller's top level must not run again in the workers."""
    script = own_cache / "script.py"
    script.write_text(
        "print('top level')\n"
        "from hand_lib.datasets import synthetic\n"
        "from hand_lib.synthetic import EASY\n"
        "synthetic.SHARD = 2\n"
        "print(len(synthetic.load_synthetic(split='training', count=4, size=32, scene=EASY, workers=2)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "top level\n4\n"
    assert "rendering training hands" in done.stderr  # the progress bar


@pytest.mark.slow
def test_a_worker_that_fails_is_one_line(own_cache, monkeypatch):
    monkeypatch.setattr(synthetic, "SHARD", 2)
    with pytest.raises(HandLibError, match="size is -1") as error:
        load(4, size=-1, workers=2)
    assert "\n" not in str(error.value) and shards(own_cache) == []


# ------------------------------------------------------------------------------------------------------ mask and depth


def test_maps_are_kept_where_they_are_asked_for(own_cache):
    drawn = render(seed=0, split="training", indices=range(3), size=24, scene=EASY)
    for also in (("mask",), ("depth", "mask")):
        found = load(3, size=24, also=also)
        for field in fields(Samples):
            wanted = getattr(drawn, field.name) if field.name in (*KEPT, *also) else None
            kept = getattr(found, field.name)
            assert (kept is None) == (wanted is None) and (kept is None or torch.equal(kept, wanted)), field.name


def test_maps_leave_the_ordinary_sets_alone(drawn, own_cache):
    plain = synthetic.dataset_folder(split="training", size=8, scene=EASY)
    first = load()
    before = {path: path.read_bytes() for path in shards(own_cache)}
    with_maps = load(also=("mask", "depth"))
    assert {path: path.read_bytes() for path in before} == before and {path.parent for path in before} == {plain}
    assert len({path.parent for path in shards(own_cache)}) == 2
    drawn.clear()
    assert equal(load(), first) and equal(load(also=("depth", "mask")), with_maps) and drawn == []


def test_a_shard_that_lacks_a_map_is_rendered_again(drawn, own_cache, capsys):
    load(), load(also=("mask",))
    plain, masked = sorted(shards(own_cache), key=lambda path: "mask" in str(path))
    tensors, _ = synthetic.cache.read_tensors(plain)
    synthetic.cache.write_tensors(masked, tensors, about(masked))
    assert load(also=("mask",)).mask.shape == (5, 8, 8)
    assert "holds other images" in capsys.readouterr().err


def test_maps_from_other_processes(own_cache):
    found = load(3, size=24, also=("mask", "depth"), workers=2)
    assert found.mask.any() and torch.equal(found.depth, load(3, size=24, also=("mask", "depth")).depth)


def test_an_unknown_map(own_cache):
    with pytest.raises(HandLibError, match="unknown map 'normals': choose from depth, mask"):
        load(also=("normals",))
