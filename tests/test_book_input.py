"""What people write for the book, wrong in every way: one line that names the file, before any chapter runs."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import jsonschema
import nbformat
import pytest
import yaml
from conftest import ROOT
from damage import damage_bytes, damage_tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_book import arguments, write_chapter

from hand_lib.book import command, site
from hand_lib.book.chapters import find_chapters
from hand_lib.book.settings import check_files, read_contents, read_settings
from hand_lib.book.vendor import vendor_assets
from hand_lib.errors import HandLibError

SCHEMA = json.loads((Path(nbformat.__file__).parent / "v4" / "nbformat.v4.5.schema.json").read_text())
CONTENTS = """\
format: jb-book
root: book/intro
parts:
  - caption: All
    numbered: true
    chapters:
      - file: notebooks/01_one
        sections:
          - file: notebooks/02_two
"""


def make_checkout(root: Path) -> Path:
    """Two chapters, one page, and all that is checked of the rest."""
    write_chapter(root / "notebooks", "01_one", "1 + 1")
    write_chapter(root / "notebooks", "02_two", "print('é')", after=(1,))
    (root / "book").mkdir()
    (root / "book" / "intro.md").write_text("# Small book\n")
    (root / "book" / "references.bib").write_text("")
    (root / "_toc.yml").write_text(CONTENTS)
    (root / "assets").mkdir()
    for name in ("assets/logo.svg", "assets/favicon.svg", "_config.yml", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples: each writes the file that it is about."""
    return make_checkout(tmp_path_factory.mktemp("checkout"))


def refusal(path: Path, read: Callable[[], object]) -> str:
    with pytest.raises(HandLibError) as caught:
        read()
    line = str(caught.value)
    assert str(path) in line and "\n" not in line and len(line) < 1000, line
    return line.partition(str(path))[2]


# ---------------------------------------------------------------------------------------------------------- notebooks


def with_metadata(**own: object) -> Callable[[dict], None]:
    return lambda notebook: notebook["metadata"].update(own)


def without(*keys: str) -> Callable[[dict], None]:
    def change(notebook: dict) -> None:
        for key in keys[:-1]:
            notebook = notebook[key]
        del notebook[keys[-1]]

    return change


def first_cell(**changes: object) -> Callable[[dict], None]:
    return lambda notebook: notebook["cells"][0].update(changes)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda n: n.update(metadata=None), "metadata: "),
        (without("metadata"), "metadata: "),
        (with_metadata(hand_lib=None), "metadata.hand_lib: "),
        (with_metadata(hand_lib={"after": None}), "metadata.hand_lib.after: "),
        (with_metadata(hand_lib={"after": 1}), "metadata.hand_lib.after: "),
        (with_metadata(hand_lib={"after": "1"}), "metadata.hand_lib.after: "),
        (with_metadata(hand_lib={"after": ["1"]}), "metadata.hand_lib.after.0: "),
        (with_metadata(hand_lib={"after": [True]}), "metadata.hand_lib.after.0: "),
        (with_metadata(hand_lib={"after": [1.0]}), "metadata.hand_lib.after.0: "),
        (with_metadata(hand_lib={"after": [-1]}), "metadata.hand_lib.after.0: "),
        (with_metadata(hand_lib={"after": [7]}), "metadata.hand_lib.after: 7: choose from 1"),
        (with_metadata(hand_lib={"after": [2]}), "metadata.hand_lib.after: 2: choose from 1"),
        (with_metadata(hand_lib={"needs": [2]}), "metadata.hand_lib.needs: 2: choose from 1"),
        (with_metadata(hand_lib={"trains": {"fr": 0}}), "metadata.hand_lib.trains.fr: "),
        (with_metadata(hand_lib={"afterwards": [1]}), "metadata.hand_lib.afterwards: "),
        (with_metadata(kernelspec={}), "metadata.kernelspec.name: "),
        (with_metadata(kernelspec={"name": "ir"}), "'python3', not 'ir'"),
        (without("metadata", "kernelspec"), "metadata.kernelspec: "),
        (lambda n: n.update(cells=[]), "cells: "),
        (without("cells"), "cells: "),
        (lambda n: n.update(cells={}), "cells: "),
        (lambda n: n.update(nbformat=3), "nbformat: "),
        (lambda n: n.update(nbformat="4"), "nbformat: "),
        (without("nbformat_minor"), "nbformat_minor"),
        (first_cell(source=7), "cells.0.source"),
        (first_cell(cell_type="poem"), "poem"),
        (first_cell(metadata=None), "cells.0.metadata"),
        (without("cells", 0, "id"), "id"),
        (lambda n: n["cells"][0].update(id=n["cells"][1]["id"]), "id"),
    ],
)
def test_a_notebook_with_one_thing_wrong(root: Path, change: Callable[[dict], None], said: str) -> None:
    path = root / "notebooks" / "02_two.ipynb"
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))
    assert said in refusal(path, lambda: find_chapters(root))


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "cut short or no JSON"),
        (b"[]", "dictionary"),
        (b"null", "dictionary"),
        (b"[" * 200_000, "cut short or no JSON"),
        (b'{"a":' * 200_000, "cut short or no JSON"),
        (b'{"cells": [', "cut short or no JSON"),
        (b'{"cells": "\xff"}', "not UTF-8 at byte 11"),
        ("{}".encode("utf-16"), "not UTF-8 at byte 0"),
    ],
)
def test_a_file_that_is_no_notebook(root: Path, content: bytes, said: str) -> None:
    path = root / "notebooks" / "02_two.ipynb"
    path.write_bytes(content)
    assert said in refusal(path, lambda: find_chapters(root))


