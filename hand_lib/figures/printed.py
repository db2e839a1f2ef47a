"""What the papers print of public data sets, figure by figure: nothing here is a result of this book."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A column of ours: which score of which data set's records stands in it.

    Attributes:
        title: of the column.
        dataset: its name.
        score: the name of :class:`hand_lib.protocols.Score` that it shows.
        factor: from the score's unit to the column's.
        digits: after the point.
    """

    title: str
    dataset: str
    score: str
    factor: float = 1.0
    digits: int = 3


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A line of a paper's table.

    Attributes:
        method: as the paper has it.
        figures: what it prints, a text a column; a dash where it prints none.
        own: whether this is the paper's own method, which this book builds.
        row: our row that is this method; None where there is none.
        backbone: of that row's run; None for the row's own.
        datasets: on which the paper measures the method itself.
    """

    method: str
    figures: tuple[str, ...]
    own: bool = False
    row: str | None = None
    backbone: str | None = None
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrintedTable:
    """A table or figure of a paper.

    Attributes:
        name: for files.
        title: for a heading.
        said: what it compares, and how.
        what: over the first column.
        columns: over the paper's figures.
        lines: of the table.
        cells: our columns.
        note: under the table.
        draws: whether the paper draws curves there.
    """

    name: str
    title: str
    said: str
    what: str
    columns: tuple[str, ...]
    lines: tuple[Printed, ...]
    cells: tuple[Cell, ...]
    note: str
    draws: bool = False


def _others(*lines: tuple[str, ...]) -> tuple[Printed, ...]:
    return tuple(Printed(method=line[0], figures=line[1:]) for line in lines)


_GIVEN = "Ours: the true root depth and scale are given"
_FREIHAND = (
    Cell(title="FreiHAND EPE, mm", dataset="freihand", score="mean, Procrustes", factor=10.0, digits=1),
    Cell(title="FreiHAND AUC", dataset="freihand", score="AUC, Procrustes"),
)
_BOTH = ("freihand", "ho3d-v2")

JAR_TABLE_3 = PrintedTable(
    name="jar_table_3",
    title="JAR, Table 3: FreiHAND and HO-3D",
    said=(
        "Errors after the official alignments: of FreiHAND Procrustes, of HO-3D (EPE\\*) scale and translation. The "
        "paper trains a ResNet-34 with one, two and four stages; its pictures a second are an RTX 3090's."
    ),
    what="method",
    columns=("pictures/s", "FreiHAND EPE, mm", "FreiHAND AUC", "HO-3D EPE\\*, mm"),
    lines=(
        *_others(
            ("Boukhayma et al., CVPR 2019", "–", "35.0", "0.351", "–"),
            ("Hasson et al., CVPR 2019", "–", "13.3", "0.737", "31.8"),
            ("MANO CNN, ICCV 2019", "–", "10.9", "0.783", "–"),
            ("Hampali et al., CVPR 2020", "–", "–", "–", "30.4"),
            ("YoutubeHand, CVPR 2020", "–", "8.4", "0.834", "–"),
            ("I2L-MeshNet, ECCV 2020", "53", "7.4", "–", "–"),
            ("Pose2Mesh, ECCV 2020", "8", "7.4", "–", "–"),
            ("X. Chen et al., CVPR 2021", "64", "6.9", "0.863", "–"),
            ("MeshTransformer, CVPR 2021", "18", "6.5", "–", "–"),
            ("Y. Chen et al., CVPR 2021", "–", "11.8", "0.77", "–"),
            ("Li et al., AAAI 2021", "48", "8.6", "0.842", "–"),
        ),
        Printed(
            method="JAR, one stage",
            figures=("134", "7.3", "0.856", "26.9"),
            own=True,
            row="multihead",
            backbone="resnet34",
            datasets=_BOTH,
        ),
        Printed(
            method="JAR, two stages",
            figures=("86", "6.8", "0.865", "25.7"),
            own=True,
            row="refine-hdr",
            backbone="resnet34",
            datasets=_BOTH,
        ),
        Printed(method="JAR, four stages", figures=("49", "6.5", "0.870", "25.1"), own=True, datasets=_BOTH),
    ),
    cells=(
        *_FREIHAND,
        Cell(title="HO-3D EPE\\*, mm", dataset="ho3d-v2", score="mean, scale and translation", factor=10.0, digits=1),
    ),
    note=(
        f"{_GIVEN}; JAR takes root depths from I2L-MeshNet's file on FreiHAND, and no scale. "
        "Of Li et al. the paper pairs the error of one model with the AUC of an ensemble."
    ),
)

JAR_FIGURE_2 = PrintedTable(
    name="jar_figure_2",
    title="JAR, Figure 2: RHD and STB",
    said="Curves of correct keypoints between 20 and 50 mm, ResNet-34 with two stages, root depth and scale given.",
    what="method",
    columns=(),
    lines=(
        Printed(
            method="JAR, two stages",
            figures=(),
            own=True,
            row="refine-hdr",
            backbone="resnet34",
            datasets=("rhd", "stb"),
        ),
    ),
    cells=(
        Cell(title="RHD AUC 20–50", dataset="rhd", score="AUC"),
        Cell(title="STB AUC 20–50", dataset="stb", score="AUC"),
    ),
    note="The paper draws the curves and prints no number of them in its text.",
    draws=True,
)

_FIGURE_3 = ("rhd", "stb")

GROUPS_TABLE_1 = PrintedTable(
    name="groups_table_1",
    title="Joint groups, Table 1: FreiHAND",
    said=(
        "Errors after Procrustes alignment, in millimetres: the paper's heading says so too, over figures in "
        "centimetres. Its AUC is over 0 to 50 mm, whatever the heading says."
    ),
    what="method",
    columns=("EPE, mm", "AUC 0–50"),
    lines=(
        *_others(
            ("Boukhayma et al., 2019", "35.0", "0.351"),
            ("Hasson et al., 2019", "13.3", "0.737"),
            ("MANO Fit, 2019", "13.7", "0.73"),
            ("MANO CNN, 2019", "11.0", "0.783"),
            ("Kulon et al., 2020", "8.4", "0.834"),
        ),
        Printed(method="one group", figures=("9.32", "0.816"), own=True, row="hourglass-k1", datasets=("freihand",)),
        Printed(
            method="+ groups learnt", figures=("8.62", "0.830"), own=True, row="hourglass-k3", datasets=("freihand",)
        ),
        Printed(
            method="+ features fused",
            figures=("8.56", "0.831"),
            own=True,
            row="hourglass-k3-fused",
            datasets=("freihand",),
        ),
        Printed(method="+ ensemble of checkpoints", figures=("7.96", "0.842"), own=True, datasets=("freihand",)),
    ),
    cells=_FREIHAND,
    note=f"{_GIVEN}; the paper recovers the root's depth from its prediction.",
)

GROUPS_FIGURE_3 = PrintedTable(
    name="groups_figure_3",
    title="Joint groups, Figure 3: RHD and STB",
    said=(
        "Curves of correct keypoints, root depth and scale given. The columns hold what the paper's text says of them, "
        "with the third digit of its Table 2: AUC 20–50 mm, which its evaluator takes from 21 mm on. The figure's "
        "third part, Dexter+Object, is a measurement of one network on another data set and no record: `python -m "
        "hand_lib evaluate hourglass-k3-fused --profile paper --dataset rhd --root DIR --dataset stb --root DIR "
        "--on dexter-object --on-root DIR` prints it."
    ),
    what="method",
    columns=("RHD AUC 20–50", "STB AUC 20–50"),
    lines=(
        *_others(
            ("Iqbal et al., 2018", "0.94", "–"),
            ("Kulon et al., 2020", "0.956", "–"),
            ("Cai et al., 2019", "–", "0.995"),
            ("Baek et al., 2020", "–", "0.995"),
            ("Theodoridis et al., 2020", "–", "0.997"),
        ),
        Printed(
            method="three groups, fused", figures=("0.960", "–"), own=True, row="hourglass-k3-fused", datasets=_FIGURE_3
        ),
    ),
    cells=(
        Cell(title="RHD AUC 20–50", dataset="rhd", score="AUC, groups paper's"),
        Cell(title="STB AUC 20–50", dataset="stb", score="AUC, groups paper's"),
    ),
    note="For STB the paper's own curve is drawn, and no number of it printed in the text.",
    draws=True,
)
