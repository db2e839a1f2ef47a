"""The papers' comparisons on public data sets: what they print, and our runs beside them as soon as there are any.

Nobody can run these without the data sets, which their authors give away. So a cell of ours says "needs the data"
until a record fills it, and its line has the command that makes the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hand_lib.experiments import BACKBONES, is_current, records
from hand_lib.figures.printed import (
    GROUPS_FIGURE_3,
    GROUPS_TABLE_1,
    JAR_FIGURE_2,
    JAR_TABLE_3,
    Cell,
    Printed,
    PrintedTable,
)
from hand_lib.figures.results_page import write_page
from hand_lib.figures.style import INK, SERIES_COLORS, SERIES_DASHES, panels
from hand_lib.figures.tables import Table, mean_and_spread, plain, together
from hand_lib.models.catalogue import rows_and_variants

PROFILE = "paper"  # whose records stand in the papers' tables
NEEDS = "needs the data"
NO_ROW = "no row of this book"
TABLES = (JAR_TABLE_3, JAR_FIGURE_2, GROUPS_TABLE_1, GROUPS_FIGURE_3)


def write(path: Path, folder: Path | None = None) -> None:
    """Write what ``book/results.md`` includes on public data sets, and the pictures of it beside the file.

    Args:
        path: the file to write.
        folder: where the records are, instead of :func:`hand_lib.experiments.recording.real_results`.

    Raises:
        HandLibError: a record cannot be read, or a file cannot be written.
    """
    from hand_lib.experiments import real_results

    found = records(folder=folder or real_results())
    write_page(path, markdown(found), pictures(found))


def markdown(found: Iterable[Mapping[str, Any]]) -> str:
    """The papers' tables with our cells, and below them a list of all runs that are recorded.

    Args:
        found: records of runs on public data sets.
    """
    found = list(found)
    parts = []
    for printed in TABLES:
        parts += [f"### {printed.title}", printed.said, str(compared(printed, found)), *_figure(printed, found)]
        if commands := _commands(printed, found):
            lines = "\n".join(commands)
            parts += [f"What fills it, a command a cell:\n\n```\n{lines}\n```"]
    if found:
        parts += ["### All runs on public data sets", str(every_run(found))]
    return "\n\n".join(parts) + "\n"


def compared(printed: PrintedTable, found: Sequence[Mapping[str, Any]]) -> Table:
    """One of the papers' tables, with a column of ours beside each of theirs that a record can fill."""
    header = (printed.what, *(column for column in printed.columns))
    header += tuple(f"ours, {cell.title}" for cell in printed.cells)
    lines = []
    for line in printed.lines:
        ours = [_cell(line, cell, found) for cell in printed.cells]
        lines.append((line.method, *line.figures, *ours))
    return Table(header, tuple(lines), printed.note)


def _cell(line: Printed, cell: Cell, found: Sequence[Mapping[str, Any]]) -> str:
    """What our runs have; a dash where this is none of the paper's own methods."""
    if not line.own or cell.dataset not in line.datasets:
        return "–"
    if line.row is None:
        return NO_ROW
    values = [
        cell.factor * score["value"]
        for record in _runs(line, cell, found)
        for score in record["scores"]
        if score["name"] == cell.score
    ]
    return together(mean_and_spread(values, digits=cell.digits)) if values else NEEDS


