"""Every method beside every other: sizes are the networks', steps the papers', and outcomes what the records say."""

from __future__ import annotations

import json
import re

import pytest
import torch
from conftest import ROOT
from made_records import made_record

from hand_lib.experiments import PROFILES
from hand_lib.figures import overview
from hand_lib.figures.overview import METHODS, PRINTED_STEPS
from hand_lib.figures.tables import together
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.counting import count
from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS
from hand_lib.models.groups.rows import BEYOND_TABLE_2, GROUP_ROWS
from hand_lib.models.rows import ROWS

QUICK = PROFILES["quick"].network
NAMES = [row for rows in METHODS.values() for row in rows]


def recorded(errors: dict[str, tuple[float, ...]]) -> list[dict]:
    revisions = {name: rows_and_variants()[name].revision for name in errors}
    return [
        made_record(name, seed, error, revision=revisions[name])
        for name, values in errors.items()
        for seed, error in enumerate(values)
    ]


def test_every_row_of_both_papers_is_a_method_once():
    assert len(set(NAMES)) == len(NAMES)
    rows = {name for name, row in (ROWS | GROUP_ROWS).items() if row.varies is None} - BEYOND_TABLE_2
    assert rows | set(JOINT_AWARE_ROWS) <= set(NAMES) <= set(rows_and_variants())
    for name in METHODS[overview.HOURGLASS]:  # what starts elsewhere stands elsewhere
        assert rows_and_variants()[name].backbone == "hourglass"
    assert sum(rows_and_variants()[name].backbone == "hourglass" for name in NAMES) == len(METHODS[overview.HOURGLASS])


def test_families_are_what_the_rows_are_made_of():
    found = {name: overview.family(name) for name in NAMES}
    assert len(set(found.values())) == 5
    # One of each composition is enough: rows of one composition have one kind of name.
    for name in (
        "fr",
        "multihead",
        "refine-h",
        "heatmap25d-sharp",
        "groups-k3",
        "hourglass-k1",
        "maps-groups-5-random",
    ):
        kind = found[name]
        with torch.device("meta"):
            decoder = rows_and_variants()[name].build(QUICK).decoder
        assert (type(decoder).__name__ == "GroupDecoder") == (kind == overview.BRANCHES)
        assert (type(decoder).__name__ == "GroupedDecoder") == (kind == overview.DECODERS)
        assert ("SoftArgmax" in type(decoder).__name__) == (kind == overview.DETECTION)


def test_widths_that_a_chapter_quotes_are_those_of_its_table():
    """`"21 × 66"`, typed in the text that explains the column, where a layer's width may since have changed."""
    shown = {overview.measures(name, QUICK)[1].replace("\xa0", " ") for name in rows_and_variants()}
    for name in ("15_all_together", "page_whole_ladder"):
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        text = " ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        quoted = set(re.findall(r"\d+ × \d+(?:, \d+)?", text.replace("\n", " ")))
        assert quoted and quoted <= shown, name


def test_a_line_says_what_the_decoder_reads_how_wide_it_is_and_what_it_costs():
    rows = {"Some": ("afr", "maps", "multihead"), "Others": ("refine-hdr-3", "maps-groups-5", "groups-k3")}
    table = overview.methods_table(recorded({"maps": (15.0, 17.0)}), rows, size=QUICK)
    assert [line[0] for line in table.rows] == ["Some", *rows["Some"], "Others", *rows["Others"]]
    assert all(len(line) == len(table.header) for line in table.rows)
    shown = {line[0]: line[2:4] for line in table.rows}
    with torch.device("meta"):
        built = {name: rows_and_variants()[name].build(QUICK) for name in ("afr", "maps", "maps-groups-5")}
    units = built["afr"].decoder.transform.first.out_features
    assert shown["afr"] == (f"{built['afr'].decoder.transform.first.in_features}", str(units))
    narrow = built["maps"].decoder.transforms.first.weight.shape[1]
    assert shown["maps"] == (together("21 × 512"), together(f"21 × {narrow}"))
    assert shown["multihead"][1] == f"{together('8 × 128')}, 128"
    assert shown["refine-hdr-3"][1] == f"{together('8 × 128')}, 128, {together('3 times')}"
    five = built["maps-groups-5"].decoder.transforms.first.weight.shape[1]
    assert shown["maps-groups-5"] == (together("21 × 512"), together(f"5 × {five}"))
    assert shown["groups-k3"] == (together("3 × 21 × 2 × 16 × 16"), "soft-argmax")
    n = count(built["maps"], QUICK.image_size)
    (line,) = (line for line in table.rows if line[0] == "maps")
    assert line[4:6] == (f"{n.params / 1e6:.2f}", f"{n.macs / 1e6:.1f}")
    assert line[6] == together("16.00 ± 1.41") and line[-1] == "2"
    (line,) = (line for line in table.rows if line[0] == "afr")
    assert line[6:] == ("not recorded", "–", "–", "0")