@pytest.mark.parametrize("name", ["notes", "²_x", "1_x", "001_x", "٣٣_x", "03", "03_", "-1_x", "03_a b"])
def test_a_name_without_its_two_digits(root: Path, name: str) -> None:
    path = root / "notebooks" / f"{name}.ipynb"
    shutil.copy(root / "notebooks" / "01_one.ipynb", path)
    assert "NN_name.ipynb" in refusal(path, lambda: find_chapters(root))


def test_a_number_that_two_chapters_have(root: Path) -> None:
    path = root / "notebooks" / "01_other.ipynb"
    shutil.copy(root / "notebooks" / "01_one.ipynb", path)
    assert "01_one.ipynb has the number 01 too" in refusal(path, lambda: find_chapters(root))


def test_chapters_that_wait_for_each_other(root: Path) -> None:
    write_chapter(root / "notebooks", "01_one", "1", after=(3,))
    write_chapter(root / "notebooks", "03_three", "3", after=(2,))
    with pytest.raises(HandLibError, match=r"0\d_\w+\.ipynb: metadata\.hand_lib\.after goes round") as found:
        find_chapters(root)
    numbers = str(found.value).partition("circle: ")[2].split(" after ")
    assert numbers[0] == numbers[-1] and set(pairwise(numbers)) == {("1", "3"), ("3", "2"), ("2", "1")}


def test_folders_links_and_locked_files(root: Path) -> None:
    folder = root / "notebooks" / "03_folder.ipynb"
    folder.mkdir()
    assert "folder" in refusal(folder, lambda: find_chapters(root))
    folder.rmdir()
    folder.symlink_to("nowhere.ipynb")
    assert "no such file" in refusal(folder, lambda: find_chapters(root))
    folder.unlink()
    folder.symlink_to(folder.name)
    refusal(folder, lambda: find_chapters(root))
    folder.unlink()
    if os.geteuid():
        (root / "_config.yml").chmod(0)
        assert "no permission" in refusal(root / "_config.yml", lambda: read_settings(root))


