"""The command line: what it prints, and one line and exit code 2 for what a person can mend."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from itertools import chain
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from made_records import made_record, made_run
from PIL import Image
from tiny import TINY, own_folders

from hand_lib import cache, experiments, training
from hand_lib.__main__ import main
from hand_lib.errors import HandLibError, printable
from hand_lib.experiments import PROFILES
from hand_lib.live import onnx_file, shipped
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize
from hand_lib.models.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory):
        yield


def refused(capsys, *arguments: str) -> str:
    """The one line with which the command line refuses, on stderr, with exit code 2."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1
    return said.err


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        (["train", "fr", "--profile", "fast"], ["'fast'", "smoke", "quick", "full", "paper"]),
        (["train", "frr", "--profile", "tiny"], ["'frr'", "fr", "afr"]),
        (["train", "fr", "--profile", "tiny", "--backbone", "vgg"], ["'vgg'", "resnet18", "resnet152"]),
        (["train", "fr", "--profile", "tiny", "--device", "abacus"], ["'abacus'", "cpu"]),
        (["train"], ["fr", "afr", "--missing"]),
        (["train", "fr", "--missing"], ["fr", "afr", "--missing"]),
        (["train", "fr", "--profile", "tiny", "--budget", "0"], ["--budget 0"]),
        (["train", "fr", "--results", "/dev/null/x", "--profile", "tiny"], ["/dev/null/x"]),
        (["models", "--backbone", "alexnet"], ["'alexnet'", "resnet50"]),
        (["models", "--size", "8"], ["8"]),
        (["evaluate", "nothing"], ["'nothing'", "fr", "afr"]),
        (["evaluate", "no/such.safetensors"], ["no/such.safetensors", "no such file"]),
        (
            ["evaluate", "fr", "--profile", "tiny", "--seed", "77"],
            ["has not been trained", "train fr --profile tiny --seed 77"],
        ),
        (["results", "--profile", "fast"], ["'fast'", "smoke"]),
        (["results", "--missing", "--profile", "fast"], ["'fast'", "smoke"]),
        (["book", "--profile", "fast"], ["'fast'", "smoke"]),
        (["train", "fr", "--profile", "tiny", "--budget", "nan"], ["--budget nan"]),
        (["train", "fr", "--profile", "tiny", "--budget", "inf"], ["--budget inf"]),
        (["train", "fr", "--profile", "tiny", "--budget", "-1"], ["--budget -1"]),
        (["train", "fr", "--profile", "tiny", "--seed", "-1"], ["--seed -1", "0 to"]),
        (["train", "fr", "--profile", "tiny", "--seed", "9" * 400], ["--seed 999", "0 to"]),
        (["train", "fr", "--profile", "tiny", "--seed", "x"], ["--seed", "'x'"]),
        (["train", "--missing", "--profile", "tiny", "--seed", "3"], ["--missing", "--seed"]),
        (["train", "--missing", "--profile", "tiny", "--backbone", "resnet18"], ["--missing", "--backbone"]),
        (["train", "fr", "--results", "x" * 5000, "--profile", "tiny"], ["too long"]),
        (["models", "--size", "100000000"], ["100000000", "at most 1024"]),
        (["evaluate", "x" * 5000], ["too long"]),
        (["evaluate", "x" * 5000 + ".safetensors"], ["too long"]),
        (["evaluate", "/dev/null"], ["/dev/null"]),
        (["evaluate", "/dev/null", "--seed", "0"], ["/dev/null", "--seed"]),
        (["evaluate", "a.safetensors", "--backbone", "resnet18", "--start", "parts"], ["--backbone and --start"]),
        (["evaluate", "fr", "--profile", "tiny", "--seed", "-5"], ["--seed -5"]),
        (["results", "--results", "no/such/folder"], ["no/such/folder", "no such"]),
        (["results", "--missing", "--results", "no/such/folder"], ["no/such/folder"]),
        (["results", "--results", "/dev/null"], ["/dev/null"]),
        (["results", "--results", "\x1b[2J\nx"], ["?[2J x"]),
        (["results", "--nonsense"], ["--nonsense"]),
    ],
)
def test_bad_input_is_one_line_that_names_the_choices(capsys, arguments, choices):
    line = refused(capsys, *arguments)
    assert all(choice in line for choice in choices), line


