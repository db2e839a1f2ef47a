"""The ladder's steps: the paper's pairs, the records' differences, and a picture that shows both."""

from __future__ import annotations

import random
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from made_records import made_record

from hand_lib.experiments import pool, recorded_spread
from hand_lib.figures import ladder, rungs
from hand_lib.figures.ladder_chart import LOOKS, NO_SEED, ladder_alt, ladder_chart
from hand_lib.figures.rungs import ACROSS, AVERAGES, BRANCHES, MAPS, climb, variant_pairs
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.rows import ROWS
from hand_lib.models.variants import VARIANTS


def recorded(epe: dict[str, tuple[float, ...]], *, profile: str = "quick") -> list[dict]:
    """Records of today's code: for each name an error for each seed."""
    known = rows_and_variants()
    return [
        made_record(name, seed, value, profile=profile, revision=known[name].revision)
        for name, values in epe.items()
        for seed, value in enumerate(values)
    ]


EIGHT = {  # errors of eight seeds, 0.1 mm about their row's
    name: tuple(round(random.Random(f"{name} {seed}").gauss(mean, 0.1), 6) for seed in range(8))
    for name, mean in {"fr": 24.0, "afr": 22.0, "maps": 24.02, "pooled-shared": 25.0, "maps-shared": 21.0}.items()
}


def test_both_branches_begin_at_fr_and_go_on_where_they_are():
    for branch in (AVERAGES, MAPS):
        assert next(iter(branch))[1] == "fr"
        steps = list(branch)
        assert all(after[1] == before[0] for before, after in pairwise(steps))
    assert [row for row, _ in (*AVERAGES, *MAPS)] == [row for row in ROWS if ROWS[row].table_id.startswith("ID-")][1:]
    assert not {row for row, _ in AVERAGES} & {row for row, _ in MAPS}
    assert {name for pair in ACROSS for name in pair} <= set(ROWS)
    assert {a: b for pairs in variant_pairs().values() for a, b in pairs} == {
        v.name: v.varies for v in VARIANTS.values()
    }


def test_what_the_paper_prints_stands_beside_each_step_of_the_mean_error_alone():
    # The text's own: 2.69 mm from ID-1 to ID-5, then 0.11, 0.42, 0.38, 0.11, 0.22, 0.1.
    printed = [rung.printed for rung in climb([])["Maps, from FR"]]
    assert printed == [-2.69, -0.11, -0.42, -0.38, -0.11, -0.22, -0.10]
    assert all(rung.printed is None for rung in climb([], measure="pa_epe_mean")["Maps, from FR"])
    assert all(rung.printed is None for steps in climb([], variant_pairs()).values() for rung in steps)


def test_what_is_printed_is_never_a_difference_of_two_papers():
    pairs = {("hourglass-k3", "hourglass-k1"): "", ("hourglass-k1", "multihead"): "", ("groups-k1", "multihead"): ""}
    assert [rung.printed for rung in climb([], {"": pairs})[""]] == [-0.76, None, None]  # 10.771 - 11.534


def test_a_step_is_the_mean_difference_over_common_seeds():
    found = recorded({"fr": (24.0, 26.0, 25.0), "afr": (22.0, 25.0)})
    (begin,), (step, *others), *_ = climb(found).values()
    assert begin.values == (24.0, 26.0, 25.0) and begin.comparison is None and begin.finding == ""
    assert begin.label == "ID-1: all maps at once"
    assert step.comparison.per_seed == pytest.approx((-2.0, -1.0)) and step.comparison.seeds == (0, 1)
    assert step.label == "ID-2 − ID-1: the maps' average"
    assert step.finding == f"−1.50, {step.comparison.verdict}"
    assert all(rung.comparison is None and rung.finding == "–" for rung in others)


def test_another_measure_has_differences_and_a_spread_of_its_own():
    found = recorded({"fr": (24.0, 26.0), "afr": (22.0, 25.0)})
    for record in found:
        record["metrics"]["pa_epe_mean"] /= 4
    step = climb(found, measure="pa_epe_mean")["Averages, from FR"][0]
    assert step.comparison.difference == pytest.approx(-1.5 / 4)
    assert step.comparison.spread.variance == pytest.approx(recorded_spread(found).variance / 16)


def strips(axes) -> list[list[float]]:
    """The places of all markers of an axes, one list a line."""
    return [list(line.get_xdata()) for line in axes.lines]


def test_the_picture_shows_every_seed_every_step_and_the_band():
    found = recorded(EIGHT)
    figure = ladder_chart(found)
    errors, steps, paper = figure.axes
    rings = [values for values in strips(errors) if len(values) > 1]
    assert sorted(map(tuple, rings)) == sorted([*map(tuple, EIGHT.values()), EIGHT["maps-shared"]])  # also across
    climbed = [rung for branch in climb(found).values() for rung in branch]
    compared = [rung.comparison for rung in climbed if rung.comparison]
    assert {c.verdict for c in compared} >= {"better", "equal"} and len(compared) == 4
    for c in compared:
        assert (
            list(c.per_seed) in strips(steps) and [c.low, c.high] in strips(steps) and [c.difference] in strips(steps)
        )
    assert len(strips(paper)) == len([rung for rung in climbed if rung.printed is not None])
    band = recorded_spread(found).between_two()
    ends = {round(x, 6) for part in steps.collections for path in part.get_paths() for x in path.vertices[:, 0]}
    assert {round(band, 6), round(-band, 6)} <= ends
    words = [text.get_text() for text in figure.texts]
    for rung in climbed:
        assert rung.label in words and (not rung.finding or rung.finding in words)
    assert set(BRANCHES) <= set(words)


