"""Pickles as Python 2 and older numpy wrote them; today's can only read those."""

from __future__ import annotations

import pickle

import numpy as np


def python2(content: object) -> bytes:
    """The pickle that Python 2 and its numpy made, in the second format: text and arrays' bytes are byte strings."""

    def text(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    def whole(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    def put(value: object) -> bytes:
        match value:
            case None:
                return b"N"
            case bool():
                return b"\x88" if value else b"\x89"
            case int():
                return whole(value)
            case str():
                return text(value.encode("latin-1"))
            case list():
                return b"](" + b"".join(map(put, value)) + b"e"
            case dict():
                return b"}(" + b"".join(put(key) + put(one) for key, one in value.items()) + b"u"
            case np.ndarray():
                made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + whole(0) + b"\x85"
                made += text(b"b") + b"tR"
                dtype = b"cnumpy\ndtype\n(" + text(value.dtype.str[1:].encode()) + whole(0) + whole(1) + b"tR"
                dtype += b"(" + whole(3) + text(b"<") + b"NNN" + whole(-1) * 2 + whole(0) + b"tb"
                shape = b"(" + b"".join(map(whole, value.shape)) + b"t"
                return made + b"(" + whole(1) + shape + dtype + b"\x89" + text(value.tobytes()) + b"tb"
        raise TypeError(type(value))

    return b"\x80\x02" + put(content) + b"."


def numpy1(content: object) -> bytes:
    """The pickle that Python 3 made with a numpy below 2."""
    return pickle.dumps(content, protocol=2).replace(b"cnumpy._core.", b"cnumpy.core.")
