"""Runs are trained once, recorded in full, and compared in pairs."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import made_records
import pytest
import torch
from tiny import TINY, own_folders

from hand_lib import cache, evaluation, experiments, training
from hand_lib.datasets.augmentation import crop, to_xyz
from hand_lib.errors import HandLibError
from hand_lib.evaluation import mean_targets, predict
from hand_lib.experiments import (
    PROFILES,
    estimates,
    measuring,
    plan,
    planning,
    profiles,
    recording,
    run,
    runs,
    schema,
    sources,
)
from hand_lib.metrics import summarise
from hand_lib.models.recipe import PartRate, Recipe
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize
from hand_lib.models.variants import VARIANTS, multi_head_row
from hand_lib.training.config import PRECISIONS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    """A cache and results of this file's own, shared by its tests, and the tiny profile."""
    with own_folders(tmp_path_factory):
        yield


def tiny(row="afr", seed=0, **options):
    return run(row, profile="tiny", seed=seed, device="cpu", progress=False, **options)


@pytest.fixture
def trainings(monkeypatch):
    """Counts calls of the loop."""
    calls = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args, **options: calls.append(1) or train(*args, **options))
    return calls


# ---------------------------------------------------------------------------------------------------------- profiles


def test_the_profiles_are_consistent():
    assert list(PROFILES)[:5] == ["smoke", "quick", "long", "full", "paper"]
    for profile in PROFILES.values():
        assert profile.render_size >= profile.network.image_size
        assert profile.training_config(seed=7, precision="32-true").seed == 7
    quick, long, full = PROFILES["quick"], PROFILES["long"], PROFILES["full"]
    assert (long.steps, long.training_count) == (4 * quick.steps, 4 * quick.training_count)
    own = ("name", "title", "steps", "training_count", "batch_size", "seeds", "variant_seeds", "group_seeds")
    assert long == replace(quick, **{name: getattr(long, name) for name in own})
    for profile in PROFILES.values():
        assert set(profile.variant_seeds) <= set(profile.seeds)  # so that each has its row's run to be paired with
    assert (full.training_count, full.evaluation_count) == (41_258, 2_728)  # RHD's
    epochs = full.steps * full.batch_size / full.training_count
    assert epochs == pytest.approx(30, abs=0.01)
    assert full.network.grid == PROFILES["paper"].network.grid == quick.network.grid == 8
    # One file of weights serves all that runs on a CPU; no picture of theirs is among those it was learnt from.
    smoke = PROFILES["smoke"]
    assert len({experiments.start_plan(profile).shipped for profile in (smoke, quick, long)}) == 1
    assert all(PROFILES[name].pretraining.data_seed != experiments.DATA_SEED for name in PROFILES)
    assert [PROFILES[name].start for name in list(PROFILES)[:5]] == ["parts"] * 4 + ["imagenet"]


def test_unknown_names_list_the_choices():
    with pytest.raises(HandLibError, match=r"'fast'.*full, long, paper, quick, smoke"):
        plan("fr", profile="fast")
    with pytest.raises(HandLibError, match=r"'fr2'.*afr, .*fr"):
        plan("fr2", profile="tiny")
    with pytest.raises(HandLibError, match=r"'vgg16'.*resnet101.*resnet50"):
        plan("fr", profile="tiny", backbone="vgg16")
    with pytest.raises(HandLibError, match=r"'abacus'.*cpu"):
        plan("fr", profile="tiny", device="abacus")


# --------------------------------------------------------------------------------------- what decides a run's outcome


