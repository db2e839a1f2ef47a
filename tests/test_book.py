"""Execution, staging and building, on a small book of three chapters: one good, one that fails, one that waits."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hand_lib.book import INSTALL_CELL, add_arguments, command, execution
from hand_lib.book.address import write_address
from hand_lib.book.chapters import Chapter, find_chapters, install_cell, put_address, select
from hand_lib.book.execution import execute, is_current
from hand_lib.book.plotly_renderer import MIME_TYPE, PlotlyRenderer, describe, figure_html
from hand_lib.book.settings import Repository, Settings, read_settings
from hand_lib.book.site import Folders, build, check, put_minus_signs, stage
from hand_lib.book.sphinx_extension import drop_repeated_scripts
from hand_lib.book.vendor import vendor_assets
from hand_lib.errors import HandLibError
from hand_lib.figures.dark import DARK

ADDRESS = "https://github.com/someone/joints"


def write_chapter(folder: Path, name: str, *code: str, after: tuple[int, ...] = ()) -> None:
    notebook = new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    if after:
        notebook.metadata["hand_lib"] = {"after": list(after)}
    parameters = new_code_cell("PROFILE = 'quick'\nSEED = 0\nDEVICE = None", metadata={"tags": ["parameters"]})
    install = new_code_cell(INSTALL_CELL, metadata={"tags": ["remove-cell"]})
    notebook.cells = [new_markdown_cell(f"# Chapter {name}"), install, parameters, *map(new_code_cell, code)]
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


FIGURE = """\
import plotly.graph_objects as go
go.Figure(go.Scatter(y=[1, 2]), layout={"meta": {"alt": "Two points </script><script>alert(1)</script>"}})"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small book, with the real settings and assets; the scripts of others are left out, see `with_scripts`."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "assets", root / "assets", ignore=shutil.ignore_patterns("vendor"))
    write_chapter(
        root / "notebooks", "01_good", "import os\nprint(PROFILE, SEED, DEVICE, os.environ['OMP_NUM_THREADS'])", FIGURE
    )
    write_chapter(
        root / "notebooks", "02_fails", "print('before')", "raise ValueError('a joint is missing\\nsecond line')"
    )
    write_chapter(root / "notebooks", "03_waits", "import time\nprint(time.time())", after=(1,))
    (root / "book").mkdir()
    (root / "book" / "intro.md").write_text("# Small book\n\nAn equation, $x^2$.\n")
    (root / "book" / "references.bib").write_text("")
    toc = {
        "format": "jb-book",
        "root": "book/intro",
        "chapters": [{"file": "notebooks/01_good"}, {"file": "notebooks/03_waits"}],
    }
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    for name in ("_config.yml", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, root)
    return root


def with_scripts(root: Path) -> None:
    shutil.copytree(vendor_assets(ROOT), root / "assets" / "vendor")


