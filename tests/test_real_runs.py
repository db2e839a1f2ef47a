"""A row trained and measured on a public data set: kept and recorded apart, and rendered hands' records as before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_records import made_run
from tiny import TINY, own_folders

from hand_lib import cache, experiments
from hand_lib.__main__ import main
from hand_lib.datasets.real import RHD, to_samples
from hand_lib.datasets.real import conversion as conversion_module
from hand_lib.datasets.real.cut_outs import CutOut
from hand_lib.datasets.real.imitations import write_dexter, write_rhd
from hand_lib.errors import HandLibError
from hand_lib.evaluation import predict
from hand_lib.experiments import recording
from hand_lib.experiments.real_records import RealRunRecord
from hand_lib.experiments.schema import RunRecord, seal, validate
from hand_lib.protocols import rhd_scores

TRAINING, EVALUATION = 8, 4


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rhd")
    write_rhd(folder, "training", TRAINING), write_rhd(folder, "evaluation", EVALUATION)
    return folder


@pytest.fixture(scope="module")
def trained(root) -> dict:
    """One run by the command, and its record."""
    assert main(["train", "fr", "--profile", "tiny", "--device", "cpu", "--dataset", "rhd", "--root", str(root)]) == 0
    (record,) = experiments.records(folder=experiments.real_results())
    return record


def test_it_is_recorded_apart_with_its_data_set(trained):
    assert (experiments.real_results() / "rhd-tiny" / "fr-s0.json").exists()
    assert experiments.records() == [] and ("fr", 0) in experiments.missing("tiny")
    assert trained["dataset"] == trained["decides"]["data"]["dataset"] == "rhd"
    assert (trained["training_images"], trained["evaluation_images"]) == (TRAINING, EVALUATION)
    assert "elsewhere" not in trained and experiments.is_current(trained)
    assert experiments.records("tiny", folder=experiments.real_results()) == [trained]
    assert experiments.records("quick", folder=experiments.real_results()) == []


def test_its_errors_are_those_on_the_whole_pictures(trained, root):
    """The kept network on hands read straight from the data set, without a conversion."""
    data = experiments.real_data("rhd", root, "tiny")
    run = experiments.find(experiments.plan("fr", profile="tiny", device="cpu", real=data))
    reader = RHD(root=root, split="evaluation")
    straight = to_samples([reader.hand(index) for index in range(len(reader))])
    said = predict(run.model(), straight, image_size=32, device="cpu")
    torch.testing.assert_close(said.true_xyz, run.truth, atol=1e-3, rtol=0)
    # The picture was resampled once more, so what a network says of it may differ a little; the truth may not.
    assert said.errors.mean().item() == pytest.approx(trained["metrics"]["epe_mean"], rel=0.1)


def test_it_is_found_again_and_measured_by_the_rules_of_its_data_set(trained, root, capsys, monkeypatch):
    monkeypatch.setattr(experiments.runs, "fit", lambda *a, **k: pytest.fail("trained again"))
    where = ["--profile", "tiny", "--device", "cpu", "--dataset", "rhd", "--root", str(root)]
    assert main(["train", "fr", *where]) == 0
    assert "fr on rhd, profile tiny" in capsys.readouterr().out
    assert main(["evaluate", "fr", *where, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["epe_mean"] == pytest.approx(trained["metrics"]["epe_mean"], rel=1e-4)
    data = experiments.real_data("rhd", root, "tiny")
    run = experiments.find(experiments.plan("fr", profile="tiny", device="cpu", real=data))
    own = {score.name: score.value for score in rhd_scores(run.predictions, run.truth, run.visible)}
    assert {score["name"]: score["value"] for score in found["scores"]} == pytest.approx(own, rel=1e-4)
    assert main(["evaluate", "fr", *where]) == 0
    assert "visible joints, nothing aligned" in capsys.readouterr().out
    weights = str(run.folder / "model.safetensors")
    assert main(["evaluate", weights, "--device", "cpu", "--dataset", "rhd", "--root", str(root)]) == 0
    assert "mean, visible: " in capsys.readouterr().out


def test_results_shows_it_where_it_is_asked_for(trained, capsys):
    assert main(["results"]) == 0
    assert "no recorded runs" in capsys.readouterr().out
    assert main(["results", "--dataset", "rhd"]) == 0
    assert f"{trained['metrics']['epe_mean']:.2f}" in capsys.readouterr().out
    assert main(["results", "--dataset", "stb"]) == 0
    assert "no recorded runs" in capsys.readouterr().out


def test_other_hands_are_another_run(trained, root, tmp_path):
    """Another data set, another number of hands, another conversion or another profile's crops."""
    data = experiments.real_data("rhd", root, "tiny")
    planned = experiments.plan("fr", profile="tiny", device="cpu", real=data)
    rendered = experiments.plan("fr", profile="tiny", device="cpu")
    assert planned.key == trained["key"] and planned.folder.parent.name == "rhd-tiny"
    assert {name for name in planned.decides if planned.decides[name] != rendered.decides[name]} == {"data"}
    fewer = tmp_path / "rhd"
    write_rhd(fewer, "training", 7), write_rhd(fewer, "evaluation", EVALUATION)
    other = experiments.plan("fr", profile="tiny", device="cpu", real=experiments.real_data("rhd", fewer, "tiny"))
    assert other.key != planned.key


