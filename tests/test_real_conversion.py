"""Data sets converted once: the same hands whoever converts and however often it was stopped; nothing half believed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from damage import damage_bytes, damage_tree
from test_mapped import equal, hands

from hand_lib import cache, training
from hand_lib.__main__ import main
from hand_lib.datasets.augmentation import GENTLE, JAR
from hand_lib.datasets.mapped import Mapped
from hand_lib.datasets.real import FreiHAND, conversion
from hand_lib.datasets.real.conversion import Conversion, convert, open_converted
from hand_lib.datasets.real.cut_outs import CutOut, cut
from hand_lib.datasets.real.imitations import (
    STB_SEQUENCES,
    write_dexter,
    write_freihand,
    write_ho3d,
    write_rhd,
    write_stb,
)
from hand_lib.datasets.real.manifests import MANIFEST_FILE, read_manifest
from hand_lib.datasets.real.published import PUBLISHED
from hand_lib.datasets.shards import shard_path, write_shard
from hand_lib.errors import HandLibError
from hand_lib.evaluation import predict_constant
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples

ROOT = Path(__file__).resolve().parents[1]
HOW = CutOut(image_size=32, augmentation=GENTLE)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(conversion, "SHARD", 4)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("freihand")
    write_freihand(root, 3)
    return root


@pytest.fixture
def root(written, tmp_path) -> Path:
    """Three hands in four versions, a copy that may be damaged."""
    import shutil

    return Path(shutil.copytree(written, tmp_path / "freihand"))


MIDDLE = 224 / 1.2  # with the crop's margin the whole picture


def wanted(root: Path, how: CutOut = HOW, split: str = "training", name: str = "freihand") -> Conversion:
    return Conversion(published=PUBLISHED[name], root=root, split=split, how=how)


def shards(of: Conversion) -> list[Path]:
    return sorted(of.folder.glob("*.safetensors"))


def straight(root: Path) -> Samples:
    reader = FreiHAND(root=root, split="training", versions=("gs", "hom", "sample", "auto"), middle=MIDDLE)
    return Samples.concat([cut(reader.hand(index), HOW) for index in range(len(reader))])


def test_every_hand_is_there_in_order(root, own_cache):
    of = wanted(root)
    manifest = convert(of, workers=0)
    mapped = open_converted(of)
    assert len(mapped) == len(manifest.hands) == 12 and len(shards(of)) == 3
    assert equal(mapped[:], straight(root))
    assert manifest.hands[4] == "FreiHAND training 00000001 hom" and manifest.skipped == []
    assert manifest.options == {"versions": ["gs", "hom", "sample", "auto"], "middle": MIDDLE}
    assert not list(own_cache.rglob("*.part"))


def test_converted_once_and_then_found_wherever_the_data_lie(root, tmp_path, monkeypatch):
    first = convert(wanted(root), workers=0)
    moved = root.rename(tmp_path / "moved")
    monkeypatch.setattr(conversion, "cut", lambda *a: pytest.fail("converted again"))
    assert convert(wanted(moved), workers=0) == first


@pytest.mark.parametrize("split", ["training", "evaluation"])
@pytest.mark.parametrize("name", ["stb", "ho3d-v2", "ho3d-v3"])
def test_other_data_sets_convert_with_their_own_choices(name, split, tmp_path):
    if name == "stb":
        write_stb(tmp_path, tuple(STB_SEQUENCES), 1)
    else:
        write_ho3d(tmp_path, split, int(name[-1]), 2)
    of = wanted(tmp_path, name=name, split=split)
    manifest = convert(of, workers=0)
    assert manifest == read_manifest(of.folder) and set(manifest.options) == set(of.decides["options"])
    reader = PUBLISHED[name].reader(tmp_path, split)
    straight = Samples.concat([cut(reader.hand(index), HOW) for index in range(len(reader))])
    assert equal(open_converted(of)[:], straight)


def test_whatever_decides_the_cut_outs_has_its_own_folder(root, monkeypatch):
    folders = {wanted(root).folder}
    folders.add(wanted(root, replace(HOW, image_size=48)).folder)
    folders.add(wanted(root, replace(HOW, augmentation=JAR)).folder)
    folders.add(wanted(root, replace(HOW, margin=1.3)).folder)
    few = replace(PUBLISHED["freihand"], read=lambda root, split: FreiHAND(root=root, split=split))
    folders.add(Conversion(published=few, root=root, split="training", how=HOW).folder)
    monkeypatch.setattr(conversion, "CONVERSION_VERSION", 2)
    folders.add(wanted(root).folder)
    assert len(folders) == 6


def test_a_damaged_picture_ends_it_with_its_name_and_what_is_finished_stays(root):
    path = root / "training" / "rgb" / f"{32560 + 2:08d}.jpg"  # the sixth hand
    path.write_bytes(path.read_bytes()[:200])
    of = wanted(root)
    with pytest.raises(HandLibError) as error:
        convert(of, workers=0)
    assert str(path) in str(error.value) and "--skip-damaged" in str(error.value)
    assert [file.name for file in shards(of)] == ["000000-000004.safetensors"]
    assert read_manifest(of.folder) is None
    with pytest.raises(HandLibError, match="not converted"):
        open_converted(of)


def test_damaged_pictures_are_left_out_counted_and_asked_for_again(root):
    whole = path = root / "training" / "rgb" / f"{32560 + 2:08d}.jpg"
    content = path.read_bytes()
    path.unlink()
    of = wanted(root)
    manifest = convert(of, workers=0, skip_damaged=True)
    assert len(manifest.hands) == 11 and [one.hand for one in manifest.skipped] == ["FreiHAND training 00000002 hom"]
    assert str(path) in manifest.skipped[0].why
    numbers = [index for index in range(12) if index != 5]
    whole.write_bytes(content)
    assert equal(open_converted(of)[:], straight(root)[numbers])
    assert len(convert(of, workers=0, skip_damaged=True).hands) == 11  # as it was asked for
    assert len(convert(of, workers=0).hands) == 12  # mended since
    assert equal(open_converted(of)[:], straight(root))


def test_a_set_of_which_no_hand_can_be_used_is_said(tmp_path):
    write_dexter(tmp_path / "dexter", ("Grasp1",), 2)
    one = replace(PUBLISHED["dexter-object"], read=lambda root, split: _grasp(root))
    of = Conversion(published=one, root=tmp_path / "dexter", split="evaluation", how=HOW)
    with pytest.raises(HandLibError, match="no hand of dexter-object, evaluation can be used"):
        convert(of, workers=0, skip_damaged=True)


def _grasp(root: Path):
    from hand_lib.datasets.real import DexterObject

    return DexterObject(root=root, sequences=("Grasp1",))


def test_an_interrupted_conversion_goes_on(root, monkeypatch):
    cuts = []

    def broken_off(hand, how):
        cuts.append(hand)
        if len(cuts) == 10:
            raise KeyboardInterrupt
        return cut(hand, how)

    monkeypatch.setattr(conversion, "_TRIED", 1)
    monkeypatch.setattr(conversion, "cut", broken_off)
    of = wanted(root)
    with pytest.raises(KeyboardInterrupt):
        convert(of, workers=0)
    assert len(shards(of)) == 2 and read_manifest(of.folder) is None
    cuts.clear()
    monkeypatch.setattr(conversion, "cut", lambda hand, how: (cuts.append(hand), cut(hand, how))[1])
    convert(of, workers=0)
    assert len(cuts) == 1 + 4  # one for the estimate, and the last file
    assert equal(open_converted(of)[:], straight(root))


def test_a_damaged_file_is_named_and_after_its_deletion_made_again(root, monkeypatch):
    of = wanted(root)
    convert(of, workers=0)
    path = shards(of)[1]
    content = path.read_bytes()
    path.write_bytes(shards(of)[0].read_bytes())
    with pytest.raises(HandLibError) as error:
        open_converted(of)
    assert str(path) in str(error.value) and "data convert" in str(error.value)
    path.unlink()
    convert(of, workers=0)
    assert len(path.read_bytes()) == len(content) and equal(open_converted(of)[:], straight(root))


@pytest.mark.parametrize("seed", range(40))
def test_a_manifest_that_was_changed_is_one_line(root, seed):
    of = wanted(root)
    manifest = convert(of, workers=0)
    path, choose = of.folder / MANIFEST_FILE, random.Random(seed)
    content = path.read_bytes()
    if seed % 2:
        path.write_bytes(damage_bytes(content, choose))
    else:
        path.write_text(json.dumps(damage_tree(json.loads(content), choose)))
    try:
        assert read_manifest(of.folder) == manifest  # the damage left the content as it was
    except HandLibError as error:
        assert str(path) in str(error) and str(error).isprintable()
        with pytest.raises(HandLibError):
            open_converted(of)


def test_a_manifest_in_another_s_place_is_refused(root):
    of, other = wanted(root), wanted(root, replace(HOW, image_size=40))
    convert(of, workers=0)
    other.folder.mkdir(parents=True)
    (other.folder / MANIFEST_FILE).write_bytes((of.folder / MANIFEST_FILE).read_bytes())
    with pytest.raises(HandLibError, match="of another data set"):
        convert(other, workers=0)


def test_room_is_said_before_and_too_little_is_one_line(root, monkeypatch):
    of, told = wanted(root), []
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda folder: usage(1000))
    with pytest.raises(HandLibError, match="are free in") as error:
        convert(of, workers=0, announce=told.append)
    assert cache.CACHE_VARIABLE in str(error.value)
    (expected,) = told
    assert expected.hands == 12 and expected.seconds > 0
    monkeypatch.undo()
    monkeypatch.setattr(conversion, "SHARD", 4)
    convert(of, workers=0)
    on_disk = sum(path.stat().st_size for path in shards(of))
    assert expected.bytes == pytest.approx(on_disk, rel=0.05)  # the rest is the files' heads


def test_the_command_converts_says_and_finds(root, capsys, own_cache, monkeypatch):
    monkeypatch.setattr(conversion, "SHARD", 256)  # one file, so this process makes it
    command = ["data", "convert", "--dataset", "freihand", "--root", str(root), "--split", "training"]
    assert main([*command, "--profile", "smoke"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("freihand, training: 12 hands of 111 px in ") and str(own_cache) in said.out
    assert "12 hands to 111 px, 0.0 GB of" in said.err
    assert main([*command, "--profile", "quick"]) == 0  # the same crops: nothing to do
    assert "that are free" not in capsys.readouterr().err
    (root / "training" / "rgb" / "00000000.jpg").unlink()
    assert main([*command, "--profile", "full"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: cannot read ")
    assert main([*command, "--profile", "full", "--skip-damaged"]) == 0
    assert "1 left out, listed in manifest.json there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--workers", "0"], "--workers 0"), (["--profile", "fast"], "'fast'"), (["--split", "all"], "'all'")],
)
def test_bad_input_is_one_line(capsys, root, arguments, named):
    assert main(["data", "convert", "--dataset", "freihand", "--root", str(root), *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and named in said


# ------------------------------------------------------------------------------------------------------------ training


def test_training_and_measuring_take_it_as_they_take_samples(tmp_path):
    """The same weights bit for bit, and the same errors, from mapped files as from memory."""
    write_rhd(tmp_path / "rhd", count=6)
    of = wanted(tmp_path / "rhd", name="rhd")
    convert(of, workers=0)
    mapped = open_converted(of)
    in_memory = Samples.concat([part[:] for part in mapped.parts])
    config = training.TrainingConfig(steps=3, batch_size=4, image_size=32, augmentation=GENTLE, validations=1)
    network = NetworkSize(depth=18, width=8, image_size=32, final_stride=1)
    weights = []
    for number, samples in enumerate((mapped, in_memory)):
        model = training.build_seeded(lambda: ROWS["afr"].build(network), 0)
        folder = tmp_path / str(number)
        training.train(model, samples, config=config, folder=folder, device="cpu", progress_bar=False)
        weights.append(cache.digest(model.state_dict()))
        assert predict_constant(torch.zeros(21, 3), samples, image_size=32).errors.mean() > 0
    assert weights[0] == weights[1]


MEASURE = """
import re, sys
from pathlib import Path
import torch
from hand_lib import training
from hand_lib.datasets.augmentation import GENTLE
from hand_lib.datasets.mapped import Mapped
from hand_lib.datasets.shards import read_shard
from hand_lib.evaluation import predict
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize

