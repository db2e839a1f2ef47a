"""More than a thousand files that are not what they were: each is named in one line or made again, none believed.

Two kinds of harm. *Damage*: bytes flipped, cut off, exchanged between files, as disks and copying do it. *Forgery*:
content changed with care and sealed again with a sound checksum, as somebody does who edits a file with a script; it
may be accepted only where it is still something that this package could have written.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import made_records
import pytest
import torch
from tiny import TINY, own_folders
from torch import nn

from hand_lib import cache, experiments, training
from hand_lib.datasets import shards, synthetic
from hand_lib.datasets.augmentation import GENTLE
from hand_lib.errors import HandLibError, printable
from hand_lib.experiments import PROFILES, weights_files
from hand_lib.samples import Samples
from hand_lib.synthetic import EASY
from hand_lib.training import TrainingConfig
from hand_lib.training.checkpoints import Progress, load_checkpoint, save_checkpoint

PARTS = 4
SMALL = replace(TINY, steps=3, training_count=8, evaluation_count=4, batch_size=4)


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory), pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "tiny", SMALL)
        yield


def refused(path: Path, read: Callable[[], object]) -> bool:
    """Whether reading is refused; if so in one line that names the file."""
    try:
        read()
    except HandLibError as error:
        said = str(error)
        assert str(path) in said and printable(said) == said
        return True
    return False


# ------------------------------------------------------------------------------------------------------------ damage


def damaged(content: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """The content, changed as disks and copying change it; never as it was."""
    changed = bytearray(content)
    while changed == content:
        where = dice.randrange(len(content))
        match dice.randrange(7):
            case 0:
                changed[where] ^= 1 << dice.randrange(8)
            case 1:
                changed[where] = dice.randrange(256)
            case 2:
                changed = bytearray(content[:where])
            case 3:
                changed[where : where + 64] = bytes(64)
            case 4:
                del changed[where : where + dice.randrange(1, 9)]
            case 5:
                changed = bytearray(dice.choice(others))
            case 6:
                changed = bytearray(dice.randbytes(dice.choice([0, 1, 8, 100])))
        early = dice.random() < 0.5 and len(changed) > 400  # the header is the smaller part, and the richer one
        if early:
            changed[dice.randrange(400)] ^= 1 << dice.randrange(8)
    return bytes(changed)


ODD = [None, True, -1, 0, 3, 10**9, 2**70, 8.5, -0.5, 1e300, "", "x", "\x1b[2J", "<b>", [], [1], {}, {"a": 1}, "nan"]


def forged_json(content: object, dice: random.Random) -> object:
    """A JSON value with one node replaced, removed, or added to."""
    if isinstance(content, dict) and content and dice.random() < 0.9:
        name = dice.choice(list(content))
        kind = dice.randrange(10)
        if kind == 0:
            return {key: value for key, value in content.items() if key != name}
        if kind == 1:
            return {**content, "more": dice.choice(ODD)}
        return {**content, name: forged_json(content[name], dice)}
    if isinstance(content, list) and content and dice.random() < 0.7:
        place = dice.randrange(len(content))
        return [*content[:place], forged_json(content[place], dice), *content[place + 1 :]]
    if isinstance(content, int | float) and dice.random() < 0.5:
        return dice.choice([content + 1, -content, content * 10, content * 1.5])
    return dice.choice(ODD)


def forged_text(text: str, dice: random.Random) -> str:
    """A metadata's value changed: as JSON where it is JSON, or broken."""
    forged = _forged_text(text, dice)
    return forged if forged != text else text + "x"


def _forged_text(text: str, dice: random.Random) -> str:
    if dice.random() < 0.2:
        return dice.choice(["", "x", "NaN", "[" * 100_000, '{"step": 1, "step": 2}', "1e999", text + text, text[:-1]])
    try:
        return json.dumps(forged_json(json.loads(text), dice))
    except ValueError:
        return dice.choice(["", "x", text.upper(), text + "\n", "../" + text, "<b>"])


def forged_tensors(tensors: dict, dice: random.Random) -> dict:
    """Named tensors with one lacking, more, of another name, shape, type, or not finite."""
    name = dice.choice(sorted(tensors))
    tensor = tensors[name]
    rest = {other: value for other, value in tensors.items() if other != name}
    match dice.randrange(7):
        case 0:
            return rest
        case 1:
            return {**tensors, "more": torch.zeros(1)}
        case 2:
            return {**rest, name + "x": tensor}
        case 3:
            return {**rest, name: torch.zeros(*tensor.shape, 2)}
        case 4:
            return {**rest, name: tensor.to(torch.int32 if tensor.dtype != torch.int32 else torch.float32)}
        case 5:
            return {**rest, name: tensor.double() if tensor.dtype == torch.float32 else tensor.float()}
        case _:
            return {**rest, name: tensor.reshape(1, *tensor.shape)}


