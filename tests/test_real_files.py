"""Files of real data sets that are not what they should be: pictures, labels, lists, JSON; each is one line."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.io import loadmat, savemat

from hand_lib.datasets.real import HO3D, RHD, STB, DexterObject, FreiHAND
from hand_lib.datasets.real.fields import read_numbers
from hand_lib.datasets.real.imitations import write_dexter, write_freihand, write_ho3d, write_rhd, write_stb
from hand_lib.datasets.real.matlab_arrays import variables
from hand_lib.datasets.real.pictures import read_mask, read_picture
from hand_lib.datasets.real.stb import read_labels
from hand_lib.errors import HandLibError, printable


def refusal(read, *words: object) -> str:
    with pytest.raises(HandLibError) as caught:
        read(*words)
    said = str(caught.value)
    assert str(words[0]) in said and printable(said) == said
    return said


# ----------------------------------------------------------------------------------------------------------- pictures


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


NOISE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
PICTURE = Image.fromarray(NOISE)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG file of 8 bits and three channels that says this size, whatever it holds."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_picture_is_read_as_it_is(kind, tmp_path):
    (tmp_path / "a").write_bytes(encoded(PICTURE, kind))
    found = read_picture(tmp_path / "a", (6, 8))
    assert found.dtype == torch.uint8 and np.array_equal(found.permute(1, 2, 0).numpy(), NOISE)


def test_a_mask_is_its_numbers(tmp_path):
    classes = NOISE[..., 0] % 34
    grey, palette = Image.fromarray(classes), Image.fromarray(classes)
    palette.putpalette(list(range(255, -1, -1)) * 3)
    for picture in (grey, palette, Image.fromarray(np.stack([classes] * 3, -1))):
        (tmp_path / "mask").write_bytes(encoded(picture))
        assert np.array_equal(read_mask(tmp_path / "mask", (6, 8)).numpy(), classes)


BOMB = png(8, 6, chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(80 * 2**20))), chunk(b"IDAT", b""))


@pytest.mark.parametrize(
    ("content", "said"),
    {
        "nothing": (b"", "no picture"),
        "text": (b"<html>not found</html>", "no picture"),
        "cut short": (encoded(PICTURE)[:-40], "cut short"),
        "half a JPEG": (encoded(PICTURE.resize((8, 6)), "JPEG")[:400], "cut short"),
        "other pixels": (encoded(PICTURE.resize((6, 8))), "it is 6 × 8 pixels, not 8 × 6"),
        "grey": (encoded(PICTURE.convert("L")), "its pixels are L, not RGB"),
        "with transparency": (encoded(PICTURE.convert("RGBA")), "its pixels are RGBA, not RGB"),
        "of a printer": (encoded(PICTURE.convert("CMYK"), "JPEG"), "its pixels are CMYK, not RGB"),
        "sixteen bits": (encoded(Image.fromarray(np.zeros((6, 8), np.uint16))), "its pixels are I;16, not RGB"),
        "a GIF": (encoded(PICTURE, "GIF"), "no picture"),
        "a bomb of pixels": (png(60_000, 60_000, chunk(b"IDAT", zlib.compress(bytes(2**20)))), "60000"),
        "a larger one": (png(12_000, 12_000, chunk(b"IDAT", zlib.compress(bytes(2**20)))), "it is 12000 × 12000"),
        "a bomb of text": (BOMB, "no picture"),
        "without pixels": (png(8, 6), "cut short"),
    }.values(),
    ids=lambda value: None,
)
def test_what_is_not_the_picture_is_one_line(content, said, tmp_path, recwarn):
    (tmp_path / "picture.png").write_bytes(content)
    found = refusal(read_picture, tmp_path / "picture.png", (6, 8))
    assert said in found or (said == "60000" and "bomb" in found), found
    assert not recwarn.list


def test_a_very_large_file_is_not_read(tmp_path):
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(2**40)  # a file of nothing, that takes no room
    assert "too large" in refusal(read_picture, tmp_path / "large.png", (6, 8))


# ------------------------------------------------------------------------------------------------------------- labels


def labels(path: Path, content: object, name: str = "handPara", **options) -> Path:
    savemat(path, {name: content}, **options)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_labels_are_read_frame_by_frame(packed, tmp_path):
    joints = np.random.default_rng(0).normal(size=(3, 21, 4)) * 100
    found = read_labels(labels(tmp_path / "a.mat", joints, do_compression=packed))
    assert found.shape == (4, 21, 3) and found[2, 5, 1] == joints[1, 5, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.zeros((21, 3, 5)), "double of 21 × 3 × 5, not double of 3 × 21"),
        (np.zeros((3, 21)), "double of 3 × 21, not"),
        (np.zeros((3, 21, 1501)), "3 × 21 × 1501"),
        (np.zeros((3, 21, 2), np.int32), "int32"),
        (np.full((3, 21, 2), np.nan), "frame 0: joints: has a number that is not finite"),
        (np.full((3, 21, 2), 2e5), "beyond"),
        (np.zeros((3, 21, 2), np.complex128), "complex double"),
        ("text", "char"),
        ({"a": 1}, "struct"),
    ],
)
def test_other_labels_are_one_line(content, said, tmp_path):
    assert said in refusal(read_labels, labels(tmp_path / "a.mat", content))


def test_labels_that_are_no_matlab_file_or_lack_the_joints(tmp_path):
    path = tmp_path / "a.mat"
    assert "no handPara" in refusal(read_labels, labels(path, np.zeros((3, 21, 2)), "hand"))
    whole = labels(path, np.ones((3, 21, 2)), do_compression=True).read_bytes()
    for content in (b"", b"text", whole[:100], whole[:-30], b"\x89HDF\r\n\x1a\n" + bytes(600), whole[:140] + bytes(99)):
        path.write_bytes(content)
        assert "no MATLAB file" in refusal(read_labels, path) or "no handPara" in refusal(read_labels, path)


def test_labels_that_say_more_than_they_have(tmp_path):
    """The count of bytes before the numbers says three thousand million."""
    path = labels(tmp_path / "a.mat", np.ones((3, 21, 2)))
    content = path.read_bytes()
    count = struct.pack("<II", 9, 3 * 21 * 2 * 8)
    assert content.count(count) == 1
    path.write_bytes(content.replace(count, struct.pack("<II", 9, 3_000_000_000)))
    refusal(read_labels, path)


def _spoilt(content: bytes, of: random.Random) -> bytes:
    """One to three bytes flipped, replaced, left out or put in, most of them where the format's codes stand."""
    spoilt = bytearray(content)
    for _ in range(of.choice([1, 1, 2, 3])):
        place = of.randrange(min(len(spoilt), of.choice([300, 300, 10**6])))
        match of.randrange(4):
            case 0:
                spoilt[place] ^= 1 << of.randrange(8)
            case 1:
                spoilt[place] = of.randrange(256)
            case 2:
                del spoilt[place : place + of.choice([1, 4, 8])]
            case 3:
                spoilt[place:place] = of.randbytes(of.choice([1, 4, 8]))
    return bytes(spoilt)


