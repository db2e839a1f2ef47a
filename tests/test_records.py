"""A record is believed only where its fields, its place and its checksum all agree; anything else is one line."""

from __future__ import annotations

import copy
import json
import math
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from made_records import HASH, made_record, made_run, sealed
from tiny import own_folders

from hand_lib import cache, experiments
from hand_lib.__main__ import main
from hand_lib.errors import HandLibError, printable
from hand_lib.experiments import PROFILES, provenance, recording
from hand_lib.experiments.schema import Libraries, Metrics, RecordedRun, RunRecord, seal, validate
from hand_lib.figures import results_page
from hand_lib.metrics import summarise

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory):
        yield


def place(record: dict, folder: Path) -> Path:
    """Write a record where it belongs, as somebody who edits it by hand would."""
    path = recording.record_path(record, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def refusal(path: Path) -> str:
    """The line with which a record is refused; it names the file."""
    with pytest.raises(HandLibError) as error:
        experiments.read_record(path)
    said = str(error.value)
    assert str(path) in said and said.isprintable()
    return said


# ----------------------------------------------------------------------------------------------------- what is accepted


def test_the_schema_has_the_metrics_and_the_libraries_that_a_run_has():
    hands = torch.randn(2, 21, 3) * 50
    measured = summarise(hands, hands + 1, torch.ones(2, 21, dtype=torch.bool))
    assert set(measured) == set(Metrics.model_fields)
    Metrics.model_validate(measured)
    Libraries.model_validate(experiments.library_versions())


@pytest.mark.parametrize("scale", [0.1, 3.0, 20.0, 300.0])
def test_the_metrics_of_any_hands_agree_with_each_other(scale):
    """The rules between AUC and EPE are bounds that hold for every set of errors."""
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        true = torch.randn(7, 21, 3, generator=generator) * 50
        wrong = true + scale * torch.randn(7, 21, 3, generator=generator) ** 3
        Metrics.model_validate(summarise(wrong, true))


def test_every_committed_record_is_believed():
    found = experiments.records(folder=ROOT / "results")
    assert all(record["commit"] != "unknown" for record in found)
    for record in found:
        assert "uncommitted_changes" not in record


def test_what_is_recorded_comes_back(tmp_path):
    run = made_run("afr", 1, 23.5, profile="tiny")
    path = experiments.write_record(run, tmp_path)
    assert path == tmp_path / "tiny" / "afr-s1.json"
    record = experiments.read_record(path)
    assert record["commit"] and record["date"].endswith("+00:00")
    assert {name: record[name] for name in run if name != "sha256"} == {k: v for k, v in run.items() if k != "sha256"}
    assert experiments.records("tiny", folder=tmp_path) == [record]


def test_a_run_that_is_recorded_keeps_its_date_and_commit(tmp_path, monkeypatch):
    run = made_run("afr", 0, profile="tiny")
    path = experiments.write_record(run, tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(recording, "commit_of_code", lambda: ("ef" * 20, ()))
    experiments.write_record(run, tmp_path)
    assert path.read_bytes() == before
    experiments.write_record(made_run("afr", 0, 21.0, profile="tiny"), tmp_path)  # another outcome
    assert experiments.read_record(path)["commit"] == "ef" * 20
    path.write_text("{")  # not to be believed, so recorded anew
    experiments.write_record(run, tmp_path)
    assert experiments.read_record(path)["metrics"] == run["metrics"]


# --------------------------------------------------------------------------------------------------------- what is not

WRONG = [
    ("row", "../../x"),
    ("row", "FR"),
    ("profile", "/tmp/x"),
    ("profile", "quick/../x"),
    ("seed", -1),
    ("seed", 2**70),
    ("seed", "<script>"),
    ("seed", True),
    ("seed", 0.0),
    ("device", "a\x1b[31m processor"),
    ("device", "two\nlines"),
    ("device", 3),
    ("device", "x" * 1000),
    ("table_id", "a\tb"),
    ("backbone", "resnet²"),
    ("backbone", "vgg16"),
    ("start", 0),
    ("source", "short"),
    ("date", "yesterday"),
    ("date", "2026-13-41T00:00:00+00:00"),
    ("commit", "HEAD"),
    ("format", 2),
    ("format", True),
    ("seconds", -1.0),
    ("seconds", None),
    ("data_wait_share", 1.5),
    ("params", 10.0),
    ("head_params", 1001),
    ("images_seen", 1),
    ("steps", 799),
    ("evaluation_images", 5),
    ("data_version", "0"),
    ("curve", []),
    ("curve", [{"step": 800, "loss": 0.1, "epe": "low", "seconds": 1.0}]),
    ("curve", [{"step": 800, "epe": 2.0, "seconds": 1.0}]),
    ("curve", [{"step": step, "loss": 0.1, "epe": 2.0, "seconds": 1.0} for step in (400, 800)]),
    ("curve", [{"step": s, "loss": 0.1, "epe": 2.0, "seconds": 1.0} for s in (0, 800)]),
    ("curve", [{"step": -1, "epe": 2.0, "seconds": 1.0}, {"step": 800, "loss": 0.1, "epe": 2.0, "seconds": 1.0}]),
    ("curve", [{"step": 400, "loss": 0.1, "epe": 2.0, "seconds": 1.0}]),
    ("curve", [{"step": step, "loss": 0.1, "epe": 2.0, "seconds": 1.0} for step in (801, 800)]),
    ("libraries", {}),
    ("metrics", {}),
    ("metrics", None),
    ("decides", []),
    ("decides.network.width", 8.5),
    ("decides.network.width", None),
    ("decides.network.width", 10**9),
    ("decides.network.depth", 19),
    ("decides.network.final_stride", 0),
    ("decides.network.image_size", 100_000),
    ("decides.training.seed", 1),
    ("decides.training.steps", 1),
    ("decides.training.precision", "64-true"),
    ("decides.training.augmentation", [[[[1]]]]),
    ("decides.data.version", 3),
    ("decides.start", "random"),
    ("decides.weights", None),
    ("decides.pretraining", None),
    ("start", "imagenet"),
    ("decides.row", "afr"),
    ("metrics.epe_mean", 29.9),
    ("metrics.epe_mean", -1.0),
    ("metrics.epe_per_joint", [30.0] * 20),
    ("metrics.auc_20_50", 1.01),
    ("metrics.auc_0_100", 0.1),
    ("metrics.auc_0_50", 0.99),
    ("constant_prediction.epe_mean", "51"),
    ("checkpoint_sha256", ""),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: ascii(value)[:40])
def test_a_wrong_field_is_named_with_its_value_whatever_the_checksum(tmp_path, field, value):
    """Forged with care: the key and the checksum are those of the changed content."""
    record = made_record("fr", 0, 30.0)
    inside = record
    *way, last = field.split(".")
    for part in way:
        inside = inside[part]
    inside[last] = value
    path = place(made_record("fr", 0), tmp_path)
    path.write_text(json.dumps(sealed(record) if isinstance(record["decides"], dict) else seal(record)))
    said = refusal(path)
    assert last in said or "format" in said or str(value) in said
    with pytest.raises(HandLibError):
        experiments.records(folder=tmp_path)
    assert main(["results", "--results", str(tmp_path)]) == 2


@pytest.mark.parametrize("change", ["missing", "more", "moved digit", "key", "key and checksum of another"])
def test_a_field_more_or_less_or_changed(tmp_path, change):
    record = made_record("fr", 0, 30.0)
    path = place(record, tmp_path)
    if change == "missing":
        del record["metrics"]["pa_epe_mean"]
        record = seal(record)
    elif change == "more":
        record = seal(record | {"uncommitted_changes": False})
    elif change == "moved digit":
        record["seconds"] = 12.51
    elif change == "key":
        record = seal(record | {"key": HASH})
    else:
        record["decides"]["training"]["learning_rate"] = 2e-3
        record = seal(record)
    path.write_text(json.dumps(record))
    words = {"missing": "pa_epe_mean", "more": "uncommitted_changes", "moved digit": "sha256"}
    assert words.get(change, "key") in refusal(path)


def test_a_record_in_another_run_s_place_is_refused(tmp_path):
    path = place(made_record("fr", 0), tmp_path)
    for name in ("fr-s1.json", "afr-s0.json", "fr-imagenet-s0.json", "copy.json"):
        copied = path.with_name(name)
        copied.write_bytes(path.read_bytes())
        assert str(path) in refusal(copied)
        copied.unlink()
    other = tmp_path / "long" / "fr-s0.json"
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    assert "another run" in refusal(other)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        b'{"format": NaN}',
        b'{"format": 2, "seconds": 1e999}',
        b'{"format": 2, "format": 2}',
        b'{"format": ' + b"9" * 5000 + b"}",
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b"",
        b"[1]",
        b"null",
        b" " * (17 * 2**20),
    ],
    ids=lambda content: ascii(content[:20]),
)
def test_what_is_no_plain_json_is_one_line(tmp_path, content):
    path = tmp_path / "quick" / "fr-s0.json"
    path.parent.mkdir()
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("kind", ["folder", "dangling link", "pipe"])
def test_what_is_no_file_is_one_line(tmp_path, kind):
    path = tmp_path / "quick" / "fr-s0.json"
    path.parent.mkdir()
    make = {"folder": Path.mkdir, "dangling link": lambda p: p.symlink_to("nowhere"), "pipe": os.mkfifo}
    make[kind](path)
    refusal(path)