@pytest.mark.parametrize("name", ["_config.yml", "_toc.yml", "package.json", "notebooks/02_two.ipynb"])
def test_what_has_no_end_is_not_read(root: Path, name: str) -> None:
    path = root / name

    def read() -> None:
        find_chapters(root)
        read_settings(root)
        read_contents(root)
        if name == "package.json":
            vendor_assets(root)

    path.unlink()
    os.mkfifo(path)
    assert "no regular file" in refusal(path, read)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "no regular file" in refusal(path, read)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(64 * 2**30)  # holes: nothing is on the disk
    assert "too large, more than" in refusal(path, read)


def test_nothing_without_end_is_copied_to_the_site(root: Path) -> None:
    source = root / "assets" / "endless.bin"
    source.symlink_to("/dev/zero")
    chapters, known, folders = find_chapters(root), read_settings(root), site.Folders.under(root / "build")
    assert "no regular file" in refusal(source, lambda: site.stage(root, folders, chapters, known))


# ----------------------------------------------------------------------------------------------- settings and contents


@pytest.mark.parametrize(
    "old, new, said",
    [
        (None, "", ": "),
        (None, "[]", ": "),
        (None, "a: [", "no YAML in line"),
        (None, "a: 1\na: 2", "'a' stands twice"),
        (None, "[" * 200_000, "no YAML"),
        (None, "!!python/object/apply:os.system ['true']", "no YAML"),
        ("html:", "htm:", "html: Field required"),
        ("html:", "html: 7\nother:", "html: "),
        ("html:", "html:\nother:", "html: "),
        ('url: ""', "url: 5", "repository.url: "),
        ('url: ""', "url: [a]", "repository.url: "),
        ('url: ""', "url: javascript:alert(1)", "repository.url: an address such as"),
        ('url: ""', "url: https://example.org/a b", "repository.url: an address such as"),
        ('url: ""', 'url: "https://example.org/\\"><script>"', "repository.url: an address such as"),
        ("branch: main", "branch: [main]", "repository.branch: "),
        ("title: Joint by Joint", "title: 7", "title: "),
        ("title: Joint by Joint", "", "title: Field required"),
        ('execute_notebooks: "off"', "execute_notebooks: auto", "'off', not 'auto'"),
        ("logo: assets/logo.svg", "logo: assets/none.svg", "logo: there is no assets/none.svg"),
        ("logo: assets/logo.svg", "logo: /etc/passwd", "logo: a path inside the checkout"),
        ("favicon: assets/favicon.svg", "favicon: ../x", "html.favicon: a path inside the checkout"),
        ("[book/references.bib]", "book/references.bib", "bibtex_bibfiles: "),
        ("[book/references.bib]", "[book/none.bib]", "bibtex_bibfiles.0: there is no book/none.bib"),
        ("amsmath, colon_fence", "7", "parse.myst_enable_extensions.0: "),  # of Jupyter Book's own schema
        ("title: Joint by Joint", f"title: x\nz: 0x{'f' * 100_000}", "no YAML in line 3 ('0xffff"),
        ("title: Joint by Joint", f"title: x\nz: {'9' * 5000}", "no YAML in line 3 ('9999"),
        ("title: Joint by Joint", f"title: x\nz: !!int {'9' * 5000}", "no YAML in line 3 ('9999"),
        ("title: Joint by Joint", "title: &a x\nz: *a", "no YAML in line 3 (*a stands for another place"),
        ("title: Joint by Joint", "title: x\nz: &a [*a]", "no YAML in line 3 (*a"),
        ("title: Joint by Joint", "title: x\ny: &a {b: 1}\nz: {<<: *a}", "no YAML in line 4 (*a"),
        ("title: Joint by Joint", f"title: x\nz: {'[' * 300}{']' * 300}", "no YAML in line 3 (more than 40 layers)"),
        ("title: Joint by Joint", "title: x\nz: !!bool maybe", "no YAML"),
        ("title: Joint by Joint", "title: x\nz: !!timestamp never", "no YAML"),
        ("title: Joint by Joint", "title: x\nz: !!int ''", "no YAML"),
    ],
)
def test_settings_with_one_thing_wrong(root: Path, old: str | None, new: str, said: str) -> None:
    path = root / "_config.yml"
    before = path.read_text()
    assert old is None or before.count(old) == 1
    path.write_text(new if old is None else before.replace(old, new))
    assert said in refusal(path, lambda: check_files(root, read_settings(root), read_contents(root)))