def own(model=None):
    most.append(int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
    return 0.0

most, folder = [], Path(sys.argv[1])
mapped = Mapped([read_shard(path, size=96)[0] for path in sorted(folder.glob("*.safetensors"))])
config = training.TrainingConfig(steps=int(sys.argv[2]), batch_size=64, image_size=32, augmentation=GENTLE)
model = training.build_seeded(lambda: ROWS["fr"].build(NetworkSize(depth=18, width=8, image_size=32)), 0)
training.train(model, mapped, config=config, folder=folder / "run", device="cpu", progress_bar=False, validate=own)
predict(model, Mapped(mapped.parts[::8]), image_size=32, device="cpu")
own()
print(len(mapped), max(most))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_memory_of_a_training_does_not_grow_with_its_data(tmp_path):
    """Steps over 14,336 hands, 400 MB, and the measuring of many take not much more than the same over 512."""
    taken = {}
    for files in (2, 56):
        folder = tmp_path / str(files)
        folder.mkdir()
        for number in range(files):
            write_shard(shard_path(folder, (number * 256, number * 256 + 256)), hands(256, 96))
        ran = run_script(MEASURE, str(folder), "40")
        assert ran.returncode == 0, ran.stderr
        count, taken[files] = map(int, ran.stdout.split())
        assert count == files * 256
    assert taken[56] - taken[2] < 130, taken  # what torch and the allocator keep differs by some tens


# -------------------------------------------------------------------------------------------------- as real processes

SCRIPT = """
import sys, time
from pathlib import Path
from hand_lib.datasets.augmentation import GENTLE
from hand_lib.datasets.real import conversion
from hand_lib.datasets.real.cut_outs import CutOut, cut
from hand_lib.datasets.real.published import PUBLISHED

wait, workers = float(sys.argv[2]), int(sys.argv[3])
conversion.SHARD = 2
conversion.cut = lambda hand, how: (time.sleep(wait), cut(hand, how))[1]
of = conversion.Conversion(
    published=PUBLISHED["freihand"], root=Path(sys.argv[1]), split="training",
    how=CutOut(image_size=32, augmentation=GENTLE),
)
print(len(conversion.convert(of, workers=workers).hands))
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_killed_in_the_middle_and_then_twice_at_once(root, own_cache, monkeypatch):
    monkeypatch.setattr(conversion, "SHARD", 2)
    of = wanted(root)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), "0.2", "0"], env=environment(), **pipes)
    for _ in range(1200):
        if shards(of):
            break
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = len(shards(of))
    assert 1 <= done < 6 and read_manifest(of.folder) is None
    kept = shards(of)[0].stat().st_mtime_ns

    command = [sys.executable, "-c", SCRIPT, str(root), "0.05", "0"]
    both = [subprocess.Popen(command, env=environment(), **pipes) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0 and out == "12\n", err
    assert shards(of)[0].stat().st_mtime_ns == kept  # what was finished stayed
    assert equal(open_converted(of)[:], straight(root))
    assert not list(own_cache.rglob("*.part"))


@pytest.mark.slow
def test_processes_convert_what_one_process_converts(root, monkeypatch, own_cache):
    monkeypatch.setattr(conversion, "SHARD", 2)
    of = wanted(root)
    convert(of, workers=2)
    together = open_converted(of)[:]
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(own_cache / "other"))
    alone = wanted(root)
    convert(alone, workers=0)
    assert equal(open_converted(alone)[:], together)
    (root / "training" / "rgb" / "00000001.jpg").unlink()
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(own_cache / "third"))
    with pytest.raises(HandLibError, match=r"00000001\.jpg") as error:
        convert(wanted(root), workers=2)
    assert str(error.value).isprintable()


def test_fields_of_a_mapped_batch_are_those_of_samples(root):
    of = wanted(root)
    convert(of, workers=0)
    batch = Mapped(open_converted(of).parts)[torch.tensor([11, 0])]
    assert {field.name for field in fields(batch) if getattr(batch, field.name) is None} == {"mask", "depth"}
