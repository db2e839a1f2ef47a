"""Submissions as servers read them: one flat member, both lists full, the data set's own order, axes and unit."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hand_lib.datasets.real import freihand, ho3d
from hand_lib.datasets.real.imitations import HO3D_LIST
from hand_lib.errors import HandLibError
from hand_lib.submissions import VERTICES, write_freihand, write_ho3d
from hand_lib.synthetic import EASY, render

COUNT = 4


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Evaluation splits of a few hands: the full ones differ in their number alone."""
    monkeypatch.setitem(freihand.SPLITS, "evaluation", COUNT)
    for version in (2, 3):
        monkeypatch.setitem(ho3d.FRAMES[version], "evaluation", COUNT + version)


def hands(count: int) -> torch.Tensor:
    return render(seed=4, split="evaluation", indices=range(count), size=16, scene=EASY, supersample=1).xyz


def read(path: Path) -> list:
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["pred.json"] and archive.testzip() is None
        return json.loads(archive.read("pred.json"))


def test_freihand_gets_metres_in_our_order_and_axes(tmp_path):
    xyz = hands(COUNT)
    write_freihand(tmp_path / "pred.zip", xyz)
    joints, vertices = read(tmp_path / "pred.zip")
    np.testing.assert_allclose(np.array(joints) * 1000, xyz.numpy(), atol=1e-3)
    assert np.array(vertices).shape == (COUNT, VERTICES, 3) and not np.any(vertices)


@pytest.mark.parametrize("version", [2, 3])
def test_ho3d_gets_its_own_order_and_opengl_s_axes(tmp_path, version):
    xyz = hands(COUNT + version)
    write_ho3d(tmp_path / "pred.zip", xyz, version=version)
    joints, vertices = read(tmp_path / "pred.zip")
    # The order as its authors list it, written down apart in the fixtures: joint i of theirs is joint LIST[i] of ours.
    expected = xyz.numpy()[:, HO3D_LIST] / 1000 * [1, -1, -1]
    np.testing.assert_allclose(joints, expected, atol=1e-6)
    assert np.array(vertices).shape == (COUNT + version, VERTICES, 3)
    # Its evaluator takes joints 0 and 4 for wrist and middle MCP, which lie a palm apart, before a camera at z < 0.
    palm = np.linalg.norm(np.array(joints)[:, 4] - np.array(joints)[:, 0], axis=-1)
    assert ((palm > 0.06) & (palm < 0.13)).all() and (np.array(joints)[..., 2] < 0).all()


def test_what_the_reader_of_ho3d_makes_of_it_is_the_prediction(tmp_path):
    """The way back: what is submitted, read as HO-3D's published evaluation joints are."""
    from hand_lib.datasets.real.ho3d import _joints

    xyz = hands(COUNT + 2)
    write_ho3d(tmp_path / "pred.zip", xyz, version=2)
    joints, _ = read(tmp_path / "pred.zip")
    again = torch.stack([_joints(np.array(hand)) for hand in joints])
    torch.testing.assert_close(again, xyz, atol=1e-3, rtol=0)


def test_the_same_hands_give_the_same_file(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_freihand(tmp_path / name, hands(COUNT))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda xyz: xyz[:-1], "wants hands of shape"),
        (lambda xyz: xyz[:, :20], "wants hands of shape"),
        (lambda xyz: xyz / 1000, "give millimetres"),
        (lambda xyz: xyz * 10, "give millimetres"),
        (lambda xyz: xyz * torch.tensor([1, -1, -1.0]), "z forward"),
        (lambda xyz: xyz.index_fill(0, torch.tensor([1]), torch.nan), "1 of .* hands"),
        (lambda xyz: xyz[:, torch.randperm(21, generator=torch.Generator().manual_seed(2))], "canonical order"),
    ],
)
def test_what_is_no_submission_is_refused_before_anything_is_written(tmp_path, change, said):
    for write, count in ((write_freihand, COUNT), (lambda path, xyz: write_ho3d(path, xyz, version=3), COUNT + 3)):
        with pytest.raises(HandLibError, match=said):
            write(tmp_path / "pred.zip", change(hands(count)))
    assert list(tmp_path.iterdir()) == []


def test_another_kind_of_file_or_version_is_refused(tmp_path):
    with pytest.raises(HandLibError, match=r"'\.json'.*\.zip"):
        write_freihand(tmp_path / "pred.json", hands(COUNT))
    with pytest.raises(HandLibError, match="unknown version 4"):
        write_ho3d(tmp_path / "pred.zip", hands(COUNT), version=4)


def test_the_full_number_of_hands_is_the_data_sets_own(monkeypatch):
    monkeypatch.undo()
    assert freihand.SPLITS["evaluation"] == 3960
    assert (ho3d.FRAMES[2]["evaluation"], ho3d.FRAMES[3]["evaluation"]) == (11_524, 20_137)