def test_a_folder_that_cannot_be_read_is_no_folder_without_records(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HandLibError, match="a part of this path is a file"):
        experiments.records(folder=tmp_path / "file" / "results")
    assert experiments.records(folder=tmp_path / "nothing") == []


def test_not_every_number_is_a_record_s(tmp_path):
    """Python's JSON writes NaN and infinity, which are none; they never get as far as the file."""
    run = made_run("fr", 0)
    for value in (math.nan, math.inf):
        with pytest.raises(HandLibError, match="seconds"):
            experiments.write_record(run | {"seconds": value}, tmp_path)
    assert not list(tmp_path.rglob("*.json"))


# ------------------------------------------------------------------------------------------------------- at random


@settings(max_examples=300)
@given(st.data())
def test_no_changed_byte_is_believed(data):
    record = made_record_kept()
    content = bytearray(json.dumps(record, indent=1).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(content) - 1))
        what = data.draw(st.sampled_from(["flip", "digit", "drop", "cut", "double"]))
        if what == "flip":
            content[position] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "digit":
            content[position] = data.draw(st.sampled_from(b"0123456789"))
        elif what == "drop":
            del content[position]
        elif what == "cut" and position:
            del content[position:]
        else:
            content[position:position] = content[position : position + 9]
    path = cache.results_dir() / "quick" / "fr-s0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        assert experiments.read_record(path) == record  # white space, or a digit that says the same
    except HandLibError as error:
        assert str(path) in str(error) and printable(str(error)) == str(error)
    finally:
        path.unlink()


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["<script>alert(1)</script>", "../../x", "\x1b[2J", "resnet18", "`", "|", "a" * 130, "${1}"]),
    st.lists(st.integers(0, 2), max_size=3),
    st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=2),
)


