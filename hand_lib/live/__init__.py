"""Trained networks that come with the package, small enough to run in a reader's page.

A network is folded (batch normalisation goes into the convolution before it) and rounded to eight bits
(:mod:`~hand_lib.live.rounding`), measured and kept with its record (:mod:`~hand_lib.live.shipped`). From there it goes
two ways: into the pages of the book (:mod:`~hand_lib.live.site`, read by the scripts in ``assets/live/``), and onto a
photograph of one's own (:mod:`~hand_lib.live.photographs`). Imports run one way: experiments, then this, then figures.
"""

from hand_lib.live.shipped import SHIPPED_ROWS, Shipped, find_shipped, get_shipped

__all__ = ["SHIPPED_ROWS", "Shipped", "find_shipped", "get_shipped"]