def test_a_foreign_or_cut_checkpoint_is_one_line(capsys, tmp_path):
    path = tmp_path / "weights.safetensors"
    cache.write_tensors(path, {"w": torch.zeros(4)})
    assert str(path) in refused(capsys, "evaluate", str(path))
    path.write_bytes(path.read_bytes()[:-3])
    assert str(path) in refused(capsys, "evaluate", str(path))
    path.write_bytes(b"\x80\x02}q\x00.")  # a pickle: never loaded
    assert str(path) in refused(capsys, "evaluate", str(path))


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        ("train", "RANK", "x"),
        ("train", "RANK", "-1"),
        ("train", cache.CACHE_VARIABLE, "~no-such-user/x"),
        ("train", cache.CACHE_VARIABLE, "/dev/null/x"),
        ("train", cache.RESULTS_VARIABLE, "~no-such-user/x"),
        ("evaluate", cache.CACHE_VARIABLE, "~no-such-user/x"),
    ],
)
def test_a_senseless_environment_is_one_line(capsys, monkeypatch, command, variable, value):
    monkeypatch.setenv(variable, value)
    assert value in refused(capsys, command, "fr", "--profile", "tiny")


def test_a_terminal_of_ascii_shows_the_rest(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    device = "a processor of Zürich, 1 thread"
    monkeypatch.setattr(experiments, "records", lambda *arguments, **options: [made_record("fr", 0, device=device)])
    assert main(["results"]) == 0
    terminal.flush()
    assert rb"a processor of Z\xfcrich" in terminal.buffer.getvalue()


def full_disk(buffered: bool) -> io.TextIOWrapper:
    """A stream to a disk that is full; without a buffer, as under ``python -u``, each line fails by itself."""
    return io.TextIOWrapper(open("/dev/full", "wb", buffering=-1 if buffered else 0), write_through=not buffered)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["results", "--help"],
        ["models", "--backbone", "resnet18", "--size", "64"],
        ["results"],
        ["results", "--missing"],
    ],
)
def test_a_full_disk_under_what_is_printed_is_one_line(capsys, monkeypatch, arguments, buffered):
    with full_disk(buffered) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(arguments) == 2
    assert capsys.readouterr().err == f"error: cannot print: {os.strerror(errno.ENOSPC)}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("lost", [["stderr"], ["stdout", "stderr"]])
def test_what_cannot_be_complained_of_is_still_exit_code_2(monkeypatch, buffered, lost):
    for name in lost:
        monkeypatch.setattr(sys, name, full_disk(buffered))
    assert main(["train", "nope"]) == 2
    if "stdout" in lost:
        assert main(["--version"]) == 2
    for name in lost:
        getattr(sys, name).close()


def test_an_error_of_another_file_is_not_taken_for_a_full_disk(monkeypatch):
    def fail(*arguments, **options):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "lost.txt")

    monkeypatch.setattr(experiments, "records", fail)
    with pytest.raises(FileNotFoundError):  # a mistake of ours, which needs its traceback
        main(["results"])