def output(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    return "".join("".join(o.get("text", "")) for cell in cells for o in cell.get("outputs", []))


# ----------------------------------------------------------------------------------------------------------- chapters


def test_chapters_are_found_by_number(root: Path) -> None:
    assert [(c.number, c.name, c.after) for c in find_chapters(root)] == [
        (1, "01_good", ()),
        (2, "02_fails", ()),
        (3, "03_waits", (1,)),
    ]


@pytest.mark.parametrize("wanted", ["1,3", "3,1", "01,03", "1 3", "01_good,03_waits", "1,1,3"])
def test_chapters_are_chosen_by_number_or_name(root: Path, wanted: str) -> None:
    assert [chapter.number for chapter in select(find_chapters(root), wanted)] == [1, 3]


def test_a_page_between_chapters_comes_last_and_has_no_number(root: Path) -> None:
    write_chapter(root / "notebooks", "page_between", "1", after=(1, 3))
    *chapters, page = find_chapters(root)
    assert [chapter.number for chapter in chapters] == [1, 2, 3]
    assert (page.number, page.name, page.after) == (None, "page_between", (1, 3))
    assert select([*chapters, page], "page_between,2") == [chapters[1], page]
    with pytest.raises(HandLibError, match=r"choose from .*3 \(03_waits\), page_between"):
        select([*chapters, page], "4")
    write_chapter(root / "notebooks", "page_between", "1", after=(4,))
    with pytest.raises(HandLibError, match=r"page_between\.ipynb: metadata\.hand_lib\.after: 4: choose from 1, 2, 3"):
        find_chapters(root)


def test_all_chapters_by_default(root: Path) -> None:
    assert len(select(find_chapters(root), None)) == 3


@pytest.mark.parametrize("wanted", ["4", "1,nine", "", " , "])
def test_unknown_chapter_names_the_choices_in_one_line(root: Path, wanted: str) -> None:
    with pytest.raises(HandLibError, match="01_good") as caught:
        select(find_chapters(root), wanted)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- execution


@pytest.mark.slow
def test_execution_goes_on_after_a_failure_and_keeps_the_order(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    outcomes = execute(find_chapters(root), target, parameters={"PROFILE": "smoke", "SEED": 7, "DEVICE": None}, jobs=2)
    assert [outcome.chapter.number for outcome in outcomes] == [1, 2, 3]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert outcomes[1].error == "ValueError: a joint is missing (cell 5)"

    good, fails, waits = (outcome.notebook for outcome in outcomes)
    assert output(good).splitlines()[0] == "smoke 7 None 1", "parameters, and one thread each beside others"
    assert "before" in output(fails) and "ValueError" in fails.read_text(), "the notebook holds the error"
    # 03 reuses what 01 makes: it starts when 01 has been written.
    assert float(output(waits)) > good.stat().st_mtime - 0.1

    # A finished notebook hides the cell that papermill put in, and knows what it was made from.
    chapter = outcomes[0].chapter
    assert is_current(good, chapter) and not is_current(fails, outcomes[1].chapter)
    (injected,) = [c for c in nbformat.read(good, 4).cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert "remove-cell" in injected.metadata.tags
    chapter.path.write_text(chapter.path.read_text().replace("print(PROFILE", "print(  PROFILE"))
    assert not is_current(good, chapter)


@pytest.mark.slow
def test_a_chapter_that_is_edited_while_it_runs_is_not_current(tmp_path: Path) -> None:
    """What is executed is what stood there at the start; what came later is not taken for executed."""
    path = tmp_path / "notebooks" / "01_one.ipynb"
    edit = f"p = open({str(path)!r}).read(); open({str(path)!r}, 'w').write(p.replace('unedited', 'edited'))"
    write_chapter(path.parent, "01_one", edit, "print('unedited')")
    before = path.read_text()
    (outcome,) = execute(find_chapters(tmp_path), tmp_path / "executed", parameters={}, jobs=1)
    assert outcome.error is None and output(outcome.notebook) == "unedited\n"
    assert path.read_text() != before and not is_current(outcome.notebook, outcome.chapter)
    path.write_text(before)
    assert is_current(outcome.notebook, outcome.chapter)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"metadata": null}', "[" * 200_000])
def test_a_damaged_executed_notebook_is_not_current(root: Path, tmp_path: Path, content: str) -> None:
    executed = tmp_path / "01_good.ipynb"
    executed.write_text(content)
    assert not is_current(executed, find_chapters(root)[0])


BAR = "Executing:  40%|####      | 2/5 [00:01<00:02,  1.2cell/s]"


@pytest.mark.parametrize(
    "tail, code, said",
    [
        (f"{BAR}\rTraceback\nOSError: [Errno 28] No space left on device\n\r{BAR}", 1, "the disk is full: "),
        (f"{BAR}\rTraceback\njupyter_client.kernelspec.NoSuchKernel: No such kernel\n{BAR}\n", 1, "No such kernel"),
        (f"{BAR}\rTraceback\nRuntimeError: kernel died\n\r{BAR}", 1, "RuntimeError: kernel died"),
        (f"{BAR}\r{BAR}\n", -9, "ended by signal 9"),
        (BAR, 3, "exit code 3"),
    ],
)
def test_what_papermill_failed_of_is_never_its_progress_bar(tmp_path: Path, tail: str, code: int, said: str) -> None:
    reason = execution._reason(tmp_path / "01_one.ipynb", tail, code)
    assert said in reason and "\n" not in reason and "cell/s" not in reason


# ------------------------------------------------------------------------------------------------------- the command


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.slow
def test_command_fails_with_the_path_of_the_failed_notebook(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "checkout", lambda: root)
    with_scripts(root)
    assert command.run(arguments("--profile", "smoke", "--chapters", "2", "--jobs", "1")) == 1
    printed = capsys.readouterr().out
    notebook = root / "build" / "smoke" / "notebooks" / "02_fails.ipynb"
    assert f"{notebook}: ValueError: a joint is missing" in printed
    assert "ValueError" in notebook.read_text()
    assert not (root / "build" / "smoke" / "_build").exists(), "a broken chapter is not published"


@pytest.mark.parametrize(
    "words, part",
    [
        (["--profile", "huge"], "quick"),
        (["--profile", "smoke", "--chapters", "9"], "03_waits"),
        (["--profile", "smoke", "--device", "abacus"], "cpu"),
        (["--profile", "smoke", "--jobs", "0"], "at least 1"),
        (["--profile", "smoke", "--seed", "-1"], "from 0 to"),
        (["--profile", "smoke", "--seed", str(2**70)], "from 0 to"),
    ],
)
def test_bad_arguments_are_answered_in_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], part: str
) -> None:
    monkeypatch.setattr(command, "checkout", lambda: root)
    with pytest.raises(HandLibError, match=part) as caught:
        command.run(arguments(*words))
    assert "\n" not in str(caught.value)
    assert not (root / "build").exists()


