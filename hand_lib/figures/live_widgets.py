"""Figures that a network moves, chapter by chapter: each function shows a still and the place of its widget.

The stills ask the package's networks in PyTorch what the widgets (``assets/live/widgets/``) ask them in the page, on
the same hands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from IPython.display import HTML, display
from matplotlib.figure import Figure
from torch import Tensor, nn

from hand_lib.camera import transform_points
from hand_lib.figures.groups import GROUP_COLORS, group_hands, open_hand
from hand_lib.figures.hands import draw_ghost_2d, draw_hand_2d
from hand_lib.figures.ladder import recorded, title
from hand_lib.figures.live import bank, moved, place, section
from hand_lib.figures.style import panels
from hand_lib.live import get_shipped
from hand_lib.models.groups.selectors import THUMB_INDEX_REST
from hand_lib.skeleton import JOINTS

DASHED = (0, (3, 1.5))
STEP = {"lie": 8.0, "rivals": 20.0}  # px
DISC = 6.0  # px
THUMB_TIP, INDEX_TIP, LITTLE_TIP = (JOINTS.index(f"{finger} tip") for finger in ("thumb", "index", "little"))


@dataclass(frozen=True, kw_only=True)
class View:
    """A hand as a network sees it: its picture ``(1, 3, S, S)`` and its true joints ``(21, 2)`` in pixels."""

    image: Tensor
    uv: Tensor

    @property
    def size(self) -> int:
        return self.image.shape[-1]


def look(hand: int, size: int, **how: float) -> View:
    """A held-out hand in a crop of ``size`` pixels; ``how``: as in :func:`hand_lib.figures.live.moved`."""
    sample = bank([hand])
    image, A = moved(sample, size, **how)
    return View(image=image, uv=transform_points(A, sample.uv)[0])


def drawn(
    view: View, hands: Mapping[str, Sequence[Tensor]], *, ghosts: Sequence[Tensor], note: str, width: float
) -> Figure:
    """Panels with the same picture.

    Args:
        view: the picture.
        hands: by title, answers ``(21, 3)``; of several the first is solid.
        ghosts: for each panel, what is compared with, ``(21, 2)`` pixels.
        note: under the panels.
        width: in inches.
    """
    figure, axes = panels(1, len(hands), width=width, height=2.7)
    for ax, (name, answers), ghost in zip(axes[0], hands.items(), ghosts, strict=True):
        for i, Y in enumerate(answers):
            line = DASHED if i else "-"
            draw_hand_2d(ax, pixels(Y, view.size), view.image[0], linestyle=line, markersize=0 if i else 2.5)
        draw_ghost_2d(ax, ghost)
        ax.set_title(name)
    figure.supxlabel(note, fontsize=9)
    return figure


def pixels(Y: Tensor, size: int) -> Tensor:
    """An answer in pixels of the crop, ``(..., 21, 2)``."""
    return (Y[..., :2] + 1) / 2 * (size - 1)


def networks_of(rows: Sequence[str]) -> dict[str, nn.Module]:
    """The package's networks of these rows."""
    return {row: get_shipped(row).network() for row in rows}


def side_of(row: str) -> int:
    """The side of a network's picture, in pixels."""
    return get_shipped(row).size.image_size


# ----------------------------------------------------------------------------------------------------------- chapter 5


def cells(rows: Sequence[str] = ("fr", "afr")) -> None:
    """Swap two cells of the feature maps."""
    place(cells_still(rows), "cells", rows, verb="Swap cells yourself")


@torch.inference_mode()
def cells_still(rows: Sequence[str], *, hand: int = 3) -> Figure:
    """A hand, and the same with two cells in the middle of the feature maps swapped."""
    view = look(hand, side_of(rows[0]))
    networks = networks_of(rows)
    before = [network(view.image)[0] for network in networks.values()]
    after = [cells_swapped(network, view.image)[0] for network in networks.values()]
    lines = ", ".join(f"{title(row)} {'dashed' if i else 'solid'}" for i, row in enumerate(rows))
    shown = {"as it is": before, "two cells swapped": after}
    return drawn(view, shown, ghosts=[view.uv] * 2, note=f"{lines}, truth white", width=5.0)