WORDS = st.sampled_from(
    [
        *(
            "train",
            "evaluate",
            "results",
            "models",
            "--missing",
            "--help",
            "--version",
            "-h",
            "--",
            "tiny",
            "smoke",
            "*",
        ),
        *(
            "fast",
            "fr",
            "afr",
            "frr",
            "0",
            "1",
            "-1",
            "7",
            "1e3",
            "nan",
            "inf",
            "1e999",
            "0x1",
            "٣",
            "64",
            "8",
            "[",
            "",
        ),
        *(
            *("submit", "export", "predict", "pretrain", "data", "check", "convert", "show"),
            *("freihand", "rhd", "ho3d-v2", "dexter-object", "multihead", "wrist", "truth", "bone", "given", "mean"),
            *("x.zip", "x.onnx", "x.png", "hand.png", "cut.png", "depths.json", "1e-320", "evaluation", "nowhere"),
            "resnet18",
            "resnet34",
            "resnet²",
            "cpu",
            "cuda",
            "cuda:99",
            "mps",
            "abacus",
            ".",
            "..",
            "/",
            "/dev/null",
            "~",
        ),
        *(
            "/dev/zero",
            "/etc/passwd",
            "~nobody",
            "${HOME}",
            "a.safetensors",
            "../x.safetensors",
            "9" * 20,
            "x" * 5000,
            "~",
            "*",
        ),
    ]
)
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
BYTES = st.binary(max_size=8).map(lambda content: os.fsdecode(content.replace(b"\0", b"")))  # as the system hands over
ROW = [*("--profile tiny", "--profile", "--device cpu", "--device", "--seed 0", "--seed", "--backbone", "--start")]
DATA = [*("--dataset freihand --root nowhere", "--dataset rhd --root .", "--dataset", "--root", "--share 1", "--share")]
PLACED = [
    *("--on ho3d-v2 --on-root nowhere", "--on", "--on-root", "--root-depth", "--root-depth depths.json"),
    *("--root-depth wrist", "--depth-joint wrist", "--depth-joint", "--scale", "--scale nan", "--scale 40"),
]
SET = ["--dataset freihand", "--root nowhere", "--dataset", "--root", "--split", "--profile tiny"]
# What each command can be told: of what ends in a bare option, any word is its value.
TOLD = {
    "train": ["fr", "afr multihead", "--missing", "--budget", "--budget 1", "--results", "--results .", *ROW, *DATA],
    "evaluate": ["fr", "a.safetensors", "--json", *ROW, *DATA, *PLACED],
    "submit": ["fr", "a.safetensors", "--out x.zip", "-o x.zip", "--out", "-o folder.zip", *ROW, *DATA, *PLACED],
    "predict": [
        *("hand.png", "cut.png", "--row fr", "--row", "--left", "-o x.png", "-o folder.png", "-o hand.png", "-o"),
        *("--box 0 0 20 20", "--box 0 0 1e30 9", "--box nan 0 9 9", "--box -5 -5 4 4"),
    ],
    "export": ["fr", "multihead", "a.safetensors", "--onnx x.onnx", "--onnx folder.zip", "--onnx"],
    "results": ["--missing", "--json", "--profile tiny", "--profile", "--results", "--dataset"],
    "models": ["--backbone resnet18", "--size 64", "--size", "--backbone", "--json"],
    "data check": SET,
    "data convert": [*SET, "--workers", "--workers 1", "--skip-damaged"],
    "data show": [*SET, "--count", "--count 3", "-o"],
}
# A command that counts networks takes a while: it comes seldom.
COMMANDS = st.sampled_from([name for name in TOLD for _ in range(1 if name == "models" else 4)])


def lines(command: str) -> st.SearchStrategy[list[str]]:
    """Command lines of a command: mostly what it knows, and now and then anything."""
    value = WORDS | TEXT | BYTES

    def piece(said: str) -> st.SearchStrategy[list[str]]:
        words = said.split()
        return value.map(lambda last: [*words, last]) if words[-1][0] == "-" else st.just(words)

    known = st.sampled_from(TOLD[command]).flatmap(piece)
    pieces = st.one_of(known, known, known, value.map(lambda word: [word]))
    first = st.just(TOLD[command][0].split()) | st.just([])  # what most of them need
    rest = st.lists(pieces, max_size=6)
    return st.tuples(first, rest).map(lambda parts: [*command.split(), *parts[0], *chain(*parts[1])])


@pytest.mark.slow
@settings(max_examples=300)
@given(
    arguments=COMMANDS.flatmap(lines) | st.lists(WORDS | TEXT, max_size=3),
    environment=st.dictionaries(
        st.sampled_from(["RANK", cache.CACHE_VARIABLE, cache.RESULTS_VARIABLE]),
        st.sampled_from(["", "0", "1", "x", "~no-such-user", "/dev/null", "/dev/null/x", "x" * 5000]),
        max_size=1,
    ),
)
def test_no_command_line_ends_in_a_traceback(arguments, environment):
    """Whatever is typed: done, or told in one line with exit code 2.

    Left out is the training itself, and that which ends in the package: what is pretrained or exported without a file.
    """
    folder = cache.cache_dir().parent / "any command line"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (20, 30), "brown").save(folder / "hand.png")
    (folder / "cut.png").write_bytes((folder / "hand.png").read_bytes()[:50])
    (folder / "depths.json").write_text("[0.5, 0.5]")
    (folder / "folder.zip").mkdir(exist_ok=True)
    (folder / "folder.png").mkdir(exist_ok=True)
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv(cache.RESULTS_VARIABLE, str(folder / "results"))  # no other test's
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        patch.setattr(experiments, "run", pretended_run)
        patch.setattr(experiments, "pretrain", refuse_to_begin)
        patch.setattr(shipped, "best_run", refuse_to_begin)
        patch.setattr(onnx_file, "write_onnx", lambda network, side, path: None)  # takes seconds
        try:
            code = main(arguments)
        except SystemExit as leaving:  # --help
            code = leaving.code
    said = err.getvalue()
    assert code in (0, 2), arguments
    if code == 2:
        assert said.startswith("error: ") and said.count("\n") == 1 and printable(said) == said[:-1], (arguments, said)


