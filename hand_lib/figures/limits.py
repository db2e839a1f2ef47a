"""What holds rows back: whether they fit the hands that they were trained on, and what a longer training changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hand_lib import evaluation
from hand_lib.experiments import PROFILES, Run
from hand_lib.figures.ladder import LENGTHS, by_length, follows, title
from hand_lib.samples import Samples

MOST_HANDS = 1024  # of the training set: enough for a mean
SMALL_GAP = 0.15  # of the error on held-out hands


def fit(runs: Mapping[str, Run], training_set: Samples) -> str:
    """How rows err on the hands that they were trained on, beside held-out ones, in a sentence; in ``smoke`` none.

    Args:
        runs: for each row's name a run, all of one profile.
        training_set: that they were trained on; its first hands are answered again, in plain crops.
    """
    seen = training_set[: min(MOST_HANDS, len(training_set))]
    words, gaps = [], []
    for row, run in runs.items():
        size = run.plan.network.image_size
        on_seen = evaluation.predict(run.model(), seen, image_size=size, device="cpu").errors.mean().item()
        held_out = run.errors.mean().item()
        gaps.append((held_out - on_seen) / held_out)
        words.append(f"*{title(row)}* errs by {on_seen:.2f} mm on training hands and by {held_out:.2f} mm on new ones")
    text = "; ".join(words) + ". "
    if max(gaps) < SMALL_GAP:
        text += "So even the hands that were seen are not learnt well yet: the training is short, or the network small."
    else:
        text += f"So up to {max(gaps):.0%} of an error appear on new hands only: there more hands would help."
    return follows(text, next(iter(runs.values())).plan.profile.name)


def longer(rows: Iterable[str]) -> str:
    """What a longer training changes by the records, in a sentence; empty where no seed is recorded in both lengths.

    Args:
        rows: names of rows.
    """
    lengths = by_length(rows)
    if not lengths:
        return ""
    short, long = (PROFILES[name] for name in LENGTHS)
    changes = {row: after - before for row, (before, after) in lengths.items()}
    text = (
        f"By the records `{long.name}`, with {long.steps / short.steps:g} times the steps of `{short.name}`, "
        f"{long.training_count / short.training_count:g} times the hands and batches of {long.batch_size} for "
        f"{short.batch_size}, changes the errors by "
        + ", ".join(f"{change:+.2f} mm (*{title(row)}*)" for row, change in changes.items())
        + "."
    )
    if max(changes.values()) < 0:
        text += " So these rows stop at what they are trained with, not at what they are."
    return text