@torch.inference_mode()
def cells_swapped(network: nn.Module, image: Tensor) -> Tensor:
    """The answer ``(B, 21, 3)`` when two cells of X in the middle have changed places."""
    X = network.backbone(image)
    h, w = X.shape[2:]
    first = (h // 2 - 1) * w + w // 2 - 1
    order = torch.arange(h * w)
    order[[first, first + w + 1]] = order[[first + w + 1, first]]
    return network.decoder(network.representation(X.flatten(2)[..., order].view_as(X)))


# ----------------------------------------------------------------------------------------------------------- chapter 6


def cover(rows: Sequence[str] = ("maps", "afr")) -> None:
    """Cover a fingertip."""
    place(cover_still(rows), "cover", rows, verb="Cover something yourself")


@torch.inference_mode()
def cover_still(rows: Sequence[str], *, hand: int = 5) -> Figure:
    """A hand whose index fingertip is covered, with each network's answer; white: what it said before."""
    view = look(hand, side_of(rows[0]))
    closed = View(image=covered(view, view.uv[INDEX_TIP], DISC), uv=view.uv)
    shown, ghosts = {}, []
    for row, network in networks_of(rows).items():
        shown[title(row)] = [network(closed.image)[0]]
        ghosts.append(pixels(network(view.image)[0], view.size))
    return drawn(closed, shown, ghosts=ghosts, note="white: the answer before the tip was covered", width=5.0)


def covered(view: View, uv: Tensor, radius: float) -> Tensor:
    """A view's picture with a grey disc around a point, ``(1, 3, S, S)``."""
    v, u = torch.meshgrid(torch.arange(view.size), torch.arange(view.size), indexing="ij")
    return view.image.masked_fill((u - uv[0]) ** 2 + (v - uv[1]) ** 2 < radius**2, 0.5)


# ----------------------------------------------------------------------------------------------------------- chapter 7


def joints(rows: Sequence[str] = ("maps", "maps-shared")) -> None:
    """Swap the features of two joints."""
    place(joints_still(rows), "joints", rows, verb="Swap joints yourself")


@torch.inference_mode()
def joints_still(rows: Sequence[str], *, hand: int = 3) -> Figure:
    """The answers when the two outer fingertips have each other's features; white: before."""
    view = look(hand, side_of(rows[0]))
    shown, ghosts = {}, []
    for row, network in networks_of(rows).items():
        shown[title(row)] = [joints_swapped(network, view.image, THUMB_TIP, LITTLE_TIP)[0]]
        ghosts.append(pixels(network(view.image)[0], view.size))
    note = "thumb tip and little tip have each other’s features; white: before"
    return drawn(view, shown, ghosts=ghosts, note=note, width=5.0)


@torch.inference_mode()
def joints_swapped(network: nn.Module, image: Tensor, one: int, other: int) -> Tensor:
    """The answer ``(B, 21, 3)`` when two joints' features have changed places."""
    G = network.representation(network.backbone(image))
    G[:, [one, other]] = G[:, [other, one]]
    return network.decoder(G)


# ----------------------------------------------------------------------------------------------------------- chapter 8


def heads(rows: Sequence[str] = ("multihead",)) -> None:
    """Silence heads."""
    place(heads_still(rows[0]), "heads", rows, verb="Silence heads yourself")


@torch.inference_mode()
def heads_still(row: str, *, hand: int = 7) -> Figure:
    """A hand as all heads see it, without one of them, and by that one alone."""
    view = look(hand, side_of(row))
    count = get_shipped(row).network().decoder.heads
    first = torch.arange(count) == 0
    ways = {f"all {count} heads": first | ~first, "head 1 silent": ~first, "head 1 alone": first}
    shown = {name: [silenced(row, view.image, speaks)[0]] for name, speaks in ways.items()}
    return drawn(view, shown, ghosts=[view.uv] * len(shown), note="truth white", width=6.6)


@torch.inference_mode()
def silenced(row: str, image: Tensor, speaks: Tensor) -> Tensor:
    """The answer ``(B, 21, 3)`` when some heads say what they say on average.

    Args:
        row: a network of the package that has heads.
        image: ``(B, 3, S, S)``.
        speaks: ``(n,)`` bool.
    """
    shipped = get_shipped(row)
    network = shipped.network()
    M = network.decoder.multi_head(network.representation(network.backbone(image)))
    speaks = speaks.repeat_interleave(M.shape[-1] // len(speaks))
    return network.decoder.fuse(torch.where(speaks, M, shipped.usual))


# ----------------------------------------------------------------------------------------------------------- chapter 9


def lie(rows: Sequence[str] = ("refine-hdr",)) -> None:
    """Lie to the second stage."""
    place(lie_still(rows[0]), "lie", rows, verb="Lie to it yourself")


@torch.inference_mode()
def lie_still(row: str, *, hand: int = 11) -> Figure:
    """What the second stage is told, moved to the right, and what it answers; white: its answer without the lie."""
    view, network = look(hand, side_of(row)), get_shipped(row).network()
    told, answer = lied(network, view.image, STEP["lie"])
    honest = pixels(network(view.image)[0], view.size)
    shown = {f"told: {STEP['lie']:.0f} px too far right": [told[0]], "answered": [answer[0]]}
    return drawn(view, shown, ghosts=[honest] * 2, note="white: the answer without the lie", width=5.0)


@torch.inference_mode()
def lied(network: nn.Module, image: Tensor, rightward: float) -> tuple[Tensor, Tensor]:
    """What the second stage is told, moved by pixels, and what it answers; each ``(B, 21, 3)``."""
    F0, X = network.backbone.middle_and_last(image)
    M = network.decoder.multi_head(network.representation(X))
    told = network.decoder.fuse(M) + torch.tensor([2 * rightward / (image.shape[-1] - 1), 0.0, 0.0])
    return told, network.refinements[0](F0, told, M)[0]


# ---------------------------------------------------------------------------------------------------------- chapter 10


def rivals(rows: Sequence[str] = ("multihead", "heatmap25d", "heatmap25d-sharp")) -> None:
    """Regression and detection side by side."""
    place(rivals_still(rows), "rivals", rows, verb="Move the picture yourself")


@torch.inference_mode()
def rivals_still(rows: Sequence[str], *, hand: int = 13) -> Figure:
    """A hand that is partly outside the crop, as each network sees it."""
    view = look(hand, side_of(rows[0]), rightward=STEP["rivals"])
    shown = {title(row): [network(view.image)[0]] for row, network in networks_of(rows).items()}
    note = f"the picture is moved by {STEP['rivals']:.0f} px to the right; truth white"
    return drawn(view, shown, ghosts=[view.uv] * len(shown), note=note, width=6.6)


# ---------------------------------------------------------------------------------------------------------- chapter 14


def groups(row: str = "groups-k3", manual: str = "groups-k3-manual") -> None:
    """Group the joints by hand, and compare with recorded groups: those by hand, and those that were learnt.

    Where no training with learnt groups is recorded, the still stands alone.
    """
    records = sorted(recorded([row, manual]), key=lambda record: record["seed"])
    errors = {name: [r["metrics"]["epe_mean"] for r in records if r["row"] == name] for name in (row, manual)}
    learnt = {f"learnt, seed {r['seed']}": r["group_of_joint"] for r in records if r["row"] == row}
    display(group_hands({"by hand": THUMB_INDEX_REST, **dict(list(learnt.items())[:3])}))
    if learnt:
        display(HTML(groups_html(learnt, errors[row], errors[manual])))


def groups_html(learnt: Mapping[str, Sequence[int]], errors: Sequence[float], by_hand: Sequence[float]) -> str:
    """The place of the groups' widget.

    Args:
        learnt: groups of trainings, by their names.
        errors: of the same trainings, in mm.
        by_hand: errors of trainings whose groups were given, in mm.
    """
    uv = open_hand()
    uv = (uv - uv.amin(0)) / (uv.amax(0) - uv.amin(0)).max()
    known = {
        "manual": {"name": "thumb, index, rest", "groups": THUMB_INDEX_REST, "epe": list(by_hand)},
        "learnt": [
            {"name": name, "groups": list(groups), "epe": [error]}
            for (name, groups), error in zip(learnt.items(), errors, strict=True)
        ],
        "uv": uv.tolist(),
        "colours": GROUP_COLORS[:3],
    }
    said = f"Groups by hand, and those that {len(learnt)} recorded training{'s' * (len(learnt) > 1)} learnt."
    known = json.dumps(known, separators=(",", ":"))
    return section("groups", said, rows="", verb="Group the joints yourself", hands="none", known=known)