def test_the_key_follows_everything_that_decides(monkeypatch):
    base = plan("afr", profile="tiny", device="cpu")
    assert base.key == plan("afr", profile="tiny", device="cpu").key
    others = [
        plan("fr", profile="tiny", device="cpu"),
        plan("afr", profile="tiny", device="cpu", seed=1),
        plan("afr", profile="tiny", device="cpu", backbone="resnet34"),
        *(
            plan("afr", profile=replace(TINY, **change), device="cpu")
            for change in ({"steps": 7}, {"batch_size": 4}, {"training_count": 25}, {"render_size": 40})
        ),
        *(replace(base, config=replace(base.config, precision=p)) for p in PRECISIONS if p != base.config.precision),
        *(
            plan(replace(ROWS["afr"], **change), profile="tiny", device="cpu")
            for change in (
                {"revision": ROWS["afr"].revision + 1},
                {"recipe": Recipe(start=lambda size: {"a": torch.zeros(2)})},
                {"recipe": Recipe(start=lambda size: {"a": torch.ones(2)})},
                {"recipe": Recipe(rates=(PartRate(part="decoder", factor=2.0),))},
            )
        ),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(planning, "DATA_VERSION", "another")
        others.append(plan("afr", profile="tiny", device="cpu"))
        assert others[-1].key  # a plan is asked once, and keeps its answer
    with monkeypatch.context() as patch:
        patch.setattr(planning, "source_hash", lambda row, network: "another")
        others.append(plan("afr", profile="tiny", device="cpu"))
        assert others[-1].decides == base.decides and others[-1].key
    keys = {base.key, *(other.key for other in others)}
    assert len(keys) == len(others) + 1
    assert len({other.folder for other in others} | {base.folder}) == len(keys)


def test_the_name_tells_the_backbone_only_where_it_is_not_the_profile_s():
    assert plan("afr", profile="tiny", device="cpu", seed=3).name == "afr-s3"
    assert plan("afr", profile="tiny", device="cpu", backbone="resnet18").name == "afr-s0"
    assert plan("afr", profile="tiny", device="cpu", backbone="resnet50").name == "afr-resnet50-s0"


CODE = '''
"""Docstring."""
RATE = 3e-4  # a comment
def step(w, g):
    """What it does."""
    name = f"layer{w!r:>4}"
    return w - RATE * g
'''


def test_comments_docstrings_and_layout_do_not_retrain_but_code_does():
    plain = sources._plain
    same = (
        CODE.replace("# a comment", "")
        .replace("What it does.", "Other words.")
        .replace("w - RATE * g", "(w -\n RATE*g)")
    )
    assert same != CODE and plain(same) == plain(CODE)
    ast.parse(plain(CODE))
    for old, new in [("3e-4", "1e-4"), ("w - RATE", "w + RATE"), ("layer", "block"), (">4", ">5"), ("!r", "!s")]:
        assert plain(CODE.replace(old, new)) != plain(CODE), old


def test_the_hash_covers_the_network_the_loop_and_the_augmentation(monkeypatch):
    """Change one module's text at a time: those that decide the weights change the hash, others do not."""
    read = sources._source
    hash_now = lambda: sources.source_hash.__wrapped__(ROWS["afr"], TINY.network)  # noqa: E731
    before = hash_now()

    def with_change_in(module):
        monkeypatch.setattr(sources, "_source", lambda name: read(name) + ("\nCHANGED()\n" if name == module else ""))
        return hash_now()

    decide = ("models.backbone", "models.decoders", "models.network", "models.representations", "training.loop")
    for module in (*decide, "training.batches", "datasets.augmentation", "camera", "skeleton", "samples"):
        assert with_change_in(f"hand_lib.{module}") != before, module
    for module in ("metrics", "experiments.runs", "figures.style", "models.counting"):
        assert with_change_in(f"hand_lib.{module}") == before, module


def test_a_new_row_leaves_the_others_alone(monkeypatch):
    before = sources.source_hash.__wrapped__(ROWS["afr"], TINY.network)
    monkeypatch.setitem(ROWS, "new", replace(ROWS["fr"], name="new"))
    assert sources.source_hash.__wrapped__(ROWS["afr"], TINY.network) == before
    assert sources.source_hash.__wrapped__(ROWS["fr"], TINY.network) != before


def test_a_row_of_no_table_is_run_and_kept_under_its_own_name(trainings):
    first = tiny(multi_head_row(heads=2, maps=3), seed=60)
    assert first.record["row"] == "multihead-2x3" and first.model().decoder.heads == 2
    assert tiny(multi_head_row(heads=2, maps=3), seed=60).folder == first.folder  # another object, the same row
    assert len(trainings) == 1
    keys = {plan(row, profile="tiny", device="cpu").key for row in ("multihead", multi_head_row(heads=3, maps=2))}
    assert len(keys | {plan(multi_head_row(heads=2, maps=3), profile="tiny", device="cpu").key}) == 3
    assert "CPU" in experiments.estimate(multi_head_row(heads=2, maps=3), "tiny", "cpu")


def test_imagenet_s_weights_start_the_backbone_and_change_the_key(monkeypatch):
    wide = replace(TINY, network=NetworkSize(depth=18, width=64, image_size=32, final_stride=1))
    weights = {
        **plan("fr", profile=wide, seed=50, device="cpu").build().backbone.state_dict(),
        "fc.bias": torch.zeros(1),
    }
    monkeypatch.setattr(planning, "load_imagenet", lambda depth, *, folder, instead="": weights)
    random, given = (plan("afr", profile=wide, device="cpu", start=start) for start in ("random", "imagenet"))
    assert given.key != random.key and given.name == "afr-imagenet-s0"
    start, head = given.begin(), random.begin()
    assert torch.equal(start.backbone.conv1.weight, weights["conv1.weight"])
    assert torch.equal(start.decoder.transform.first.weight, head.decoder.transform.first.weight)
    assert not torch.equal(start.backbone.conv1.weight, head.backbone.conv1.weight)
    with pytest.raises(HandLibError, match="width 64"):
        plan("afr", profile="tiny", device="cpu", start="imagenet")
    # Without a network: the library warns and gives none, and the run is planned, kept and recorded as a random start.
    monkeypatch.setattr(planning, "load_imagenet", lambda depth, *, folder, instead="": None)
    assert plan("afr", profile=wide, device="cpu", start="imagenet").key == random.key


def test_a_row_may_bring_the_weights_it_starts_from():
    row = ROWS["afr"]
    given = {"decoder.transform.last.bias": torch.full((63,), 0.25)}
    begins = lambda weights: plan(  # noqa: E731
        replace(row, recipe=Recipe(start=lambda size: weights)), profile="tiny", device="cpu"
    ).begin()
    model, random = begins(given), plan(row, profile="tiny", device="cpu").begin()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, given.get(name, random.state_dict()[name])), name
    for wrong in ({"nowhere": torch.zeros(1)}, {"decoder.transform.last.bias": torch.zeros(7)}):
        with pytest.raises(HandLibError, match="the start of afr does not fit its network") as error:
            begins(wrong)
        assert "\n" not in str(error.value)


