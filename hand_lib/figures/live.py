"""Figures that a network moves in the reader's page: the still, which any notebook shows, and the place beside it.

The networks are those of the package (:mod:`hand_lib.live`). On the built page ``assets/live/`` finds the place, loads
them when the reader asks for it, and lets the still go. In a notebook, and without scripts, the still stays.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence

import torch
from IPython.display import HTML, display
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.camera import crop_transform, transform_points, warp_image
from hand_lib.experiments import DATA_SEED, PROFILES
from hand_lib.figures.hands import draw_ghost_2d, draw_hand_2d
from hand_lib.figures.ladder import title
from hand_lib.figures.style import panels
from hand_lib.live import Shipped, get_shipped
from hand_lib.live.shipped import PROFILE
from hand_lib.samples import Samples
from hand_lib.synthetic import render


def place(still: Figure, widget: str, rows: Sequence[str], *, verb: str = "Move it yourself") -> None:
    """Show a still, and under it the place where the page's networks take over.

    Args:
        still: what stands there until then, made with the same networks.
        widget: the script ``assets/live/widgets/<widget>.js``.
        rows: whose networks it asks, of those in the package.
        verb: what the button invites to.
    """
    networks = [get_shipped(row) for row in rows]
    display(still)
    display(HTML(section_html(widget, networks, verb=verb)))


def section_html(widget: str, networks: Sequence[Shipped], *, verb: str, hands: str = "all") -> str:
    """The place as HTML: what the networks are, in words, and what a script needs to know.

    Args:
        widget: its script's name.
        networks: that it asks at first.
        verb: what the button invites to.
        hands: "all" if it shows the held-out hands of the site, "none" if it does not load them.
    """
    said = "; ".join(
        f"<code>{n.row}</code>, profile <code>{n.record['profile']}</code>, seed {n.record['seed']}, "
        f"{n.record['rounded_epe_mean']:.1f} mm on {n.record['evaluation_images']} held-out hands"
        for n in networks
    )
    what = "networks are recorded runs" if len(networks) > 1 else "network is a recorded run"
    rows = " ".join(n.row for n in networks)
    titles = json.dumps({n.row: title(n.row) for n in networks})
    return section(widget, f"The {what} of the book: {said}.", rows=rows, verb=verb, hands=hands, titles=titles)


def section(widget: str, said: str, **known: str) -> str:
    """A place as HTML: a sentence, in HTML, and what its script needs to know."""
    data = " ".join(
        f'data-{name}="{html.escape(value, quote=True)}"' for name, value in {"widget": widget, **known}.items()
    )
    return f'<section class="live" {data}><p>{said}</p></section>'


# ------------------------------------------------------------------------------------------------------- the stills


def bank(indices: Sequence[int]) -> Samples:
    """Some of the held-out hands that the page has."""
    profile = PROFILES[PROFILE]
    where = {"seed": DATA_SEED, "split": "evaluation", "size": profile.render_size, "scene": profile.scene}
    return render(indices=list(indices), **where)


def moved(hand: Samples, size: int, **how: float) -> tuple[Tensor, Tensor]:
    """A crop of one hand, moved: its picture ``(1, 3, size, size)`` and the crop's matrix ``(1, 3, 3)``.

    Args:
        hand: one sample.
        size: of the crop.
        how: ``rightward`` and ``down`` in its pixels, ``turn`` in degrees.
    """
    first, last = hand.box[:, :2], hand.box[:, 2:]
    A = crop_transform(
        (first + last) / 2,
        1.2 * (last - first).amax(-1),
        size,
        rotation=math.radians(how.get("turn", 0.0)),
        translation=torch.tensor([how.get("rightward", 0.0), how.get("down", 0.0)]),
        mirror=~hand.right,
    )
    return warp_image(hand.images.float(), A, size) / 255, A


def move(rows: Sequence[str] = ("fr", "afr")) -> None:
    """Move and turn: what two networks say of a picture that is moved under them."""
    place(move_still(rows), "move", rows, verb="Move and turn the picture")


def move_still(rows: Sequence[str], *, hand: int = 3) -> Figure:
    """One hand as it is, moved by ten pixels and turned by a right angle, with what each network says."""
    ways: Mapping[str, dict[str, float]] = {
        "as it is": {},
        "10 px to the right": {"rightward": 10},
        "turned by 90°": {"turn": 90},
    }
    sample, networks = bank([hand]), {row: get_shipped(row) for row in rows}
    figure, axes = panels(1, len(ways), width=6.6, height=2.7)
    for ax, (name, how) in zip(axes[0], ways.items(), strict=True):
        size = networks[rows[0]].size.image_size
        image, A = moved(sample, size, **how)
        draw_ghost_2d(ax, transform_points(A, sample.uv)[0])
        for row, line in zip(rows, ("-", (0, (3, 1.5))), strict=False):
            with torch.inference_mode():
                uv = networks[row].network()(image)[0, :, :2]
            draw_hand_2d(ax, (uv + 1) / 2 * (size - 1), image[0], linestyle=line, markersize=0 if line != "-" else 2.5)
        ax.set_title(name)
    lines = ", ".join(f"{title(row)} {'solid' if i == 0 else 'dashed'}" for i, row in enumerate(rows))
    figure.supxlabel(f"{lines}, truth white", fontsize=9)
    return figure
