"""Is a data set on the disk whole? Every hand is read once; what is missing, broken or doubtful is said in lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hand_lib.datasets.real.checks import complaints, evenly
from hand_lib.datasets.real.hands import Hand, Reader
from hand_lib.datasets.real.published import Published
from hand_lib.errors import HandLibError

MOST_NAMED = 50  # broken files that are named; the rest is counted
LOOKED_AT = 32  # hands that are held against what hands are like


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found of one split.

    Attributes:
        title: data set and split.
        sound: hands whose files are all there and can be read.
        indexed: hands that the annotations tell of; None where these cannot be read.
        published: hands that the split has when it is whole; None where that is not known.
        broken: a line for each file that is missing or damaged, the first ``MOST_NAMED``.
        more_broken: how many more there are.
        doubts: what hands cannot be like, see :mod:`hand_lib.datasets.real.checks`.
    """

    title: str
    sound: int
    indexed: int | None
    published: int | None
    broken: tuple[str, ...]
    more_broken: int
    doubts: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether all hands are there, can be read, and can be hands."""
        wanted = self.indexed if self.published is None else self.published
        return self.indexed is not None and self.sound == wanted and not self.broken and not self.doubts

    @property
    def lines(self) -> list[str]:
        """For people."""
        wanted = self.published if self.published is not None else self.indexed
        whole = "" if wanted is None else f" of {wanted}"
        found = [f"{self.title}: {self.sound}{whole} hands are sound"]
        if self.indexed is not None and self.indexed != wanted:
            found.append(f"  the annotations tell of {self.indexed} hands")
        found += [f"  {line}" for line in self.broken]
        if self.more_broken:
            found.append(f"  and {self.more_broken} more")
        return found + [f"  {doubt}" for doubt in self.doubts]


def inspect(published: Published, root: Path, split: str, *, progress: bool = True) -> Inspection:
    """Read every hand of a split once, one after the other; no more than ``LOOKED_AT`` are kept in memory.

    Args:
        published: which data set.
        root: its folder.
        split: of ``published.hands``.
        progress: show a bar on stderr.

    Raises:
        HandLibError: no such split, no such folder.
    """
    reader = published.reader(root, split)
    title = f"{published.name}, {split}"
    broken, looked_at = _Broken(), []
    try:
        indexed = len(reader)
    except HandLibError as error:
        broken.add(error)
        indexed = None
    sound = 0 if indexed is None else _read_all(reader, title, broken, looked_at, progress)
    return Inspection(
        title=title,
        sound=sound,
        indexed=indexed,
        published=published.hands[split],
        broken=tuple(broken.lines),
        more_broken=broken.count - len(broken.lines),
        doubts=tuple(complaints(looked_at)) if looked_at else (),
    )


class _Broken:
    """What was said of broken files, each once: hands share masks and annotations."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: set[int] = set()  # hashes: a hundred thousand lines need not be kept

    @property
    def count(self) -> int:
        return len(self._known)

    def add(self, error: HandLibError) -> None:
        line = str(error)
        if hash(line) not in self._known and len(self.lines) < MOST_NAMED:
            self.lines.append(line)
        self._known.add(hash(line))


def _read_all(reader: Reader, title: str, broken: _Broken, looked_at: list[Hand], progress: bool) -> int:
    from tqdm import tqdm

    chosen = set(evenly(len(reader), LOOKED_AT))
    sound = 0
    for index in tqdm(range(len(reader)), desc=f"reading {title}", unit="hand", disable=not progress):
        try:
            hand = reader.hand(index)
        except HandLibError as error:
            broken.add(error)
            continue
        sound += 1
        if index in chosen:
            looked_at.append(hand)
    return sound