def test_labels_with_a_byte_wrong_are_one_line_or_of_the_right_shape(tmp_path):
    """A reader that believes the codes in such a file ends the whole process: scipy's did, after some thousands."""
    of = random.Random(0)
    joints = np.random.default_rng(0).normal(size=(3, 21, 2)) * 100
    whole = [labels(tmp_path / "a.mat", joints, do_compression=packed).read_bytes() for packed in (False, True)]
    path, refused = tmp_path / "b.mat", 0
    for _ in range(4000):
        path.write_bytes(_spoilt(of.choice(whole), of))
        try:
            assert read_labels(path).shape[1:] == (21, 3)
        except HandLibError as error:
            assert str(path) in str(error) and len(str(error)) < 300
            refused += 1
    assert 1000 < refused < 4000  # some bytes are of no account


@given(
    st.integers(1, 3), st.sampled_from(["f8", "f4"]), st.booleans(), st.sampled_from([None, 1.0, 1e4]), st.booleans()
)
def test_labels_are_what_scipy_reads(frames, dtype, packed, rounded, more):
    """Whole numbers too, which MATLAB stores as small integers; other variables before the one that is asked for."""
    joints = (np.random.default_rng(frames).normal(size=(3, 21, frames)) * 100).astype(dtype)
    joints = joints if rounded is None else np.rint(joints / rounded) * rounded
    before = {"text": "a", "tree": {"a": [1, "b"]}, "small": 3} if more else {}
    file = io.BytesIO()
    savemat(file, before | {"handPara": joints}, do_compression=packed)
    found = variables(file.getvalue(), 2**20)
    assert np.array_equal(found["handPara"].numbers(), loadmat(file)["handPara"])
    assert found["handPara"].numbers().dtype == np.dtype(dtype) and (found.keys() == before.keys() | {"handPara"})