def _runs(line: Printed, cell: Cell, found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The current records of the row and its backbone on the cell's data set, with the paper's training."""
    return [
        record
        for record in found
        if (record["row"], record["dataset"], record["profile"]) == (line.row, cell.dataset, PROFILE)
        and record["backbone"] == (line.backbone or record["backbone"])
        and is_current(record)
    ]


def _commands(printed: PrintedTable, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The commands that would fill the cells that are empty, each once."""
    wanted = {
        command(line, cell.dataset): None
        for line in printed.lines
        for cell in printed.cells
        if _cell(line, cell, found) == NEEDS
    }
    return list(wanted)


def command(line: Printed, dataset: str) -> str:
    """The command that records a method's run on a data set."""
    backbone = f" --backbone {line.backbone}" if line.backbone in BACKBONES else ""
    return f"python -m hand_lib train {line.row} --profile {PROFILE}{backbone} --dataset {dataset} --root DIR"


def every_run(found: Sequence[Mapping[str, Any]]) -> Table:
    """A line a run: data set, row, profile, seed, and all scores by the rules of the data set."""
    lines = []
    for record in found:
        row = rows_and_variants().get(record["row"])
        own = row.title if row is not None else record["title"]
        star = "" if is_current(record) else " \\*"
        said = ", ".join(
            f"{score['name']} {score['value']:.2f} {score['unit']}"
            if score["unit"]
            else f"{score['name']} {score['value']:.3f}"
            for score in record["scores"]
        )
        name = f"`{record['row']}`{star} {own}, {record['backbone']}"
        lines.append((record["dataset"], name, record["profile"], str(record["seed"]), plain(said)))
    note = "True root depth and scale given; `python -m hand_lib results --dataset NAME --json` has the rules in words."
    if any(not is_current(record) for record in found):
        note += " \\* Recorded with other code, or on other pictures, than those of this version of the book."
    return Table(("data set", "row", "profile", "seed", "scores"), tuple(lines), note, align="left")


# --- Curves ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Curve:
    name: str
    shares: Sequence[float]


def _curves(printed: PrintedTable, found: Sequence[Mapping[str, Any]]) -> dict[str, list[_Curve]]:
    """For each data set that a figure of the paper shows, the curves of our runs."""
    if not printed.draws:
        return {}
    curves: dict[str, list[_Curve]] = {}
    for cell in printed.cells:
        for line in printed.lines:
            if line.row is None or cell.dataset not in line.datasets:
                continue
            for record in _runs(line, cell, found):
                curves.setdefault(cell.dataset, []).append(_Curve(f"seed {record['seed']}", record["pck"]))
    return curves


def pictures(found: Iterable[Mapping[str, Any]]) -> dict[str, Figure]:
    """The curves that :func:`markdown` of the same records shows, by their files' names; none without records."""
    found = list(found)
    return {_file(printed): _drawn(curves) for printed in TABLES if (curves := _curves(printed, found))}


def _file(printed: PrintedTable) -> str:
    return f"public_{printed.name}.svg"


def _drawn(curves: Mapping[str, Sequence[_Curve]]) -> Figure:
    figure, axes = panels(1, len(curves), width=3.4 * len(curves), height=3.0)
    for ax, (dataset, members) in zip(axes[0], curves.items(), strict=True):
        for number, curve in enumerate(members):
            color = SERIES_COLORS[number % len(SERIES_COLORS)]
            dash = SERIES_DASHES[number % len(SERIES_DASHES)]
            ax.plot(range(len(curve.shares)), curve.shares, color=color, linestyle=dash, label=curve.name)
        ax.axvspan(20, 50, color=INK, alpha=0.08, zorder=0)
        ax.set(xlabel="threshold, mm", ylabel="PCK", xlim=(0, 50), ylim=(0, 1.01), title=dataset.upper())
        ax.legend(loc="lower right")
    return figure


def _figure(printed: PrintedTable, found: Sequence[Mapping[str, Any]]) -> list[str]:
    curves = _curves(printed, found)
    if not curves:
        return []
    within = [f"{name}: {members[0].shares[20]:.0%} of joints within 20 mm" for name, members in curves.items()]
    alt = f"Share of joints within a distance, of our runs. {'; '.join(within)}."
    caption = "Our curves, a seed each; the AUC is their mean height over the grey band."
    return [f"```{{figure}} {_file(printed)}\n:alt: {alt}\n:width: {340 * len(curves)}px\n\n{caption}\n```"]