def test_marks_are_the_recorded_rows_means():
    marks = overview.method_marks(recorded({"maps": (15.0, 17.0), "groups-k3": (14.0,)}), NAMES)
    assert {(m.name, m.error, m.family) for m in marks} == {
        ("maps", 16.0, overview.REGRESSION),
        ("groups-k3", 14.0, overview.BRANCHES),
    }
    assert overview.method_marks([], NAMES) == []


def test_every_step_has_what_a_paper_prints():
    steps = overview.printed_steps([])
    pairs = {rung.pair: printed for members in steps.values() for rung, printed, _ in members}
    assert set(pairs) == {pair for members in PRINTED_STEPS.values() for pair in members}
    assert None not in pairs.values()
    assert pairs["maps", "fr"] == -2.69 and pairs["multihead", "heatmap25d"] == -0.24
    # Tables 2 and 3 of the groups paper, 10.771 − 11.205 and 10.964 − 10.771; the ResNet's are the hourglass' own.
    assert pairs["groups-k3", "groups-k3-manual"] == pairs["hourglass-k3", "hourglass-k3-manual"] == -0.43
    assert pairs["groups-k21", "groups-k3"] == 0.19
    assert {became for members in steps.values() for *_, became in members} == {overview.MISSING}
    assert overview.tally(steps) == f"Of the papers' {len(pairs)} steps none is recorded."


@pytest.mark.parametrize(
    ("first", "second", "became"),
    [
        ((20.0, 20.1, 20.2), (22.0, 22.1, 22.2), overview.HOLDS),  # −2 as printed −2.69
        ((22.0, 22.1, 22.2), (20.0, 20.1, 20.2), overview.TURNED),
        ((20.0, 20.01, 20.02), (20.01, 20.0, 20.02), overview.EQUAL),
        ((20.0, 22.0, 21.0), (21.0, 20.0, 22.5), overview.OPEN),
        ((20.0,), (), overview.MISSING),
    ],
)
def test_a_step_holds_only_where_it_is_resolved(first, second, became):
    steps = overview.printed_steps(recorded({"maps": first, "fr": second}))
    found = {rung.pair: outcome for members in steps.values() for rung, _, outcome in members}
    assert found.pop(("maps", "fr")) == became
    assert set(found.values()) == {overview.MISSING}
    table = overview.printed_steps_table(steps)
    (line,) = (line for line in table.rows if line[0].startswith("maps − fr"))
    assert line[1] == "-2.69" and line[-1] == became
    assert line[4] == str(len(second))
    assert "not comparable" in table.header[1]
    says = overview.tally(steps)
    if became == overview.MISSING:
        assert says.endswith("none is recorded.")
    else:
        amounts = [int(became == kind) for kind in (overview.HOLDS, overview.TURNED, overview.EQUAL, overview.OPEN)]
        assert [int(number) for number in re.findall(r" (\d+)\b", says.split("count as")[1])] == amounts
        assert ("(100%)" if became == overview.HOLDS else "(0%)") in says
