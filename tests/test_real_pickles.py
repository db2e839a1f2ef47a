"""Annotation pickles: what numpy and both Pythons wrote comes out; nothing that a file asks for is run."""

from __future__ import annotations

import os
import pickle
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from old_pickles import numpy1, python2

from hand_lib.datasets.real.pickles import read_pickle
from hand_lib.errors import HandLibError, printable


def read(content: bytes, folder: Path) -> object:
    path = folder / "anno.pickle"
    path.write_bytes(content)
    return read_pickle(path)


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(HandLibError) as caught:
        read(content, folder)
    said = str(caught.value)
    assert str(folder / "anno.pickle") in said and printable(said) == said
    return said


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype.newbyteorder("=") == b.dtype and np.array_equal(a, b, True)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


# -------------------------------------------------------------------------------------------------------- what is read

FRAMES = {
    0: {"xyz": np.arange(126.0).reshape(42, 3), "K": np.eye(3, dtype=np.float32), "name": "hänge"},
    7: {"xyz": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)), "flags": np.array([True, False])},
    9: [None, True, -5, 2**40, 0.5, (1, (2.5, "x")), b"\x00\xff", np.float64(2.5), np.array(3, dtype=">i4")],
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_format_of_python_3_comes_out_as_it_went_in(protocol, tmp_path):
    assert same(FRAMES, read(pickle.dumps(FRAMES, protocol=protocol), tmp_path))


def test_files_of_older_numpy_and_of_python_2_come_out_too(tmp_path):
    assert b"numpy.core.multiarray" in numpy1(FRAMES)
    assert same(FRAMES, read(numpy1(FRAMES), tmp_path))
    frames = {0: {"xyz": FRAMES[0]["xyz"], "K": FRAMES[0]["K"], "objName": "021", "none": None, "list": [1, True]}}
    content = python2(frames)
    assert same(
        pickle.loads(content.replace(b"numpy.core", b"numpy._core"), encoding="latin1"), frames
    )  # numpy reads it alike
    assert same(frames, read(content, tmp_path))


def test_the_first_format_of_python_2(tmp_path):
    """Quoted strings with escapes and raw bytes, numbers in decimal, marks and names in lines."""
    content = b"(dp0\nS'xy\\x80z'\np1\n(lp2\nI01\naI-3\naL5L\naF0.5\nas."
    assert read(content, tmp_path) == {"xy\x80z": [True, -3, 5, 0.5]}


@given(
    array=npst.arrays(
        dtype=st.sampled_from(["<f4", ">f8", "<i8", "|u1", ">u2", "|b1", "<f2"]),
        shape=npst.array_shapes(min_dims=0, max_dims=4, max_side=4),
    ),
    protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
    fortran=st.booleans(),
)
def test_any_array_of_numbers(array, protocol, fortran, tmp_path_factory):
    array = np.asfortranarray(array) if fortran and array.ndim > 1 else array
    found = read(pickle.dumps(array, protocol=protocol), tmp_path_factory.getbasetemp())
    assert same(array, found) and found.dtype.isnative and found.flags.writeable


# ----------------------------------------------------------------------------------------------------- what is refused


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_function_is_called(protocol, tmp_path):
    mark = tmp_path / "run"
    hostile = {
        "system": Calls(os.system, f"touch {mark}"),
        "eval": Calls(eval, f"open({str(mark)!r}, 'w')"),
        "exec": Calls(exec, f"open({str(mark)!r}, 'w')"),
        "mkdir": Calls(os.mkdir, str(mark)),
        "Popen": Calls(subprocess.Popen, ["touch", str(mark)]),
        "getattr": Calls(getattr, Calls(__import__, "os"), "system"),
        "fromfile": Calls(np.fromfile, "/etc/hostname"),
        "load": Calls(np.load, str(mark)),
        "zeros": Calls(np.zeros, 2**40),
        "loads": Calls(pickle.loads, b"N."),
        "memmap": Calls(np.memmap, str(mark), "uint8", "w+", 0, (4,)),
    }
    for name, value in hostile.items():
        said = refusal(pickle.dumps([1, value], protocol=protocol), tmp_path)
        assert "which no annotation needs" in said and (name in said or "__import__" in said), said
    assert not mark.exists()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


RECONSTRUCT, NDARRAY, DTYPE = b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"
EMPTY = RECONSTRUCT + NDARRAY + b"K\x00\x85" + text("b") + b"\x87R"
F8 = DTYPE + b"(" + text("f8") + b"\x89\x88tR(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
HUGE = b"\x8a\x05\x00\x00\x00\x00\x10"  # 2**36


def filled(shape: bytes, dtype: bytes = F8, content: bytes = b"C\x08" + bytes(8)) -> bytes:
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb."


