"""``data check`` and ``data show``: whole data sets pass; of others each missing or broken file is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from hand_lib.__main__ import main
from hand_lib.datasets.real import inspection
from hand_lib.datasets.real.imitations import RHD_LIST, write_dexter, write_freihand, write_ho3d, write_rhd, write_stb
from hand_lib.datasets.real.inspection import inspect
from hand_lib.datasets.real.published import PUBLISHED, get_published
from hand_lib.errors import HandLibError
from hand_lib.figures.real_hands import cut_out

COUNT = 3


def rhd(root: Path) -> dict[str, int]:
    write_rhd(root, "training", COUNT), write_rhd(root, "evaluation", 2)
    return {"training": COUNT, "evaluation": 2}


def stb(root: Path) -> dict[str, int]:
    from hand_lib.datasets.real.imitations import STB_SEQUENCES

    write_stb(root, tuple(STB_SEQUENCES), 2)
    return {"training": 20, "evaluation": 4}


def freihand(root: Path) -> dict[str, int]:
    write_freihand(root, COUNT), write_freihand(root, 2, versions=("gs",), split="evaluation")
    return {"training": 4 * COUNT, "evaluation": 2}


def ho3d(version: int):
    def write(root: Path) -> dict[str, int]:
        write_ho3d(root, "training", version, COUNT), write_ho3d(root, "evaluation", version, 2)
        return {"training": COUNT, "evaluation": 2}

    return write


def dexter(root: Path) -> dict[str, int]:
    from hand_lib.datasets.real.dexter_object import SEQUENCES

    write_dexter(root, SEQUENCES, 1)
    return {"evaluation": 6}


WRITERS = {
    "rhd": rhd,
    "stb": stb,
    "freihand": freihand,
    "ho3d-v2": ho3d(2),
    "ho3d-v3": ho3d(3),
    "dexter-object": dexter,
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Writes a data set that is whole in all but its size, and lets its published size be that."""

    def write(name: str) -> Path:
        root = tmp_path / name
        root.mkdir()
        monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], hands=WRITERS[name](root)))
        return root

    return write


def check(capsys, name: str, root: Path, *more: str) -> tuple[int, list[str]]:
    code = main(["data", "check", "--dataset", name, "--root", str(root), *more])
    return code, capsys.readouterr().out.splitlines()


def test_the_published_sizes_are_what_the_authors_say():
    """RHD and FreiHAND in their papers, of STB one picture of each pair, HO-3D's lists."""
    sizes = {name: dict(published.hands) for name, published in PUBLISHED.items()}
    assert sizes["rhd"] == {"training": 41_258, "evaluation": 2_728}
    assert sizes["stb"] == {"training": 15_000, "evaluation": 3_000}
    assert sizes["freihand"] == {"training": 130_240, "evaluation": 3_960}
    assert sizes["ho3d-v2"] == {"training": 66_034, "evaluation": 11_524}
    assert sizes["ho3d-v3"] == {"training": None, "evaluation": 20_137}, "the authors say two things of the training"
    assert sizes["dexter-object"] == {"evaluation": None}
    assert all(
        published.name == name and published.terms.startswith("https://") for name, published in PUBLISHED.items()
    )


def test_of_a_stereo_pair_one_picture_is_a_hand(small):
    """Both papers count 18,000 pictures of STB; the groups paper says that it leaves the other of each pair out."""
    reader = PUBLISHED["stb"].reader(small("stb"), "evaluation")
    frames = [(sequence, frame) for sequence, _, frame in reader.items]
    assert len(reader) == 4 and len(set(frames)) == 4 and {view for _, view, _ in reader.items} == {"BB left"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_whole_set_passes_and_is_drawn(name, small, capsys, tmp_path, monkeypatch):
    root = small(name)
    code, lines = check(capsys, name, root)
    assert code == 0 and len(lines) == len(PUBLISHED[name].hands)
    for line, (split, count) in zip(lines, PUBLISHED[name].hands.items(), strict=True):
        assert line == f"{name}, {split}: {count} of {count} hands are sound"
    monkeypatch.chdir(tmp_path)
    assert main(["data", "show", "--dataset", name, "--root", str(root), "--count", "2", "--split", "evaluation"]) == 0
    with Image.open(tmp_path / f"{name}-evaluation.png") as picture:
        assert picture.width > 500


def test_each_file_that_is_missing_or_broken_is_named_once(small, capsys):
    root = small("freihand")
    gone, cut, mask = (
        root / "training" / part for part in ("rgb/00000001.jpg", "rgb/00032561.jpg", "mask/00000002.jpg")
    )
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:100])
    mask.write_bytes(b"no picture")  # all four versions of this hand need it
    code, lines = check(capsys, "freihand", root, "--split", "training")
    assert code == 1 and lines[0] == "freihand, training: 6 of 12 hands are sound"
    for path in (gone, cut, mask):
        (line,) = [line for line in lines if str(path) in line]
        assert line.startswith("  cannot ")
    assert len(lines) == 5 and PUBLISHED["freihand"].terms in lines[-1]