def test_laughs_by_the_billion_are_not_heard(root: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))]
    for name in ("_config.yml", "_toc.yml"):
        (root / name).write_text("\n".join([*lines, "title: *a39"]))
    assert "*a0" in refusal(root / "_config.yml", lambda: read_settings(root))
    assert "*a0" in refusal(root / "_toc.yml", lambda: read_contents(root))


def test_whatever_is_read_can_be_staged(root: Path) -> None:
    """The deepest layers and the longest number that are let through."""
    path = root / "_config.yml"
    layers, number = "[" * 39 + "]" * 39, "9" * 100
    path.write_text(f"{path.read_text()}\nlayers: {layers}\nnumber: {number}\ntext: {'x' * 10_000}\n")
    staged = yaml.safe_load(yaml.safe_dump(read_settings(root).staged()))
    assert str(staged["layers"]) == layers and staged["number"] == int(number) and len(staged["text"]) == 10_000


@pytest.mark.parametrize(
    "old, new, said",
    [
        (None, "", ": "),
        (None, "- a", ": "),
        ("format: jb-book", "", "format: Field required"),
        ("format: jb-book", "format: jb-article", "'jb-book', not 'jb-article'"),
        ("root: book/intro", "", "root: Field required"),
        ("root: book/intro", "root: [a]", "root: "),
        ("root: book/intro", "root: book/none", "'book/none': there is no book/none.md"),
        ("root: book/intro", "root: notebooks/01_one", "used multiple times"),
        ("file: notebooks/01_one", "file: notebooks/01", "'notebooks/01': there is no notebooks/01.md"),
        ("file: notebooks/01_one", "file: ../01_one", "a path inside the checkout"),
        ("file: notebooks/01_one", "file: notebooks//01_one", "a path inside the checkout"),
        ("file: notebooks/01_one", "file: 7", "parts.0.chapters.0.file: "),
        ("chapters:", "chapter:", "parts.0.chapters: Field required"),
        ("sections:", "section:", "parts.0.chapters.0.section: "),
        ("    numbered: true", "    section: []", "parts.0.section: "),
        ("numbered: true", "numbered: [1]", "parts.0.numbered"),
    ],
)
def test_contents_with_one_thing_wrong(root: Path, old: str | None, new: str, said: str) -> None:
    path = root / "_toc.yml"
    path.write_text(new if old is None else CONTENTS.replace(old, new))
    assert said in refusal(path, lambda: check_files(root, read_settings(root), read_contents(root)))


def test_a_page_that_could_be_either_of_two_files(root: Path) -> None:
    (root / "notebooks" / "01_one.md").write_text("# Other\n")
    said = refusal(root / "_toc.yml", lambda: check_files(root, read_settings(root), read_contents(root)))
    assert "there is notebooks/01_one.md and notebooks/01_one.ipynb" in said


@pytest.mark.parametrize(
    "name", ["_config.yml", "_toc.yml", "book", "assets", "package.json", "notebooks/02_two.ipynb", "assets/logo.svg"]
)
def test_nothing_is_executed_where_something_is_missing(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "checkout", lambda: root)
    monkeypatch.setattr(command, "execute", lambda *a, **k: pytest.fail("a chapter was executed"))
    path = root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(HandLibError, match=path.stem) as caught:
        command.run(arguments("--profile", "smoke"))
    assert "\n" not in str(caught.value)


def test_nothing_is_executed_where_a_record_is_wrong(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "checkout", lambda: root)
    monkeypatch.setattr(command, "execute", lambda *a, **k: pytest.fail("a chapter was executed"))
    path = root / "results" / "quick" / "fr-s0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    refusal(path, lambda: command.run(arguments("--profile", "smoke")))


