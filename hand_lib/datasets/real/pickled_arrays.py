"""How numpy pickles its arrays, and what stands for the functions and types that such a pickle names.

numpy's pickles call three functions and fill what these return. :func:`made_by` and :func:`fill` do what numpy would do
with the arguments that numpy writes, and refuse all others. Nothing of numpy that a file names is touched.
"""

from __future__ import annotations

import math

import numpy as np

# What a file may name, under the module paths of old and of new numpy.
_NUMPY_PATHS = ("numpy.core", "numpy._core")
KNOWN = {
    "numpy ndarray": "array type",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    **{f"{path}.multiarray _reconstruct": "empty array" for path in _NUMPY_PATHS},
    **{f"{path}.multiarray scalar": "scalar" for path in _NUMPY_PATHS},
    **{f"{path}.numeric _frombuffer": "array of bytes" for path in _NUMPY_PATHS},
}


class Refused(Exception):
    """What a pickle holds that no annotation needs."""


class Named:
    """A name that the file gives, with what stands for it here. It can be called by nobody."""

    def __init__(self, meaning: str) -> None:
        self.meaning = meaning


class DType:
    """A dtype in the making."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"

    def built(self) -> np.dtype:
        kind, size = self.code[:1], self.code[1:]
        if kind not in "biuf" or size not in ("1", "2", "4", "8") or (kind, size) == ("f", "1"):
            raise Refused(f"it holds an array of {ascii(self.code)[:40]}, not of numbers")
        return np.dtype(self.order + self.code)


class PickledArray:
    """An array in the making: pickles make it empty, refer to it, and fill it afterwards."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None


def made_by(function: object, arguments: object) -> object:
    """What a named function makes of its arguments: an array, a dtype, a number, or bytes.

    Raises:
        Refused: it is no function that is known here, or not called as numpy and Python call it.
    """
    if not isinstance(function, Named) or type(arguments) is not tuple:
        raise Refused("its pickle calls what is no function")
    match function.meaning, arguments:
        case "empty array", (Named(meaning="array type"), (0,), b"b" | "b"):
            return PickledArray()
        case "dtype", (str(code), False | 0, True | 1):
            return DType(code)
        case "scalar", (DType() as dtype, bytes() | str() as content):
            return _array(dtype, (), content, fortran=False)[()]
        case "array of bytes", (bytes() as content, DType() as dtype, tuple(shape), "C" | "F" as order):
            made = PickledArray()
            made.value = _array(dtype, shape, content, fortran=order == "F")
            return made
        case "encode", (str(text), "latin1" | "latin-1"):
            return text.encode("latin-1")
    raise Refused(f"its pickle makes a numpy {function.meaning} in a way that numpy does not")


def fill(made: object, state: object) -> None:
    """Give an array in the making its content, or a dtype its byte order.

    Raises:
        Refused: it is neither, or the state is not one that numpy writes, or declares more than it has.
    """
    match made, state:
        case DType(), (3, "<" | ">" | "|" | "=" as order, None, None, None, -1, -1, 0):
            made.order = order
        case PickledArray(value=None), (1, tuple(shape), DType() as dtype, fortran, bytes() | str() as content):
            made.value = _array(dtype, shape, content, fortran=bool(fortran))
        case _:
            raise Refused("its pickle fills an object in a way that numpy does not")


def _array(dtype: DType, shape: tuple, content: bytes | str, *, fortran: bool) -> np.ndarray:
    """The array, if the file brings as many bytes as it declares."""
    built = dtype.built()
    content = content.encode("latin-1") if isinstance(content, str) else content
    if not all(type(n) is int and 0 < n <= len(content) for n in shape) or len(shape) > 8:
        raise Refused(f"it holds an array of the shape {ascii(shape)[:60]}")
    if math.prod(shape) * built.itemsize != len(content):
        raise Refused(f"it holds an array of the shape {ascii(shape)[:60]} with {len(content)} bytes")
    array = np.frombuffer(content, np.uint8).astype(bool) if built.kind == "b" else np.frombuffer(content, built)
    return array.reshape(shape, order="F" if fortran else "C").astype(built.newbyteorder("="))