# --------------------------------------------------------------------------------------------------------------- runs


def test_trained_once_then_read(trainings):
    first = tiny()
    count = len(trainings)
    second = tiny()
    assert len(trainings) == count <= 1
    assert second.record == first.record and second.folder == first.folder
    assert sorted(p.name for p in first.folder.iterdir() if p.name != ".lock") == [
        "evaluation.safetensors",
        "model.safetensors",
        "record.json",
    ]


def test_the_record_holds_what_it_should():
    record = tiny().record
    assert record == json.loads(json.dumps(record))
    wanted = (
        "row title table_id profile backbone seed key source decides device libraries data_version "
        "split steps images_seen seconds data_wait_share params macs head_params head_macs metrics curve "
        "constant_prediction checkpoint_sha256 training_images evaluation_images"
    )
    assert set(wanted.split()) <= record.keys()
    assert (record["row"], record["profile"], record["seed"], record["steps"]) == ("afr", "tiny", 0, 6)
    assert record["images_seen"] == 48
    assert record["params"] == sum(p.numel() for p in tiny().model().parameters())
    assert 0 < record["data_wait_share"] < 1
    assert len(record["metrics"]["epe_per_joint"]) == 21
    assert (record["curve"][0]["step"], record["curve"][-1]["step"]) == (0, 6)
    schema.validate(record, schema.RunRecord)
    assert str(Path.home()) not in json.dumps(record) and str(ROOT) not in json.dumps(record)


def test_predictions_errors_and_metrics_agree_with_the_model():
    done = tiny()
    _, evaluation = experiments.datasets("tiny")
    again = predict(done.model(), evaluation, image_size=32, device="cpu")
    assert torch.allclose(again.xyz, done.predictions, atol=1e-2)
    assert done.errors.shape == (12, 21) and done.visible.shape == (12, 21)
    assert done.errors.mean().item() == pytest.approx(done.record["metrics"]["epe_mean"])
    assert done.record["metrics"] == summarise(done.predictions, done.truth, done.visible)
    assert not done.model().training


def test_the_constant_prediction_is_blind():
    """Its hands differ only as the crops' cameras do: the normalised coordinates are the same for all."""
    _, evaluation = experiments.datasets("tiny")
    targets = mean_targets(experiments.datasets("tiny")[0], TINY.training_config(seed=0, precision="32-true"))
    crops = crop(evaluation, size=32)
    xyz = to_xyz(targets.expand(12, -1, -1), crops)
    expected = (xyz - crops.xyz).norm(dim=-1).mean().item()
    assert tiny().record["constant_prediction"]["epe_mean"] == pytest.approx(expected, rel=1e-5)


