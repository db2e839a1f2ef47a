"""Tables of the ladder say what the runs say: means over seeds, signs of differences, and the paper's order."""

from __future__ import annotations

import math
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch

from hand_lib.experiments import PROFILES, Comparison, SeedSpread, pool
from hand_lib.figures import ladder
from hand_lib.figures.paper_tables import TABLE_1
from hand_lib.figures.tables import together
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.skeleton import TIPS

KNOWN = SeedSpread(variance=1.0, freedom=30, rows=6)


def compared(
    a: str, b: str, per_seed: tuple[float, ...], *, half: float = 0.1, spread: SeedSpread = KNOWN
) -> Comparison:
    difference = sum(per_seed) / len(per_seed)
    return Comparison(
        difference=difference,
        low=difference - half,
        high=difference + half,
        confidence=0.95,
        margin=0.25,
        spread=spread,
        image_error=0.01,
        per_seed=per_seed,
        seeds=tuple(range(len(per_seed))),
        images=50,
        names=(a, b),
    )


def run_of(row: str, seed: int, epe: float):
    metrics = dict.fromkeys(("epe_median", "epe_visible", "pa_epe_mean", "auc_20_50"), 1.0) | {"epe_mean": epe}
    record = {
        "row": row,
        "seed": seed,
        "profile": "quick",
        "metrics": metrics,
        "constant_prediction": metrics | {"epe_mean": 40.0},
    }
    return SimpleNamespace(record=record, errors=torch.full((4, 21), epe))


def test_every_row_has_a_short_title_of_its_own():
    names = rows_and_variants()
    titles = [ladder.title(name) for name in names]
    assert len(set(titles)) == len(names) and set(ladder.TITLES) == {"constant", *names}
    assert ladder.title("multihead-3x21") == "multihead-3x21"


def test_a_legend_names_every_row_by_its_number_in_a_few_letters():
    labels = [ladder.label(row) for row in TABLE_1]
    assert labels[0] == "ID-1 FR" and labels[8] == "ID-9 + depth maps"
    assert [ladder.label("heatmap25d"), ladder.label("constant")] == ["2.5D detection", "constant prediction"]
    assert len(set(labels)) == len(labels) and max(map(len, labels)) <= 20  # what a margin of 1.35 inches holds


def test_rows_stand_in_the_order_given_under_the_constant_beside_the_paper():
    runs = {"maps": [run_of("maps", 0, 20.0), run_of("maps", 1, 22.0)], "fr": [run_of("fr", 0, 30.0)]}
    table = ladder.rows_table(runs)
    assert [line[0] for line in table.rows] == ["constant prediction", "maps", "FR"]
    assert [line[1] for line in table.rows] == ["40.00", together("21.00 ± 1.41"), "30.00"]
    assert [line[-1] for line in table.rows] == ["–", "12.21", "14.90"]
    assert "not comparable" in table.header[-1] and "quick" in table.note
    torch.testing.assert_close(ladder.seed_mean(runs["maps"]), torch.full((4, 21), 21.0))


def test_only_current_records_of_the_profiles_own_network_are_shown(monkeypatch):
    def record(profile: str, row: str, epe: float, **changes):
        made = run_of(row, 0, epe).record | {
            "profile": profile,
            "start": "parts",
            "device": f"device of {profile}",
            "decides": {"network": asdict(PROFILES[profile].network)},
        }
        return made | changes

    kept = {
        "full": [
            record("full", "fr", 12.0),
            record("full", "fr", 1.0, start="imagenet"),
            record("full", "fr", 2.0, old=True),
            record("full", "afr", 11.0),
            record("full", "afr", 3.0, decides={"network": {"depth": 50}}),
        ],
        "long": [record("long", "fr", 20.0), record("long", "multihead", 18.0)],
        "quick": [record("quick", row, 25.0, seed=seed) for row in ("multihead", "maps") for seed in (0, 1)],
    }
    monkeypatch.setattr(ladder, "records", lambda profile: kept[profile])
    monkeypatch.setattr(ladder, "is_current", lambda record: "old" not in record)

    def found(*rows: str) -> list[tuple[str, str, float]]:
        return [(r["profile"], r["row"], r["metrics"]["epe_mean"]) for r in ladder.recorded(rows)]

    # Of the better of two profiles with as many rows.
    assert found("fr", "afr", "multihead") == [("full", "fr", 12.0), ("full", "afr", 11.0)]
    note = ladder.recorded_note(ladder.recorded(["fr", "afr"]))
    assert "full" in note and "device of full" in note and "one seed a row" in note
    assert found("multihead") == [("quick", "multihead", 25.0)] * 2  # one seed of long, two of quick
    kept["long"] += [record("long", "multihead", 18.0, seed=seed) for seed in (1, 2)]
    kept["quick"] += [record("quick", "multihead", 25.0, seed=seed) for seed in (2, 3, 4, 5)]
    assert found("multihead") == [("long", "multihead", 18.0)] * 3  # three are enough, and long is the better profile
    assert {profile for profile, *_ in found("multihead", "maps")} == {"quick"}  # quick has both, long has one
    assert "up to 6 seeds a row" in ladder.recorded_note(ladder.recorded(["multihead", "maps"]))
    assert ladder.recorded([]) == []


