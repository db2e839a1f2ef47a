"""Readers of the public data sets: what stood there before the writers put it on disk comes back, joint by joint."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from old_pickles import numpy1, python2
from PIL import Image

from hand_lib.camera import project
from hand_lib.datasets.real import HO3D, RHD, STB, DexterObject, FreiHAND, check_sample, to_samples
from hand_lib.datasets.real.hands import Annotation, Hand, no_joints
from hand_lib.datasets.real.imitations import (
    HO3D_LIST,
    RHD_LIST,
    STB_LIST,
    STB_SEQUENCES,
    write_dexter,
    write_freihand,
    write_ho3d,
    write_rhd,
    write_stb,
)
from hand_lib.datasets.real.shots import Shot
from hand_lib.datasets.real.stb import MIDDLE_2_2
from hand_lib.errors import HandLibError
from hand_lib.skeleton import HO3D_ORDER, RHD_ORDER, STB_ORDER, TIPS, WRIST

MICROMETRE = 1e-3


def is_what_was_shot(hand: Hand, truth: Shot, *, jpeg: bool = False) -> None:
    """Joints in millimetres, one by one; side, intrinsics, picture, and where the joints fall in it."""
    said = hand.annotation
    apart = np.linalg.norm(said.xyz.double().numpy() - truth.xyz, axis=-1)
    assert apart.max() < MICROMETRE, apart
    assert said.right is truth.right
    np.testing.assert_allclose(said.K.numpy(), truth.K, atol=1e-4)
    np.testing.assert_allclose(project(said.xyz, said.K).numpy(), truth.uv, atol=1e-3)
    picture = hand.image.permute(1, 2, 0).numpy().astype(int)
    assert hand.image.dtype == torch.uint8 and picture.shape == truth.image.shape
    different = np.abs(picture - truth.image)
    assert different.mean() < 4 if jpeg else not different.any()


# ---------------------------------------------------------------------------------------------------------------- RHD


@pytest.fixture(scope="module")
def rhd(tmp_path_factory):
    root = tmp_path_factory.mktemp("RHD_published_v2")
    return root, write_rhd(root, count=3)


def test_rhd_gives_both_hands(rhd):
    root, truth = rhd
    reader = RHD(root=root, split="training", hands="both")
    assert [reader.name(i).split()[2:] for i in range(len(reader))] == [
        [f"{frame:05d}", side] for frame in range(3) for side in ("left", "right")
    ]
    for index in range(len(reader)):
        side, shot = ("left", "right")[index % 2], truth[index // 2][("left", "right")[index % 2]]
        hand = reader.hand(index)
        assert hand.annotation.right is (side == "right")
        np.testing.assert_allclose(hand.annotation.xyz.numpy(), shot.xyz, atol=MICROMETRE)
        np.testing.assert_allclose(hand.annotation.uv.numpy(), shot.uv, atol=1e-3)
        # The mask names this hand's parts as they are; another hand's are a person's.
        assert np.array_equal(hand.silhouette.numpy(), shot.own)
        assert np.array_equal(hand.mask.numpy()[shot.own], shot.mask[shot.own])
        assert set(hand.mask.numpy()[~shot.own].tolist()) <= {0, 1}
        u, v = np.rint(shot.uv[9]).astype(int)
        assert hand.annotation.visible[9].item() is bool(shot.own[v, u])
        assert reader.group(index) == reader.group(index - index % 2)


def test_rhd_takes_the_hand_with_more_pixels_as_the_papers_do(rhd):
    root, truth = rhd
    reader = RHD(root=root, split="training")
    assert len(reader) == 3
    sides = set()
    for index, hands in enumerate(truth):
        larger = "left" if hands["left"].own.sum() > hands["right"].own.sum() else "right"
        sides.add(larger)
        hand, said = reader.hand(index), reader.annotation(index)
        assert hand.annotation.right is (larger == "right") is said.right
        np.testing.assert_allclose(said.xyz.numpy(), hands[larger].xyz, atol=MICROMETRE)
    assert sides == {"left", "right"}


def test_rhd_counts_an_equal_number_of_pixels_as_right(tmp_path):
    write_rhd(tmp_path, count=1)
    mask = np.zeros((320, 320), np.uint8)
    mask[:10, :10], mask[20:30, 20:30] = 17, 18
    Image.fromarray(mask).save(tmp_path / "training/mask/00000.png")
    assert RHD(root=tmp_path, split="training").annotation(0).right
    mask[10, 10] = 2
    Image.fromarray(mask).save(tmp_path / "training/mask/00000.png")
    assert not RHD(root=tmp_path, split="training").annotation(0).right


@pytest.mark.parametrize("dump", [numpy1, python2, functools.partial(pickle.dumps, protocol=4)])
def test_rhd_in_pickles_of_any_age(dump, tmp_path):
    truth = write_rhd(tmp_path, "evaluation", count=1, dump=dump)
    reader = RHD(root=tmp_path, split="evaluation", hands="both")
    np.testing.assert_allclose(reader.annotation(1).xyz.numpy(), truth[0]["right"].xyz, atol=MICROMETRE)


def test_rhd_leaves_out_a_hand_that_is_not_seen(tmp_path):
    write_rhd(tmp_path, count=2)
    path = tmp_path / "training/anno_training.pickle"
    frames = pickle.loads(path.read_bytes())
    frames[1]["uv_vis"][:21, 2] = 0
    path.write_bytes(pickle.dumps(frames))
    reader = RHD(root=tmp_path, split="training", hands="both")
    assert reader.items == ((0, "left"), (0, "right"), (1, "right"))


# ---------------------------------------------------------------------------------------------------------------- STB


@pytest.mark.parametrize("images", ["images", ""])
def test_stb_in_the_frame_of_each_camera(images, tmp_path):
    truth = write_stb(tmp_path, images=images)
    views = ("BB left", "BB right", "SK color")
    reader = STB(root=tmp_path, split="evaluation", views=views)
    assert len(reader) == 2 * 3 * 2
    for index, (sequence, view, frame) in enumerate(reader.items):
        is_what_was_shot(reader.hand(index), truth[sequence, view][frame])
        assert reader.group(index) == sequence


def test_stb_trains_on_five_backgrounds_and_is_evaluated_on_the_first(tmp_path):
    write_stb(tmp_path, tuple(STB_SEQUENCES), count=1)
    training, evaluation = (STB(root=tmp_path, split=split) for split in ("training", "evaluation"))
    assert {item[0] for item in evaluation.items} == {"B1Counting", "B1Random"}
    assert {item[0] for item in training.items} == set(STB_SEQUENCES) - {"B1Counting", "B1Random"}
    assert len(evaluation) == 4 and len(training) == 20


def test_stb_leaves_the_palm_or_goes_on_to_the_wrist(tmp_path):
    truth = write_stb(tmp_path)["B1Counting", "BB left"][0].xyz
    palm = (truth[0] + truth[13]) / 2
    stays = STB(root=tmp_path, split="evaluation", wrist=None).annotation(0).xyz.numpy()
    np.testing.assert_allclose(stays[WRIST], palm, atol=MICROMETRE)
    np.testing.assert_allclose(stays[1:], truth[1:], atol=MICROMETRE)
    goes = STB(root=tmp_path, split="evaluation", wrist=MIDDLE_2_2).annotation(0).xyz.numpy()
    np.testing.assert_allclose(goes[WRIST], truth[9] + 2.2 * (palm - truth[9]), atol=MICROMETRE)


# ----------------------------------------------------------------------------------------------------------- FreiHAND


@pytest.fixture(scope="module")
def freihand(tmp_path_factory):
    root = tmp_path_factory.mktemp("FreiHAND_pub_v2")
    return root, write_freihand(root), write_freihand(root, split="evaluation", versions=("gs",), joints=False)


def test_freihand_gives_the_hands_and_their_silhouettes(freihand):
    root, truth, _ = freihand
    reader = FreiHAND(root=root, split="training")
    assert len(reader) == 3
    for index, shot in enumerate(truth):
        hand = reader.hand(index)
        is_what_was_shot(hand, shot, jpeg=True)
        assert (hand.silhouette.numpy() != shot.own).mean() < 2e-3 and hand.mask is None
        np.testing.assert_allclose(hand.annotation.scale, np.linalg.norm(shot.xyz[9] - shot.xyz[10]), atol=1e-3)


def test_freihand_has_four_versions_of_a_hand_and_one_group(freihand):
    root, truth, _ = freihand
    reader = FreiHAND(root=root, split="training", versions=("gs", "auto", "hom"))
    assert [item[1] for item in reader.items] == ["gs"] * 3 + ["auto"] * 3 + ["hom"] * 3
    brightness = [reader.hand(index).image.float().mean() for index in (1, 4, 7)]
    np.testing.assert_allclose([b / brightness[0] for b in brightness], [1, 1 / 4, 1 / 2], atol=0.05)
    for index in range(9):
        assert reader.group(index) == reader.group(index % 3)
        np.testing.assert_allclose(reader.annotation(index).xyz.numpy(), truth[index % 3].xyz, atol=MICROMETRE)
    assert len({reader.group(index) for index in range(9)}) == 3


def test_freihand_evaluation_has_lengths_at_first_and_joints_later(freihand, tmp_path):
    root, _, truth = freihand
    said = FreiHAND(root=root, split="evaluation").hand(1)
    assert not said.annotation.known.any() and said.silhouette is None
    np.testing.assert_allclose(said.annotation.scale, np.linalg.norm(truth[1].xyz[9] - truth[1].xyz[10]), atol=1e-3)
    with pytest.raises(HandLibError, match="21 of 21 joints of a hand are not known"):
        to_samples([said])
    later = write_freihand(tmp_path, split="evaluation", versions=("gs",))
    is_what_was_shot(FreiHAND(root=tmp_path, split="evaluation").hand(2), later[2], jpeg=True)


# -------------------------------------------------------------------------------------------------------------- HO-3D


@pytest.mark.parametrize("dump", [python2, pickle.dumps])
@pytest.mark.parametrize("version", [2, 3])
def test_ho3d_gives_the_listed_hands(version, dump, tmp_path):
    truth = write_ho3d(tmp_path, version=version, dump=dump)
    reader = HO3D(root=tmp_path, split="training", version=version)
    assert reader.items == (("ABF10", "0004"), ("ABF11", "0002"), ("ABF10", "0000"))
    for index, shot in enumerate(truth):
        is_what_was_shot(reader.hand(index), shot, jpeg=version == 3)
    assert {reader.group(index) for index in range(3)} == {"ABF1"}  # two cameras of one recording


def test_ho3d_evaluation_has_a_wrist_and_a_box_or_all_joints(tmp_path):
    truth = write_ho3d(tmp_path, "evaluation")
    reader = HO3D(root=tmp_path, split="evaluation", version=2)
    for index, shot in enumerate(truth):
        hand = reader.hand(index)
        assert hand.annotation.known.tolist() == [True] + [False] * 20
        np.testing.assert_allclose(hand.annotation.xyz[WRIST].numpy(), shot.xyz[0], atol=MICROMETRE)
        v, u = shot.own.nonzero()
        assert hand.annotation.box.tolist() == [u.min(), v.min(), u.max(), v.max()]
    whole = HO3D(root=tmp_path, split="evaluation", version=2, truth=tmp_path / "evaluation_xyz.json")
    for index, shot in enumerate(truth):
        is_what_was_shot(whole.hand(index), shot)


# ------------------------------------------------------------------------------------------------------ Dexter+Object


def test_dexter_object_gives_the_tips_in_the_colour_camera(tmp_path):
    truth = write_dexter(tmp_path)
    reader = DexterObject(root=tmp_path, sequences=("Grasp1", "Rotate"))
    assert reader.items == (("Grasp1", 1), ("Grasp1", 2), ("Rotate", 1), ("Rotate", 2))
    for index, (sequence, frame) in enumerate(reader.items):
        hand, shot = reader.hand(index), truth[sequence][frame - 1]
        tips = [tip for tip in TIPS if not (tip == 16 and frame == 1)]
        assert hand.annotation.known.nonzero().flatten().tolist() == tips
        np.testing.assert_allclose(hand.annotation.xyz[tips].numpy(), shot.xyz[tips], atol=MICROMETRE)
        uv = project(hand.annotation.xyz[tips], hand.annotation.K).numpy()
        np.testing.assert_allclose(uv, shot.uv[tips], atol=1e-2)
        assert np.array_equal(hand.image.permute(1, 2, 0).numpy(), shot.image)
        assert not hand.annotation.right
    assert DexterObject(root=tmp_path, sequences=("Grasp1",), right=True).annotation(0).right


def test_dexter_object_leaves_out_frames_of_which_nothing_is_seen(tmp_path):
    write_dexter(tmp_path, ("Pinch",), count=3)
    path = tmp_path / "data/Pinch/annotations/Pinch3D.txt"
    lines = path.read_text().splitlines()
    lines[1] = "; ".join(["0, 0, 32001"] * 5)
    path.with_name("my_Pinch3D.txt").write_text("\r\n".join(lines))
    reader = DexterObject(root=tmp_path, sequences=("Pinch",), prefix="my_")
    assert reader.items == (("Pinch", 1), ("Pinch", 3))


# ------------------------------------------------------------------------------------------------------------ samples


def test_samples_are_what_the_synthetic_hands_are(rhd, freihand):
    root, truth = rhd
    reader = RHD(root=root, split="training", hands="both")
    samples = to_samples([reader.hand(index) for index in range(4)])
    shots = [truth[index // 2][("left", "right")[index % 2]] for index in range(4)]
    assert samples.images.shape == (4, 3, 320, 320) and samples.mask.shape == (4, 320, 320)
    assert samples.right.tolist() == [False, True, False, True]
    for index, shot in enumerate(shots):
        v, u = shot.own.nonzero()
        box = [u.min() - 0.5, v.min() - 0.5, u.max() + 0.5, v.max() + 0.5]
        assert samples.box[index].tolist() == box
        np.testing.assert_allclose(samples.uv[index].numpy(), shot.uv, atol=1e-3)
    root, truth, _ = freihand
    one = to_samples([FreiHAND(root=root, split="training").hand(0)])
    assert one.mask is None and one.visible.all()  # in the picture, which is all that is known
    for field in ("uv", "xyz", "K", "box"):
        assert getattr(one, field).dtype == torch.float32


def test_a_joint_outside_the_picture_is_not_visible_and_boxes_of_joints_hold_them():
    K = torch.tensor([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    xyz = torch.zeros(21, 3) + torch.tensor([0.0, 0, 500])
    xyz[3] = torch.tensor([260.0, 0, 500])  # u = 102
    hand = Hand(annotation=Annotation(xyz=xyz, K=K, right=True), image=torch.zeros(3, 100, 100, dtype=torch.uint8))
    samples = to_samples([hand])
    assert samples.visible[0].nonzero().flatten().tolist() == [i for i in range(21) if i != 3]
    assert samples.box[0].tolist() == [49.5, 49.5, 102.5, 50.5]


def test_what_makes_no_batch_is_said():
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    whole = Annotation(xyz=torch.ones(21, 3), K=torch.eye(3), right=True)
    with pytest.raises(HandLibError, match="no hands"):
        to_samples([])
    with pytest.raises(HandLibError, match="several sizes"):
        to_samples([Hand(annotation=whole, image=image), Hand(annotation=whole, image=image[:, :3])])
    with pytest.raises(HandLibError, match="not known"):
        to_samples([Hand(annotation=Annotation(xyz=no_joints(), K=torch.eye(3), right=True), image=image)])


# ----------------------------------------------------------------------------------------------------------- choices


@pytest.mark.parametrize(
    ("make", "choices"),
    [
        (lambda root: RHD(root=root, split="train"), "evaluation, training"),
        (lambda root: RHD(root=root, split="training", hands="all"), "both, larger"),
        (lambda root: STB(root=root, split="test"), "evaluation, training"),
        (lambda root: STB(root=root, split="training", views=("SK",)), "BB left, BB right, SK color"),
        (lambda root: FreiHAND(root=root, split="eval"), "evaluation, training"),
        (lambda root: FreiHAND(root=root, split="training", versions=("green",)), "auto, gs, hom, sample"),
        (lambda root: FreiHAND(root=root, split="evaluation", versions=("hom",)), "the version gs alone"),
        (lambda root: HO3D(root=root, split="train", version=2), "evaluation, training"),
        (lambda root: HO3D(root=root, split="training", version=1), "2, 3"),
        (lambda root: HO3D(root=root, split="training", version=2, truth=root), "give no truth"),
        (lambda root: DexterObject(root=root, sequences=("Grasp",)), "Grasp1, Grasp2"),
    ],
)
def test_unknown_choices_name_those_that_there_are(make, choices, tmp_path):
    with pytest.raises(HandLibError, match=choices):
        make(tmp_path)


@pytest.mark.parametrize(
    ("reader", "missing"),
    [
        (lambda root: RHD(root=root, split="training"), "training/anno_training.pickle"),
        (lambda root: STB(root=root, split="evaluation"), "labels/B1Counting_BB.mat"),
        (lambda root: FreiHAND(root=root, split="training"), "training_K.json"),
        (lambda root: HO3D(root=root, split="training", version=3), "train.txt"),
        (lambda root: DexterObject(root=root), "data/Grasp1/annotations/Grasp13D.txt"),
    ],
)
def test_an_empty_folder_is_told_by_the_first_file_that_it_lacks(reader, missing, tmp_path):
    for read in (len, lambda it: it.annotation(0), check_sample):
        with pytest.raises(HandLibError, match="no such file") as caught:
            read(reader(tmp_path))
        assert str(Path(tmp_path, missing)) in str(caught.value)


def test_readers_need_nothing_of_the_training_side():
    program = (
        "import sys, hand_lib.datasets.real; print(*(name for name in sys.modules if name.startswith('hand_lib.')))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    sides = {name.split(".")[1] for name in ran.stdout.split()}
    assert sides <= {"cache", "camera", "datasets", "errors", "samples", "skeleton", "strict", "synthetic"}, sides


def test_the_orders_are_what_the_authors_list():
    """The package's permutations against the lists of the fixtures, which follow the authors' readmes."""
    for order, listed in ((RHD_ORDER, RHD_LIST), (STB_ORDER, STB_LIST), (HO3D_ORDER, HO3D_LIST)):
        assert [listed[place] for place in order] == list(range(21))
