"""The papers' tables of public data sets: their figures, our cells empty until a record fills them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from made_records import COMMIT, changed, made_run, sealed
from tiny import own_folders

from hand_lib import cache, experiments
from hand_lib.__main__ import main, make_parser
from hand_lib.datasets.real.imitations import write_rhd
from hand_lib.datasets.real.published import PUBLISHED
from hand_lib.experiments import planning
from hand_lib.experiments.real_data import DATA_SET_VERSION
from hand_lib.experiments.real_records import RecordedRealRun
from hand_lib.experiments.recording import record_path
from hand_lib.experiments.schema import run_key, seal, validate
from hand_lib.experiments.scoring import scores
from hand_lib.figures import public_results
from hand_lib.figures.printed import JAR_TABLE_3, PrintedTable
from hand_lib.figures.public_results import NEEDS, NO_ROW, TABLES, compared, markdown, pictures, write
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.skeleton import NUM_JOINTS
from hand_lib.synthetic import EASY, render


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """The profile `paper` starts from ImageNet's weights, which no test fetches; these records start from nothing."""
    monkeypatch.setattr(planning, "load_imagenet", lambda *arguments, **options: None)


def made(
    row: str, dataset: str, seed: int = 0, *, backbone: str | None = None, off: float = 10.0, **changes: Any
) -> dict:
    """A record of a run on a public data set whose every score is by the rules of that data set."""
    run = made_run(row, seed, off, profile=changes.pop("profile", "paper"), start="random")
    if backbone is not None:
        run = changed(run, backbone=backbone)
    hands = render(seed=1, split="evaluation", indices=range(4), size=16, scene=EASY, supersample=1)
    moved = hands.xyz + off * (hands.xyz / hands.xyz.norm(dim=-1, keepdim=True))
    data = {
        "version": DATA_SET_VERSION,
        "dataset": dataset,
        "training": f"{dataset}-training-1",
        "evaluation": f"{dataset}-evaluation-1",
        "training_count": run["training_images"],
        "evaluation_count": run["evaluation_images"],
        "size": 100,
        **changes,
    }
    record = {name: value for name, value in run.items() if name != "elsewhere"} | {"dataset": dataset}
    record["decides"] = {**run["decides"], "data": data}
    record["data_version"] = data["version"]
    said = scores(dataset.split("-and-")[0], moved, hands.xyz, hands.visible)
    record["scores"] = [vars(score) for score in said]
    record["pck"] = [min(1.0, k / 100) for k in range(101)]
    record |= {"commit": COMMIT, "date": "2026-11-21T02:19:49+00:00"}
    return validate(sealed(record), RecordedRealRun)


def cells(table: PrintedTable, found: list[dict]) -> dict[str, dict[str, str]]:
    shown = compared(table, found)
    return {line[0]: dict(zip(shown.header[1:], line[1:], strict=True)) for line in shown.rows}


def score(record: dict, name: str) -> float:
    (value,) = [said["value"] for said in record["scores"] if said["name"] == name]
    return value


def test_without_records_every_cell_of_ours_needs_the_dataset_and_has_its_command():
    text = markdown([])
    assert text.count("### ") == len(TABLES) and "All runs" not in text and pictures([]) == {}
    for table in TABLES:
        for method, line in cells(table, []).items():
            own = next(printed for printed in table.lines if printed.method == method)
            wanted = "–" if not own.own else NO_ROW if own.row is None else NEEDS
            assert {text for title, text in line.items() if title.startswith("ours")} == {wanted}
    commands = [line for line in text.splitlines() if line.startswith("python -m hand_lib")]
    assert len(commands) == 11
    for command in commands:
        words = shlex.split(command)[3:]
        args = make_parser(words).parse_args(words)
        assert args.rows[0] in rows_and_variants() and args.dataset[0] in PUBLISHED
        experiments.get_profile(args.profile)


def test_the_figures_are_those_that_the_papers_print():
    """A few of each, typed here a second time; JAR's own errors agree with its areas, 1 − e/50 at most."""
    table = cells(JAR_TABLE_3, [])
    assert table["JAR, two stages"]["FreiHAND EPE, mm"] == "6.8" and table["JAR, four stages"]["pictures/s"] == "49"
    groups = cells(TABLES[2], [])
    assert (groups["+ features fused"]["EPE, mm"], groups["one group"]["AUC 0–50"]) == ("8.56", "0.816")
    for printed in TABLES:
        for line in printed.lines:
            assert len(line.figures) == len(printed.columns), line.method
    for line in (*JAR_TABLE_3.lines, *TABLES[2].lines):
        epe, area = line.figures[-2:] if len(line.figures) == 2 else line.figures[1:3]
        if "–" not in (epe, area) and float(epe) < 30:  # an area over 0 to 50 mm is 1 − E[min(e, 50)]/50
            assert float(area) == pytest.approx(1 - float(epe) / 50, abs=0.02), line.method


