"""``submit``, and ``evaluate`` where not the whole truth is used: what is written, what is scored, what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import own_folders

from hand_lib import cache, experiments, official
from hand_lib.__main__ import main
from hand_lib.datasets.real import HO3D, freihand, ho3d
from hand_lib.datasets.real.dexter_object import SEQUENCES
from hand_lib.datasets.real.imitations import HO3D_LIST, write_dexter, write_freihand, write_ho3d
from hand_lib.datasets.real.published import get_published
from hand_lib.protocols import freihand_scores, ho3d_scores

COUNT = 4


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory), pytest.MonkeyPatch.context() as patch:
        patch.setitem(freihand.SPLITS, "evaluation", COUNT)
        patch.setitem(ho3d.FRAMES[2], "evaluation", COUNT)
        yield


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("real")
    (
        write_freihand(folder / "freihand", 3),
        write_freihand(folder / "freihand", COUNT, versions=("gs",), split="evaluation"),
    )
    for split in ("training", "evaluation"):
        write_ho3d(folder / "ho3d-v2", split, 2, COUNT)
    write_dexter(folder / "dexter-object", SEQUENCES, 1)
    return {name: folder / name for name in ("freihand", "ho3d-v2", "dexter-object")}


@pytest.fixture(scope="module")
def weights(roots) -> Path:
    """A row trained on FreiHAND's training hands."""
    where = ["--dataset", "freihand", "--root", str(roots["freihand"])]
    assert main(["train", "afr", "--profile", "tiny", "--device", "cpu", *where]) == 0
    data = experiments.real_data("freihand", roots["freihand"], "tiny")
    planned = experiments.plan("afr", profile="tiny", device="cpu", real=data)
    return experiments.find(planned).folder / "model.safetensors"


def read(path: Path) -> np.ndarray:
    """``(N, 21, 3)`` millimetres as they are in the file."""
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["pred.json"]
        joints, vertices = json.loads(archive.read("pred.json"))
    assert np.array(vertices).shape == (len(joints), 778, 3)
    return np.array(joints) * 1000


def said_scores(text: str) -> dict[str, str]:
    return dict(line.split(" (")[0].split(": ") for line in text.splitlines() if " (" in line and ": " in line)