def test_zero_and_the_whole_band_are_in_view_of_a_single_step():
    found = recorded({"fr": (20.0, 21.0), "afr": (29.0, 30.0)})
    _, steps, paper = ladder_chart(found).axes
    band = recorded_spread(found).between_two()
    low, high = steps.get_xlim()
    assert low < -band and band < high and low < 0 < high and paper.get_xlim()[0] < 0 < paper.get_xlim()[1]
    _, steps, _ = ladder_chart(recorded({"fr": (20.0,), "afr": (29.0,)})).axes
    assert steps.get_xlim()[0] < 0 < 9.0 < steps.get_xlim()[1]


def test_no_mark_joins_two_lines_of_the_list():
    for axes in ladder_chart(recorded(EIGHT)).axes:
        assert all(len(set(line.get_ydata())) == 1 for line in axes.lines)


def test_verdicts_differ_in_more_than_their_colour():
    looks = [(look["marker"], look.get("markerfacecolor")) for look in LOOKS.values()]
    assert len(set(looks)) == len(looks) and set(LOOKS) == {"better", "worse", "equal", "not resolved"}


@pytest.mark.parametrize("epe", [{}, {"fr": (24.0,)}, {"fr": (24.0,), "afr": (23.0,)}, {"refine-blind": (20.0, 21.0)}])
@pytest.mark.parametrize("branches", [BRANCHES, variant_pairs()])
def test_there_is_a_picture_of_no_and_of_few_records(epe, branches, tmp_path):
    found = recorded(epe)
    ladder_chart(found, branches).savefig(tmp_path / "ladder.svg")
    assert ElementTree.parse(tmp_path / "ladder.svg").getroot().tag.endswith("svg")
    assert NO_SEED in ladder_alt(found, branches)


def test_the_words_for_it_name_every_step_its_verdict_and_the_papers():
    said = ladder_alt(recorded(EIGHT))
    for branch in climb(recorded(EIGHT)).values():
        for rung in branch:
            assert rung.label in said
            if rung.comparison:
                assert f"{rung.comparison.difference:+.2f} mm over 8 seeds, {rung.comparison.verdict}" in said
    assert "in the paper -2.69 mm" in said and "\n" not in said and "24.0" in said


def test_recorded_pairs_are_shown_profile_by_profile(monkeypatch):
    def kept(profile):
        epe = {
            "quick": {"refine-hdr": 20.0, "refine-blind": 22.0, "multihead": 22.02},
            "long": {"refine-hdr": 18.0, "refine-blind": 19.0},
        }.get(profile, {})
        seeds = range(6 if profile == "quick" else 1)  # with one, nothing is known of the spread
        return recorded({row: tuple(v + 0.1 * (-1) ** s for s in seeds) for row, v in epe.items()}, profile=profile)

    monkeypatch.setattr(ladder, "records", kept)
    pairs = [("refine-hdr", "refine-blind"), ("refine-blind", "multihead"), ("maps", "fr")]
    found = rungs.recorded_comparisons(pairs)
    assert [(profile, [c.verdict for c in found[profile]]) for profile in found] == [
        ("quick", ["better", "equal"]),
        ("long", ["not resolved"]),
    ]
    table = rungs.recorded_differences_table(found)
    assert [(line[1], line[2], line[4]) for line in table.rows] == [
        ("quick", "-2.00", "6"),
        ("quick", "-0.02", "6"),
        ("long", "-1.00", "1"),
    ]
    assert table.rows[2][3] == "–"
    said = rungs.recorded_verdicts(found).splitlines()
    assert len(said) == 3 and said[0].startswith("- Profile quick: ") and "is better than" in said[0]
    assert "not resolved" in said[2] and rungs.recorded_verdicts({}) == ""
    assert rungs.recorded_comparisons([("maps", "fr")]) == {} and rungs.recorded_differences_table({}) is None


def test_pairs_are_made_of_common_seeds_and_share_one_spread_over_all_runs(monkeypatch: pytest.MonkeyPatch):
    seen, spreads = [], []

    def compare(a, b, *, spread):
        seen.append((a, b))
        spreads.append(spread)
        return len(seen)

    monkeypatch.setattr(rungs, "compare", compare)
    monkeypatch.setattr(rungs, "seed_spread", lambda runs: pool([[r.record["seed"] for r in runs]]))

    def run(row: str, seed: int):
        return SimpleNamespace(record={"row": row, "seed": seed})

    runs = {row: [run(row, seed) for seed in (0, 1)] for row in ("fr", "afr")}
    runs["pooled"] = [run("pooled", 1)]
    runs["refine-h"] = [run("refine-h", 0)]  # its row before is missing
    pairs = [("afr", "fr"), ("pooled", "afr"), ("refine-h", "multihead"), ("fr", None)]
    assert rungs.own_comparisons(runs, pairs) == {("afr", "fr"): 1, ("pooled", "afr"): 2}
    assert [[r.record["seed"] for r in a] for a, _ in seen] == [[0, 1], [1]]
    assert [r.record["row"] for r in seen[1][1]] == ["afr"]
    assert spreads[0] is spreads[1] and spreads[0].freedom == 6 - 1  # of all six runs, also the one without a pair
