"""From chapters to a site: run the notebooks headless, stage what came out, build the pages.

The command line's ``book`` is :func:`run`. Read in this order: :mod:`~hand_lib.book.chapters` (which notebooks there
are) and :mod:`~hand_lib.book.settings` (what the site is to be), both read through :mod:`~hand_lib.book.reading`;
:mod:`~hand_lib.book.children` (processes that end with the command); :mod:`~hand_lib.book.execution` (papermill,
several at a time); :mod:`~hand_lib.book.front` (what is made of the chapters for the front of the book);
:mod:`~hand_lib.book.site` (staging and building); :mod:`~hand_lib.book.vendor` (the scripts that
the pages load); and what Sphinx loads from here: :mod:`~hand_lib.book.plotly_renderer` and
:mod:`~hand_lib.book.sphinx_extension`.
"""

from hand_lib.book.chapters import INSTALL_CELL
from hand_lib.book.command import add_arguments, run

__all__ = ["INSTALL_CELL", "add_arguments", "run"]
