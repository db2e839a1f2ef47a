"""Pickles of annotations, read without running anything that they say.

A pickle is a program. The standard library's unpickler runs it: a file can name any function and have it called. Here
the same opcodes are read by :mod:`pickletools` and carried out by a machine that knows numbers, text, lists, tuples,
dictionaries and numpy's arrays, and nothing else: no object of the file is ever called, no attribute is ever set. What
annotation files of both Pythons and of old and new numpy hold comes out as it went in; all else is refused by name.

A file cannot ask for more than it brings: an array's bytes lie in the file, so its declared shape cannot fill the
memory, and layers and steps are counted.
"""

from __future__ import annotations

import codecs
import io
import pickletools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hand_lib.cache import read_at_most
from hand_lib.datasets.real.pickled_arrays import KNOWN, Named, PickledArray, Refused, fill, made_by
from hand_lib.errors import HandLibError

_MOST_BYTES = 512 * 2**20  # RHD's training annotations are about a hundred million
_MOST_STEPS = 12_000_000  # RHD's take about three million
_MOST_LAYERS = 16
_MOST_DIGITS = 30  # of a whole number

_PLAIN = (bool, int, float, str, bytes, np.ndarray, np.generic, type(None))


def read_pickle(path: Path | str) -> object:
    """What an annotation pickle holds: plain containers, numbers, text and numpy arrays. Runs none of it.

    Text of Python 2 is read as Latin-1. Arrays are of whole numbers, floats or truth values and come in the machine's
    byte order; each is a copy that can be written to.

    Raises:
        HandLibError: the file is missing, too large or cut short, is no pickle, or holds or names anything else.
    """
    content = read_at_most(path, _MOST_BYTES)
    try:
        return _Machine(content).run()
    except Refused as refused:
        raise HandLibError(f"cannot read {path}: {refused}") from None


class _Machine:
    """Carries out a pickle's opcodes on plain values."""

    def __init__(self, content: bytes) -> None:
        self.file = io.BytesIO(content)
        self.stack: list = []
        self.marks: list[list] = []  # the stacks outside the open brackets
        self.memo: dict[int, object] = {}
        self.layers: dict[int, int] = {}  # by id: how deep a container is

    def run(self) -> object:
        read = self.file.read
        for _ in range(_MOST_STEPS):
            code = read(1)
            if code == b".":
                return self._finished()
            if code not in _TABLE:
                raise _unknown(code)
            argument, step = _TABLE[code]
            try:
                step(self, argument(self.file))
            except (ValueError, LookupError, TypeError, OverflowError, MemoryError) as error:
                raise Refused(f"it is cut short or no pickle (before byte {self.file.tell()})") from error
        raise Refused(f"its pickle has more than {_MOST_STEPS} steps")

    def _finished(self) -> object:
        if len(self.stack) != 1 or self.marks:
            raise Refused("it is cut short or no pickle (it ends amid something)")
        return self.plain(self.stack.pop())

    # ------------------------------------------------------------------------------------------------------- values

    def plain(self, value: object) -> object:
        """A value that may stand in a container or come out. Raises for what is only a means to make one."""
        if isinstance(value, PickledArray):
            if value.value is None:
                raise Refused("it holds an array without content")
            return value.value
        if type(value) is tuple:
            made = tuple(self.plain(part) for part in value)
            self.layers[id(made)] = self.layers.get(id(value), 1)
            return made
        if isinstance(value, _PLAIN) or type(value) in (list, dict):
            return value
        raise Refused("its pickle keeps a function or a type as if it were a value")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        return self.stack.pop()

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list:
        values = self.stack
        self.stack = self.marks.pop()
        return values

    def contain(self, container: object, values: list) -> None:
        """Note that a container holds these values; refuse too many layers."""
        known = self.layers
        deepest = max((known.get(id(v), 0) for v in values if type(v) in (list, tuple, dict)), default=0)
        known[id(container)] = max(known.get(id(container), 1), deepest + 1)
        if deepest >= _MOST_LAYERS:
            raise Refused(f"it has more than {_MOST_LAYERS} layers")

    # ------------------------------------------------------------------------------------------------------ containers

    def new(self, container: list | dict) -> None:
        self.layers[id(container)] = 1
        self.push(container)

    def tuple_of(self, values: list) -> None:
        made = tuple(values)  # arguments of a later step too, so anything may stand in it
        self.layers[id(made)] = 1
        self.contain(made, values)
        self.push(made)

    def append(self, values: list) -> None:
        container = self.stack[-1]
        if type(container) is not list:
            raise Refused("it adds to what is no list")
        values = [self.plain(value) for value in values]
        self.contain(container, values)
        container.extend(values)

    def set_items(self, pairs: list) -> None:
        container = self.stack[-1]
        if type(container) is not dict or len(pairs) % 2:
            raise Refused("it adds to what is no dictionary")
        keys, values = pairs[::2], [self.plain(value) for value in pairs[1::2]]
        # A tuple's hash would descend without end, and large numbers can be chosen to have one hash all together.
        if not all(type(key) is str or (type(key) is int and abs(key) < 2**31) for key in keys):
            raise Refused("a dictionary's key is neither a name nor the number of a frame")
        if len(set(keys)) < len(keys) or any(key in container for key in keys):
            raise Refused("a dictionary has a key twice")
        self.contain(container, values)
        container.update(zip(keys, values, strict=True))

    # ------------------------------------------------------------------------------------------------------------ memo

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        value = self.memo[place]
        if type(value) in (list, dict) or (type(value) is tuple and self.layers.get(id(value), 1) > 1):
            raise Refused("a container stands there twice")  # so layers multiply nothing, and nothing holds itself
        self.push(value)

    # ---------------------------------------------------------------------------------------------------- what is made

    def name(self, dotted: object) -> None:
        meaning = KNOWN.get(dotted) if isinstance(dotted, str) else None
        if meaning is None:
            raise Refused(f"its pickle names {ascii(dotted)[1:-1].replace(' ', '.')[:80]}, which no annotation needs")
        self.push(Named(meaning))

    def name_on_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise Refused("its pickle names something by what is no text")
        self.name(f"{module} {name}")

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        self.push(made_by(function, arguments))

    def build(self) -> None:
        state = self.pop()
        fill(self.stack[-1], state)


