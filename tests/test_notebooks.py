"""The chapters as they are committed, and as papermill executes them in ``smoke``."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT

from hand_lib.book.chapters import Chapter, find_chapters, install_cell
from hand_lib.book.execution import Outcome
from hand_lib.book.front import check_rows
from hand_lib.book.plotly_renderer import MIME_TYPE, describe
from hand_lib.book.settings import read_settings
from hand_lib.cache import cache_dir
from hand_lib.models.rows import ROWS

CHAPTERS = find_chapters(ROOT)
NUMBERED = [chapter for chapter in CHAPTERS if chapter.number is not None]
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
each_numbered = pytest.mark.parametrize("chapter", NUMBERED, ids=lambda chapter: chapter.name)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


# ------------------------------------------------------------------------------------------------------ as committed


def test_contents_list_every_chapter_in_order() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    found = [file.removeprefix("notebooks/") for file in listed if file.startswith("notebooks/")]
    assert sorted(found) == sorted(chapter.name for chapter in CHAPTERS)
    assert [name for name in found if not name.startswith("page_")] == [chapter.name for chapter in NUMBERED]
    assert [chapter.number for chapter in NUMBERED] == list(range(1, len(NUMBERED) + 1))


def test_only_chapters_with_a_number_are_numbered_in_the_contents() -> None:
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    numbered = {page["file"] for part in parts if part.get("numbered") for page in part["chapters"]}
    assert numbered == {f"notebooks/{chapter.name}" for chapter in NUMBERED}


def test_every_page_is_in_the_contents() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = {toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])}
    pages = {str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "book").rglob("*.md")}
    assert pages == {file for file in listed if file.startswith("book/")}


@each_chapter
def test_is_a_valid_notebook_of_one_format(chapter: Chapter) -> None:
    notebook = read(chapter.path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@each_chapter
def test_holds_no_outputs(chapter: Chapter) -> None:
    notebook = read(chapter.path)
    assert "widgets" not in notebook.metadata
    for cell in code_cells(notebook):
        assert cell.outputs == [] and cell.execution_count is None, cell.id


@each_chapter
def test_opens_with_title_install_cell_and_parameters(chapter: Chapter) -> None:
    title, install, parameters = read(chapter.path).cells[:3]
    assert title.cell_type == "markdown" and title.source.startswith("# ")
    assert "remove-cell" in tags(install)
    assert install.source == install_cell(read_settings(ROOT).address), "run `make address`"
    assert "parameters" in tags(parameters)
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(parameters.source).body}
    assert values == {"PROFILE": "quick", "SEED": 0, "DEVICE": None}


@each_numbered
def test_has_exercises_with_solutions_in_code(chapter: Chapter) -> None:
    cells = read(chapter.path).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    exercises = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n:label:\s*(\S+)", text)
    solutions = set()
    for i, cell in enumerate(cells):
        if cell.cell_type == "markdown" and (start := re.search(r"\{solution-start\}\s*(\S+)", cell.source)):
            assert ":class: dropdown" in cell.source, "a solution is folded away"
            end = next(j for j in range(i, len(cells)) if "{solution-end}" in cells[j].source)
            if any(c.cell_type == "code" and c.source.strip() for c in cells[i:end]):
                solutions.add(start.group(1))
    assert len(exercises) >= 3 and len(set(exercises)) == len(exercises)
    assert solutions == set(exercises)


@each_chapter
def test_imports_nothing_that_the_package_does_not_declare(chapter: Chapter) -> None:
    """A reader on Colab has the dependencies and the extra `notebooks`, and nothing else."""
    source = "\n".join(re.sub(r"(?m)^[%!].*$", "", cell.source) for cell in code_cells(read(chapter.path)))
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    declared = {"hand_lib", "torch", "numpy", "scipy", "PIL", "tqdm", "einops", "safetensors", "lightning", "IPython"}
    assert names - set(sys.stdlib_module_names) - declared <= {"matplotlib", "plotly", "ipywidgets"}


# Modules that draw, and those of their functions that a chapter computes with.
DRAWS = re.compile(r"hand_lib\.figures\b|plotly|matplotlib|IPython|ipywidgets")
COMPUTES = {"linear_probe", "mixing_weights"}
COLUMNS = 80


def is_shown(cell) -> bool:
    """Whether a code cell's text stands open on the page."""
    return cell.cell_type == "code" and not {"hide-input", "remove-input", "remove-cell"} & set(tags(cell))


