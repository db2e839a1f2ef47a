"""Ways in which a file of text goes wrong, for tests of its readers: slips of a person, of an editor, of a disk."""

from __future__ import annotations

import copy
import random
from typing import Any

VALUES = [None, True, False, 0, 1, -1, 3, 99, 2**70, 0.5, float("nan"), float("inf"), "", "x", "4", "../x", "²"]
VALUES += ["\N{ESCAPE}[31m", "two\nlines", "\ud800", [], {}, [[]], [None], {"": None}, [1, "a", {}], "x" * 5000]
SIGNS = "\N{NULL}\t\r\n:#-\"'{}[],&*!|>%@`é²\N{BOM}"


def damage_bytes(content: bytes, choose: random.Random) -> bytes:
    """The bytes with one thing wrong: cut, flipped, deleted, inserted, doubled, nested or in another encoding."""
    start = choose.randrange(len(content))
    stop = min(len(content), start + choose.choice([1, 1, 2, 30]))
    match choose.randrange(8):
        case 0:
            return content[:start]
        case 1:
            return content[:start] + bytes([content[start] ^ (1 << choose.randrange(8))]) + content[start + 1 :]
        case 2:
            return content[:start] + content[stop:]
        case 3:
            return content[:start] + choose.randbytes(stop - start) + content[start:]
        case 4:
            return content[:start] + content[start:stop] * 2 + content[stop:]
        case 5:
            return content[:start] + choose.choice([b"[", b'{"a":', b"- ", b"a: "]) * 200_000 + content[start:]
        case 6:
            return content.decode().encode(choose.choice(["utf-16", "utf-32", "utf-8-sig"]))
        case _:
            return content[:start] + choose.choice(SIGNS).encode() + content[start:]


def damage_tree(content: Any, choose: random.Random) -> Any:
    """JSON or YAML as Python has it, with one value replaced, left out, doubled, renamed or wrapped."""
    content = copy.deepcopy(content)
    places: list[tuple[Any, Any]] = []

    def visit(part: Any) -> None:
        for key in part if isinstance(part, dict) else range(len(part)):
            places.append((part, key))
            if isinstance(part[key], dict | list):
                visit(part[key])

    visit(content)
    part, key = choose.choice(places)
    match choose.randrange(6):
        case 0 | 1:
            part[key] = choose.choice(VALUES)
        case 2:
            del part[key]
        case 3 if isinstance(part, dict):
            part[f"{key}x"] = part.pop(key)
        case 3 | 4 if isinstance(part, list):
            part.insert(key, copy.deepcopy(part[key]))
        case 4:
            part[key] = {key: part[key]}
        case _:
            part[key] = [part[key]]
    return content