def nodes(content: object, way: tuple = ()) -> list[tuple]:
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [way] + [found for name, value in inside for found in nodes(value, (*way, name))]


@settings(max_examples=400)
@given(st.data())
def test_whatever_is_believed_can_be_shown(data):
    """Random values in random places, sealed as if they were right: refused in one line, or harmless on a page."""
    record = copy.deepcopy(made_record_kept())
    for _ in range(data.draw(st.integers(1, 2))):
        way = data.draw(st.sampled_from([way for way in nodes(record) if way]))
        inside = record
        for part in way[:-1]:
            inside = inside[part]
        kind = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if kind == "replace":
            inside[way[-1]] = data.draw(ODD)
        elif kind == "remove":
            del inside[way[-1]]
        elif isinstance(inside, dict):
            inside[data.draw(st.text(max_size=5))] = data.draw(ODD)
    if isinstance(record.get("decides"), dict) and "source" in record:
        record = sealed(record)
    try:
        found = validate(json.loads(json.dumps(seal(record))), RecordedRun)
    except HandLibError as error:
        assert printable(str(error)) == str(error)
        return
    page = results_page.markdown([found])
    assert "<" not in page.replace("\\<", "")
    assert recording.record_path(found, Path("results")).parent.parent == Path("results")
    assert found["device"].isprintable()


def made_record_kept(kept: dict = {}) -> dict:  # noqa: B006 (kept between the examples)
    return kept.setdefault("record", made_record("fr", 0, 30.0))