def test_hands_that_differ_in_kind_are_measured_too():
    done, sets = tiny(), profiles.elsewhere("tiny")
    recorded = done.record["elsewhere"]
    assert recorded.keys() == sets.keys() == {"held_out_gestures", "other_look"}
    _, evaluation = experiments.datasets("tiny")
    for name, samples in sets.items():
        again = predict(done.model(), samples, image_size=32, device="cpu")
        assert recorded[name]["images"] == len(samples) == 6
        assert again.errors.mean().item() == pytest.approx(recorded[name]["metrics"]["epe_mean"], abs=1e-2)
        assert recorded[name]["constant_epe_mean"] != done.record["constant_prediction"]["epe_mean"]
    # The same hands, seen from the same side, under another look; and other gestures.
    assert torch.equal(sets["other_look"].xyz, evaluation.xyz[:6])
    assert not torch.equal(sets["other_look"].images, evaluation.images[:6])
    assert not torch.equal(sets["held_out_gestures"].xyz, evaluation.xyz[:6])


def test_a_deadline_leaves_a_checkpoint_and_the_next_call_goes_on():
    with pytest.raises(experiments.Unfinished, match="step 1 of 6"):
        tiny("fr", seed=5, deadline=time.monotonic())
    folder = plan("fr", profile="tiny", seed=5, device="cpu").folder
    assert (folder / "checkpoint.safetensors").exists() and not (folder / "record.json").exists()
    resumed = tiny("fr", seed=5)
    weights = resumed.model().state_dict()
    for file in folder.glob("*.*"):
        file.unlink()
    straight = tiny("fr", seed=5).model().state_dict()
    assert all(torch.equal(straight[name], weights[name]) for name in weights)


def test_two_that_ask_at_once_train_once(trainings):
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(lambda _: tiny("fr", seed=6), range(2))
    assert len(trainings) == 1 and a.record == b.record


def test_new_measuring_code_measures_again_without_training(monkeypatch, trainings):
    before = tiny()
    predictions = before.predictions
    trainings.clear()
    for module in (runs, measuring):
        monkeypatch.setattr(module, "evaluation_hash", lambda: "ab" * 32)
    monkeypatch.setattr(evaluation, "summarise", lambda *arguments: {**summarise(*arguments), "root_epe_mean": 1.0})
    after = tiny()
    assert trainings == [] and after.record["metrics"]["root_epe_mean"] == 1.0
    assert after.record["checkpoint_sha256"] == before.record["checkpoint_sha256"]
    assert tiny().record == after.record and torch.equal(tiny().predictions, predictions)
    monkeypatch.undo()
    assert tiny().record == before.record


@pytest.mark.parametrize("damage", ["model cut", "model exchanged", "record cut", "record of another"])
def test_a_damaged_run_is_one_line_that_names_the_file(damage):
    done = tiny(seed=7)
    model, record = done.folder / "model.safetensors", done.folder / "record.json"
    kept = model.read_bytes(), record.read_bytes()
    try:
        if damage == "model cut":
            model.write_bytes(kept[0][:-7])
        elif damage == "model exchanged":
            cache.write_tensors(model, {name: t + 1 for name, t in done.model().state_dict().items()})
        elif damage == "record cut":
            record.write_bytes(kept[1][:-7])
        else:
            record.write_bytes((tiny(seed=1).folder / "record.json").read_bytes())
        with pytest.raises(HandLibError) as error:
            tiny(seed=7).model()
        path = model if damage.startswith("model") else record
        assert str(path) in str(error.value) and f"delete {done.folder} to train again" in str(error.value)
    finally:
        model.write_bytes(kept[0]), record.write_bytes(kept[1])


def test_a_checkpoint_file_is_measured_as_its_run_was():
    done = tiny()
    result = experiments.evaluate_checkpoint(done.folder / "model.safetensors", device="cpu")
    assert result["metrics"]["epe_mean"] == pytest.approx(done.record["metrics"]["epe_mean"], rel=1e-4)
    assert (result["row"], result["seed"], result["step"]) == ("afr", 0, None)