def refuse_to_begin(*arguments, **options):
    raise HandLibError("not begun")


def pretended_run(row, *, seed, profile, **options):
    """What the training would leave behind, without it."""
    planned = experiments.plan(row, seed=seed, profile=profile, device="cpu")
    return experiments.Run(planned.folder, made_run(row, seed, profile=profile), planned)


def test_all_names_are_checked_before_anything_is_trained(capsys, monkeypatch):
    monkeypatch.setattr(experiments, "run", lambda *a, **k: pytest.fail("trained"))
    refused(capsys, "train", "fr", "nonsense", "--profile", "tiny")


def test_an_unknown_command_names_the_commands(capsys):
    line = refused(capsys, "paint")
    assert all(name in line for name in ("models", "train", "evaluate", "results", "book"))


def test_ctrl_c_is_one_line_and_130(capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt("fr: stopped at step 3 of 4; the same command goes on from there")

    monkeypatch.setattr(experiments, "run", interrupted)
    assert main(["train", "fr", "--profile", "tiny"]) == 130
    said = capsys.readouterr().err
    assert "step 3 of 4" in said and said.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_one_line_and_its_own_code(capsys, monkeypatch, number, code):
    monkeypatch.setattr(experiments, "run", lambda *a, **k: signal.raise_signal(number))
    before = signal.getsignal(number)
    signal.signal(number, signal.SIG_DFL)  # as in a terminal, whatever this suite runs under
    try:
        assert main(["train", "fr", "--profile", "tiny"]) == code
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    said = capsys.readouterr().err
    assert "run the same command again to go on" in said and said.count("\n") == 1


def test_a_signal_that_was_ignored_stays_ignored(monkeypatch):
    monkeypatch.setattr(experiments, "records", lambda *a, **k: signal.raise_signal(signal.SIGHUP) or [])
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["results"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_a_library_makes_of_a_signal_is_still_a_signal(capsys, monkeypatch):
    def importing(*arguments, **options):
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException as error:
            raise ImportError("half imported") from error

    monkeypatch.setattr(experiments, "run", importing)
    assert main(["train", "fr", "--profile", "tiny"]) == 143
    assert capsys.readouterr().err.count("\n") == 1


def test_version_names_the_package_and_torch(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0
    assert re.match(rf"joint-by-joint \d\S+, PyTorch {re.escape(torch.__version__)}, Python 3", capsys.readouterr().out)


# --------------------------------------------------------------------------------------------------------------- models


def test_models_json_holds_every_row(capsys):
    assert main(["models", "--backbone", "resnet18", "--size", "64", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert [line["row"] for line in lines] == list(rows_and_variants())
    for line in lines:
        model = rows_and_variants()[line["row"]].build(NetworkSize(depth=18, image_size=64))
        assert line["params"] == sum(p.numel() for p in model.parameters())
        assert 0 < line["head_params"] < line["params"] and 0 < line["head_macs"] < line["macs"]
        assert line["head_macs_output_grid"] >= line["head_macs"]


def test_models_table_shows_afr_as_table_2_prints_it(capsys):
    assert main(["models"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("afr ")]
    # 32.0 M and 5.6 G in all, 8.5 M and 0.2 G after the backbone (JAR, Table 2), each beside our own.
    assert all(f"({printed})" in line for printed in (32.0, 8.5, 5.6, 0.2))


# ------------------------------------------------------------------------------------------- train, evaluate, results


def test_train_records_evaluate_measures_results_shows(capsys):
    cache.results_dir().joinpath("tiny").mkdir(exist_ok=True)
    assert main(["results"]) == 0
    assert "no recorded runs" in capsys.readouterr().out
    assert main(["train", "fr", "afr", "--profile", "tiny", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == 2 and all("constant prediction" in line and "recorded in" in line for line in lines)
    assert "about " in said.err and "on this CPU" in said.err  # before it starts
    assert sorted(p.name for p in cache.results_dir().rglob("*.json")) == ["afr-s0.json", "fr-s0.json"]

    assert main(["evaluate", "afr", "--profile", "tiny", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    recorded = experiments.records("tiny", "afr")[0]
    assert measured["metrics"]["epe_mean"] == pytest.approx(recorded["metrics"]["epe_mean"], rel=1e-4)
    assert main(["evaluate", "afr", "--profile", "tiny"]) == 0
    assert f"{recorded['metrics']['epe_mean']:.3f}"[:4] in capsys.readouterr().out

    assert main(["results", "--profile", "tiny"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 3 and f"{recorded['metrics']['epe_mean']:.2f}" in table[2]
    start = table[0].index("mean EPE") + len("mean EPE")  # numbers end where their heading ends
    assert all(line[start - 1].isdigit() and line[start] == " " for line in table[1:])
    assert main(["results", "--json"]) == 0
    assert [r["row"] for r in json.loads(capsys.readouterr().out)] == ["fr", "afr"]

    assert main(["results", "--missing", "--profile", "tiny"]) == 0
    lacking = capsys.readouterr().out.splitlines()
    assert "python -m hand_lib train fr --profile tiny --seed 1" in lacking
    assert not any(line.endswith(("fr --profile tiny --seed 0",)) for line in lacking)
    assert main(["results", "--missing", "--profile", "tiny", "--json"]) == 0
    assert {"row": "fr", "seed": 1, "profile": "tiny"} in json.loads(capsys.readouterr().out)


def test_what_is_missing_is_shared_with_other_processes(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(experiments, "missing", lambda profile, folder=None: [("fr", 3), ("afr", 3)])
    command = ["train", "--missing", "--profile", "tiny", "--device", "cpu", "--results", str(tmp_path)]
    other = experiments.plan("fr", profile="tiny", seed=3, device="cpu")
    with cache.lock(other.folder, waiting_for="a test"):  # as if another process were training it
        assert main(command) == 0
    assert "busy with fr, profile tiny, seed 3: left to it" in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*.json")] == ["afr-s3.json"]
    assert main(command) == 0
    assert sorted(p.name for p in tmp_path.rglob("*.json")) == ["afr-s3.json", "fr-s3.json"]


def test_smoke_is_never_recorded_by_itself(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(PROFILES, "smoke", replace(TINY, name="smoke"))
    before = set(cache.results_dir().rglob("*.json"))
    assert main(["train", "afr", "--profile", "smoke", "--device", "cpu"]) == 0
    assert set(cache.results_dir().rglob("*.json")) == before
    assert main(["train", "afr", "--profile", "smoke", "--device", "cpu", "--results", str(tmp_path)]) == 0
    assert [p.name for p in tmp_path.rglob("*.json")] == ["afr-s0.json"]


def test_the_budget_stops_inside_and_between_rows_and_is_resumable(capsys, monkeypatch, tmp_path):
    command = ["train", "fr", "afr", "--profile", "tiny", "--device", "cpu", "--seed", "9", "--results", str(tmp_path)]
    assert main([*command, "--budget", "0.000001"]) == 0
    assert "2 of 2 runs not begun" in capsys.readouterr().out

    clock = time.monotonic
    monkeypatch.setattr(experiments, "stop_time", lambda budget: clock() + 0.3)
    train = training.train

    def slow_start(*arguments, **options):  # the time runs out while the first row is under way
        time.sleep(0.5)
        return train(*arguments, **options)

    monkeypatch.setattr(training, "train", slow_start)
    assert main([*command, "--budget", "5"]) == 0
    assert "stopped at step 1 of 6" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.json"))
    monkeypatch.undo()
    assert main(command) == 0
    assert sorted(p.name for p in tmp_path.rglob("*.json")) == ["afr-s9.json", "fr-s9.json"]


def test_a_variant_is_trained_and_listed_like_a_row(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(PROFILES, "tiny", replace(TINY, seeds=(), variant_seeds=(3,)))
    where = ["--profile", "tiny", "--results", str(tmp_path)]
    assert main(["train", "heatmap25d-x10", *where, "--seed", "3", "--device", "cpu"]) == 0
    assert (tmp_path / "tiny" / "heatmap25d-x10-s3.json").exists()
    assert main(["results", *where]) == 0
    assert "heatmap25d-x10" in capsys.readouterr().out
    assert main(["evaluate", "heatmap25d-x10", "--profile", "tiny", "--seed", "3", "--device", "cpu"]) == 0
    assert "heatmap25d-x10 (resnet18)" in capsys.readouterr().out
    assert main(["results", "--missing", *where, "--json"]) == 0
    assert [line["row"] for line in json.loads(capsys.readouterr().out)] == [
        v for v in VARIANTS if v != "heatmap25d-x10"
    ]


def test_train_missing_does_what_results_missing_lists(capsys, tmp_path):
    command = ["--profile", "tiny", "--results", str(tmp_path)]
    main(["results", "--missing", *command, "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == 2 * len(ROWS)
    for line in listed[1:]:  # all but the first are pretended to be there
        experiments.write_record(made_run(line["row"], line["seed"], profile="tiny"), tmp_path)
    assert main(["train", "--missing", *command, "--device", "cpu"]) == 0
    capsys.readouterr()
    main(["results", "--missing", *command])
    assert "nothing is missing" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------- as a real process


def start(*arguments: str, folder: Path, **options) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JOINT_BY_JOINT_CACHE": str(folder)}
    command = [sys.executable, "-m", "hand_lib", *arguments]
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.slow
def test_smoke_from_nothing_interrupted_and_again(tmp_path):
    """A real process: renders, is told Ctrl-C in its training, says how to go on, and goes on."""
    command = ("train", "afr", "--profile", "smoke", "--device", "cpu")
    first = start(*command, folder=tmp_path)
    said = ""
    steps = PROFILES["smoke"].steps
    while f"/{steps} [" not in said:  # the training's bar
        piece = first.stderr.read(1)
        assert piece, said
        said += piece
    first.send_signal(signal.SIGINT)
    out, rest = first.communicate(timeout=60)
    assert first.returncode == 130, rest
    assert "interrupted: afr, profile smoke, seed 0: stopped at step" in rest and "Traceback" not in rest
    assert "rendering training hands" in said and "about " in said

    second = start(*command, folder=tmp_path)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert "mean error" in out and "rendering" not in err
    (record,) = (tmp_path / "runs").rglob("record.json")
    assert json.loads(record.read_text())["steps"] == steps


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["importlib.metadata", "numpy.linalg", "torch.nn.functional"])
def test_a_signal_in_the_first_second_is_one_line(tmp_path, number, moment):
    """Most of that second is the import of torch, which can make anything of an exception in its middle."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "importtime", "-m", "hand_lib", "models"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.rpartition("|")[2].strip() == moment:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    said = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert process.returncode == 128 + number and out == ""
    assert len(said) == 1 and "run the same command again" in said[0], said


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path):
    folder = tmp_path / "gelenk-für-gelenk-手"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "hand_lib", "evaluate", str(folder / "none.safetensors")]
    ran = subprocess.run(command, env=environment, capture_output=True)
    assert ran.returncode == 2 and ran.stderr.isascii() and ran.stderr.count(b"\n") == 1
    assert b"gelenk-f\\xfcr-gelenk-\\u624b" in ran.stderr


def test_help_of_every_command(tmp_path):
    process = start("--help", folder=tmp_path)
    assert "models" in process.communicate(timeout=60)[0] and process.returncode == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_streams_that_cannot_be_written_as_a_shell_hands_them_over(tmp_path, unbuffered):
    def code(arguments: str) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
        command = f"exec {sys.executable} -m hand_lib {arguments}"
        ran = subprocess.run(command, shell=True, env=environment, cwd=tmp_path, capture_output=True, text=True)
        return ran.returncode, ran.stderr

    if Path("/dev/full").exists():
        assert code("--version > /dev/full") == (2, f"error: cannot print: {os.strerror(errno.ENOSPC)}\n")
        assert code("nope 2> /dev/full") == (2, "")
        assert code("--version > /dev/full 2> /dev/full") == (2, "")
    assert code("--version >&-") == (0, "")
    assert code("nope 2>&-") == (2, "")


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "hand_lib", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=environment, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")