@pytest.mark.parametrize(
    ("content", "said"),
    {
        "a dotted name": (b"cnumpy\ncore.multiarray._reconstruct\n.", "which no annotation needs"),
        "a name with control signs": (b"cos\n\x1b[31msystem\n.", "which no annotation needs"),
        "numpy's own loader": (b"cnumpy\nload\n.", "numpy.load"),
        "a name over the stack": (b"\x80\x04" + text("posix") + text("system") + b"\x93.", "posix.system"),
        "an instance of the first format": (b"(S'ls'\nios\nsystem\n.", "INST"),
        "an object of the second": (b"\x80\x02cos\nsystem\n)\x81.", "os.system"),
        "a new object of a known type": (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        "a registered extension": (b"\x80\x02\x82\x01.", "EXT1"),
        "something kept elsewhere": (b"\x80\x02Pabc\n.", "PERSID"),
        "a subclass of array": (RECONSTRUCT + DTYPE + b"K\x00\x85" + text("b") + b"\x87R.", "does not"),
        "an empty array made large": (RECONSTRUCT + NDARRAY + HUGE + b"\x85" + text("b") + b"\x87R.", "does not"),
        "a shape beyond the bytes": (filled(HUGE + b"\x85"), "shape"),
        "a shape whose product wraps": (filled(HUGE + HUGE + b"\x86"), "shape"),
        "a negative shape": (filled(b"J\xff\xff\xff\xff\x85"), "shape"),
        "a shape of text": (filled(text("1") + b"\x85"), "shape"),
        "a shape of nothing": (filled(b"K\x00\x85", content=b"C\x00"), "shape"),
        "objects": (filled(b"K\x01\x85", DTYPE + b"(" + text("O8") + b"\x89\x88tR"), "not of numbers"),
        "text in an array": (filled(b"K\x01\x85", DTYPE + b"(" + text("S8") + b"\x89\x88tR"), "not of numbers"),
        "a dtype in words": (filled(b"K\x01\x85", DTYPE + b"(" + text("f8,O") + b"\x89\x88tR"), "not of numbers"),
        "a dtype's attributes": (DTYPE + b"(" + text("f8") + b"\x89\x88tR}" + text("x") + b"Nsb.", "does not"),
        "a type's attributes": (NDARRAY + b"}" + text("x") + b"Nsb.", "does not"),
        "a dictionary's attributes": (b"}}b.", "does not"),
        "a call of text": (text("x") + b")R.", "no function"),
        "a function as the result": (RECONSTRUCT + b".", "function or a type"),
        "a type in a list": (b"]" + NDARRAY + b"a.", "function or a type"),
        "an array never filled": (EMPTY + b".", "without content"),
        "a tuple of types": (NDARRAY + b"\x85.", "function or a type"),
        "a tuple for a key": (b"}K\x01\x85Ns.", "neither a name nor"),
        "a key of many digits": (b"}\x8a\x08" + b"\xff" * 7 + b"\x1fNs.", "neither a name nor"),
        "a key twice": (b"}(K\x01NK\x01Nu.", "twice"),
        "a list in itself": (b"]\x94h\x00a.", "twice"),
        "tuples that double": (b"K\x01\x85\x94" + b"h\x00h\x00\x86\x94" + b"h\x01h\x01\x86.", "twice"),
        "what was never kept": (b"h\x07.", "no pickle"),
        "an empty file": (b"", "cut short"),
        "text": (b"hello", "pickle"),
        "zeros": (bytes(64), "no pickle"),
        "two things": (b"NN.", "amid"),
        "a bracket left open": (b"(N.", "amid"),
        "nothing": (b".", "amid"),
        "bytes that are not there": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc", "cut short"),
        "a bytearray that is not there": (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc", "cut short"),
        "text that is not there": (b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc", "cut short"),
        "a far place in the memo": (b"Nr\xff\xff\xff\x7f0.", "POP"),
        "a number of a million digits": (b"L" + b"9" * 10**6 + b"L\n.", "no pickle"),
        "a number of many bytes": (b"\x8b" + struct.pack("<i", 10**5) + b"\x7f" * 10**5 + b".", "digits"),
    }.values(),
    ids=lambda value: None,
)
def test_what_no_annotation_needs_is_named(content, said, tmp_path):
    assert said in refusal(content, tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"]" * 10**5 + b"a" * (10**5 - 1) + b".", b")" + b"\x85" * 10**5 + b".", b"(" * 10**5, b"}" * 10**5],
    ids=["lists", "tuples", "brackets", "dictionaries"],
)
def test_deep_nests_are_refused(content, tmp_path):
    refusal(content, tmp_path)


@pytest.mark.slow
def test_a_small_file_takes_little_memory_and_time(tmp_path):
    """In a process that may have no more than it needs: declared sizes are never believed."""
    hostile = [
        filled(HUGE + b"\x85"),
        b"\x80\x05\x96" + struct.pack("<Q", 2**38) + b"abc",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**38) + b"abc",
        b"Nr\xff\xff\xff\x7f.",
        b")" + b"\x85" * 10**6 + b"}" + b".",
    ]
    for number, content in enumerate(hostile):
        (tmp_path / f"{number}.pickle").write_bytes(content)
    program = f"""
import sys
from hand_lib.datasets.real.pickles import read_pickle
from hand_lib.errors import HandLibError
import resource

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range({len(hostile)}):
    try:
        read_pickle({str(tmp_path)!r} + f"/{{number}}.pickle")
    except HandLibError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 200 * 1024, "kB beyond what was there before"


@given(data=st.data())
def test_a_damaged_pickle_is_refused_or_still_plain(data, tmp_path_factory):
    content = bytearray(pickle.dumps(FRAMES, protocol=data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(content) - 1))
        content[where] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    try:
        read(bytes(content), tmp_path_factory.getbasetemp())
    except HandLibError as error:
        assert "anno.pickle" in str(error) and printable(str(error)) == str(error)


def test_a_folder_a_pipe_and_nothing_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none.pickle"):
        with pytest.raises(HandLibError, match=str(path)):
            read_pickle(path)


@pytest.mark.slow
def test_as_many_frames_as_rhd_has_are_read_in_seconds(tmp_path):
    frame = {"xyz": np.zeros((42, 3)), "uv_vis": np.zeros((42, 3)), "K": np.eye(3)}
    frames = {number: {name: array.copy() for name, array in frame.items()} for number in range(41_258)}
    path = tmp_path / "anno_training.pickle"
    path.write_bytes(pickle.dumps(frames, protocol=2))
    del frames
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_pickle(path)
    assert len(found) == 41_258 and time.process_time() - start < 120
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 2 * 2**20, "kB"