@pytest.mark.parametrize("order", ["<", ">"])
def test_labels_of_either_byte_order_and_of_small_stored_integers(order):
    """Written by hand as the format's description has it: an array of doubles whose numbers stand there as int16."""
    values = np.arange(-60, 66).reshape(3, 21, 2)

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)

    numbers = values.astype(f"{order}i2").tobytes(order="F")
    short = struct.pack(f"{order}HH", *((1, 3) if order == "<" else (3, 1))) + b"abc\0"
    whole = element(6, struct.pack(f"{order}II", 6, 0)) + element(5, struct.pack(f"{order}3i", 3, 21, 2)) + short
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")
    content = header + element(14, whole + element(3, numbers))
    assert np.array_equal(variables(content, 2**20)["abc"].numbers(), values)
    assert np.array_equal(loadmat(io.BytesIO(content))["abc"], values)


def test_labels_that_unpack_to_more_than_a_whole_file_are_not_unpacked(tmp_path):
    path = labels(tmp_path / "a.mat", np.zeros((3, 21, 50_000)), do_compression=True)
    assert path.stat().st_size < 2**17
    assert "unpacked it is larger than 2 MiB" in refusal(read_labels, path)


# --------------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "JSON"),
        ("[[[1, 2, 3]]", "JSON"),
        ("[]", "at least 1"),
        ("{}", "valid array"),
        ("[[1, 2]]", "[0][0]"),
        ("[[[1, 2, 3], [4, 5]]]", "[0][1]: List should have at least 3"),
        ("[[[1, 2, 3], [4, 5, NaN]]]", "[0][1][2]: Input should be a finite number"),
        ("[[[1, 2, 3], [4, 5, 1e999]]]", "[0][1][2]"),
        ('[[[1, 2, 3], [4, 5, "6"]]]', "[0][1][2]: Input should be a valid number"),
        ("[[[1, 2, 3], [4, 5, null]]]", "[0][1][2]"),
        ("[[[1, 2, 3], [4, 5, true]]]", "[0][1][2]"),
        ("[[[1, 2, 3], [4, 5, 200000]]]", "[0][1][2]: Input should be less than"),
        ("[" * 100_000, "JSON"),
        ("\ud800", "JSON"),
    ],
)
def test_other_json_is_one_line(content, said, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert said in refusal(read_numbers, path, 2, 3)


def test_whole_numbers_are_numbers(tmp_path):
    (tmp_path / "a.json").write_text("[[[1, 2, 3], [4, 5, 6.5]]]")
    assert read_numbers(tmp_path / "a.json", 2, 3).tolist() == [[[1, 2, 3], [4, 5, 6.5]]]


def test_freihand_files_that_do_not_belong_together(tmp_path):
    write_freihand(tmp_path, count=2, versions=("gs",))
    path = tmp_path / "training_xyz.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole[:1]))
    with pytest.raises(HandLibError, match=r"training_xyz.json: 1 entries, but training_K.json has 2"):
        len(FreiHAND(root=tmp_path, split="training"))
    path.write_text(json.dumps(whole))
    K = tmp_path / "training_K.json"
    K.write_text(json.dumps(np.swapaxes(json.loads(K.read_text()), 1, 2).tolist()))
    with pytest.raises(HandLibError, match=r"training_K.json at entry 1: is no matrix of intrinsics: below"):
        FreiHAND(root=tmp_path, split="training").annotation(1)


# -------------------------------------------------------------------------------------------------- lists and entries


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "names no frame"),
        ("ABF10/0000\n../../etc/0001\n", "line 2 is '../../etc/0001'"),
        ("ABF10/0000\nABF10/0000\n", "names a frame twice"),
        ("ABF10/0000 ABF10/0002\n", "line 1"),
        ("ABF10/00000\n", "line 1"),
        ("ABF10/٠٠٠٠\n", "line 1"),
        ("ABF10\0/0000\n", "line 1"),
    ],
)
def test_other_lists_of_frames_are_one_line(content, said, tmp_path):
    (tmp_path / "train.txt").write_text(content)
    with pytest.raises(HandLibError) as caught:
        len(HO3D(root=tmp_path, split="training", version=2))
    assert said in str(caught.value) and "train.txt" in str(caught.value)


def test_a_list_of_another_system_is_read(tmp_path):
    write_ho3d(tmp_path)
    path = tmp_path / "train.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(HO3D(root=tmp_path, split="training", version=2)) == 3


