"""Files are whole or absent, and what goes wrong is said in one line."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from hand_lib import cache
from hand_lib.errors import HandLibError

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([True, False]), "c": torch.zeros(0, 4)}


def one_line(error: pytest.ExceptionInfo) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_cache_dir_follows_the_variable_then_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "here"))
    assert cache.cache_dir() == tmp_path / "here"
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    monkeypatch.delenv(cache.RESULTS_VARIABLE)
    monkeypatch.setattr(cache, "checkout", lambda: tmp_path)
    assert cache.cache_dir() == tmp_path / ".cache"
    assert cache.results_dir() == tmp_path / "results"
    monkeypatch.setattr(cache, "checkout", lambda: None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_dir() == tmp_path / "xdg" / "joint-by-joint"


def test_atomic_write_replaces_only_when_whole(tmp_path):
    path = tmp_path / "deep" / "file.bin"
    with cache.atomic_write(path) as file:
        file.write(b"old")
    with pytest.raises(RuntimeError), cache.atomic_write(path) as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    with cache.atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]
    assert path.read_bytes() == b"new"


def test_a_writer_killed_half_way_leaves_nothing_to_trust(tmp_path):
    path = tmp_path / "file.bin"
    code = (
        "import sys, time; from hand_lib.cache import atomic_write\n"
        f"with atomic_write({str(path)!r}) as f:\n"
        "    f.write(b'x' * 1000); f.flush(); print('half', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 1  # the partial file, under another name
    with cache.lock(tmp_path, waiting_for="this test"):
        cache.remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission"), (errno.EIO, "error")]
)
def test_a_failing_disk_is_one_line_that_names_the_file(monkeypatch, tmp_path, code, words):
    def fail(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / "run.json"
    with pytest.raises(HandLibError) as error:
        cache.write_json(path, {"a": 1})
    assert str(path) in one_line(error) and words in one_line(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_really_full_device(tmp_path, monkeypatch):
    """Every byte written to /dev/full fails with ENOSPC, in the kernel and not by a mock."""
    real_open = open
    monkeypatch.setattr("builtins.open", lambda path, mode: real_open("/dev/full" if "w" in mode else path, mode))
    with pytest.raises(HandLibError, match="the disk is full"):
        cache.write_tensors(tmp_path / "t.safetensors", TENSORS)
    assert not (tmp_path / "t.safetensors").exists()


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(HandLibError) as error:
        cache.write_json(tmp_path / "taken" / "x.json", {})
    assert str(tmp_path / "taken") in one_line(error)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_to_write(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(HandLibError, match="no permission"):
            cache.write_json(tmp_path / "x.json", {})
    finally:
        tmp_path.chmod(0o700)


def test_tensors_come_back_bit_for_bit(tmp_path):
    cache.write_tensors(tmp_path / "t.safetensors", TENSORS, {"row": "fr"})
    tensors, metadata = cache.read_tensors(tmp_path / "t.safetensors")
    assert metadata["row"] == "fr"
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("damage", ["cut", "header cut", "empty", "foreign", "flipped", "missing", "folder"])
def test_a_damaged_tensor_file_is_one_line_that_names_it(tmp_path, damage):
    path = tmp_path / "t.safetensors"
    cache.write_tensors(path, TENSORS)
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        flipped = bytearray(content)
        flipped[-3] ^= 1
        pieces = {
            "cut": content[:-4],
            "header cut": content[:30],
            "empty": b"",
            "foreign": b"PK\x03\x04 zip",
            "flipped": flipped,
        }
        path.write_bytes(pieces[damage])
    with pytest.raises(HandLibError) as error:
        cache.read_tensors(path)
    assert str(path) in one_line(error)


@pytest.mark.parametrize("change", ["metadata", "name", "dtype", "shape", "swapped", "no checksum"])
def test_the_checksum_covers_all_that_a_tensor_file_says(tmp_path, change):
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "t.safetensors"
    cache.write_tensors(path, TENSORS | {"d": TENSORS["a"] + 1}, {"progress": '{"step": 4}'})
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata)
    cache.read_tensors(path)  # put together again as it was, it is believed
    if change == "metadata":
        metadata["progress"] = '{"step": 3}'
    elif change == "name":
        tensors["e"] = tensors.pop("d")
    elif change == "dtype":
        tensors["a"] = tensors["a"].view(torch.int32)
    elif change == "shape":
        tensors["a"] = tensors["a"].reshape(3, 2)
    elif change == "swapped":
        tensors["a"], tensors["d"] = tensors["d"], tensors["a"]
    else:
        metadata = {"progress": '{"step": 4}'}
    save_file(tensors, path, metadata)
    with pytest.raises(cache.Damaged) as error:
        cache.read_tensors(path)
    assert str(path) in one_line(error) and "checksum" in one_line(error)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path):
    for path in (tmp_path / "no such file", tmp_path, tmp_path / ("x" * 5000)):
        with pytest.raises(HandLibError) as error:
            cache.read_tensors(path)
        assert str(path) in one_line(error) and not isinstance(error.value, cache.Damaged)


def test_a_home_that_there_is_not_is_one_line(monkeypatch):
    for variable, folder in ((cache.CACHE_VARIABLE, cache.cache_dir), (cache.RESULTS_VARIABLE, cache.results_dir)):
        monkeypatch.setenv(variable, "~nobody-of-this-name/x")
        with pytest.raises(HandLibError, match=f"{variable}.*~nobody-of-this-name"):
            folder()


def test_json_cut_short_is_one_line(tmp_path):
    (tmp_path / "r.json").write_text('{"row": "fr", ')
    with pytest.raises(HandLibError) as error:
        cache.read_json(tmp_path / "r.json")
    assert str(tmp_path / "r.json") in one_line(error)


def test_the_lock_keeps_a_second_process_out_and_says_so(tmp_path):
    code = (
        "from pathlib import Path; from hand_lib import cache\n"
        f"with cache.lock(Path({str(tmp_path)!r}), waiting_for='the training of fr'): print('in', flush=True)"
    )
    with cache.lock(tmp_path, waiting_for="this test"):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "the training of fr" in process.stderr.readline()
        time.sleep(0.1)
        assert process.poll() is None
    assert process.communicate(timeout=30)[0] == "in\n"


def test_who_does_not_wait_for_a_lock_is_told_who_has_it(tmp_path):
    with (
        cache.lock(tmp_path, waiting_for="the training of fr"),
        pytest.raises(cache.Busy, match="busy with the training of fr"),
        cache.lock(tmp_path, waiting_for="the training of fr", wait=False),
    ):
        pass
    with cache.lock(tmp_path, waiting_for="the training of fr", wait=False):
        pass


@pytest.mark.parametrize("shape", [[0, 2**63], [0, 2**64 - 1], [2**40]])
def test_a_header_that_asks_for_the_impossible_is_one_line(tmp_path, shape):
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    path = tmp_path / "crafted.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(HandLibError) as error:
        cache.read_tensors(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