def test_a_record_fills_its_cell_and_no_other():
    record = made("refine-hdr", "freihand", backbone="resnet34")
    before, after = cells(JAR_TABLE_3, []), cells(JAR_TABLE_3, [record])
    line = after["JAR, two stages"]
    assert line["ours, FreiHAND EPE, mm"] == f"{10 * score(record, 'mean, Procrustes'):.1f}"
    assert line["ours, FreiHAND AUC"] == f"{score(record, 'AUC, Procrustes'):.3f}"
    assert line["ours, HO-3D EPE\\*, mm"] == NEEDS
    assert {m: c for m, c in after.items() if m != "JAR, two stages"} == {
        m: c for m, c in before.items() if m != "JAR, two stages"
    }
    text = markdown([record])
    assert "refine-hdr --profile paper --backbone resnet34 --dataset freihand" not in text
    assert "refine-hdr --profile paper --backbone resnet34 --dataset ho3d-v2" in text
    assert "All runs on public data sets" in text


def test_seeds_are_averaged_and_other_runs_left_out():
    two = [made("hourglass-k3", "freihand", seed, off=10.0 + seed) for seed in (0, 1)]
    others = [
        made("hourglass-k3", "freihand", profile="full"),
        made("hourglass-k3", "rhd"),
        made("multihead", "freihand"),  # of the profile's own backbone, not the paper's ResNet-34
        made("hourglass-k3", "freihand", 2, version="0"),
    ]
    table = TABLES[2]
    alone, beside = cells(table, two)["+ groups learnt"], cells(table, [*two, *others])["+ groups learnt"]
    assert alone == beside and "±" in alone["ours, FreiHAND EPE, mm"]
    assert cells(JAR_TABLE_3, others)["JAR, one stage"]["ours, FreiHAND AUC"] == NEEDS
    text = markdown([*two, *others])
    assert text.count("| freihand | ") == 5 and "\\* Recorded with other code" in text


def test_curves_are_drawn_where_there_are_records(tmp_path):
    found = [made("refine-hdr", name, seed, backbone="resnet34") for name in ("rhd", "stb") for seed in (0, 1)]
    for record in found:
        cache.write_json(record_path(record, tmp_path / "real"), record)
    write(tmp_path / "page" / "table.md", tmp_path / "real")
    text = (tmp_path / "page" / "table.md").read_text()
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"table.md", "public_jar_figure_2.svg"}
    assert "rhd: 20% of joints within 20 mm; stb: 20%" in text and "{figure} public_jar_figure_2.svg" in text
    first = (tmp_path / "page" / "public_jar_figure_2.svg").read_bytes()
    write(tmp_path / "page" / "table.md", tmp_path / "real")
    assert (tmp_path / "page" / "public_jar_figure_2.svg").read_bytes() == first


def test_a_run_that_the_command_has_recorded_is_on_the_page(tmp_path_factory):
    """Trained, measured and recorded in earnest, small; as the paper's profile it would fill the cell."""
    root = tmp_path_factory.mktemp("rhd")
    write_rhd(root, "training", 4), write_rhd(root, "evaluation", 3)
    with own_folders(tmp_path_factory), pytest.MonkeyPatch.context() as patch:
        command = ["train", "refine-hdr", "--profile", "tiny", "--device", "cpu", "--start", "random"]
        command += ["--backbone", "resnet34"]
        assert main([*command, "--dataset", "rhd", "--root", str(root)]) == 0
        (record,) = experiments.records(folder=experiments.real_results())
        text = markdown([record])
        assert f"AUC {score(record, 'AUC'):.3f}" in text.replace("\\", "")
        joints = 3 * NUM_JOINTS
        assert all(abs(share * joints - round(share * joints)) < 1e-3 for share in record["pck"])
        patch.setattr(public_results, "PROFILE", "tiny")
        ours = cells(TABLES[1], [record])["JAR, two stages"]
        assert ours == {"ours, RHD AUC 20–50": f"{score(record, 'AUC'):.3f}", "ours, STB AUC 20–50": NEEDS}


def test_a_curve_that_falls_is_no_record():
    from hand_lib.errors import HandLibError

    record = made("fr", "rhd")
    wrong = record | {"pck": [0.5, 0.4, *record["pck"][2:]]}
    with pytest.raises(HandLibError, match="pck falls"):
        validate(seal(wrong | {"key": run_key(wrong["decides"], wrong["source"])}), RecordedRealRun)


def test_write_without_records_makes_the_page_alone(tmp_path: Path):
    write(tmp_path / "table.md", tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]
    assert NEEDS in (tmp_path / "table.md").read_text()