def test_a_training_checkpoint_can_be_measured_too():
    with pytest.raises(experiments.Unfinished):
        tiny("fr", seed=8, deadline=time.monotonic())
    path = plan("fr", profile="tiny", seed=8, device="cpu").folder / "checkpoint.safetensors"
    assert experiments.evaluate_checkpoint(path, device="cpu")["step"] == 1


def test_a_foreign_checkpoint_is_one_line(tmp_path):
    path = tmp_path / "theirs.safetensors"
    cache.write_tensors(path, {"conv.weight": torch.zeros(3)})
    with pytest.raises(HandLibError, match="not a checkpoint of this package") as error:
        experiments.evaluate_checkpoint(path)
    assert str(path) in str(error.value)
    network = json.dumps({"depth": 18, "width": 8, "image_size": 32, "stem_stride": 4, "final_stride": 1})
    about = {"row": "fr", "network": network, "profile": "tiny", "seed": "0", "kind": "weights", "key": "ab" * 32}
    cache.write_tensors(path, {"conv.weight": torch.zeros(3)}, about)
    with pytest.raises(HandLibError, match=r"lacks the tensor backbone\.") as error:
        experiments.evaluate_checkpoint(path)
    assert str(path) in str(error.value)


def test_a_finished_run_is_read_from_a_cache_that_cannot_be_written(monkeypatch):
    done = tiny()

    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "read-only")

    for module, name in (
        (Path, "mkdir"),
        (Path, "unlink"),
        (os, "replace"),
        (cache, "FileLock"),
        (cache, "make_folder"),
    ):
        monkeypatch.setattr(module, name, refuse)
    assert tiny().record == done.record and torch.equal(tiny().predictions, done.predictions)


@pytest.mark.parametrize("left", ["checkpoint.safetensors", ".record.json.99999999.part"])
def test_what_a_killed_process_left_beside_a_finished_run_is_deleted(left):
    done = tiny()
    before = sorted(done.folder.iterdir())
    (done.folder / left).write_bytes(b"half")
    assert tiny().record == done.record
    assert sorted(done.folder.iterdir()) == before


# ------------------------------------------------------------------------------------------------- records and missing


def test_records_come_back_in_the_tables_order(tmp_path):
    shared = {"profile": "tiny"}
    for row, seed, backbone in [
        ("afr", 1, "resnet18"),
        ("afr", 0, "resnet18"),
        ("fr", 0, "resnet18"),
        ("afr", 0, "resnet50"),
    ]:
        experiments.write_record(made_records.made_run(row, seed, backbone=backbone, **shared), tmp_path)
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.json"))
    assert names == ["tiny/afr-resnet50-s0.json", "tiny/afr-s0.json", "tiny/afr-s1.json", "tiny/fr-s0.json"]
    found = [(r["row"], r["backbone"], r["seed"]) for r in experiments.records(folder=tmp_path)]
    assert found == [("fr", "resnet18", 0), ("afr", "resnet18", 0), ("afr", "resnet18", 1), ("afr", "resnet50", 0)]
    assert len(experiments.records("tiny", "afr", folder=tmp_path)) == 3
    assert experiments.records("smoke", folder=tmp_path) == []
    # Missing: the first seed of every row comes before anyone's second; another backbone does not count.
    lacking = experiments.missing("tiny", folder=tmp_path)
    assert [seed for _, seed in lacking] == sorted(seed for _, seed in lacking)
    # nor does a start from ImageNet's weights
    experiments.write_record(made_records.made_run("fr", 1, start="imagenet", **shared), tmp_path)
    assert (tmp_path / "tiny" / "fr-imagenet-s1.json").exists() and ("fr", 1) in experiments.missing("tiny", tmp_path)
    assert set(lacking) == {(row, seed) for row in ROWS for seed in (0, 1)} - {("fr", 0), ("afr", 0), ("afr", 1)}


