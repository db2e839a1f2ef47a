"""Evaluation pictures as they are: who knows the answer is put where the truth is, by every source of depth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hand_lib import official
from hand_lib.datasets.augmentation import crop
from hand_lib.datasets.real import HO3D, RHD, STB, DexterObject, FreiHAND, Reader, to_samples
from hand_lib.datasets.real.depth_files import read_root_depths
from hand_lib.datasets.real.hands import to_pictures
from hand_lib.datasets.real.imitations import write_dexter, write_freihand, write_ho3d, write_rhd, write_stb
from hand_lib.errors import HandLibError
from hand_lib.protocols import dexter_object_scores
from hand_lib.skeleton import ROOT, TIPS, WRIST

SIZE = 32


def readers(root: Path) -> dict[str, Reader]:
    """Of data sets that tell all joints: two hands a picture, left hands, the picture's middle, given boxes."""
    write_rhd(root / "rhd", "evaluation", 3)
    write_stb(root / "stb")
    write_freihand(root / "freihand", 4, versions=("gs",), split="evaluation")
    write_ho3d(root / "ho3d", "evaluation", 2, 3)
    truth = root / "ho3d" / "evaluation_xyz.json"
    return {
        "rhd": RHD(root=root / "rhd", split="evaluation"),
        "stb": STB(root=root / "stb", split="evaluation"),
        "freihand": FreiHAND(root=root / "freihand", split="evaluation", middle=180.0),
        "ho3d": HO3D(root=root / "ho3d", split="evaluation", version=2, truth=truth),
    }


@pytest.fixture(scope="module")
def every(tmp_path_factory) -> dict[str, Reader]:
    return readers(tmp_path_factory.mktemp("real"))


class Knowing:
    """Says of each crop the targets that its hand has, in the order in which a reader gives hands."""

    def __init__(self, reader: Reader) -> None:
        hands = to_samples([reader.hand(index) for index in range(len(reader))])
        self.crops, self.at = crop(hands, size=SIZE), 0

    def __call__(self, images: Tensor) -> Tensor:
        torch.testing.assert_close(images, self.crops.images[self.at : self.at + len(images)], atol=1e-5, rtol=0)
        self.at += len(images)
        return self.crops.targets[self.at - len(images) : self.at]


def looked(reader: Reader) -> official.Poses:
    return official.look(Knowing(reader), reader, image_size=SIZE, device="cpu", progress=False)


@pytest.mark.parametrize("name", ["rhd", "stb", "freihand", "ho3d"])
def test_who_knows_the_answer_is_put_where_the_truth_is(every, name, monkeypatch):
    monkeypatch.setattr(official, "BATCH", 2)
    reader = every[name]
    poses = looked(reader)
    truth = torch.stack([reader.annotation(index).xyz for index in range(len(reader))])
    torch.testing.assert_close(poses.told, truth)
    assert poses.whole and len(poses) == len(reader)
    scale = official.told_scale(poses)
    wrists = truth[:, WRIST, 2]
    for depth in (
        official.true_depth(poses, scale),
        official.told_depth(poses, scale, joint=WRIST),
        official.depth_of_joint(poses, scale, joint=WRIST, depths=wrists, source="a file"),
        official.depth_of_bone(poses, scale),
    ):
        placed = official.place(poses, depth=depth, scale=scale)
        bone = "bone" in depth.said  # which float32 pixels tell less exactly
        assert (placed.xyz - truth).abs().max() < (2.0 if bone else 0.02), depth.said
        assert depth.said in placed.said and scale.said in placed.said


def test_a_wrong_scale_is_seen_in_depth_and_not_in_the_picture(every):
    poses = looked(every["freihand"])
    scale = official.told_scale(poses)
    larger = official.Known(values=1.1 * scale.values, said="larger")
    depth = official.depth_of_bone(poses, larger)
    torch.testing.assert_close(depth.values, 1.1 * official.depth_of_bone(poses, scale).values)
    placed = official.place(poses, depth=depth, scale=larger).xyz
    torch.testing.assert_close(placed, 1.1 * official.place(poses, depth=depth_of(poses, scale), scale=scale).xyz)


def depth_of(poses: official.Poses, scale: official.Known) -> official.Known:
    return official.depth_of_bone(poses, scale)


def test_a_mean_scale_is_that_of_the_hands(every):
    readers = [every["freihand"], every["stb"]]
    bones = [reader.annotation(index).xyz[[9, 10]] for reader in readers for index in range(len(reader))]
    lengths = torch.stack([(b - a).norm() for a, b in bones])
    found = official.mean_scale(readers, 5)
    assert found.values.tolist() == pytest.approx([lengths.mean().item()] * 5, rel=1e-5)
    assert f"{lengths.mean():.1f} mm" in found.said


def test_a_bone_that_explains_nothing_gets_the_others_depth(every):
    poses = looked(every["freihand"])
    scale = official.told_scale(poses)
    before = official.depth_of_bone(poses, scale)
    poses.uv[1, 10] = poses.uv[1, 9]  # no length in the picture
    poses.z_rel[1, 10] = poses.z_rel[1, 9]
    after = official.depth_of_bone(poses, scale)
    others = torch.tensor([True, False, True, True])
    assert torch.equal(after.values[others], before.values[others])
    assert after.values[1] == before.values[others].median() and "of 1 hands" in after.said
    poses.uv[:, 10], poses.z_rel[:, 10] = poses.uv[:, 9], poses.z_rel[:, 9]
    with pytest.raises(HandLibError, match="no predicted bone"):
        official.depth_of_bone(poses, scale)