# ------------------------------------------------------------------------------------ staging, building, launch buttons


@pytest.mark.slow
def test_site_with_an_address_has_all_its_buttons(root: Path) -> None:
    with_scripts(root)
    config = (root / "_config.yml").read_text()
    (root / "_config.yml").write_text(config.replace('url: ""', f"url: {ADDRESS}/", 1))
    (root / "notebooks" / "02_fails.ipynb").unlink()
    folders = Folders.under(root / "build" / "smoke")
    chapters = find_chapters(root)
    (outcome,) = execute(chapters[:1], folders.executed, parameters={"PROFILE": "smoke"}, jobs=1)
    assert outcome.error is None

    assert stage(root, folders, chapters, check(root)) == chapters[1:], "what was not executed is shown without outputs"
    assert build(folders) == []

    page = BeautifulSoup((folders.site / "notebooks" / "01_good.html").read_text(), "html.parser")
    links = [a["href"] for a in page.select("a[href]")]
    assert "https://colab.research.google.com/github/someone/joints/blob/main/notebooks/01_good.ipynb" in links
    binder = "https://mybinder.org/v2/gh/someone/joints/main?urlpath=lab/tree/notebooks/01_good.ipynb"
    assert binder in links
    assert f"{ADDRESS}/edit/main/notebooks/01_good.ipynb" in links and ADDRESS in links
    downloaded = nbformat.read(folders.site / "_sources" / "notebooks" / "01_good.ipynb", 4)
    assert f'REPOSITORY = "{ADDRESS}"' in downloaded.cells[1].source

    # Under the title stands the chapter's head; the notebook itself has none.
    assert page.select_one("article h1").find_next_sibling()["class"] == ["chapter-head"]
    assert "ladder-strip" not in json.dumps(downloaded)

    # plotly.js is loaded where it is needed, and nowhere else; live controls are on no page.
    prose = (folders.site / "book" / "intro.html").read_text()
    assert "plotly.min.js" in str(page) and "plotly.min.js" not in prose
    assert "widget" not in str(page)
    (figure,) = page.select(".plotly-figure")
    assert figure["aria-label"] == "Two points </script><script>alert(1)</script>"

    # A warning is an error, and is said.
    with (folders.stage / "book" / "intro.md").open("a") as file:
        file.write("\nA [link](nowhere.md) that leads nowhere.\n")
    assert any("nowhere.md" in complaint for complaint in build(folders))