def changed(path: Path, **fields: object) -> None:
    """A pickle's entry with other fields; None as a field's name leaves it out."""
    content = pickle.loads(path.read_bytes()) | fields
    path.write_bytes(pickle.dumps({name: value for name, value in content.items() if value is not ...}))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"handJoints3D": None}, "handJoints3D: is no array of numbers, not None"),
        ({"handJoints3D": ...}, "handJoints3D: Field required"),
        ({"handJoints3D": np.zeros((16, 3))}, "is an array of 16 × 3, not of 21 × 3"),
        ({"handJoints3D": np.zeros((21, 3), bool)}, "no array of numbers"),
        ({"camMat": np.eye(3)}, "a focal length is not above one pixel"),
        ({"camMat": np.full((3, 3), 600.0)}, "below its diagonal"),
    ],
)
def test_a_frame_of_ho3d_that_is_not_annotated(fields, said, tmp_path):
    write_ho3d(tmp_path)
    path = tmp_path / "train/ABF11/meta/0002.pkl"
    changed(path, **fields)
    reader = HO3D(root=tmp_path, split="training", version=2)
    assert reader.annotation(0).known.all()  # the others are as they were
    with pytest.raises(HandLibError) as caught:
        reader.annotation(1)
    assert str(path) in str(caught.value) and said in str(caught.value)


def test_a_box_of_ho3d_may_be_listed_or_an_array_but_must_be_a_box(tmp_path):
    write_ho3d(tmp_path, "evaluation")
    path = tmp_path / "evaluation/ABF11/meta/0002.pkl"
    for box in ([1, 2, 3, 4], (1.0, 2, 3, 4), np.array([1, 2, 3, 4]), [np.int64(1), np.float32(2), 3, 4]):
        changed(path, handBoundingBox=box)
        assert HO3D(root=tmp_path, split="evaluation", version=2).annotation(1).box.tolist() == [1, 2, 3, 4]
    for box in ([1, 2, 3], [3, 2, 1, 4], [1, 2, 3, "4"], [[1], 2, 3, 4], "1234", [1, 2, 3, float("nan")], None):
        changed(path, handBoundingBox=box)
        with pytest.raises(HandLibError, match=rf"{path}: handBoundingBox"):
            HO3D(root=tmp_path, split="evaluation", version=2).annotation(1)


def test_frames_of_rhd_that_are_none(tmp_path):
    write_rhd(tmp_path, count=1)
    path = tmp_path / "training/anno_training.pickle"
    whole = pickle.loads(path.read_bytes())
    for content, said in (
        ([], "no dictionary of frames"),
        ({}, "no dictionary of frames"),
        ({"0": whole[0]}, "'0' is no number of a frame"),
        ({41258: whole[0]}, "41258 is no number of a frame"),
        ({-1: whole[0]}, "-1 is no number of a frame"),
        ({0: None}, "at frame 0"),
        ({0: {**whole[0], "xyz": whole[0]["xyz"][:21]}}, "at frame 0: xyz: is an array of 21 × 3, not of 42 × 3"),
    ):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(HandLibError) as caught:
            RHD(root=tmp_path, split="training").annotation(0)
        assert said in str(caught.value) and str(path) in str(caught.value)


def test_a_mask_of_rhd_has_rhds_classes(tmp_path):
    write_rhd(tmp_path, count=1)
    path = tmp_path / "training/mask/00000.png"
    Image.fromarray(np.full((320, 320), 34, np.uint8)).save(path)
    with pytest.raises(HandLibError, match="34 is no class of RHD's masks, which are 0 to 33"):
        RHD(root=tmp_path, split="training").hand(0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "has no tips"),
        ("1, 2, 3; 4, 5, 6", "is an array of 2 × 3, not of 5 × 3"),
        ("1, 2; " * 5, "is an array of 5 × 2, not of 5 × 3"),
        ("1, 2, x; " * 5, "has no tips"),
        ("1, 2, nan; " * 5, "not finite"),
        ("1, 2, 1e9; " * 5, "beyond"),
        ("1, 2, 3; 1, 2; 1, 2, 3; 1, 2, 3; 1, 2, 3", "has no tips"),
    ],
)
def test_lines_of_dexter_object_that_have_no_tips(line, said, tmp_path):
    write_dexter(tmp_path, ("Rigid",))
    path = tmp_path / "data/Rigid/annotations/Rigid3D.txt"
    path.write_text(line + "\n" + path.read_text())
    with pytest.raises(HandLibError) as caught:
        len(DexterObject(root=tmp_path, sequences=("Rigid",)))
    assert f"{path} at line 1" in str(caught.value) and said in str(caught.value)


def test_a_picture_that_lacks_is_named(tmp_path):
    write_stb(tmp_path, count=1)
    path = tmp_path / "images/B1Random/BB_right_0.png"
    path.unlink()
    reader = STB(root=tmp_path, split="evaluation")
    with pytest.raises(HandLibError, match=rf"{path}: no such file"):
        reader.hand(3)
    assert reader.annotation(3).known.all()  # which needs no picture