# ------------------------------------------------------------------------------------------------------- at random


def at_random(examples: int):
    def decorate(test):
        quiet = settings(max_examples=examples, print_blob=False, suppress_health_check=list(HealthCheck))
        return quiet(given(seed=st.integers(0, 2**32))(test))

    return decorate


def read_or_refuse(path: Path, damaged: bytes, before: bytes, read: Callable[[], object]) -> object:
    """What is read of the damaged file, or None where it is refused in one line that names it."""
    path.write_bytes(damaged)
    try:
        return read()
    except HandLibError as error:
        assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 1000, str(error)
        return None
    finally:
        path.write_bytes(before)


@at_random(220)
def test_a_damaged_notebook_is_a_notebook_or_refused(shared: Path, seed: int) -> None:
    choose = random.Random(seed)
    path = shared / "notebooks" / "02_two.ipynb"
    before = path.read_bytes()
    if choose.random() < 0.5:
        damaged = damage_bytes(before, choose)
    else:
        damaged = json.dumps(damage_tree(json.loads(before), choose)).encode()
    chapters = read_or_refuse(path, damaged, before, lambda: find_chapters(shared))
    if chapters is not None:  # an independent reader agrees that it is one, and about its order
        content = json.loads(damaged)
        jsonschema.validate(content, SCHEMA)
        after = content["metadata"].get("hand_lib", {}).get("after", [])
        assert [chapter.number for chapter in chapters] == [1, 2]
        assert list(chapters[1].after) == after and set(after) <= {1} and not {type(a) for a in after} - {int}
        assert content["metadata"]["kernelspec"]["name"] == "python3" and content["cells"]


@at_random(120)
def test_damaged_settings_are_settings_or_refused(shared: Path, seed: int) -> None:
    choose = random.Random(seed)
    path = shared / "_config.yml"
    before = path.read_bytes()
    if choose.random() < 0.5:
        damaged = damage_bytes(before, choose)
    else:
        damaged = yaml.safe_dump(damage_tree(yaml.safe_load(before), choose)).encode()
    found = read_or_refuse(path, damaged, before, lambda: read_settings(shared))
    if found is not None:
        content = yaml.safe_load(damaged)
        staged = found.staged()
        assert yaml.safe_dump(staged)
        for key in content.keys() - {"html", "repository", "launch_buttons"}:
            assert repr(staged[key]) == repr(content[key]), key
        assert isinstance(content["title"], str) and content["execute"]["execute_notebooks"] == "off"
        given = (content.get("repository") or {}).get("url") or ""
        assert staged["repository"]["url"] == given.rstrip("/") == found.address
        assert not given or given.startswith(("http://", "https://"))
        assert all(staged["html"][name] == bool(given) for name in ("use_edit_page_button", "use_issues_button"))


@at_random(120)
def test_damaged_contents_are_contents_or_refused(shared: Path, seed: int) -> None:
    choose = random.Random(seed)
    path = shared / "_toc.yml"
    before = path.read_bytes()
    if choose.random() < 0.5:
        damaged = damage_bytes(before, choose)
    else:
        damaged = yaml.safe_dump(damage_tree(yaml.safe_load(before), choose)).encode()

    known = read_settings(shared)

    def read() -> tuple[str, ...]:
        contents = read_contents(shared)
        check_files(shared, known, contents)
        return contents.pages

    pages = read_or_refuse(path, damaged, before, read)
    if pages is not None:
        assert set(pages) == set(files_of(yaml.safe_load(damaged)))
        assert set(pages) <= {"book/intro", "notebooks/01_one", "notebooks/02_two"} and pages[0] in pages


def files_of(part: object) -> list[str]:
    """Every `file` and `root`, wherever it stands."""
    if isinstance(part, list):
        return [file for item in part for file in files_of(item)]
    if isinstance(part, dict):
        own = [value for key, value in part.items() if key in ("file", "root")]
        return own + [file for value in part.values() for file in files_of(value)]
    return []