def test_a_row_is_submitted_to_its_own_data_set_and_scored(roots, weights, tmp_path, capsys):
    out = tmp_path / "pred.zip"
    where = ["--dataset", "freihand", "--root", str(roots["freihand"])]
    assert main(["submit", "afr", "--profile", "tiny", "--device", "cpu", *where, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "root depth recovered from the predicted scale bone" in said and "scale given by the data set" in said
    hands = torch.tensor(read(out))
    reader = get_published("freihand").reader(roots["freihand"], "evaluation")
    truth = torch.stack([reader.annotation(index).xyz for index in range(COUNT)])
    for score in freihand_scores(hands, truth.double()):
        shown = said_scores(said.partition("\n")[2])[score.name]
        assert shown == (f"{score.value:.2f} cm" if score.unit else f"{score.value:.3f}")
    # The length that the data set gives is that of the predicted hands' bone, wherever they are.
    bones = (hands[:, 10] - hands[:, 9]).norm(dim=-1)
    given = torch.tensor([reader.annotation(index).scale for index in range(COUNT)])
    explained = (bones / given - 1).abs() < 1e-3
    assert explained.all() or f"of {int((~explained).sum())} hands" in said


def test_a_file_is_submitted_to_another_data_set_in_its_order_and_axes(roots, weights, tmp_path, capsys):
    out = tmp_path / "pred.zip"
    where = ["--dataset", "ho3d-v2", "--root", str(roots["ho3d-v2"])]
    assert main(["submit", str(weights), "--device", "cpu", *where, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "that of the wrist, given by the data set" in said and "the mean of training hands" in said
    theirs = read(out) * [1, -1, -1]
    ours = np.empty_like(theirs)
    ours[:, HO3D_LIST] = theirs  # their joint i is our joint LIST[i]
    reader = HO3D(root=roots["ho3d-v2"], split="evaluation", version=2, truth=roots["ho3d-v2"] / "evaluation_xyz.json")
    truth = torch.stack([reader.annotation(index).xyz for index in range(COUNT)])
    np.testing.assert_allclose(ours[:, 0, 2], truth[:, 0, 2], atol=0.01)  # the wrist's depth is what was given
    for score in ho3d_scores(torch.tensor(ours), truth.double()):
        shown = said_scores(said.partition("\n")[2])[score.name]
        assert shown == (f"{score.value:.2f} cm" if score.unit else f"{score.value:.3f}")


def test_depths_from_a_file_and_a_length_for_all(roots, weights, tmp_path, capsys):
    depths = tmp_path / "depths.json"
    depths.write_text(json.dumps([0.5, 0.6, 0.7, 0.8]))
    out = tmp_path / "pred.zip"
    command = ["submit", str(weights), "--device", "cpu", "--on", "freihand", "--on-root", str(roots["freihand"])]
    command += ["--scale", "40", "--out", str(out), "--root-depth", str(depths)]
    assert main(command) == 0
    np.testing.assert_allclose(read(out)[:, 0, 2], [500, 600, 700, 800], atol=0.01)
    assert "the wrist, read from depths.json" in capsys.readouterr().out
    assert main([*command, "--depth-joint", "middle MCP"]) == 0
    np.testing.assert_allclose(read(out)[:, 9, 2], [500, 600, 700, 800], atol=0.01)


def test_without_the_truth_it_is_written_and_not_scored(roots, weights, tmp_path, capsys):
    root = tmp_path / "freihand"
    write_freihand(root, COUNT, versions=("gs",), split="evaluation", joints=False)
    where = ["--device", "cpu", "--dataset", "freihand", "--root", str(root)]
    assert main(["submit", str(weights), *where, "--out", str(tmp_path / "pred.zip")]) == 0
    assert "its server scores it" in capsys.readouterr().out
    # A box that knows nothing of the joints: the same file as with the truth beside the pictures.
    assert main(["submit", str(weights), "--device", "cpu", "--dataset", "freihand", "--root", str(roots["freihand"]),
                 "--out", str(tmp_path / "known.zip")]) == 0  # fmt: skip
    np.testing.assert_allclose(read(tmp_path / "pred.zip"), read(tmp_path / "known.zip"), atol=1e-3)
    capsys.readouterr()
    assert main(["evaluate", str(weights), *where, "--scale", "given"]) == 2
    assert "the truth of freihand's evaluation is not in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--out", "x.zip"], ["to which data set?"]),
        (["--dataset", "rhd", "--root", "ROOT", "--out", "x.zip"], ["'rhd'", "freihand", "ho3d-v3"]),
        (["--dataset", "freihand", "--root", "ROOT", "--out", "x.json"], ["'.json'", ".zip"]),
        (["--dataset", "freihand", "--root", "ROOT", "--out", "no/such/x.zip"], ["no/such"]),
        (["--dataset", "freihand", "--root", "no/such", "--out", "x.zip"], ["no/such", "FreiHAND_pub_v2"]),
        (["--dataset", "freihand", "--out", "x.zip"], ["--dataset and --root go together"]),
        (["--on", "freihand", "--out", "x.zip"], ["--on and --on-root go together"]),
        (["--dataset", "freihand", "--root", "ROOT", "--share", "1", "--out", "x.zip"], ["--share"]),
        (["--dataset", "freihand", "--root", "ROOT", "--out", "x.zip", "--root-depth", "guess"], ["'guess'", "bone"]),
        (["--dataset", "freihand", "--root", "ROOT", "--out", "x.zip", "--scale", "big"], ["--scale big", "mean"]),
        (["--dataset", "freihand", "--root", "ROOT", "--out", "x.zip", "--scale", "0.04"], ["0.04 mm", "5 to 100"]),
        (["--dataset", "freihand", "--root", "ROOT", "--out", "x.zip", "--depth-joint", "wrist"], ["--depth-joint"]),
        (["--dataset", "freihand", "--root", "ROOT", "--out", "x.zip", "--backbone", "resnet18"], ["--backbone"]),
        (["--dataset", "freihand", "--root", "ROOT"], ["--out"]),
    ],
)
def test_what_cannot_be_submitted_is_one_line_and_no_file(
    roots, weights, tmp_path, capsys, monkeypatch, arguments, named
):
    monkeypatch.chdir(tmp_path)
    words = [str(roots["freihand"]) if word == "ROOT" else word for word in arguments]
    assert main(["submit", str(weights), "--device", "cpu", *words]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ") and all(name in said for name in named), said
    assert list(tmp_path.iterdir()) == []


def test_too_few_hands_are_known_before_a_picture_is_looked_at(roots, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(freihand.SPLITS, "evaluation", COUNT + 1)
    monkeypatch.setattr(official, "look", lambda *a, **k: pytest.fail("looked"))
    where = ["--device", "cpu", "--dataset", "freihand", "--root", str(roots["freihand"])]
    assert main(["submit", str(weights), *where, "--out", str(tmp_path / "x.zip")]) == 2
    assert "has 4 evaluation hands, but its server wants 5" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--scale", "nan"], ["nan mm", "5 to 100"]),
        (["--scale", "-3"], ["-3 mm", "5 to 100"]),
        (["--scale", "1e999"], ["inf mm", "5 to 100"]),
        (["--scale", ""], ["--scale", "given, mean"]),
        (["--root-depth", ""], ["this is a folder"]),
        (["--root-depth", "/dev/zero"], ["/dev/zero"]),
        (["--root-depth", "cut.json"], ["cut.json"]),
        (["--out", "folder.zip"], ["folder.zip", "this is a folder"]),
    ],
)
def test_whatever_is_wrong_is_known_before_a_picture_is_looked_at(
    roots, weights, tmp_path, capsys, monkeypatch, arguments, named
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(official, "look", lambda *a, **k: pytest.fail("looked"))
    (tmp_path / "cut.json").write_text("[0.5, 0.5")
    (tmp_path / "folder.zip").mkdir()
    where = ["--device", "cpu", "--dataset", "freihand", "--root", str(roots["freihand"]), "--out", "x.zip"]
    assert main(["submit", str(weights), *where, *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and all(name in said for name in named), said
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize("command", ["submit", "evaluate"])
def test_a_network_whose_answers_are_not_finite_is_one_line(roots, weights, tmp_path, capsys, command):
    tensors, about = cache.read_tensors(weights)
    own, out = tmp_path / "own.safetensors", tmp_path / "x.zip"
    large = {name: 1e30 * tensor if "decoder" in name else tensor for name, tensor in tensors.items()}
    cache.write_tensors(own, large, about)
    where = ["--on", "freihand", "--on-root", str(roots["freihand"])] + ["--out", str(out)] * (command == "submit")
    assert main([command, str(own), "--device", "cpu", *where]) == 2
    assert "answers with numbers that are not finite" in capsys.readouterr().err and not out.exists()


def test_the_command_that_is_said_names_all_that_was_asked_for(roots, tmp_path, capsys):
    where = ["--dataset", "freihand", "--root", str(roots["freihand"])]
    assert main(["evaluate", "fr", "--profile", "tiny", "--backbone", "resnet34", "--start", "random", *where]) == 2
    assert "--seed 0 --backbone resnet34 --start random --dataset freihand" in capsys.readouterr().err
    spaced = tmp_path / "two words"
    spaced.symlink_to(roots["freihand"])
    assert main(["evaluate", "fr", "--profile", "tiny", "--dataset", "freihand", "--root", str(spaced)]) == 2
    assert f"--root '{spaced}'" in capsys.readouterr().err


def test_a_row_that_was_not_trained_is_said_with_its_command(roots, weights, tmp_path, capsys):
    where = ["--dataset", "freihand", "--root", str(roots["freihand"])]
    assert main(["submit", "fr", "--profile", "tiny", *where, "--out", str(tmp_path / "x.zip")]) == 2
    assert "python -m hand_lib train fr --profile tiny --seed 0 --dataset freihand" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------- evaluate


def test_another_source_of_depth_changes_what_is_not_aligned_alone(roots, weights, capsys):
    where = ["--device", "cpu", "--dataset", "freihand", "--root", str(roots["freihand"]), "--json"]
    found = {}
    for depth in ("truth", "wrist", "bone"):
        assert main(["evaluate", str(weights), *where, "--root-depth", depth]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (
            said["dataset"] == "freihand"
            and said["hands"] == COUNT
            and {"truth": "true"}.get(depth, depth) in said["given"]
        )
        found[depth] = {score["name"]: score["value"] for score in said["scores"]}
    assert found["truth"]["mean"] != found["bone"]["mean"]
    # The same command without a word of depth takes the converted hands, which were resampled once more.
    assert main(["evaluate", str(weights), *where]) == 0
    plain = {score["name"]: score["value"] for score in json.loads(capsys.readouterr().out)["scores"]}
    assert found["truth"]["mean"] == pytest.approx(plain["mean"], rel=0.1)


def test_a_row_is_measured_on_fingertips_of_a_data_set_that_it_never_saw(roots, weights, capsys):
    trained = ["--profile", "tiny", "--device", "cpu", "--dataset", "freihand", "--root", str(roots["freihand"])]
    there = ["--on", "dexter-object", "--on-root", str(roots["dexter-object"])]
    assert main(["evaluate", "afr", *trained, *there]) == 0
    said = capsys.readouterr().out
    assert "known fingertips of 6 of 6 frames" in said and "the mean of training hands" in said
    assert "0 to 100 mm" in said
    file = ["evaluate", str(weights), "--device", "cpu"]
    assert main([*file, "--dataset", "dexter-object", "--root", str(roots["dexter-object"])]) == 2
    assert "give --scale in millimetres" in capsys.readouterr().err
    assert main([*file, *there, "--scale", "40"]) == 0
    assert "scale 40 mm for all hands" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["afr", "--dataset", "dexter-object", "--root", "ROOT"], ["no training hands", "--on"]),
        (["afr", "--root-depth", "bone"], ["public data set"]),
        (["afr", "--on", "mnist", "--on-root", "ROOT"], ["'mnist'", "dexter-object"]),
        (["FILE", "--dataset", "rhd", "--root", "ROOT", "--on", "stb", "--on-root", "ROOT"], ["one data set"]),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_one_line(roots, weights, capsys, arguments, named):
    words = [{"ROOT": str(roots["dexter-object"]), "FILE": str(weights)}.get(word, word) for word in arguments]
    assert main(["evaluate", *words, "--device", "cpu"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ") and all(name in said for name in named), said
