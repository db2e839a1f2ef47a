"""Files that people write, read and checked before any work begins: one line says what is wrong in which of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hand_lib.cache import open_regular
from hand_lib.errors import HandLibError


class Checked(BaseModel):
    """Content of a file, as far as the book's own code uses it. Text is not taken for a number, nor a number for text.

    Of two ways to go wrong the worse is a key that is misspelt and silently does nothing: where other keys have no
    meaning, a model forbids them.
    """

    model_config = ConfigDict(strict=True, frozen=True)


def read_bytes(path: Path, *, most: int) -> bytes:
    """A file's content.

    Args:
        most: bytes that such a file may have.

    Raises:
        HandLibError: no such file, a folder, a pipe or a device, no permission, or too large.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise HandLibError(f"cannot read {path}: it is too large, more than {most // 2**20} MiB")
    return content


def read_text(path: Path, *, most: int) -> str:
    """A file's text, see :func:`read_bytes`.

    Raises:
        HandLibError: it cannot be read, or is not UTF-8.
    """
    content = read_bytes(path, most=most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HandLibError(f"{path}: not UTF-8 at byte {error.start}") from error


def check(path: Path, model: type[BaseModel], content: Any) -> Any:
    """The content of ``path`` as an object of this model.

    Raises:
        HandLibError: names the file, the key, what is wrong and the value.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        complaint = error.errors(include_url=False)[0]
        key = ".".join(map(str, complaint["loc"]))
        said = complaint["msg"].removeprefix("Value error, ")
        value = complaint["input"]
        shown = "" if complaint["type"] == "missing" else f", not {brief(value)}"
        raise HandLibError(one_line(f"{path}: {f'{key}: ' if key else ''}{said}{shown}")) from None


def brief(value: object) -> str:
    """A value as it can stand in a line."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "empty" if value is None else ascii(value)[:60]


def one_line(text: str, length: int = 500) -> str:
    """A library's message without its line breaks and its tail."""
    return " ".join(text.split())[:length]