def test_settings_without_an_address_switch_every_button_off() -> None:
    settings = read_settings(ROOT)
    staged = settings.model_copy(update={"repository": Repository(url="", branch="main")}).staged()
    assert not any(staged["html"][name] for name in staged["html"] if name.startswith("use_") and "button" in name)
    assert not any(staged["launch_buttons"].values())
    assert staged["repository"]["url"] == ""


@pytest.mark.parametrize(
    "given", [{}, {"repository": None}, {"repository": {"url": None}}, {"repository": {"url": ""}}]
)
def test_no_repository_is_an_empty_address(given: dict) -> None:
    needed = {"title": "T", "author": "A", "execute": {"execute_notebooks": "off"}, "html": {}}
    settings = Settings.model_validate(needed | given)
    assert settings.address == settings.staged()["repository"]["url"] == ""


def test_address_is_put_into_the_notebooks_and_taken_out_again(root: Path) -> None:
    before = {path: path.read_text() for path in (root / "notebooks").iterdir()}
    config = (root / "_config.yml").read_text()
    assert write_address(root) == []
    (root / "_config.yml").write_text(config.replace('url: ""', f"url: {ADDRESS}", 1))
    assert len(write_address(root)) == 3
    assert all(f'REPOSITORY = "{ADDRESS}"' in "".join(cell_source(path)) for path in before)
    (root / "_config.yml").write_text(config)
    write_address(root)
    assert {path: json.loads(path.read_text()) for path in before} == {p: json.loads(t) for p, t in before.items()}


def cell_source(path: Path) -> str:
    return "".join(json.loads(path.read_text())["cells"][1]["source"])


@given(st.text(max_size=30))
def test_install_cell_is_python_whatever_the_address(address: str) -> None:
    notebook = {"cells": [{"source": INSTALL_CELL.splitlines(keepends=True)}, {"source": ["x = 1"]}]}
    assert put_address(notebook, address) == 1
    cell = "".join(notebook["cells"][0]["source"])
    namespace: dict = {}
    exec(compile(cell, "install cell", "exec"), namespace)
    assert namespace["REPOSITORY"] == address
    assert cell == install_cell(address)


# ------------------------------------------------------------------------------------------------------------ scripts


def test_page_scripts_are_fetched_once_and_whole() -> None:
    vendor = vendor_assets(ROOT)
    stamp = (vendor / "fetched").stat().st_mtime_ns
    assert vendor_assets(ROOT) == vendor and (vendor / "fetched").stat().st_mtime_ns == stamp
    for name in ("mathjax/tex-mml-chtml.js", "plotly/plotly.min.js"):
        assert (vendor / name).stat().st_size > 100_000
    assert list((vendor / "mathjax" / "output" / "chtml" / "fonts" / "woff-v2").glob("*.woff"))


def test_scripts_that_were_half_fetched_are_not_trusted(root: Path) -> None:
    (root / "assets" / "vendor").mkdir(parents=True)
    (root / "package-lock.json").write_text("not a lock file")
    with pytest.raises(HandLibError, match=r"package-lock\.json") as caught:
        vendor_assets(root)
    assert "\n" not in str(caught.value)
    assert list((root / "build").glob("vendor-*")) == [], "nothing half-made is left"


def test_repeated_scripts_are_dropped_in_order() -> None:
    def script(name: str | None, body: str | None = None) -> SimpleNamespace:
        return SimpleNamespace(filename=name, attributes={"body": body} if body else {})

    scripts = [script("a.js"), script(None, "const A = 1"), script("b.js"), script("", "const A = 1"), script("a.js")]
    context = {"script_files": scripts}
    drop_repeated_scripts(None, "page", "template", context, None)
    assert context["script_files"] == scripts[:3]