def test_lengths_are_compared_over_the_seeds_that_all_have(monkeypatch):
    def record(profile: str, row: str, seed: int, epe: float, **changes):
        decides = {"network": asdict(PROFILES[profile].network)}
        return run_of(row, seed, epe).record | {"profile": profile, "start": "parts", "decides": decides} | changes

    kept = {
        "quick": [record("quick", "fr", 0, 24.0), record("quick", "fr", 1, 26.0), record("quick", "afr", 0, 23.0)],
        "long": [
            record("long", "fr", 0, 19.0),
            record("long", "afr", 0, 18.0),
            record("long", "afr", 0, 1.0, start="imagenet"),
            record("long", "maps", 0, 17.0),
        ],
    }
    monkeypatch.setattr(ladder, "records", lambda profile: kept[profile])
    monkeypatch.setattr(ladder, "is_current", lambda record: True)
    assert ladder.by_length(["fr", "afr"]) == {"fr": (24.0, 19.0), "afr": (23.0, 18.0)}
    assert ladder.by_length(["fr", "maps"]) == ladder.by_length(["maps"]) == ladder.by_length([]) == {}


def test_the_papers_difference_is_taken_the_same_way_round():
    assert ladder.printed_difference(compared("maps", "fr", (-1.0,))) == -2.69  # Table 1, ID-1 to ID-5
    assert ladder.printed_difference(compared("fr", "maps", (-1.0,))) == 2.69
    assert ladder.printed_difference(compared("multihead-2x8", "multihead", (-1.0,))) is None


def test_differences_of_fewer_seeds_leave_gaps():
    table = ladder.differences_table([compared("maps", "fr", (-1.0, -3.0)), compared("mine", "maps", (0.25,))])
    assert table.rows[0] == ("maps − FR", "-2.00", together("-2.10 to -1.90"), "-1.00", "-3.00", "-2.69")
    assert table.rows[1] == ("mine − maps", "+0.25", together("+0.15 to +0.35"), "+0.25", "–", "–")
    assert table.header[3:5] == ("seed 0", "seed 1")


@pytest.mark.parametrize(
    ("comparison", "says"),
    [
        (compared("maps", "fr", (-1.0, -2.0)), "*maps* is better than *FR*, by 1.50 mm, the same way round"),
        (compared("maps", "fr", (1.0, 2.0)), "*FR* is better than *maps*, by 1.50 mm. **This is not the paper's order"),
        (compared("maps", "fr", (-1.0, -2.0), half=3.0), "not resolved. 1.50 mm lie between them"),
        (
            compared("maps", "fr", (-1.0, -2.0), half=3.0),
            "seeds and other hands could turn the order round; about",
        ),
        (compared("maps", "fr", (-1.0, -2.0), half=3.0), "about 8 seeds would resolve a difference of this size."),
        (compared("maps", "fr", (0.0, 0.0), half=3.0), "other hands could turn the order round."),  # no number of seeds
        (compared("maps", "fr", (0.05, -0.05)), "equal within 0.25 mm"),
        (compared("mine", "fr", (-1.0, -2.0)), "*mine* is better than *FR*, by 1.50 mm."),
        (
            compared("maps", "fr", (-1.0,), half=math.inf, spread=pool([])),
            "with one seed a row nothing",
        ),
    ],
)
def test_a_verdict_follows_from_the_interval(comparison, says):
    assert says in ladder.verdict(comparison)
    assert ladder.contradicts(comparison) == ("not the paper's order" in ladder.verdict(comparison))
    assert says in ladder.verdicts([comparison], "quick")
    assert says not in ladder.verdicts([comparison], "smoke") and says in ladder.follows(f"{says}.", "full")


def test_errors_are_split_by_visibility_and_by_joint():
    errors = torch.full((3, 21), 10.0)
    errors[:, list(TIPS)] = 30.0
    visible = torch.ones(3, 21, dtype=torch.bool)
    visible[:, TIPS[0]] = False
    line = ladder.split_table({"a": errors}, visible).rows[0]
    assert line == ("a", f"{(16 * 10 + 4 * 30) / 20:.2f}", "30.00", "–", "30.00", "10.00")
    errors[0, 3], visible[0, 3] = 12.0, False  # the one joint that is seen here and hidden there
    assert ladder.split_table({"a": errors}, visible).rows[0][3] == "+2.00"