def _unknown(code: bytes) -> Refused:
    names = {opcode.code.encode("latin-1"): opcode.name for opcode in pickletools.opcodes}
    if code in names:
        return Refused(f"its pickle has the opcode {names[code]}, which no annotation needs")
    return Refused("it is no pickle" if code else "it is cut short")


def _nothing(file: io.BytesIO) -> None:
    """The argument of an opcode that has none."""


def _quoted(file: io.BytesIO) -> str:
    """The text of Python 2 in its first format: quoted, with escapes, bytes beyond ASCII among them."""
    line = file.readline()
    if not line.endswith(b"\n") or len(line) < 3 or line[:1] not in b"'\"" or line[-2:-1] != line[:1]:
        raise ValueError("no quoted text")
    with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know and leaves as they are
        return codecs.escape_decode(line[1:-2])[0].decode("latin-1")


def _two_lines(file: io.BytesIO) -> str:
    """A module's path and a name in it."""
    lines = [file.readline(), file.readline()]
    if not all(line.endswith(b"\n") for line in lines):
        raise ValueError("no name")
    return " ".join(line[:-1].decode("latin-1") for line in lines)


def _whole(number: int) -> int:
    if abs(number) >= 10**_MOST_DIGITS:
        raise Refused("it holds a number of too many digits")
    return number


# What each opcode does to the machine m, given its argument a.
_STEPS: dict[str, Callable[[_Machine, object], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, a: None),
    "MARK": lambda m, a: m.mark(),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), lambda m, a: m.push(_whole(a))),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), lambda m, a: m.push(a)),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), lambda m, a: m.push(a)),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), lambda m, a: m.push(a)),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), lambda m, a: m.push(a)),
    "BYTEARRAY8": lambda m, a: m.push(bytes(a)),
    "EMPTY_LIST": lambda m, a: m.new([]),
    "EMPTY_DICT": lambda m, a: m.new({}),
    "EMPTY_TUPLE": lambda m, a: m.tuple_of([]),
    "LIST": lambda m, a: (values := m.since_mark(), m.new([]), m.append(values)),
    "DICT": lambda m, a: (values := m.since_mark(), m.new({}), m.set_items(values)),
    "TUPLE": lambda m, a: m.tuple_of(m.since_mark()),
    "TUPLE1": lambda m, a: m.tuple_of([m.pop()]),
    "TUPLE2": lambda m, a: m.tuple_of([m.pop(), m.pop()][::-1]),
    "TUPLE3": lambda m, a: m.tuple_of([m.pop(), m.pop(), m.pop()][::-1]),
    "APPEND": lambda m, a: m.append([m.pop()]),
    "APPENDS": lambda m, a: m.append(m.since_mark()),
    "SETITEM": lambda m, a: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, a: m.set_items(m.since_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, a: m.put(a)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, a: m.get(a)),
    "MEMOIZE": lambda m, a: m.put(len(m.memo)),
    "GLOBAL": lambda m, a: m.name(a),
    "STACK_GLOBAL": lambda m, a: m.name_on_stack(),
    "REDUCE": lambda m, a: m.reduce(),
    "BUILD": lambda m, a: m.build(),
}

# By an opcode's byte: what reads its argument, and the step. Pickletools reads no bytes beyond ASCII in quoted text.
_TABLE: dict[bytes, tuple[Callable[[io.BytesIO], object], Callable[[_Machine, object], None]]] = {
    opcode.code.encode("latin-1"): (opcode.arg.reader if opcode.arg else _nothing, _STEPS[opcode.name])
    for opcode in pickletools.opcodes
    if opcode.name in _STEPS
} | {b"S": (_quoted, _STEPS["STRING"]), b"c": (_two_lines, _STEPS["GLOBAL"])}