def test_what_is_not_told_is_said(tmp_path):
    write_freihand(tmp_path, 2, versions=("gs",), split="evaluation", joints=False)
    (tmp_path / "evaluation_scale.json").unlink()
    reader = FreiHAND(root=tmp_path, split="evaluation", middle=180.0)
    poses = official.look(
        lambda images: torch.zeros(len(images), 21, 3), reader, image_size=SIZE, device="cpu", progress=False
    )
    assert not poses.whole
    with pytest.raises(HandLibError, match="does not tell the hands' scale"):
        official.told_scale(poses)
    scale = official.same_scale(40.0, 2)
    with pytest.raises(HandLibError, match="no joint is known"):
        official.true_depth(poses, scale)
    with pytest.raises(HandLibError, match="of 2 of 2 hands the depth of the wrist"):
        official.told_depth(poses, scale, joint=WRIST)
    with pytest.raises(HandLibError, match="no length of a bone"):
        official.same_scale(0.04, 2)
    with pytest.raises(HandLibError, match="2 of 2 hands would lie behind"):
        behind = official.Known(values=torch.full((2,), -300.0), said="a mistake")
        official.place(poses, depth=behind, scale=scale)
    without = FreiHAND(root=tmp_path, split="evaluation")
    with pytest.raises(HandLibError, match="neither a box nor its joints"):
        to_pictures([without.hand(0)])


def test_fingertips_alone_are_looked_at_and_scored(tmp_path):
    """Of Dexter+Object a hand is a box round its tips; put at their depth, it is scored after the alignment."""
    truth = write_dexter(tmp_path, ("Grasp1", "Rotate"), 3)
    reader = DexterObject(root=tmp_path, sequences=("Grasp1", "Rotate"))
    hands = torch.stack([torch.tensor(one.xyz) for shots in truth.values() for one in shots]).float()

    def knowing(images: Tensor) -> Tensor:
        whole = to_samples([whole_hand(reader, index, hands) for index in range(len(reader))])
        return crop(whole, size=SIZE).targets

    poses = official.look(knowing, reader, image_size=SIZE, device="cpu", progress=False)
    bones = (hands[:, 10] - hands[:, 9]).norm(dim=-1)
    exact = official.Known(values=bones, said="known here")
    depth = official.true_depth(poses, exact)
    assert "known joints" in depth.said
    torch.testing.assert_close(depth.values, hands[:, ROOT, 2], atol=0.05, rtol=0)
    placed = official.place(poses, depth=depth, scale=exact).xyz
    tips = list(TIPS)
    assert (placed[:, tips] - hands[:, tips]).abs().max() < 0.1
    mean, area = dexter_object_scores(placed, poses.told)
    assert mean.value < 0.1 and area.value > 0.99
    # Another length moves the hand; after the alignment little of that is left.
    other = official.same_scale(bones.mean().item() * 1.2, len(hands))
    moved = official.place(poses, depth=official.true_depth(poses, other), scale=other).xyz
    assert dexter_object_scores(moved, poses.told)[0].value < 8


def whole_hand(reader: Reader, index: int, hands: Tensor):
    """The hand with all its joints, and the box that the reader gives."""
    from dataclasses import replace

    hand = reader.hand(index)
    return replace(hand, annotation=replace(hand.annotation, xyz=hands[index]))


# ---------------------------------------------------------------------------------------------------------- depth files


def test_both_kinds_of_file_are_read_in_the_evaluation_s_order(tmp_path):
    depths = [0.7, 0.55, 0.8125]
    plain, entries = tmp_path / "plain.json", tmp_path / "entries.json"
    plain.write_text(json.dumps(depths))
    said = [{"image_id": i, "bbox": [0, 0, 9, 9], "root_cam": [0.1, -0.1, z]} for i, z in enumerate(depths)]
    entries.write_text(json.dumps(said[::-1]))
    for path in (plain, entries):
        torch.testing.assert_close(read_root_depths(path, 3), 1000 * torch.tensor(depths))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([0.5, 0.5], "2 depths, but there are 3 hands"),
        ([500.0] * 3, "give metres"),
        ([0.5, "0.5", 0.5], r"\[1\]"),
        ([], "at least 1"),
        ({"a": 1}, "valid array"),
        ([{"image_id": 0, "root_cam": [0, 0, 0.5]}] * 3, "each number from 0 to 2 once"),
        ([{"image_id": i, "root_cam": [0, 0.5]} for i in range(3)], "root_cam"),
        ([{"image_id": i} for i in range(3)], "root_cam"),
        ([{"image_id": 10**4000, "root_cam": [0, 0, 0.5]}], "less than 1000000000"),
    ],
)
def test_what_is_no_file_of_depths_is_one_line(tmp_path, content, said):
    path = tmp_path / "depths.json"
    path.write_text(json.dumps(content))
    with pytest.raises(HandLibError, match=said) as error:
        read_root_depths(path, 3)
    assert str(path) in str(error.value) and len(str(error.value)) < 400


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(HandLibError, match="no such file"):
        read_root_depths(tmp_path / "none.json", 3)
    (tmp_path / "cut.json").write_bytes(b'[{"image_id": 0, "root')
    with pytest.raises(HandLibError, match=r"cut\.json"):
        read_root_depths(tmp_path / "cut.json", 3)