def names_that_draw(notebook) -> set[str]:
    """What a chapter has imported to draw, to tabulate and to say sentences with, by the names it uses."""
    names = {"display"}
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(re.sub(r"(?m)^[%!].*$", "", cell.source))):
            if isinstance(node, ast.Import):
                names |= {(a.asname or a.name).partition(".")[0] for a in node.names if DRAWS.match(a.name)}
            elif isinstance(node, ast.ImportFrom):
                imported = [(a.asname or a.name, f"{node.module}.{a.name}") for a in node.names]
                names |= {name for name, full in imported if DRAWS.match(full)}
    return names - COMPUTES


def called(tree: ast.AST) -> set[str]:
    """The first name of everything that is called: `figures` of `figures.table(...)`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            while isinstance(function, ast.Attribute | ast.Subscript | ast.Call):
                function = function.func if isinstance(function, ast.Call) else function.value
            if isinstance(function, ast.Name):
                found.add(function.id)
    return found


@each_chapter
def test_what_stands_open_is_tensor_code(chapter: Chapter) -> None:
    """Cells that draw, tabulate or make sentences of numbers are folded, and so is a wall of imports."""
    notebook = read(chapter.path)
    draws = names_that_draw(notebook)
    assert "figures" in draws
    found = []
    for cell in filter(is_shown, notebook.cells):
        tree = ast.parse(cell.source)
        found += [f"cell {cell.id} calls {name}" for name in sorted(called(tree) & (draws | {"ax", "axes", "figure"}))]
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        if len(imports) > 3:
            found.append(f"cell {cell.id} has {len(imports)} imports")
    assert found == []


@each_chapter
def test_code_that_stands_open_fits_into_its_column(chapter: Chapter) -> None:
    for cell in filter(is_shown, read(chapter.path).cells):
        wide = [line for line in cell.source.splitlines() if len(line) > COLUMNS]
        assert wide == [], f"cell {cell.id}: more than {COLUMNS} columns"


@each_chapter
def test_says_what_should_be_known_before_and_what_it_trains(chapter: Chapter) -> None:
    """For the head of its page and for the map: metadata.hand_lib, see CONTRIBUTING.md."""
    source = "\n".join(cell.source for cell in code_cells(read(chapter.path)))
    assert chapter.needs or chapter is CHAPTERS[0], "metadata.hand_lib.needs: the chapters to know before"
    assert bool(chapter.trains or chapter.trains_besides) == ("experiments.run(" in source), (
        "metadata.hand_lib.trains: how many runs of which row"
    )
    assert chapter.title == read(chapter.path).cells[0].source.splitlines()[0].removeprefix("# ")
    check_rows([chapter])


def test_each_row_of_the_ladder_is_built_by_one_chapter() -> None:
    check_rows(CHAPTERS)
    built = [name for chapter in CHAPTERS for name in chapter.rungs]
    assert set(ROWS) <= set(built) and len(built) == len(set(built))


@pytest.mark.parametrize("value", ["", "https://example.org/someone/book"])
def test_install_cell_says_nothing_where_the_package_is(value: str, capfd: pytest.CaptureFixture[str]) -> None:
    exec(compile(install_cell(value), "install cell", "exec"), {})
    assert capfd.readouterr() == ("", "")


def test_install_cell_installs_where_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    commands = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: commands.append((command, options)))
    with pytest.raises(ImportError, match="hand_lib is missing"):
        exec(install_cell(""), {})
    assert commands == []
    exec(install_cell("https://example.org/someone/book"), {})
    ((command, options),) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "install"] and options["check"]
    assert command[-1] == "joint-by-joint[notebooks] @ git+https://example.org/someone/book"


# ------------------------------------------------------------------------------------------------------- as executed


def executed(outcomes: list[Outcome], chapter: Chapter) -> nbformat.NotebookNode:
    (outcome,) = (o for o in outcomes if o.chapter == chapter)
    assert outcome.error is None, f"{outcome.notebook}: {outcome.error}"
    return read(outcome.notebook)


@pytest.mark.slow
@each_chapter
def test_runs_from_start_to_end(executed_book: list[Outcome], chapter: Chapter) -> None:
    """Solutions included: every code cell has run, in order, with the profile that was asked for."""
    notebook = executed(executed_book, chapter)
    counts = [cell.execution_count for cell in code_cells(notebook) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1))
    (injected,) = (cell for cell in notebook.cells if "injected-parameters" in tags(cell))
    assert 'PROFILE = "smoke"' in injected.source and "remove-cell" in tags(injected)


@pytest.mark.slow
@each_chapter
def test_trains_what_it_says(executed_book: list[Outcome], chapter: Chapter) -> None:
    """Of each row that its metadata names there are as many runs, from whatever start, once the book is executed."""
    executed(executed_book, chapter)
    kept = [json.loads(path.read_text())["row"] for path in (cache_dir() / "runs" / "smoke").glob("*/record.json")]
    for row, count in chapter.trains.items():
        assert kept.count(row) >= count, row


@pytest.mark.slow
@each_chapter
def test_pictures_and_figures_are_described(executed_book: list[Outcome], chapter: Chapter) -> None:
    missing = []
    for cell in code_cells(executed(executed_book, chapter)):
        if "remove-cell" in tags(cell) or "remove-output" in tags(cell):
            continue
        data = [output.data for output in cell.outputs if "data" in output]
        if any(kind.startswith("image/") for bundle in data for kind in bundle):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if len(alt.split()) < 3:
                missing.append(f"picture of cell {cell.id}")
        missing += [f"figure of cell {cell.id}" for b in data if MIME_TYPE in b and not describe(b[MIME_TYPE])]
    assert missing == []


@each_chapter
def test_live_controls_are_for_the_notebook_alone(chapter: Chapter) -> None:
    """On a page a control without a kernel is dead; its cell is left out there."""
    cells = [cell for cell in code_cells(nbformat.read(chapter.path, 4)) if "widgets.explore" in cell.source]
    assert cells and all(cell.metadata.get("tags") == ["remove-cell"] for cell in cells)


@pytest.mark.slow
@each_chapter
def test_has_something_to_move_in_both_forms(executed_book: list[Outcome], chapter: Chapter) -> None:
    """A widget for the live notebook, and a figure with frames and a slider for the page."""
    bundles = [o.data for cell in code_cells(executed(executed_book, chapter)) for o in cell.outputs if "data" in o]
    figures = [bundle[MIME_TYPE] for bundle in bundles if MIME_TYPE in bundle]
    assert any(figure.get("frames") and figure["layout"].get("sliders") for figure in figures)
    assert any("application/vnd.jupyter.widget-view+json" in bundle for bundle in bundles)


@pytest.mark.slow
@each_chapter
def test_shows_no_object_in_place_of_its_text(executed_book: list[Outcome], chapter: Chapter) -> None:
    """Empty Markdown has nothing to show but its own name."""
    found = []
    for cell in code_cells(executed(executed_book, chapter)):
        for output in cell.outputs:
            shown = {kind: text for kind, text in output.get("data", {}).items() if text}
            plain = shown.pop("text/plain", output.get("text", ""))
            if not shown and "IPython.core.display" in plain:
                found.append(f"cell {cell.id}")
    assert found == []


@pytest.mark.slow
@each_chapter
def test_prints_no_warning_and_no_machine_path(executed_book: list[Outcome], chapter: Chapter) -> None:
    found = []
    for cell in code_cells(executed(executed_book, chapter)):
        if "remove-cell" in tags(cell):
            continue
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr" and "remove-stderr" not in tags(cell):
                found.append(f"stderr of cell {cell.id}: {output.text[:200]}")
            if re.search(r"(/home/|/Users/|/root/|/tmp/)\w", json.dumps(output)):
                found.append(f"a path of this machine in the output of cell {cell.id}")
    assert found == []
