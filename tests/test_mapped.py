"""Samples of many files behave as one set of samples, and stay in their files."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hand_lib import cache
from hand_lib.datasets.mapped import Mapped
from hand_lib.datasets.shards import read_shard, shard_path, write_shard
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples


def hands(count: int, size: int = 4, first: int = 0) -> Samples:
    n = torch.arange(first, first + count)
    return Samples(
        images=(n % 256).to(torch.uint8).view(-1, 1, 1, 1).expand(count, 3, size, size).contiguous(),
        uv=n.float().view(-1, 1, 1).expand(count, 21, 2).contiguous(),
        xyz=n.float().view(-1, 1, 1).expand(count, 21, 3).contiguous()
        + torch.arange(3)
        + 500
        + 5 * torch.arange(21)[:, None],
        visible=(n % 2 == 0).view(-1, 1).expand(count, 21).contiguous(),
        K=torch.eye(3).expand(count, 3, 3).contiguous(),
        right=n % 3 == 0,
        box=torch.tensor([0.0, 0.0, size - 1.0, size - 1.0]).expand(count, 4).contiguous(),
    )


def equal(a: Samples, b: Samples) -> bool:
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in fields(Samples)]
    return all((x is None and y is None) or torch.equal(x, y) for x, y in pairs)


@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=6), data=st.data())
def test_any_part_of_many_files_is_that_of_one_set(sizes, data):
    parts = [hands(size, first=sum(sizes[:i])) for i, size in enumerate(sizes)]
    if not sum(sizes):
        with pytest.raises(HandLibError, match="no samples"):
            Mapped(parts)
        return
    whole, mapped = hands(sum(sizes)), Mapped(parts)
    assert len(mapped) == len(whole)
    numbers = st.integers(-len(whole), len(whole) - 1)
    for index in (
        torch.tensor(data.draw(st.lists(numbers, max_size=12)), dtype=torch.long),
        slice(*data.draw(st.tuples(*[st.none() | st.integers(-9, 9)] * 2))),
        torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))),
        data.draw(st.lists(numbers, max_size=5)),
    ):
        assert equal(mapped[index], whole[index])


def test_a_number_beyond_the_last_hand_is_an_error():
    mapped = Mapped([hands(2), hands(3)])
    for index in ([5], [-6]):
        with pytest.raises(IndexError):
            mapped[index]


def test_files_with_and_without_a_mask_are_no_set():
    masked = replace(hands(2), mask=torch.zeros(2, 4, 4, dtype=torch.uint8))
    assert Mapped([masked, masked])[[3]].mask.shape == (1, 4, 4)
    with pytest.raises(HandLibError, match="mask"):
        Mapped([masked, hands(1)])


def test_pictures_of_what_is_asked_for_go_to_the_device():
    mapped = Mapped([hands(2), hands(3)]).pictures_to("meta")
    found = mapped[[0, 4]]
    assert found.images.device.type == "meta" and found.xyz.device.type == "cpu"


def resident() -> dict[str, int]:
    """Megabytes of this process: its own, and of files that it has mapped."""
    status = Path("/proc/self/status").read_text()
    return {name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) // 1024 for name in ("RssAnon", "RssFile")}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_what_is_mapped_is_the_file_not_a_copy(tmp_path):
    """150 MB of hands, all read for their checksum and some taken: the process' own memory stays as it was."""
    size, count = 100, 625
    paths = [shard_path(tmp_path, (start, start + count)) for start in range(0, 8 * count, count)]
    for path in paths:
        write_shard(path, hands(count, size, first=int(path.stem[:6])))
    import gc

    gc.collect()
    before = resident()
    mapped = Mapped([read_shard(path, size=size)[0] for path in paths])
    batch = mapped[torch.arange(0, len(mapped), 500)]
    assert batch.uv[:, 0, 0].tolist() == list(range(0, len(mapped), 500))
    after = resident()
    assert after["RssAnon"] - before["RssAnon"] < 30
    assert after["RssFile"] - before["RssFile"] > 100  # it is there, as pages of the files


def test_a_shard_that_holds_something_else_is_refused(tmp_path):
    path = shard_path(tmp_path, (0, 4))
    write_shard(path, hands(3), said={"skipped": "{}"})
    samples, said = read_shard(path, size=4)  # fewer than its name says: some were left out
    assert equal(samples, hands(3)) and said == {"skipped": "{}"}
    with pytest.raises(cache.Damaged, match="other images"):
        read_shard(path, size=5)
    write_shard(path, hands(5))
    with pytest.raises(cache.Damaged, match="other images"):
        read_shard(path, size=4)
    other = shard_path(tmp_path, (4, 8))
    write_shard(path, hands(4))
    other.write_bytes(path.read_bytes())
    with pytest.raises(cache.Damaged, match="other images"):
        read_shard(other, size=4)
    cache.write_tensors(path, {"images": torch.zeros(())}, {"dataset": tmp_path.name, "images": path.stem})
    with pytest.raises(cache.Damaged, match="other images"):
        read_shard(path, size=4)