def test_another_way_of_cutting_out_makes_the_record_outdated(trained, monkeypatch):
    monkeypatch.setattr(recording, "DATA_SET_VERSION", "2")
    assert not experiments.is_current(trained)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r | {"dataset": "stb"}, "dataset is 'stb'"),
        (lambda r: r | {"training_images": 9}, "training_images is 9"),
        (lambda r: {name: value for name, value in r.items() if name != "dataset"}, "dataset|data"),
        (lambda r: r | {"elsewhere": made_run("fr", 0, profile="tiny")["elsewhere"]}, "elsewhere"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(trained, tmp_path, change, said):
    path = tmp_path / "rhd-tiny" / "fr-s0.json"
    path.parent.mkdir()
    path.write_text(json.dumps(seal(change(trained))))
    with pytest.raises(HandLibError, match=said) as error:
        experiments.read_record(path)
    assert str(path) in str(error.value)


def test_a_record_of_rendered_hands_is_none_of_a_data_set_and_the_other_way(trained):
    rendered = made_run("fr", 0, profile="tiny")
    validate(rendered, RunRecord)
    run = {name: value for name, value in trained.items() if name not in ("commit", "date")}
    validate(seal(run), RealRunRecord)
    for record, kind in ((rendered, RealRunRecord), (seal(run), RunRecord)):
        with pytest.raises(HandLibError):
            validate(record, kind)


def test_hands_that_were_left_out_stay_out_and_are_not_asked_for_again(root, tmp_path, monkeypatch):
    import shutil

    damaged = Path(shutil.copytree(root, tmp_path / "rhd"))
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    picture = damaged / "training" / "color" / "00003.png"
    picture.unlink()
    with pytest.raises(HandLibError, match="data convert --skip-damaged") as error:
        experiments.real_data("rhd", damaged, "tiny")
    assert str(picture) in str(error.value)
    half = conversion_module.Conversion(
        published=conversion_module.get_published("rhd"),
        root=damaged,
        split="training",
        how=CutOut(image_size=TINY.network.image_size, augmentation=TINY.augmentation),
    )
    conversion_module.convert(half, workers=0, skip_damaged=True)
    assert experiments.real_data("rhd", damaged, "tiny").decides["training_count"] == TRAINING - 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "fr", "--dataset", "rhd"], ["--dataset and --root go together"]),
        (["evaluate", "fr", "--root", "x"], ["--dataset and --root go together"]),
        (["train", "fr", "--dataset", "mnist", "--root", "ROOT"], ["'mnist'", "freihand"]),
        (["train", "fr", "--dataset", "rhd", "--root", "no/such"], ["no/such", "RHD_published_v2"]),
        (["train", "fr", "--dataset", "stb", "--root", "ROOT"], ["labels"]),
        (["train", "--missing", "--dataset", "rhd", "--root", "ROOT"], ["--missing", "--dataset and --root"]),
        (["evaluate", "afr", "--dataset", "rhd", "--root", "ROOT"], ["train afr", "--dataset rhd --root"]),
        (["results", "--missing", "--dataset", "rhd"], ["--missing", "--dataset"]),
    ],
)
def test_bad_input_is_one_line(capsys, root, arguments, named):
    profile = [] if arguments[0] == "results" else ["--profile", "tiny"]
    assert main([str(root) if word == "ROOT" else word for word in arguments] + profile) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ") and all(name in said for name in named), said


def test_fingertips_alone_are_no_training_set(capsys, tmp_path):
    write_dexter(tmp_path)
    command = ["train", "fr", "--profile", "tiny", "--dataset", "dexter-object", "--root", str(tmp_path)]
    assert main(command) == 2
    assert "unknown split of dexter-object 'training': choose from evaluation" in capsys.readouterr().err


def test_the_same_plan_on_rendered_hands_is_decided_as_before(root):
    """What records of rendered hands were decided by has no trace of data sets in it."""
    planned = experiments.plan("fr", profile="tiny", device="cpu")
    assert set(planned.decides["data"]) == {
        "version",
        "seed",
        "training_count",
        "evaluation_count",
        "render_size",
        "scene",
    }
    record = made_run("fr", 0, profile="tiny")
    assert experiments.is_current(record) and "dataset" not in record
    assert replace(planned, real=None).key == planned.key