def test_variants_are_missing_after_the_rows_with_seeds_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setitem(PROFILES, "tiny", replace(TINY, seeds=(4, 1, 2), variant_seeds=(4, 6)))
    rows, variants = list(ROWS), list(VARIANTS)
    in_order = [*((name, 4) for name in (*rows, *variants)), *((row, 1) for row in rows)]
    in_order += [*((variant, 6) for variant in variants), *((row, 2) for row in rows)]
    assert experiments.missing("tiny", folder=tmp_path) == in_order
    experiments.write_record(made_records.made_run("refine-blind", 6, profile="tiny"), tmp_path)
    experiments.write_record(made_records.made_run("refine-hdr-3", 1, profile="tiny"), tmp_path)
    for name in (("refine-blind", 6), ("refine-hdr-3", 1)):
        in_order.remove(name)
    assert experiments.missing("tiny", folder=tmp_path) == in_order
    assert [record["row"] for record in experiments.records("tiny", folder=tmp_path)] == [
        "refine-hdr-3",
        "refine-blind",
    ]
    assert len(experiments.records(row="refine-blind", folder=tmp_path)) == 1
    monkeypatch.setitem(VARIANTS, "refine-blind", replace(VARIANTS["refine-blind"], revision=2))
    assert ("refine-blind", 6) in experiments.missing("tiny", folder=tmp_path)


def test_a_variant_is_trained_kept_and_measured_by_name():
    found = tiny("multihead-2x32", seed=61)
    assert found.model().decoder.heads == 2 and found.record["title"] == VARIANTS["multihead-2x32"].title
    assert experiments.is_current(found.record)
    assert not experiments.is_current({**found.record, "row": "multihead-3x21"})  # no name of today
    measured = experiments.evaluate_checkpoint(found.folder / "model.safetensors", device="cpu")
    assert measured["row"] == "multihead-2x32" and measured["metrics"] == found.record["metrics"]


def test_chapters_do_not_write_results():
    tiny()
    assert experiments.records() == []


def test_a_record_outlives_a_change_that_leaves_the_outcome(monkeypatch):
    """The text of the code may change; its revisions, the data and what the profile asks for may not."""
    record = tiny().record
    assert experiments.is_current({**record, "source": "the same in other words"})
    assert not experiments.is_current({**record, "decides": {**record["decides"], "revision": {}}})
    for change in ({"steps": 7}, {"batch_size": 4}, {"training_count": 25}, {"precision": "bf16-mixed"}):
        with monkeypatch.context() as patch:
            patch.setitem(PROFILES, "tiny", replace(TINY, **change))
            assert not experiments.is_current(record) or change.get("precision") == record_precision(record), change
    with monkeypatch.context() as patch:
        patch.setitem(ROWS, "afr", replace(ROWS["afr"], revision=ROWS["afr"].revision + 1))
        assert not experiments.is_current(record)
    with monkeypatch.context() as patch:
        patch.setattr(planning, "DATA_VERSION", "newer")
        assert not experiments.is_current(record)
    with monkeypatch.context() as patch:
        left = {name: row for name, row in ROWS.items() if name != "afr"}
        patch.setattr(recording, "rows_and_variants", lambda: left)
        assert not experiments.is_current(record)
    assert experiments.is_current(record)


def record_precision(record):
    return record["decides"]["training"]["precision"]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_profile_may_fix_its_precision(precision):
    fixed = replace(TINY, precision=precision)
    assert plan("afr", profile=fixed, device="cpu").config.precision == precision
    assert plan("afr", profile=TINY, device="cpu").config.precision == training.choose_precision(torch.device("cpu"))


def test_an_outdated_record_is_missing(tmp_path, monkeypatch):
    experiments.write_record(tiny().record, tmp_path)
    assert ("afr", 0) not in experiments.missing("tiny", tmp_path)
    monkeypatch.setitem(ROWS, "afr", replace(ROWS["afr"], revision=ROWS["afr"].revision + 1))
    assert ("afr", 0) in experiments.missing("tiny", tmp_path)


# ----------------------------------------------------------------------------------------------------------- estimate


def test_the_estimate_says_how_long_and_on_what():
    said = experiments.estimate("fr", replace(TINY, name="never run"), "cpu")
    assert said.startswith("about ") and "on this CPU (" in said and "thread" in said


def test_the_estimate_uses_like_runs(monkeypatch):
    """The time a step took in runs of the same row and network on the same device, at any seed."""
    done = tiny(backbone="resnet34", seed=90)
    cache.write_json(done.folder / "record.json", made_records.changed(done.record, seconds=600.0))
    measured = []
    monkeypatch.setattr(estimates, "_measured", lambda *arguments: measured.append(1) or 1.0)
    assert "about 10 min" in experiments.estimate("afr", "tiny", "cpu", backbone="resnet34")
    assert not measured
    assert "about 1 s" in experiments.estimate("fr", "tiny", "cpu", backbone="resnet34")
    assert measured


