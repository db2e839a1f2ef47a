"""Arrays of numbers in a MATLAB 5 file. Nothing is believed that the file says of itself before it is compared.

scipy's reader is written in C and trusts the codes and counts that it meets: a file with one byte wrong can end the
whole process. Here are the few parts of the format that an array of numbers needs, read with every count checked.

A file is 128 bytes of header and then *elements*: a kind and a size in four bytes each, and so many bytes. An element
of kind 15 is another one packed by zlib. One of kind 14 is a variable, and itself made of elements, each filled up to
eight bytes: its class, its shape, its name, its numbers. Four bytes or fewer may stand in the tag, beside their size.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_HEADER = 128
_VARIABLE, _PACKED = 14, 15
_NAME, _SHAPE, _FLAGS = 1, 5, 6
_MOST_AXES = 32
# How numbers are stored, which need not be how they were: whole numbers of an array of doubles are often bytes.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = ("cell", "struct", "object", "char", "sparse", "double", "single")
_CLASSES += tuple(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u"))
_NUMBERS = {"double": "f8", "single": "f4"}
_COMPLEX = 0x0800


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What a file says of a variable, and its bytes.

    Attributes:
        kind: "double", "single", "complex double", or another of MATLAB's classes.
        shape: as the file says.
        order: "<" or ">", of the file.
        stored: code and bytes of its numbers; None where it has none.
    """

    kind: str
    shape: tuple[int, ...]
    order: str
    stored: tuple[int, bytes] | None

    def numbers(self) -> np.ndarray:
        """The array, of ``shape``. Raises ValueError where it is not of real double or single numbers, all there."""
        if self.kind not in _NUMBERS or self.stored is None:
            raise ValueError(f"it is {self.kind}")
        code, content = self.stored
        if code not in _STORED:
            raise ValueError(f"its numbers are stored by code {code}, which there is not")
        dtype = np.dtype(self.order + _STORED[code])
        if len(content) != math.prod(self.shape) * dtype.itemsize:
            raise ValueError(f"it has {len(content)} bytes for {' × '.join(map(str, self.shape))} numbers of {dtype}")
        return np.frombuffer(content, dtype).reshape(self.shape, order="F").astype(_NUMBERS[self.kind])


def variables(content: bytes, most_bytes: int) -> dict[str, Variable]:
    """The variables of a file, by name.

    Args:
        content: the whole file.
        most_bytes: that a packed variable may have when it is unpacked.

    Raises:
        ValueError: it is no MATLAB 5 file, is cut short, or says what cannot be.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[_HEADER - 2 : _HEADER])
    if order is None:
        raise ValueError("its header is not MATLAB 5's")
    found = {}
    for kind, part in _elements(content[_HEADER:], order, filled=False):
        if kind == _PACKED:
            kind, part = next(_elements(_unpacked(part, most_bytes), order, filled=False), (None, b""))
        if kind == _VARIABLE:
            name, variable = _variable(part, order)
            found[name] = variable
    return found


def _variable(part: bytes, order: str) -> tuple[str, Variable]:
    elements = list(_elements(part, order, filled=True))
    if [kind for kind, _ in elements[:3]] != [_FLAGS, _SHAPE, _NAME]:
        raise ValueError("a variable does not begin with its class, its shape and its name")
    (_, flags), (_, shape), (_, name) = elements[:3]
    if len(flags) != 8 or len(shape) % 4 or not 8 <= len(shape) <= 4 * _MOST_AXES:
        raise ValueError("a variable's class or shape is not as long as it must be")
    said = struct.unpack(f"{order}II", flags)[0]
    sizes = struct.unpack(f"{order}{len(shape) // 4}i", shape)
    if min(sizes) < 0:
        raise ValueError("a variable's shape has a size below zero")
    place = (said & 0xFF) - 1
    kind = _CLASSES[place] if 0 <= place < len(_CLASSES) else f"of class {place + 1}, which there is not"
    if said & _COMPLEX:
        kind = f"complex {kind}"
    stored = elements[3] if len(elements) > 3 else None
    return name.decode("latin-1"), Variable(kind=kind, shape=sizes, order=order, stored=stored)


def _elements(content: bytes, order: str, *, filled: bool) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each. Raises ValueError where one is longer than what is left."""
    start = 0
    while start + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, start)
        if kind >> 16:  # short: size and kind in two bytes each, and at most four bytes after them
            kind, size, begin, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
            if size > 4:
                raise ValueError(f"a short element says that it has {size} bytes")
        else:
            begin = start + 8
            end = begin + (size + (-size % 8 if filled else 0))
        if begin + size > len(content):
            raise ValueError(f"an element says that it has {size} bytes, and {len(content) - begin} are left")
        yield kind, content[begin : begin + size]
        start = end


def _unpacked(part: bytes, most_bytes: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(part, most_bytes)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"unpacked it is larger than {most_bytes // 2**20} MiB")
    if not unpacker.eof:
        raise ValueError("its packed part is cut short")
    return content