def test_many_broken_files_are_counted(small, capsys, monkeypatch):
    monkeypatch.setattr(inspection, "MOST_NAMED", 2)
    root = small("stb")
    for path in root.glob("images/B1*/*.png"):
        path.unlink()
    code, lines = check(capsys, "stb", root, "--split", "evaluation")
    assert code == 1 and lines[0].endswith("0 of 4 hands are sound") and lines[3] == "  and 2 more"


def test_fewer_annotations_than_published_and_none_at_all(small, capsys, monkeypatch):
    root = small("rhd")
    monkeypatch.setitem(PUBLISHED, "rhd", replace(PUBLISHED["rhd"], hands={"training": 9, "evaluation": 2}))
    code, lines = check(capsys, "rhd", root)
    assert code == 1 and lines[0].endswith("3 of 9 hands are sound") and "tell of 3 hands" in lines[1]
    (pickle,) = root.glob("training/*.pickle")
    pickle.unlink()
    code, lines = check(capsys, "rhd", root)
    assert code == 1 and lines[0].endswith("0 of 9 hands are sound") and str(pickle) in lines[1]
    assert lines[2] == "rhd, evaluation: 2 of 2 hands are sound"


def test_joints_in_another_order_are_doubted(tmp_path, capsys, monkeypatch):
    write_freihand(tmp_path, 8, order=RHD_LIST)
    monkeypatch.setitem(PUBLISHED, "freihand", replace(PUBLISHED["freihand"], hands={"training": 32}))
    code, lines = check(capsys, "freihand", tmp_path)
    assert code == 1 and lines[0].endswith("32 of 32 hands are sound") and "order" in lines[1]


def test_memory_holds_a_few_hands(monkeypatch, tmp_path):
    """Of a set of 500 hands no more are alive at a time than are looked at."""
    import weakref

    from hand_lib.datasets.real import Annotation, Hand

    alive: weakref.WeakSet = weakref.WeakSet()
    most = 0

    class Many:
        def __len__(self) -> int:
            return 500

        def hand(self, index: int) -> Hand:
            nonlocal most
            image = torch.zeros(3, 8, 8, dtype=torch.uint8)
            alive.add(image)
            most = max(most, len(alive))
            return Hand(
                annotation=Annotation(xyz=torch.full((21, 3), torch.nan), K=torch.eye(3), right=True), image=image
            )

    many = replace(get_published("rhd"), hands={"training": 500}, read=lambda root, split: Many())
    monkeypatch.setattr(inspection, "complaints", lambda hands: [])
    assert inspect(many, tmp_path, "training", progress=False).whole
    assert most <= inspection.LOOKED_AT + 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["check", "--dataset", "mnist"], ["'mnist'", "rhd", "ho3d-v3"]),
        (["check", "--dataset", "rhd", "--split", "test"], ["'test'", "training", "evaluation"]),
        (["check", "--dataset", "dexter-object", "--split", "training"], ["'training'", "evaluation"]),
        (["show", "--dataset", "rhd", "--count", "0"], ["--count 0"]),
        (["show", "--dataset", "rhd", "-o", "x.png"], ["x.png", "--split training or evaluation"]),
        (["show", "--dataset", "rhd", "-o", "x.gif", "--split", "training"], ["'.gif'", ".png"]),
        (["paint"], ["paint", "check", "show"]),
        ([], ["ACTION"]),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, arguments, named):
    root = ["--root", str(tmp_path)] if "--dataset" in arguments else []
    assert main(["data", *arguments, *root]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and all(name in said for name in named), said


def test_a_folder_that_is_not_there_is_said_with_where_it_comes_from(capsys):
    assert main(["data", "check", "--dataset", "rhd", "--root", "no/such"]) == 2
    said = capsys.readouterr().err
    assert "no/such" in said and PUBLISHED["rhd"].terms in said and "RHD_published_v2" in said


def test_a_cut_out_shows_the_joints_where_the_picture_has_them(small):
    """A joint's pixel in the picture and in the cut-out are the same colour where the picture is smooth there."""
    reader = PUBLISHED["rhd"].reader(small("rhd"), "training")
    hand = reader.hand(0)
    ramp = torch.stack(torch.meshgrid(torch.arange(320), torch.arange(320), indexing="ij")) * 255 // 320
    smooth = replace(hand, image=torch.cat([ramp, ramp[:1]]).to(torch.uint8))
    picture, uv, _ = cut_out(smooth)
    u, v = uv.round().long().unbind(-1)
    there = picture[:2, v, u] * 255 * 320 / 255  # row and column in the picture
    true = torch.stack([hand.annotation.uv[:, 1], hand.annotation.uv[:, 0]])
    assert (there - true).abs().max() < 4


def test_a_hand_of_which_no_joint_is_known_cannot_be_drawn():
    from hand_lib.datasets.real import Annotation, Hand

    annotation = Annotation(xyz=torch.full((21, 3), torch.nan), K=torch.eye(3), right=True)
    with pytest.raises(HandLibError, match="no joint"):
        cut_out(Hand(annotation=annotation, image=torch.zeros(3, 8, 8, dtype=torch.uint8)))
