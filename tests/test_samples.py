"""The container keeps its fields together."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from hand_lib.errors import HandLibError
from hand_lib.samples import Samples


def numbered(count: int, *, start: int = 0, optional: bool = True) -> Samples:
    """Samples whose every field carries the image's number."""
    number = torch.arange(start, start + count)

    def fill(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return number.to(dtype).view(-1, *(1 for _ in shape)).expand(count, *shape).clone()

    return Samples(
        images=fill(3, 4, 5, dtype=torch.uint8),
        uv=fill(21, 2),
        xyz=fill(21, 3),
        visible=fill(21).bool(),
        K=fill(3, 3),
        right=number % 2 == 0,
        box=fill(4),
        mask=fill(4, 5, dtype=torch.uint8) if optional else None,
        depth=fill(4, 5) if optional else None,
    )


def assert_same(one: Samples, other: Samples) -> None:
    for field in fields(Samples):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert (a is None) == (b is None)
        assert a is None or (a.dtype == b.dtype and torch.equal(a, b))


@pytest.mark.parametrize("optional", [True, False])
def test_slices_and_indices_take_every_field(optional):
    samples = numbered(6, optional=optional)
    assert len(samples) == 6
    assert_same(samples[2:5], numbered(3, start=2, optional=optional))
    assert samples[[4, 1]].xyz[:, 0, 0].tolist() == [4, 1]
    assert samples[torch.tensor([5, 5])].box[:, 0].tolist() == [5, 5]
    assert samples[samples.right].images[:, 0, 0, 0].tolist() == [0, 2, 4]


@pytest.mark.parametrize("optional", [True, False])
def test_concat_undoes_slicing(optional):
    samples = numbered(7, optional=optional)
    assert_same(Samples.concat([samples[:2], samples[2:3], samples[3:]]), samples)


def test_concat_refuses_a_field_that_only_some_have():
    samples = numbered(2)
    without = replace(samples, depth=None)
    for parts in ([samples, without], [without, samples]):
        with pytest.raises(HandLibError, match="1 of 2 batches have no depth"):
            Samples.concat(parts)


def test_concat_of_nothing():
    with pytest.raises(HandLibError, match="no samples"):
        Samples.concat([])


def test_to_moves_every_field():
    moved = numbered(3).to("meta")
    assert {getattr(moved, field.name).device.type for field in fields(Samples)} == {"meta"}
    assert numbered(3, optional=False).to("meta").depth is None


def test_samples_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        numbered(1).xyz = torch.zeros(1, 21, 3)