# ------------------------------------------------------------------------------------------------------------ plotly


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_figure_comes_back_from_the_page_as_it_went_in(anything: object) -> None:
    """Whatever strings a figure holds, tags of HTML included, they neither end the script nor change."""
    figure = {"data": [{"text": anything}], "layout": {}}
    for tricky in ("</script>", "<!--", "]]>", "<script>"):
        figure["layout"][tricky] = tricky
    page = BeautifulSoup(f"<body>{figure_html(figure, 'plotly-1', 'A hand')}<p>after</p></body>", "html.parser")
    (script,) = page.select("script[type='application/json']")
    assert json.loads(script.string) == figure
    assert script["data-plotly-for"] == page.select_one(".plotly-figure")["id"]
    assert page.select_one("body > p").text == "after"


@pytest.mark.parametrize("lines", [False, True], ids=["text", "lines"])
def test_sentences_have_minus_signs_and_printed_numbers_stay(lines: bool) -> None:
    sentence = "By -0.3 mm (-1 to +2).\n`refine-hdr-3` is ID-11."
    shown = new_output("display_data", {"text/markdown": sentence.splitlines(keepends=True) if lines else sentence})
    printed = new_output("stream", text="-0.3")
    notebook = new_notebook(cells=[new_markdown_cell("-1"), new_code_cell("-1", outputs=[shown, printed])])
    put_minus_signs(notebook)
    assert shown.data["text/markdown"] == "By −0.3 mm (−1 to +2).\n`refine-hdr-3` is ID-11."
    assert [cell.source for cell in notebook.cells] == ["-1", "-1"] and printed.text == "-0.3"


@pytest.mark.parametrize(
    "layout, description",
    [
        ({"meta": {"alt": "A hand"}, "title": "Other"}, "A hand"),
        ({"title": {"text": "<b>Error</b> in mm"}}, "Error  in mm"),
        ({"title": "Plain"}, "Plain"),
        ({"title": {}}, ""),
        ({}, ""),
        ({"meta": [1]}, ""),
    ],
)
def test_description_is_the_alternative_text_or_the_title(layout: dict, description: str) -> None:
    assert describe({"layout": layout}).strip() == description


def test_renderer_takes_plotly_alone_and_asks_for_a_description() -> None:
    warnings, scripts = [], {}
    renderer = SimpleNamespace(
        logger=SimpleNamespace(warning=lambda message, **_: warnings.append(message)),
        add_js_file=lambda key, uri, kwargs: scripts.update({key: uri or kwargs["body"]}),
    )

    def data(kind: str, content: object) -> SimpleNamespace:
        return SimpleNamespace(mime_type=kind, content=content, line=1, cell_index=3, output_index=0)

    assert PlotlyRenderer.handle_mime(renderer, data("text/plain", "x"), False) is None
    assert PlotlyRenderer.handle_mime(renderer, data(MIME_TYPE, {}), True) is None
    assert (warnings, scripts) == ([], {})
    (node,) = PlotlyRenderer.handle_mime(renderer, data(MIME_TYPE, {"data": [], "layout": {}}), False)
    assert "plotly-3-0" in node.astext()
    inks = scripts.pop("dark-inks").removeprefix("window.darkInks = ").removesuffix(";")
    assert json.loads(inks) == dict(DARK)
    assert len(warnings) == 1 and set(scripts.values()) == {"vendor/plotly/plotly.min.js", "plotly-figures.js"}
    PlotlyRenderer.handle_mime(renderer, data(MIME_TYPE, json.dumps({"layout": {"title": "A hand"}})), False)
    assert len(warnings) == 1


def test_myst_nb_finds_the_renderer() -> None:
    from myst_nb.core.render import load_mime_renders

    assert PlotlyRenderer in load_mime_renders()


def test_chapter_is_named_after_its_file() -> None:
    assert Chapter(Path("notebooks/04_feature_regression.ipynb"), 4).name == "04_feature_regression"
