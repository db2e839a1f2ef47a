"""The settings of the site, ``_config.yml`` and ``_toc.yml``: read once, and checked before any work begins."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, ConfigDict, Field

from hand_lib.book.reading import Checked, brief, check, one_line, read_text
from hand_lib.errors import HandLibError

_LAUNCH_BUTTONS = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}
_SUFFIXES = (".md", ".ipynb")
_LARGEST = 2**20  # bytes; ours have two thousand
_DEEPEST = 40  # layers; ours have six. What writes and checks them goes deeper into itself than what reads them
_LONGEST = 100  # characters of what is no text, such as a number


# -------------------------------------------------------------------------------------------------------- what is read


def _address(text: str) -> str:
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)+/?", text):
        raise ValueError("an address such as https://github.com/OWNER/NAME, or empty")
    return text.rstrip("/")


def _inside(text: str) -> str:
    path = PurePosixPath(text)
    if not text.isprintable() or str(path) != text or path.is_absolute() or ".." in path.parts:
        raise ValueError("a path inside the checkout, such as book/intro")
    return text


Address = Annotated[str, AfterValidator(_address)]
File = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_inside)]


class Repository(Checked):
    """Where the book is published from; empty until there is a place."""

    model_config = ConfigDict(extra="allow")
    url: Address | None = None
    branch: str = "main"


class Execution(Checked):
    model_config = ConfigDict(extra="allow")
    execute_notebooks: Literal["off"]  # papermill has done it; Jupyter Book would do it again


class Html(Checked):
    model_config = ConfigDict(extra="allow")
    favicon: File | None = None


class Settings(Checked):
    """``_config.yml``. Its other keys are Jupyter Book's, which has a schema of its own."""

    model_config = ConfigDict(extra="allow")
    title: str
    author: str
    logo: File | None = None
    repository: Repository | None = None
    execute: Execution
    html: Html
    bibtex_bibfiles: list[File] = Field(default=[])

    @property
    def address(self) -> str:
        """The one setting that says where the book is published from: ``repository.url``, empty until there is one."""
        return (self.repository and self.repository.url) or ""

    def staged(self) -> dict[str, Any]:
        """``_config.yml`` with all that needs the repository's address switched on where there is one, off elsewhere.

        A part that is left out stays out.
        """
        address = self.address
        buttons = dict.fromkeys(("use_repository_button", "use_edit_page_button", "use_issues_button"), bool(address))
        given = self.model_dump(exclude_unset=True)
        return {
            **given,
            "html": {**given["html"], **buttons},
            "repository": {**(given.get("repository") or {}), "url": address},
            "launch_buttons": _LAUNCH_BUTTONS if address else {"colab_url": "", "binderhub_url": ""},
        }


class Page(Checked):
    """A page, without its suffix, and those below it."""

    model_config = ConfigDict(extra="forbid")
    file: File
    title: str | None = None
    sections: list[Page] = Field(default=[])


class Part(Checked):
    model_config = ConfigDict(extra="forbid")
    caption: str | None = None
    numbered: bool | int = False
    chapters: list[Page] = Field(min_length=1)


class Contents(Checked):
    """``_toc.yml``: the first page, and the others in parts or in one list.

    No other key is let through: the reader that builds the site skips what it does not know, pages included.
    """

    model_config = ConfigDict(extra="forbid")
    format: Literal["jb-book"]
    root: File
    parts: list[Part] = Field(default=[])
    chapters: list[Page] = Field(default=[])

    @property
    def pages(self) -> list[str]:
        """All pages in order, without suffixes, the first one first."""
        found = [self.root]
        waiting = [*self.chapters, *(page for part in self.parts for page in part.chapters)]
        while waiting:
            page = waiting.pop(0)
            found.append(page.file)
            waiting = [*page.sections, *waiting]
        return found


# ------------------------------------------------------------------------------------------------------------- reading


def read_settings(root: Path) -> Settings:
    """``root/_config.yml``.

    Raises:
        HandLibError: names the file, the key, the value and what is expected: our own model's, then Jupyter Book's.
    """
    from jupyter_book.config import get_validator

    path = root / "_config.yml"
    content = _read_yaml(path)
    settings = check(path, Settings, content)
    for error in get_validator().iter_errors(content):
        key = ".".join(map(str, error.path))
        raise HandLibError(one_line(f"{path}: {f'{key}: ' if key else ''}{error.message}"))
    return settings


def read_contents(root: Path) -> Contents:
    """``root/_toc.yml``, by our own model and by the reader that builds the site.

    Raises:
        HandLibError: names the file and what is wrong in it, such as a page that is listed twice.
    """
    from sphinx_external_toc.parsing import MalformedError, parse_toc_data

    path = root / "_toc.yml"
    content = _read_yaml(path)
    contents = check(path, Contents, content)
    try:
        parse_toc_data(content)
    except MalformedError as error:
        raise HandLibError(one_line(f"{path}: {error}")) from error
    return contents


def check_files(root: Path, settings: Settings, contents: Contents) -> None:
    """Check that all that the settings name is there.

    Raises:
        HandLibError: a page or a file that is not there, or a page that could be either of two files.
    """
    for folder in ("book", "assets", "notebooks"):
        if not (root / folder).is_dir():
            raise HandLibError(f"{root / folder}: no such folder, and the site is made from it")
    for page in contents.pages:
        found = [suffix for suffix in _SUFFIXES if (root / f"{page}{suffix}").is_file()]
        if len(found) != 1:
            what = " and ".join(f"{page}{suffix}" for suffix in found) or f"no {page}.md or {page}.ipynb"
            raise HandLibError(f"{root / '_toc.yml'}: {page!r}: there is {what}")
    named = {"logo": settings.logo, "html.favicon": settings.html.favicon}
    named |= {f"bibtex_bibfiles.{i}": file for i, file in enumerate(settings.bibtex_bibfiles)}
    for key, file in named.items():
        if file and not (root / file).is_file():
            raise HandLibError(f"{root / '_config.yml'}: {key}: there is no {file}")


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.load(read_text(path, most=_LARGEST), _Loader)
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise HandLibError(one_line(f"{path}: no YAML{where} ({error.problem or error.context})")) from error
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise HandLibError(one_line(f"{path}: no YAML ({error})")) from error
    except (LookupError, AttributeError, TypeError) as error:  # it does not look at every value with a tag
        raise HandLibError(one_line(f"{path}: no YAML ({type(error).__name__}: {error})")) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's, for settings: nothing that grows when it is read, and no key twice, of which the second would win."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _refused(f"*{event.anchor} stands for another place: write out what stands there", event)
        if self._depth == _DEEPEST:
            raise _refused(f"more than {_DEEPEST} layers", event)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def compose_scalar_node(self, anchor: str | None) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if node.tag != self.DEFAULT_SCALAR_TAG and len(node.value) > _LONGEST:
            raise _refused(f"{brief(node.value[:20])}... has more than {_LONGEST} characters and is no text", node)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _refused(f"{key.value!r} stands twice", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refused(why: str, where: yaml.Event | yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=why, problem_mark=where.start_mark)