# -------------------------------------------------------------------------------------------------------- data shards


def drawn(*, seed, split, indices, size, scene, device="cpu") -> Samples:
    """Pictures of one grey, that say which sample they are; drawn at once."""
    n, count = torch.tensor(indices, dtype=torch.float32), len(indices)
    return Samples(
        images=n.to(torch.uint8).view(-1, 1, 1, 1).expand(count, 3, size, size).contiguous(),
        uv=n[:, None, None].expand(count, 21, 2).contiguous(),
        xyz=n[:, None, None].expand(count, 21, 3).contiguous(),
        visible=torch.ones(count, 21, dtype=torch.bool),
        K=torch.eye(3).expand(count, 3, 3).contiguous(),
        right=n % 2 == 0,
        box=n[:, None].expand(count, 4).contiguous(),
    )


def equal(a: Samples, b: Samples) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in shards.KEPT)


@pytest.mark.parametrize("part", range(PARTS))
def test_shards_are_what_they_were_or_rendered_again(part, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(synthetic, "render", drawn)
    monkeypatch.setattr(synthetic, "SHARD", 4)
    dice = random.Random(part)

    def load() -> Samples:
        return synthetic.load_synthetic(split="training", count=8, size=8, scene=EASY, workers=0)

    whole = load()
    paths = sorted(tmp_path.rglob("*.safetensors"))
    contents = {path: path.read_bytes() for path in paths}
    for trial in range(70):
        path = dice.choice(paths)
        if trial % 2:
            path.write_bytes(damaged(contents[path], dice, [contents[other] for other in paths if other != path]))
        else:
            tensors, metadata = cache.read_tensors(path)
            if dice.random() < 0.3:
                name = dice.choice(list(metadata))
                metadata[name] = forged_text(metadata[name], dice)
            else:
                tensors = forged_tensors(tensors, dice)
            cache.write_tensors(path, tensors, metadata)
        assert equal(load(), whole), trial
        assert str(path) in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------- checkpoints

CONFIG = TrainingConfig(steps=20, batch_size=4, image_size=32, augmentation=GENTLE)


def small_training() -> tuple[nn.Module, torch.optim.Adam]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        model(torch.rand(2, 3, 5, 5)).sum().backward()
        optimiser.step()
    return model, optimiser


@pytest.mark.parametrize("part", range(PARTS))
def test_checkpoints_are_what_they_were_or_named(part, tmp_path):
    dice = random.Random(part)
    path, another = tmp_path / "checkpoint.safetensors", tmp_path / "another.safetensors"
    model, optimiser = small_training()
    losses = torch.full((20,), torch.nan)
    losses[:7] = 0.5
    curve = [{"step": step, "loss": 0.5, "epe": 40.0 - step, "seconds": step / 10} for step in (2, 4, 6)]
    curve.insert(0, {"step": 0, "epe": 40.0, "seconds": 0.1})
    progress = Progress(step=7, losses=losses, curve=curve, seconds=0.75, data_seconds=0.1)
    save_checkpoint(another, model, optimiser, progress, "another", {"row": "fr"})
    save_checkpoint(path, model, optimiser, progress, "key", {"row": "fr"})
    content, others = path.read_bytes(), [another.read_bytes()]
    tensors, metadata = cache.read_tensors(path)
    fresh, stepper = small_training()

    def load() -> Progress:
        return load_checkpoint(path, fresh, stepper, CONFIG, "key")

    assert load().curve == curve
    accepted = 0
    for trial in range(90):
        if trial % 2:
            path.write_bytes(damaged(content, dice, others))
            assert refused(path, load), trial
            continue
        forged, said = dict(tensors), dict(metadata)
        if dice.random() < 0.3:
            forged = forged_tensors(forged, dice)
        elif dice.random() < 0.2:
            forged["losses"] = forged["losses"].clone().index_fill_(0, torch.tensor(dice.randrange(7)), torch.nan)
        else:
            said["progress"] = forged_text(said["progress"], dice)
        cache.write_tensors(path, forged, said)
        if not refused(path, load):  # times and errors may be others'; how far it came may not
            accepted += 1
            found = load()
            assert found.step == 7 and [point["step"] for point in found.curve] == [0, 2, 4, 6]
            assert found.data_seconds >= 0 and found.curve[-1]["seconds"] <= found.seconds < 1e11
            assert set(forged) == set(tensors)
    assert accepted < 20


# ------------------------------------------------------------------------------------------- weights, and kept runs


def tiny(seed: int = 0) -> experiments.Run:
    return experiments.run("afr", profile="tiny", seed=seed, device="cpu", progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_weights_are_what_they_were_or_named(part, tmp_path, monkeypatch):
    """A forged file is measured only where it says a row and a network that its tensors fit."""
    dice = random.Random(part)
    done, other = tiny(), tiny(seed=1)
    path = tmp_path / "weights.safetensors"
    content = (done.folder / "model.safetensors").read_bytes()
    others = [(done.folder / "evaluation.safetensors").read_bytes(), (done.folder / "record.json").read_bytes()]
    path.write_bytes(content)
    tensors, metadata = cache.read_tensors(path)
    measured = []
    monkeypatch.setattr(weights_files, "measure", lambda profile, model, **options: measured.append(model) or done)
    monkeypatch.setattr(weights_files, "constant_prediction", lambda profile: {})
    monkeypatch.setattr(type(done), "metrics", {}, raising=False)

    def load() -> object:
        return experiments.evaluate_checkpoint(path, profile="tiny", device="cpu")

    assert not refused(path, load) and other.folder != done.folder
    for trial in range(80):
        measured.clear()
        if trial % 2:
            path.write_bytes(damaged(content, dice, others))
            assert refused(path, load) and not measured, trial
            continue
        forged, said = dict(tensors), dict(metadata)
        if dice.random() < 0.4:
            forged = forged_tensors(forged, dice)
        elif dice.random() < 0.2:
            name = dice.choice([name for name in forged if forged[name].is_floating_point()])
            forged[name] = forged[name] * torch.nan
        else:
            name = dice.choice(["network", "network", "row", "seed", "kind", "key", "profile"])
            said[name] = forged_text(said[name], dice)
        cache.write_tensors(path, forged, said)
        try:
            load()
        except HandLibError as error:
            named = str(path) in str(error) or "unknown row" in str(error)
            assert named and printable(str(error)) == str(error), (trial, str(error))
            assert not measured
        else:
            assert forged is not tensors and measured[0].state_dict().keys() == tensors.keys()
            assert json.loads(said["network"])["width"] == SMALL.network.width


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_kept_runs_are_what_they_were_or_named(part, tmp_path, monkeypatch):
    """Record, weights and predictions of a finished run, damaged or forged: not believed, and not trained again."""
    dice = random.Random(part)
    done, other = tiny(), tiny(seed=1)
    names = ("record.json", "model.safetensors", "evaluation.safetensors")
    contents = {name: (done.folder / name).read_bytes() for name in names}
    strangers = [(other.folder / name).read_bytes() for name in names]
    predictions = done.predictions
    monkeypatch.setattr(training, "train", lambda *arguments, **options: pytest.fail("trained again"))

    def load() -> experiments.Run:
        found = tiny()
        return found.model() and found.predictions is not None and found

    for trial in range(60):
        for name, content in contents.items():
            (done.folder / name).write_bytes(content)
        name = dice.choice(names)
        path = done.folder / name
        if trial % 2:
            path.write_bytes(damaged(contents[name], dice, strangers))
        elif name == "record.json":
            forged = forged_json(done.record, dice)
            if isinstance(forged, dict) and isinstance(forged.get("decides"), dict) and "source" in forged:
                forged = made_records.sealed(forged)
            path.write_text(json.dumps(forged))
        elif dice.random() < 0.5:
            tensors, metadata = cache.read_tensors(path)
            cache.write_tensors(path, forged_tensors(tensors, dice), metadata)
        else:
            tensors, metadata = cache.read_tensors(path)
            field = dice.choice(list(metadata))
            cache.write_tensors(path, tensors, {**metadata, field: forged_text(metadata[field], dice)})
        if refused(done.folder, load):
            continue
        found = load()
        assert torch.equal(found.predictions, predictions), (trial, name)
        for field in ("row", "profile", "seed", "key", "decides", "checkpoint_sha256", "steps"):
            assert found.record[field] == done.record[field], (trial, field)
        assert trial % 2 == 0 or found.record == done.record  # white space in the record, or what says the same
    for name, content in contents.items():
        (done.folder / name).write_bytes(content)
    assert load().record == done.record


def test_a_run_whose_record_is_gone_is_trained_again():
    done = tiny(seed=2)
    predictions = done.predictions
    (done.folder / "record.json").unlink()
    assert torch.equal(tiny(seed=2).predictions, predictions)
