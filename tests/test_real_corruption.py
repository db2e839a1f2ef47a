"""Public data sets with something wrong: each is named in one line, or what is read is still what stood there.

*Damage* is what disks and copying do to a file's bytes, or a file that is gone or another's. *Forgery* is a file that
is whole and says something else: a key or an entry more or less, another shape or type, numbers that are none. What a
reader accepts all the same has the shapes, finite numbers and sides that it promises; and where only pictures were
touched, the joints are as they were. Units, axes and orders that are wrong all through are left to the checks.

``CORRUPTIONS=5000 pytest tests/test_real_corruption.py`` runs that many cases a data set; the slow tests run a
thousand in all.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_pickles import numpy1
from scipy.io import loadmat, savemat

from hand_lib.datasets.real import HO3D, RHD, STB, DexterObject, FreiHAND, Hand, Reader
from hand_lib.datasets.real.checks import complaints
from hand_lib.datasets.real.imitations import write_dexter, write_freihand, write_ho3d, write_rhd, write_stb
from hand_lib.errors import HandLibError, printable

FAST = int(os.environ.get("CORRUPTIONS", "15"))
SLOW = int(os.environ.get("CORRUPTIONS", "210"))


def _rhd(root: Path) -> Callable[[], Reader]:
    write_rhd(root, count=2)
    return lambda: RHD(root=root, split="training", hands="both")


def _stb(root: Path) -> Callable[[], Reader]:
    write_stb(root, count=2)
    return lambda: STB(root=root, split="evaluation")


def _freihand(root: Path) -> Callable[[], Reader]:
    write_freihand(root, count=2, versions=("gs", "auto"))
    return lambda: FreiHAND(root=root, split="training", versions=("gs", "auto"))


def _ho3d(root: Path) -> Callable[[], Reader]:
    write_ho3d(root, count=3)
    return lambda: HO3D(root=root, split="training", version=2)


def _ho3d_evaluation(root: Path) -> Callable[[], Reader]:
    write_ho3d(root, "evaluation", version=3, count=3)
    truth = root / "evaluation_xyz.json"
    return lambda: HO3D(root=root, split="evaluation", version=3, truth=truth)


def _dexter(root: Path) -> Callable[[], Reader]:
    write_dexter(root)
    return lambda: DexterObject(root=root, sequences=("Grasp1", "Rotate"))


MAKERS = (_rhd, _stb, _freihand, _ho3d, _ho3d_evaluation, _dexter)
PICTURES = {".png", ".jpg", ".bmp"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Callable[[Callable], tuple[Path, Callable[[], Reader], list[Hand]]]:
    """A data set on disk, what opens it, and its hands as they are when nothing is wrong."""
    kept = {}

    def of(maker: Callable) -> tuple[Path, Callable[[], Reader], list[Hand]]:
        if maker not in kept:
            root = tmp_path_factory.mktemp(maker.__name__)
            opened = maker(root)
            kept[maker] = root, opened, everything(opened)
        return kept[maker]

    return of


def everything(opened: Callable[[], Reader]) -> list[Hand]:
    reader = opened()
    return [reader.hand(index) for index in range(len(reader))]


# ------------------------------------------------------------------------------------------------- what goes wrong


ODD = [None, True, -1, 0, 3, 10**9, 2**70, 8.5, 1e300, float("nan"), float("inf"), "", "x", "\x1b[2J", [], [1], {}]
WRONG = [np.nan, np.inf, -np.inf, 1e30, 0.0, -1.0]
SHAPES = [(), (1,), (3,), (21,), (3, 21), (20, 3), (42, 2), (2, 3, 3), (0, 3), (1, 42, 3)]


def damage(content: bytes, data: st.DataObject) -> bytes:
    """Bytes flipped, cut, left out, doubled, or none."""
    start = data.draw(st.integers(0, max(len(content) - 1, 0)))
    if data.draw(st.booleans()):  # the beginning is the smaller part, and the richer one
        start = min(start, data.draw(st.integers(0, 200)))
    length = data.draw(st.sampled_from([1, 1, 2, 30, 1000]))
    match data.draw(st.integers(0, 5)):
        case 0:
            return content[:start]
        case 1:
            return (
                content[:start] + bytes([content[start] ^ (1 << data.draw(st.integers(0, 7)))]) + content[start + 1 :]
            )
        case 2:
            return content[:start] + content[start + length :]
        case 3:
            return content[:start] + bytes(length) + content[start + length :]
        case 4:
            return content[:start] + content[start : start + length] + content[start:]
        case _:
            return content[:start] + data.draw(st.binary(max_size=20)) + content[start:]


def forge_array(array: np.ndarray, data: st.DataObject) -> object:
    """An array of another shape, type or order, or with numbers in it that are none."""
    match data.draw(st.integers(0, 5)):
        case 0:
            return np.zeros(data.draw(st.sampled_from(SHAPES)))
        case 1:
            return array.astype(data.draw(st.sampled_from([np.float16, np.int64, np.bool_, ">f8", "U8", np.complex64])))
        case 2:
            array = array.astype(float)
            array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(st.sampled_from(WRONG))
            return array
        case 3:
            return array[..., ::-1] if data.draw(st.booleans()) else array.T
        case 4:
            return array * data.draw(st.sampled_from([1e-3, 1e3, -1.0]))
        case _:
            return data.draw(st.sampled_from(ODD))


def forge_tree(content: object, data: st.DataObject) -> object:
    """A tree with one node replaced, left out, added, doubled or wrapped; arrays are forged as such."""
    if isinstance(content, np.ndarray):
        return forge_array(content, data)
    if isinstance(content, dict) and content:
        key = data.draw(st.sampled_from(list(content)))
        rest = {name: value for name, value in content.items() if name != key}
        match data.draw(st.integers(0, 6)):
            case 0:
                return rest
            case 1:
                return {**rest, data.draw(st.sampled_from(["x", "0", -1, 10**7])): content[key]}
            case 2:
                return {**content, "more": data.draw(st.sampled_from(ODD))}
            case _:
                return {**content, key: forge_tree(content[key], data)}
    if isinstance(content, list) and content:
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.integers(0, 6)):
            case 0:
                return content[:place] + content[place + 1 :]
            case 1:
                return content[: place + 1] + content[place:]
            case 2:
                return [content]
            case _:
                return [*content[:place], forge_tree(content[place], data), *content[place + 1 :]]
    return data.draw(st.sampled_from(ODD))


def forge(path: Path, data: st.DataObject) -> None:
    """Something else in a whole file of the same kind."""
    match path.suffix:
        case ".pickle" | ".pkl":
            dump = data.draw(st.sampled_from([pickle.dumps, numpy1, lambda tree: pickle.dumps(tree, protocol=0)]))
            path.write_bytes(dump(forge_tree(pickle.loads(path.read_bytes()), data)))
        case ".json":
            path.write_text(json.dumps(forge_tree(json.loads(path.read_text()), data)))
        case ".mat":
            forged = forge_array(loadmat(path)["handPara"], data)
            forged = forged if isinstance(forged, np.ndarray) else str(forged)  # not all that is odd can be written
            name = data.draw(st.sampled_from(["handPara", "handPara", "handPara", "hand"]))
            savemat(path, {name: forged, "more": 1.0}, do_compression=data.draw(st.booleans()))
        case ".txt":
            lines = path.read_text().splitlines()
            place = data.draw(st.integers(0, len(lines) - 1))
            line = lines[place]
            wrong = [line[: len(line) // 2], line.replace(",", ";"), "", "nan, " * 15, "1e999, 0, 0; " * 5, line + line]
            wrong += ["../../" + line, line.replace("0", "²"), line.replace("0", "\0"), "-" + line, line * 1000]
            lines[place : place + data.draw(st.integers(0, 1))] = [data.draw(st.sampled_from(wrong))]
            path.write_bytes("\n".join(lines).encode("utf-8", "replace"))


def spoil(root: Path, path: Path, data: st.DataObject) -> None:
    """One thing wrong with one file."""
    content = path.read_bytes()
    match data.draw(st.integers(0, 9)):
        case 0:
            path.unlink()
            if data.draw(st.booleans()):
                path.mkdir()
        case 1:
            others = sorted(other for other in root.rglob("*") if other.is_file() and other != path)
            path.write_bytes(data.draw(st.sampled_from(others)).read_bytes())
        case 2 | 3 | 4:
            path.write_bytes(damage(content, data))
        case _ if path.suffix in PICTURES:
            path.write_bytes(damage(content, data))
        case _:
            forge(path, data)


# --------------------------------------------------------------------------------------------- what may come of it


def promises(hand: Hand) -> None:
    said = hand.annotation
    assert said.xyz.shape == (21, 3) and said.K.shape == (3, 3) and isinstance(said.right, bool)
    assert said.K.isfinite().all() and not said.xyz.isinf().any()
    assert hand.image.ndim == 3 and len(hand.image) == 3
    for pixels in (hand.mask, hand.silhouette):
        assert pixels is None or pixels.shape == hand.image.shape[1:]


def put_through(maker: Callable, sound: Callable, data: st.DataObject) -> None:
    root, opened, hands = sound(maker)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    # As often an annotation as a picture: there are more pictures.
    annotations = [path for path in files if path.suffix not in PICTURES]
    path = data.draw(st.sampled_from(annotations if data.draw(st.integers(0, 3)) else files))
    content = path.read_bytes()
    try:
        spoil(root, path, data)
        try:
            found = everything(opened)
        except HandLibError as error:
            said = str(error)
            assert str(root) in said and printable(said) == said and len(said) < 600, said
            return
        for hand in found:
            promises(hand)
        if path.suffix in PICTURES:
            assert len(found) == len(hands)
            for hand, before in zip(found, hands, strict=True):
                assert hand.annotation.xyz.nan_to_num().equal(before.annotation.xyz.nan_to_num())
        assert all(isinstance(said, str) for said in complaints(found))
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(content)


_SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
@settings(max_examples=FAST, **_SETTINGS)
@given(data=st.data())
def test_one_thing_wrong_is_one_line_or_nothing(maker, sound, data):
    put_through(maker, sound, data)


@pytest.mark.slow
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
@settings(max_examples=SLOW, **_SETTINGS)
@given(data=st.data())
def test_a_thousand_things_wrong_are_a_line_each_or_nothing(maker, sound, data):
    put_through(maker, sound, data)