def test_text_of_a_record_is_shown_as_text(capsys, tmp_path):
    device = "<script>alert(1)</script> | `x` $y$"
    place(made_record("fr", 0, 30.0, device=device, table_id="<b>|"), tmp_path)
    page = results_page.markdown(experiments.records(folder=tmp_path))
    assert "<script>" not in page and "<b>" not in page
    line = next(line for line in page.splitlines() if line.startswith("| `fr`"))
    assert line.count("|") == len(results_page.HEADER) + 1
    assert main(["results", "--results", str(tmp_path)]) == 0
    assert device in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------- the commit of the code


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def made_checkout(root: Path) -> Path:
    """A checkout as git clones it, with a package of three files."""
    for name in ("pyproject.toml", "notebooks/a.ipynb", "hand_lib/__init__.py", "hand_lib/experiments/provenance.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "hand_lib" / "cache.py").write_text("")
    return root


@pytest.fixture
def code_in(monkeypatch):
    """Pretend that the package is loaded from a folder."""

    def pretend(root: Path) -> tuple[str, tuple[str, ...]]:
        monkeypatch.setattr(provenance, "__file__", str(root / "hand_lib" / "experiments" / "provenance.py"))
        monkeypatch.setattr(cache, "__file__", str(root / "hand_lib" / "cache.py"))
        return provenance.commit_of_code()

    return pretend


def test_the_commit_is_that_of_the_package_s_own_checkout(code_in, tmp_path, monkeypatch):
    root = made_checkout(tmp_path / "book")
    assert code_in(root) == ("unknown", ())  # no repository
    git(root, "init", "-q")
    assert code_in(root) == ("unknown", ())  # no commit
    (root / ".gitignore").write_text("ignored.py\n")
    git(root, "add", "."), git(root, "commit", "-qm", "all")
    head = git(root, "rev-parse", "HEAD")
    assert code_in(root) == (head, ())
    (root / "notebooks" / "a.ipynb").write_text("changed")  # is not the package
    assert code_in(root) == (head, ())
    (root / "hand_lib" / "new.py").write_text("")
    (root / "hand_lib" / "ignored.py").write_text("")
    (root / "hand_lib" / "cache.py").write_text("changed")
    assert code_in(root) == (head, ("hand_lib/cache.py", "hand_lib/ignored.py", "hand_lib/new.py"))
    git(root, "add", ".")
    assert "hand_lib/cache.py" in code_in(root)[1]  # staged is not committed
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))  # as inside a hook of another repository
    assert code_in(root)[0] == head


def test_a_copy_in_another_repository_has_no_commit(code_in, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    git(theirs, "init", "-q")
    (theirs / ".gitignore").write_text("copy/\n")
    git(theirs, "add", "."), git(theirs, "commit", "-qm", "theirs")
    assert code_in(made_checkout(theirs / "copy")) == ("unknown", ())  # in an ignored folder
    git(theirs, "add", "-f", "."), git(theirs, "commit", "-qm", "with a copy")
    assert code_in(theirs / "copy") == ("unknown", ())  # tracked, but the commit is of other things
    untracked = made_checkout(tmp_path / "untracked")
    git(untracked, "init", "-q")
    git(untracked, "add", "pyproject.toml"), git(untracked, "commit", "-qm", "without the package")
    assert code_in(untracked) == ("unknown", ())


def test_a_record_names_the_commit_that_the_process_began_with(monkeypatch, tmp_path):
    """The checkout may change while a training runs; the code that is loaded does not."""
    told = iter([("ab" * 20, ()), ("cd" * 20, ("hand_lib/cache.py",))])
    monkeypatch.setattr(recording, "commit_of_code", lambda: next(told))
    done = experiments.Run(tmp_path, made_run("fr", 0, profile="tiny"), None)
    monkeypatch.setattr(experiments, "run", lambda row, **options: done)
    assert main(["train", "fr", "--profile", "tiny", "--device", "cpu", "--results", str(tmp_path)]) == 0
    assert experiments.read_record(tmp_path / "tiny" / "fr-s0.json")["commit"] == "ab" * 20


def test_an_uncommitted_package_records_nothing_and_says_so_before_it_trains(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "commit_of_code", lambda: ("ab" * 20, ("hand_lib/cache.py",)))
    monkeypatch.setattr(experiments, "run", lambda *arguments, **options: pytest.fail("trained"))
    with pytest.raises(HandLibError, match=r"hand_lib/cache\.py; commit"):
        experiments.write_record(made_run("fr", 0, profile="tiny"), tmp_path)
    assert main(["train", "fr", "--profile", "tiny", "--results", str(tmp_path)]) == 2
    assert "hand_lib/cache.py" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_who_edits_the_package_may_train_all_the_same(capsys, monkeypatch):
    monkeypatch.setattr(recording, "commit_of_code", lambda: ("ab" * 20, ("hand_lib/models/rows.py",)))
    record = made_run("fr", 0, profile="tiny")
    monkeypatch.setattr(experiments, "run", lambda *arguments, **options: SimpleNamespace(record=record))
    before = set(cache.results_dir().rglob("*.json"))
    assert main(["train", "fr", "--profile", "tiny", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert "this will not be recorded" in said.err and "hand_lib/models/rows.py" in said.err
    assert "mean error" in said.out and "recorded in" not in said.out
    assert set(cache.results_dir().rglob("*.json")) == before
    assert main(["train", "--missing", "--profile", "tiny", "--device", "cpu"]) == 2


def test_the_models_refuse_what_they_do_not_know():
    assert "tiny" in PROFILES  # the fixture
    with pytest.raises(HandLibError, match=r"a newer version .* reads format 3"):
        validate({"format": 4}, RunRecord)
    with pytest.raises(HandLibError, match="format 3"):
        validate([], RunRecord)