def test_the_estimate_leaves_out_what_it_cannot_read(tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "fr-s0.json").write_text('{"format": 1}')
    monkeypatch.setenv(cache.RESULTS_VARIABLE, str(tmp_path))
    with pytest.raises(HandLibError, match="of an older version of hand_lib"):
        experiments.records("tiny")
    assert "about " in experiments.estimate("fr", "tiny", "cpu", seeds=(99,))


def test_a_start_is_asked_for_once():
    asked = []
    given = lambda size: asked.append(1) or {"decoder.transform.last.bias": torch.rand(63)}  # noqa: E731
    planned = plan(replace(ROWS["afr"], recipe=Recipe(start=given)), profile="tiny", device="cpu")
    digest = planned.decides["given"]
    begun = planned.begin().state_dict()["decoder.transform.last.bias"]
    assert asked == [1] and digest == cache.digest({"decoder.transform.last.bias": begun})


def test_the_estimate_knows_the_cache(monkeypatch):
    tiny(), tiny(seed=1)
    monkeypatch.setattr(estimates, "_recorded_seconds", lambda *arguments: 40.0)
    assert experiments.estimate("afr", "tiny", "cpu", seeds=(0, 1)) == "no time, found in the cache"
    assert "about 40 s" in experiments.estimate("afr", "tiny", "cpu", seeds=(0, 77))
    assert experiments.estimate("afr", "tiny", "cpu", seeds=(0, 77)).endswith(
        "for 1 of 2 seeds; the rest is in the cache"
    )
    assert experiments.estimate("afr", "tiny", "cpu", seeds=(76, 77)).endswith("for 2 seeds")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (7.6, "8 s"), (47, "50 s"), (100, "2 min"), (3540, "59 min"), (9000, "2.5 h")]
)
def test_durations_for_people(seconds, said):
    assert experiments.say_duration(seconds) == said


# --------------------------------------------------------------------------------------------- without the book's tools

WITHOUT = """
import sys

from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] in {blocked} else find(name, *more)

import importlib.metadata as metadata

known = metadata.distribution

def distribution(name):  # libraries ask here what is installed
    if name in {blocked}:
        raise metadata.PackageNotFoundError(name)
    return known(name)

metadata.distribution = distribution
import hand_lib.experiments as experiments, hand_lib.__main__ as command_line, hand_lib.training as training
import hand_lib.models.counting, hand_lib.datasets.synthetic
assert command_line.main(["models", "--backbone", "resnet18", "--size", "64"]) == 0
training.make_fabric(training.choose_device("cpu"), "32-true")
"""
BOOK_TOOLS = {"matplotlib", "plotly", "ipywidgets", "IPython", "papermill", "nbformat", "nbclient", "jupyter_book"} | {
    "sphinx", "kornia", "torchvision", "pandas", "hypothesis", "playwright"
}  # fmt: skip


def test_the_training_side_needs_none_of_the_book_s_tools():
    code = WITHOUT.format(blocked=sorted(BOOK_TOOLS))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "afr" in done.stdout


# ---------------------------------------------------------------------------------------------- several processes

TOGETHER = """
import json, os, sys
sys.path.insert(0, {tests!r})
import test_experiments as t
t.PROFILES["tiny"] = t.TINY
done = t.run("afr", profile="tiny", seed=11, device="cpu", progress=False)
again = t.run("afr", profile="tiny", seed=11, device="cpu", progress=False)
assert again.record == done.record
said = json.dumps([os.environ["RANK"], done.record["metrics"]["epe_mean"], done.record["processes"]])
sys.stdout.write(said + "\\n")  # in one piece: two processes share the line
"""


@pytest.mark.slow
def test_processes_under_torchrun_share_one_run(tmp_path):
    """One renders, both train, one records; both see the record, and it is that of a run on one process."""
    script = tmp_path / "together.py"
    script.write_text(TOGETHER.format(tests=str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", cache.CACHE_VARIABLE: str(tmp_path)}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = sorted(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    assert [line[0] for line in lines] == ["0", "1"] and lines[0][1:] == lines[1][1:]
    assert lines[0][2] == 2
    alone = tiny(seed=11)
    assert lines[0][1] == pytest.approx(alone.record["metrics"]["epe_mean"], rel=0.02)  # bfloat16 rounds differently
    assert len(list(tmp_path.glob("runs/tiny/*/record.json"))) == 1
