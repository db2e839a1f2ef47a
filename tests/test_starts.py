"""What rows start from: trained once, kept or shipped, believed only where whole, and really what a row begins with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import made_records
import pytest
import torch
from tiny import TINY, own_folders
from torch import nn

import hand_lib
from hand_lib import cache, experiments, training
from hand_lib.__main__ import main
from hand_lib.datasets.augmentation import JAR, crop
from hand_lib.datasets.part_maps import part_targets
from hand_lib.errors import HandLibError, Stopped
from hand_lib.experiments import PROFILES, lessons, plan, planning, pretraining, recording, run, sources, starts
from hand_lib.experiments.schema import RunRecord, seal, validate
from hand_lib.experiments.start_records import RecordedStart, StartRecord
from hand_lib.experiments.starts import StartPlan, find_start, start_plan
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples
from hand_lib.synthetic import EASY, render
from hand_lib.training import loop

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = starts.SHIPPED


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory):
        yield


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """An empty folder for what comes with the package."""
    monkeypatch.setattr(starts, "SHIPPED", tmp_path / "starts")
    return tmp_path / "starts"


@pytest.fixture
def trainings(monkeypatch):
    """The titles of what the loop was called for."""
    calls = []
    train = training.train
    monkeypatch.setattr(
        training, "train", lambda *args, **options: calls.append(options["title"]) or train(*args, **options)
    )
    return calls


def pretrain(planned: StartPlan, **options):
    return experiments.pretrain(planned, device="cpu", progress=False, **options)


def of_seed(seed: int, lesson: lessons.Lesson = lessons.PARTS, **changes) -> StartPlan:
    return StartPlan(lesson=lesson, pretraining=replace(TINY.pretraining, seed=seed, **changes), network=TINY.network)


# ------------------------------------------------------------------------------------------------------------- training


def test_trained_once_and_then_found(trainings):
    first = pretrain(of_seed(1))
    assert trainings == ["the start of resnet18-w8-32px"]
    again = pretrain(of_seed(1))
    assert len(trainings) == 1 and again.record == first.record
    assert find_start(of_seed(1)).record == first.record and find_start(of_seed(2)) is None
    # The head is kept too, though no row takes it: what is measured is what the file holds.
    evaluation = pretraining._hands(of_seed(1), "evaluation")
    assert lessons.measure_parts(first.network(), evaluation, 32, torch.device("cpu")) == first.record["metrics"]
    assert not (first.path.parent / training.CHECKPOINT_FILE).exists()
    record = first.record
    assert record["steps"] == 10 and record["weights_sha256"] == cache.sha256(first.path)
    assert record["weights_digest"] == cache.digest(first.weights)
    assert 0 <= record["constant_guess"]["foreground_accuracy"] <= 1 and record["curve"][-1]["step"] == 10


def test_the_same_again_however_often_it_is_interrupted(monkeypatch):
    whole = pretrain(of_seed(3))
    kept = cache.read_tensors(whole.path)[0]
    for path in list(whole.path.parent.iterdir()):
        path.unlink(missing_ok=True)
    with pytest.raises(experiments.Unfinished, match="stopped at step 1 of 10"):
        pretrain(of_seed(3), deadline=time.monotonic())
    step = loop.training_step

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "training_step", interrupted)
        with pytest.raises(Stopped, match="the start of resnet18-w8-32px: stopped at step 2 of 10"):
            pretrain(of_seed(3))
    again = pretrain(of_seed(3))
    assert cache.digest(cache.read_tensors(again.path)[0]) == cache.digest(kept)
    assert again.record["metrics"] == whole.record["metrics"]


def test_what_decides_a_start():
    base = of_seed(0)
    wider = StartPlan(lesson=lessons.PARTS, pretraining=base.pretraining, network=replace(TINY.network, width=16))
    deeper = start_plan(TINY, replace(TINY.network, depth=50))
    others = [wider, deeper, of_seed(1), of_seed(0, steps=11), of_seed(0, data_seed=2), of_seed(0, augmentation=JAR)]
    others += [of_seed(0, learning_rate=2e-3), of_seed(0, training_count=25)]
    assert len({base.key, *(other.key for other in others)}) == len(others) + 1
    assert len({base.shipped, *(other.shipped for other in others)}) == len(others) + 1
    assert start_plan(replace(TINY, name="other", steps=99)).key == base.key  # a row's own training does not matter
    assert base.config("32-true").precision == "32-true" and base.config("bf16-mixed").precision == "bf16-mixed"


def test_the_code_that_decides_a_start(monkeypatch):
    read, before = sources._source, sources.lesson_hash(lessons.PARTS)

    def with_change_in(module):
        monkeypatch.setattr(sources, "_source", lambda name: read(name) + ("\nCHANGED()\n" if name == module else ""))
        return sources.lesson_hash.__wrapped__(lessons.PARTS)

    for module in ("models.parts", "models.backbone", "datasets.part_maps", "training.loop", "datasets.augmentation"):
        assert with_change_in(f"hand_lib.{module}") != before, module
    for module in ("models.rows", "models.decoders", "metrics", "experiments.starts"):
        assert with_change_in(f"hand_lib.{module}") == before, module


def test_several_processes_are_told_to_pretrain_first(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")
    with pytest.raises(HandLibError, match=r"python -m hand_lib pretrain.* without torchrun"):
        pretrain(of_seed(99))


# ------------------------------------------------------------------------------------------------------------ measuring


@pytest.fixture(scope="module")
def hands() -> Samples:
    return render(seed=1, split="evaluation", indices=list(range(70)), size=40, scene=EASY)


def test_one_who_knows_is_never_wrong_and_a_fixed_mistake_is_measured_as_such(hands):
    targets = part_targets(hands, crops := crop(hands, size=32), stride=4)

    class Knows(nn.Module):
        def __init__(self, off: float, wrong: int) -> None:
            super().__init__()
            self.off, self.wrong, self.at = off, wrong, 0

        def forward(self, images):
            here = targets[self.at : self.at + len(images)]
            self.at += len(images)
            part = torch.where(here[:, 0] == self.wrong, 0, here[:, 0]).long()
            logits = nn.functional.one_hot(part, 17).permute(0, 3, 1, 2).float()
            return torch.cat([logits, here[:, 1:] + self.off], dim=1)

    where = torch.device("cpu")
    assert lessons.measure_parts(Knows(0.0, 99), hands, 32, where) == {
        "foreground_accuracy": 1.0,
        "depth_error": 0.0,
    }
    found = lessons.measure_parts(Knows(0.5, 16), hands, 32, where)
    hand = targets[:, 0] > 0
    palm = (targets[:, 0] == 16).sum() / hand.sum()
    assert found["foreground_accuracy"] == pytest.approx(1 - palm.item())
    bones = crops.scale.view(-1, 1, 1).expand(hand.shape)[hand]
    assert found["depth_error"] == pytest.approx(0.5 * bones.mean().item(), rel=1e-4)


def test_no_constant_guess_is_better_than_the_one_that_is_recorded(hands):
    found = lessons.guess_parts(hands, hands, 32)
    targets = part_targets(hands, crops := crop(hands, size=32), stride=4)
    hand = targets[:, 0] > 0
    shares = torch.bincount(targets[:, 0][hand].long(), minlength=17) / hand.sum()
    assert found["foreground_accuracy"] == pytest.approx(shares.max().item())
    bones = crops.scale.view(-1, 1, 1).expand(hand.shape)
    errors = [((targets[:, 1] - guess).abs() * bones)[hand].mean().item() for guess in torch.linspace(-2, 2, 41)]
    assert found["depth_error"] <= min(errors) * 1.02  # it minimises the error in bones


def test_points_are_measured_in_pixels_of_the_crop(hands):
    uv = crop(hands, size=32).targets[..., :2]

    class Shifted(nn.Module):
        at = 0

        def forward(self, images):
            here = uv[self.at : self.at + len(images)]
            self.at += len(images)
            return here + torch.tensor([6.0, -8.0]) * 2 / 31  # so many pixels of a crop of 32

    found = lessons.measure_points(Shifted(), hands, 32, torch.device("cpu"))
    assert found == {"uv_error": pytest.approx(10.0, rel=1e-4), "uv_median": pytest.approx(10.0, rel=1e-4)}
    guess = lessons.guess_points(hands, hands, 32)["uv_error"]
    for off in (0.05, -0.05):
        there = uv.median(dim=0).values + off
        assert guess <= ((uv - there) * 31 / 2).norm(dim=-1).mean().item()


# ------------------------------------------------------------------------------------------------------------ with rows


def test_rows_on_an_hourglass_start_from_points_and_the_others_from_parts(trainings):
    profile = replace(TINY, start="parts", pretraining=replace(TINY.pretraining, seed=21))
    first = run("hourglass-k1", profile=profile, device="cpu", progress=False)
    assert trainings == ["the start of hourglass-w8-32px", "hourglass-k1-points-s0"]
    assert (first.record["start"], first.record["backbone"]) == ("points", "hourglass")
    assert first.record["decides"]["depth_weight"] == pytest.approx(40 / 255)
    assert first.record["group_of_joint"] == [0] * 21
    with pytest.raises(HandLibError, match=r"group_of_joint\.0"):
        validate(seal({**first.record, "group_of_joint": [21] * 21}), RunRecord)
    found = find_start(start_plan(profile, lesson=lessons.POINTS))
    assert found.record["metrics"].keys() == {"uv_error", "uv_median"}
    assert found.record["decides"]["revision"].keys() == {"points", "training"}
    begun = first.plan.begin().backbone.state_dict()
    assert begun.keys() == found.weights.keys()
    assert all(torch.equal(begun[name], tensor) for name, tensor in found.weights.items())
    assert plan("hourglass-k3", profile=profile).decides["weights"] == first.record["decides"]["weights"]
    assert plan("groups-k1", profile=profile).start == "parts"
    assert plan("hourglass-k1", profile=TINY).start == "random"
    for row, start in (("hourglass-k1", "parts"), ("hourglass-k1", "imagenet"), ("groups-k1", "points")):
        with pytest.raises(HandLibError, match=f"start of {row}"):
            plan(row, profile=profile, start=start)
    with pytest.raises(HandLibError, match="a backbone of its own, hourglass"):
        plan("hourglass-k1", profile=profile, backbone="resnet50")


def test_a_record_of_one_lesson_has_no_figures_of_another():
    parts, points = pretrain(of_seed(22)).record, pretrain(of_seed(22, lessons.POINTS)).record
    for record, other in ((parts, points), (points, parts)):
        validate(record, StartRecord)
        with pytest.raises(HandLibError, match="metrics is of another lesson"):
            validate(seal({**record, "metrics": other["metrics"]}), StartRecord)


def test_a_row_trains_the_start_that_it_lacks_and_begins_from_it(trainings, capsys):
    profile = replace(TINY, start="parts", pretraining=replace(TINY.pretraining, seed=20))
    lacking = plan("afr", profile=profile, device="cpu")
    assert lacking.lacks_start and "for what it starts from, about" in experiments.estimate("afr", profile, "cpu")
    with pytest.raises(HandLibError, match="are not here"):
        lacking.begin()
    first = run("afr", profile=profile, device="cpu")
    assert trainings == ["the start of resnet18-w8-32px", first.plan.name]
    said = capsys.readouterr().err
    assert "what it starts from is not here and is trained first" in said and "names the parts of hands: about" in said
    run("fr", profile=profile, device="cpu", progress=False)
    assert trainings[2:] == [plan("fr", profile=profile).name]
    found = find_start(start_plan(profile))
    assert first.record["start"] == "parts" and first.record["decides"]["weights"] == cache.digest(found.weights)
    begun = first.plan.begin().backbone.state_dict()
    assert all(torch.equal(begun[name], tensor) for name, tensor in found.weights.items())


@pytest.mark.parametrize("start", ["random", "parts", "imagenet"])
@pytest.mark.parametrize("row", ["fr", "refine-hdr-3"])
def test_every_stage_starts_from_the_same_weights(monkeypatch, row, start):
    wide = replace(TINY, network=NetworkSize(width=64, image_size=32, final_stride=1))
    known = training.build_seeded(wide.network.backbone, 77).state_dict()
    given = {name: tensor.clone() for name, tensor in known.items()}
    monkeypatch.setattr(
        planning, "load_imagenet", lambda depth, *, folder, instead="": {**given, "fc.bias": given["bn1.bias"]}
    )
    found = starts.Start(Path("x"), {}, start_plan(wide), "")
    found.__dict__["weights"] = given
    monkeypatch.setattr(planning, "find_start", lambda planned: found)
    planned = plan(row, profile=wide, device="cpu", start=start)
    model = planned.begin()
    last = [model.backbone.layer4, *(stage.block for stage in getattr(model, "refinements", ()))]
    assert len(last) == (3 if row == "refine-hdr-3" else 1)
    for block in last:
        same = [
            torch.equal(tensor, given[f"layer4.{name}"])
            for name, tensor in block.state_dict().items()
            if "conv" in name
        ]
        assert all(same) if start != "random" else not any(same)
    assert torch.equal(model.backbone.conv1.weight, given["conv1.weight"]) == (start != "random")
    assert planned.name == f"{row}-s0" if start == "random" else f"{row}-{start}-s0" == planned.name


def test_other_weights_are_another_run(monkeypatch):
    keys = set()
    for value in (0.0, 1.0):
        found = starts.Start(Path("x"), {}, start_plan(TINY), "")
        found.__dict__["weights"] = {"w": torch.full((2,), value)}
        monkeypatch.setattr(planning, "find_start", lambda planned, found=found: found)
        keys.add(plan("fr", profile="tiny", device="cpu", start="parts").key)
    keys.add(plan("fr", profile="tiny", device="cpu", start="random").key)
    assert len(keys) == 3


def test_what_cannot_be_fetched_becomes_the_profile_s_own_start(monkeypatch):
    said = []
    monkeypatch.setattr(planning, "load_imagenet", lambda depth, *, folder, instead: said.append(instead))
    wide = replace(TINY, network=NetworkSize(width=64, image_size=32, final_stride=1))
    for own, becomes in {"random": "random", "parts": "parts", "imagenet": "parts"}.items():
        assert plan("fr", profile=replace(wide, start=own), device="cpu", start="imagenet").start == becomes
    assert said == ["random weights", *["weights that name the hand's parts"] * 2]


def test_a_profile_without_a_pretraining_has_no_parts_to_start_from():
    with pytest.raises(HandLibError, match="the profile bare has no pretraining"):
        plan("fr", profile=replace(TINY, name="bare", pretraining=None), device="cpu", start="parts")
    with pytest.raises(HandLibError, match="unknown start of fr 'mars': choose from imagenet, parts, random"):
        plan("fr", profile="tiny", device="cpu", start="mars")


def test_a_record_from_another_machine_s_start_is_current_until_the_package_has_its_own(shipped, monkeypatch):
    monkeypatch.setitem(PROFILES, "tiny", replace(TINY, start="parts"))
    record = made_records.made_record("fr", 0, profile="tiny")
    record["decides"]["weights"] = "12" * 32
    record = made_records.sealed(record)
    assert experiments.is_current(record)
    start = pretrain(start_plan(TINY))
    assert experiments.is_current(record)  # what this machine's cache holds says nothing about theirs
    experiments.ship(start, command="a command", commit=made_records.COMMIT)
    assert not experiments.is_current(record)
    record["decides"]["weights"] = cache.digest(start.weights)
    assert experiments.is_current(made_records.sealed(record))


# ------------------------------------------------------------------------------------------------------------- shipping


@pytest.fixture
def sent(shipped) -> StartPlan:
    planned = of_seed(30)
    experiments.ship(pretrain(planned), command="python -m hand_lib pretrain", commit=made_records.COMMIT)
    return planned


def test_what_is_shipped_is_what_was_kept(sent, monkeypatch, tmp_path):
    kept = pretrain(sent)
    found = find_start(sent)
    assert found.path.parent == starts.SHIPPED and found.path.read_bytes() == kept.path.read_bytes()
    assert found.record["command"] == "python -m hand_lib pretrain" and found.record["commit"] == made_records.COMMIT
    assert cache.digest(found.weights) == cache.digest(kept.weights)
    whole = sum(tensor.nbytes for tensor in found.network().state_dict().values())
    assert sum(tensor.nbytes for tensor in found.tensors.values()) < 0.6 * whole
    monkeypatch.setenv("JOINT_BY_JOINT_CACHE", str(tmp_path / "empty"))
    assert find_start(sent).path == found.path and find_start(of_seed(31)) is None


def spoil(planned: StartPlan, how: str) -> None:
    record, weights = planned.shipped
    if how == "no weights":
        weights.unlink()
    elif how == "no record":
        record.unlink()
    elif how == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-5])
    elif how == "another's weights":
        cache.write_tensors(weights, {"w": torch.zeros(3)})
    elif how == "another's weights, record forged":
        cache.write_tensors(weights, {"w": torch.zeros(3)})
        content = json.loads(record.read_text()) | {"weights_sha256": cache.sha256(weights)}
        record.write_text(json.dumps(seal(content)))
    elif how == "cut record":
        record.write_text(record.read_text()[:100])
    elif how == "a changed digit":
        content = json.loads(record.read_text())
        content["metrics"]["foreground_accuracy"] = 0.99
        record.write_text(json.dumps(content))
    elif how == "another's record":
        other = pretrain(of_seed(32))
        record.write_text(json.dumps(recording.recorded(other.record, RecordedStart, "unknown", command="x")))


@pytest.mark.parametrize(
    "how",
    [
        "no weights",
        "no record",
        "cut weights",
        "another's weights",
        "another's weights, record forged",
        "cut record",
        "a changed digit",
        "another's record",
    ],
)
def test_a_damaged_or_foreign_file_is_one_line_and_never_random(sent, monkeypatch, capsys, how):
    spoil(sent, how)
    monkeypatch.setitem(PROFILES, "tiny", replace(TINY, start="parts", pretraining=sent.pretraining))
    assert main(["train", "fr", "--profile", "tiny", "--device", "cpu"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert str(starts.SHIPPED) in said.err and "install hand_lib again" in said.err


def test_a_damaged_file_in_the_cache_is_not_replaced_unasked():
    planned = of_seed(33)
    start = pretrain(planned)
    start.path.write_bytes(b"")
    with pytest.raises(HandLibError, match=r"start\.safetensors .*; delete .* to train it again") as error:
        _ = find_start(planned).weights
    assert str(planned.folder) in str(error.value)


def test_every_file_in_the_package_is_of_a_start_that_is_asked_for_today(monkeypatch):
    monkeypatch.setattr(starts, "SHIPPED", SHIPPED)
    asked = [profile for name, profile in PROFILES.items() if name != "tiny"]
    plans = [start_plan(profile, lesson=lesson) for profile in asked for lesson in (lessons.PARTS, lessons.POINTS)]
    known = {path: planned for planned in plans for path in planned.shipped}
    for path in SHIPPED.iterdir():
        if path.name != "README.md":
            assert path in known, f"{path.name} is of no profile's start: delete it"
            assert cache.digest(find_start(known[path]).weights) == find_start(known[path]).record["weights_digest"]


def test_the_package_takes_its_starts_along():
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = Path(hand_lib.__file__).parent
    taken = {path for pattern in settings["package-data"]["hand_lib"] for path in package.glob(pattern)}
    assert SHIPPED / "README.md" in taken and SHIPPED.parent == package


# -------------------------------------------------------------------------------------------------------- the command


def test_the_command_trains_ships_and_says_how_well(shipped, capsys, monkeypatch):
    monkeypatch.setitem(PROFILES, "tiny", replace(TINY, pretraining=of_seed(40).pretraining))
    assert main(["pretrain", "--profile", "tiny", "--device", "cpu", "--budget", "0.000001"]) == 0
    assert "the budget of 1e-06 s is used up: the start of resnet18-w8-32px: stopped at" in capsys.readouterr().out
    assert not shipped.exists()
    assert main(["pretrain", "--profile", "tiny", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert (
        said.count("\n") == 1 and "of the hand's cells right (constant guess" in said and "in the package" not in said
    )
    assert main(["pretrain", "--profile", "tiny", "--device", "cpu", "--ship"]) == 0
    record, weights = of_seed(40).shipped
    assert f"in the package as {weights}" in capsys.readouterr().out
    assert json.loads(record.read_text())["command"] == "python -m hand_lib pretrain --profile tiny --ship"
    assert main(["pretrain", "--profile", "tiny", "--device", "cpu"]) == 0
    assert "rows start from the one in the package" in capsys.readouterr().out
    assert main(["pretrain", "--profile", "tiny", "--device", "cpu", "--backbone", "resnet34"]) == 0
    assert "the start of resnet34-w8-32px: names" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        (["--profile", "fast"], ["'fast'", "smoke", "quick"]),
        (["--profile", "tiny", "--backbone", "vgg"], ["'vgg'", "resnet18"]),
        (["--profile", "tiny", "--device", "abacus"], ["'abacus'", "cpu"]),
        (["--profile", "tiny", "--budget", "0"], ["--budget 0"]),
        (["--profile", "tiny", "fr"], ["fr"]),
        (["--profile", "bare"], ["the profile bare has no pretraining"]),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, arguments, choices):
    monkeypatch.setitem(PROFILES, "bare", replace(TINY, name="bare", pretraining=None))
    assert main(["pretrain", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert all(choice in said.err for choice in choices), said.err


def test_nothing_is_shipped_from_uncommitted_code(shipped, capsys, monkeypatch, trainings):
    monkeypatch.setattr(recording, "commit_of_code", lambda: ("ab" * 20, ("hand_lib/models/parts.py",)))
    assert main(["pretrain", "--profile", "tiny", "--device", "cpu", "--ship"]) == 2
    assert "hand_lib/models/parts.py; commit them first" in capsys.readouterr().err
    assert trainings == [] and not shipped.exists()


@pytest.mark.slow
def test_a_signal_ends_the_command_with_its_number(tmp_path):
    """In a process of its own, which SIGTERM reaches while it trains; the next one goes on and ends."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from dataclasses import replace\n"
        "from hand_lib.experiments import PROFILES\n"
        "from tiny import TINY\n"
        "PROFILES['tiny'] = replace(TINY, pretraining=replace(TINY.pretraining, steps=int(sys.argv[1])))\n"
        "from hand_lib.__main__ import main\n"
        "sys.exit(main(['pretrain', '--profile', 'tiny', '--device', 'cpu']))\n"
    )
    own = {"JOINT_BY_JOINT_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, "100000"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, stderr=subprocess.PIPE, text=True) as process:
        seen = ""
        while "loss" not in seen:
            character = process.stderr.read(1)
            assert character, seen
            seen += character
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 143
    assert "ended by SIGTERM: the start of resnet18-w8-32px: stopped at step" in rest and "Traceback" not in rest
    assert list(tmp_path.glob("starts/*/checkpoint.safetensors"))
