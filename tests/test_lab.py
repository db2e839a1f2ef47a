"""A notebook in a real JupyterLab: exercises and citations are text, not source, and a slider draws its figure anew."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from hand_lib.book.browser import chromium

pytestmark = pytest.mark.slow

PROSE = """# A page

After the first paper {cite}`zheng2021joint`.

```{exercise-start} How far
:label: ex-far
```

How far is the tip?

```{exercise-end}
```
"""
CODE = """from hand_lib import figures
from hand_lib.figures import widgets

figures.use()


def draw(angle: float):
    figure, axes = figures.panels(width=2)
    axes[0, 0].plot([0, angle], [0, 1])
    return figure


widgets.explore(draw, alt="a line", angle=widgets.slider("angle", 0, 90, value=10, step=10, unit="°"))
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """JupyterLab on a folder with one notebook; gives the address of that."""
    cells = [
        {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": PROSE},
        {"cell_type": "code", "id": "code", "metadata": {}, "source": CODE, "outputs": [], "execution_count": None},
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "page.ipynb").write_text(json.dumps(notebook))
    options = ["--no-browser", "--port=0", "--IdentityProvider.token=", f"--notebook-dir={tmp_path}", "--allow-root"]
    news = "--LabApp.news_url=None"
    home = tmp_path / "home"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_RUNTIME_DIR": str(home), "OMP_NUM_THREADS": "1"}
    environment |= {"JUPYTER_CONFIG_DIR": str(home), "JUPYTERLAB_SETTINGS_DIR": str(home)}
    environment |= {"JUPYTERLAB_WORKSPACES_DIR": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, news], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield f"{_address(home, process)}lab/tree/page.ipynb"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _address(runtime: Path, process: subprocess.Popen) -> str:
    """Where it listens, which it writes down once it does."""
    for _ in range(600):
        assert process.poll() is None, "JupyterLab ended"
        for path in runtime.glob("jpserver-*.json"):
            url = json.loads(path.read_text())["url"]
            try:
                urllib.request.urlopen(f"{url}api", timeout=5).close()
                return url
            except OSError:
                pass
        time.sleep(0.1)
    raise AssertionError("JupyterLab does not answer")


def test_a_notebook_reads_and_runs_in_jupyterlab(lab: str) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(lab)
        prose = page.locator(".jp-MarkdownCell")
        prose.get_by_text("(How far)").wait_for()
        said = prose.inner_text()
        assert "Exercise 1" in said and "How far is the tip?" in said
        assert "{exercise-start}" not in said and "{cite}" not in said and ":label:" not in said

        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # before that a cell is not run
        page.locator(".jp-CodeCell .cm-content").click()
        page.keyboard.press("Shift+Enter")
        figure = page.locator(".jp-OutputArea img").first
        figure.wait_for()
        before = figure.get_attribute("src")
        page.locator(".noUi-handle, [role=slider]").first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "before => { const i = document.querySelector('.jp-OutputArea img'); return i && i.src !== before; }",
            arg=page.evaluate("src => new URL(src, location).href", before),
        )
        assert page.locator(".jp-OutputArea img").count() == 1
