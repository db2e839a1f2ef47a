"""The benchmarks: what they record, that ratios come from neighbours, and that unequal sides are never timed."""

from __future__ import annotations

import copy
import itertools
import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hand_lib import cache, experiments
from hand_lib.datasets.augmentation import NO_AUGMENTATION
from hand_lib.datasets.real.published import PUBLISHED
from hand_lib.errors import HandLibError
from hand_lib.experiments import recording
from hand_lib.models.decoders import DecoderPerJoint, SharedDecoder
from hand_lib.models.groups.branches import GroupBranches
from hand_lib.models.size import NetworkSize
from hand_lib.training import TrainingConfig, build_seeded

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import common
import groups
import live_networks
import real_data
import shared_decoder
import stages
import training_step

BENCHMARKS = Path(common.__file__).parent
CPU = torch.device("cpu")
SHORT = common.Timing(repetitions=2, seconds=0)
TINY = NetworkSize(depth=18, width=8, image_size=32, final_stride=1)

TRAINING = training_step.Settings(
    rows=("multihead", "refine-hdr"),
    profile="smoke",
    network=TINY,
    batch_size=2,
    render_size=32,
    precision="32-true",
    hands=4,
)
STAGES = stages.Settings(network=TINY, stages=(1, 2, 4), modes=("eager",), batch_size=2)
DECODERS = shared_decoder.Settings(network=TINY, batches=(1, 3))
REAL_DATA = real_data.Settings(
    row="fr", profile="smoke", network=TINY, batch_size=2, precision="32-true", hands=60, rendered=4
)
GROUPS = groups.Settings(profile="smoke", network=TINY, batch_size=2, groups=(2,))

CASES = {
    "training_step": (training_step.BENCHMARK, TRAINING),
    "stages": (stages.BENCHMARK, STAGES),
    "shared_decoder": (shared_decoder.BENCHMARK, DECODERS),
    "groups": (groups.BENCHMARK, GROUPS),
    "real_data": (real_data.BENCHMARK, REAL_DATA),
}


# ------------------------------------------------------------------------------------------------------------- timing


class Clock:
    """A clock that only moves when a side runs; notes who ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.ran: list[str] = []
        monkeypatch.setattr(common, "now", lambda device: self.seconds)

    def side(self, name: str, durations) -> object:
        durations = iter(durations)

        def run() -> None:
            self.ran.append(name)
            self.seconds += next(durations)

        return run


def test_the_sides_take_turns(monkeypatch):
    clock = Clock(monkeypatch)
    sides = {name: clock.side(name, itertools.repeat(1.0)) for name in "AB"}
    common.interleaved(sides, device=CPU, timing=common.Timing(repetitions=3, seconds=0))
    assert "".join(clock.ran[-6:]) == "ABABAB"


def test_a_turn_has_as_many_calls_as_fill_it_and_gives_the_time_of_one(monkeypatch):
    clock = Clock(monkeypatch)
    sides = {"A": clock.side("A", itertools.repeat(0.25)), "B": clock.side("B", itertools.repeat(2.0))}
    times = common.interleaved(sides, device=CPU, timing=common.Timing(repetitions=2, seconds=1))
    assert times.seconds == {"A": (0.25, 0.25), "B": (2.0, 2.0)}
    assert "".join(clock.ran[6:]) == "AAAABAAAAB"


def test_the_ratio_is_that_of_neighbours_so_that_a_machine_that_slows_down_does_not_matter(monkeypatch):
    clock = Clock(monkeypatch)
    slower = [1.0] * 3 + [1.0, 10.0, 100.0]  # warm-up, then every turn ten times as slow as the one before
    sides = {"A": clock.side("A", slower), "B": clock.side("B", [4 * s for s in slower])}
    times = common.interleaved(sides, device=CPU, timing=common.Timing(repetitions=3, seconds=0))
    assert times.ratio("A", "B") == (4, 4, 4)
    assert times.ratio("B", "A") == (0.25, 0.25, 0.25)
    assert times.share("A", "B") == (0.2, 0.2, 0.2)
    assert times.rate("B", 8) == pytest.approx((0.2, 0.11, 1.1))


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20))
def test_the_median_lies_between_the_quartiles_and_they_between_the_extremes(values):
    median, low, high = common.spread(values)
    slack = 1e-9 * max(values)
    assert min(values) - slack <= low <= median + slack <= high + 2 * slack <= max(values) + 3 * slack


def test_quartiles_in_closed_form():
    assert common.spread([5, 1, 4, 2, 3]) == (3, 2, 4)
    assert common.spread([7]) == (7, 7, 7)


# ------------------------------------------------------------------------------------------------------------ records


@pytest.fixture(scope="module")
def records() -> dict[str, dict]:
    """Every benchmark, run once in a tiny setting; as JSON gives it back."""
    return {
        name: json.loads(json.dumps(benchmark.record(settings, device=CPU, timing=SHORT), allow_nan=False))
        for name, (benchmark, settings) in CASES.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_a_record_says_what_was_measured_how_and_on_what(records, name):
    record = records[name]
    assert record["benchmark"] == name
    assert record["device"] == experiments.device_name(CPU) and record["device_type"] == "cpu"
    assert record["threads"] == torch.get_num_threads()
    assert record["libraries"]["torch"].startswith(torch.__version__.split("+")[0])
    assert record["commit"] == "unknown" or len(record["commit"]) == 40
    assert record["settings"]["network"]["width"] == TINY.width
    assert record["timing"] == {"repetitions": 2, "seconds": 0}
    assert set(record["load_average"]) == {"before", "after"}
    assert record["lines"]


@pytest.mark.parametrize("name", CASES)
def test_every_line_keeps_the_single_times(records, name):
    for line in records[name]["lines"]:
        assert len(line["seconds"]) == SHORT.repetitions and all(s > 0 for s in line["seconds"])
        assert line["milliseconds"]["median"] == pytest.approx(1e3 * sum(line["seconds"]) / 2)


def turns(a: dict, b: dict) -> float:
    """Median of the ratios turn by turn: how many times as fast as b a is."""
    ratios = [of_b / of_a for of_a, of_b in zip(a["seconds"], b["seconds"], strict=True)]
    return sum(ratios) / len(ratios)  # of two turns the median is the mean


def test_training_steps_are_compared_with_the_bare_backbone(records):
    lines = {line["side"]: line for line in records["training_step"]["lines"]}
    assert list(lines) == [training_step.BARE, "multihead", "refine-hdr", training_step.DATA]
    bare, data = lines[training_step.BARE], lines[training_step.DATA]
    for row in ("multihead", "refine-hdr"):
        assert lines[row]["ratio_to_bare"]["median"] == pytest.approx(turns(lines[row], bare))
        shares = [d / (d + s) for d, s in zip(data["seconds"], lines[row]["seconds"], strict=True)]
        assert lines[row]["data_share"]["median"] == pytest.approx(sum(shares) / 2)
    assert bare["ratio_to_bare"]["median"] == bare["ratio_by_multiply_adds"] == 1
    assert 0 < lines["refine-hdr"]["ratio_by_multiply_adds"] < lines["multihead"]["ratio_by_multiply_adds"] < 1
    assert data["data_share"] is None


def test_stages_are_compared_with_the_first_number_of_them(records):
    lines = {(line["batch"], line["stages"]): line for line in records["stages"]["lines"]}
    assert set(lines) == {(batch, n) for batch in (1, 2) for n in (1, 2, 4)}
    for (batch, _), line in lines.items():
        assert line["ratio_to_first"]["median"] == pytest.approx(turns(line, lines[batch, 1]))
        # Each further stage costs the same.
        one, two = (1 / lines[batch, n]["ratio_by_multiply_adds"] for n in (1, 2))
        assert 1 / lines[batch, 4]["ratio_by_multiply_adds"] == pytest.approx(one + 3 * (two - one))
        assert line["paper"] is None  # this is not the paper's network


def test_decoders_are_compared_with_their_loop(records):
    lines = {(e["decoder"], e["batch"], e["work"], e["side"]): e for e in records["shared_decoder"]["lines"]}
    assert len(lines) == 2 * 2 * 2 * 2
    for (decoder, batch, work, _), line in lines.items():
        loop = lines[decoder, batch, work, shared_decoder.LOOP]
        assert line["ratio_to_loop"]["median"] == pytest.approx(turns(line, loop))


def test_reading_is_compared_with_pillow_and_training_with_rendered_hands(records):
    lines = {(line["work"], line["side"]): line for line in records["real_data"]["lines"]}
    reading = [real_data.DECODE, real_data.READ, real_data.CUT, real_data.TAKE]
    sets = [real_data.RENDERED, real_data.IN_MEMORY, real_data.IN_FILES]
    expected = [(name, side) for name in real_data.PICTURES for side in reading]
    assert list(lines) == [*expected, *(("training fr", side) for side in sets)]
    for (work, _), line in lines.items():
        first = reading[0] if work in real_data.PICTURES else sets[0]
        assert line["ratio"]["median"] == pytest.approx(turns(line, lines[work, first]))
    if Path("/proc/self/status").exists():
        assert all(50 < lines["training fr", side]["memory_mib"] < 4000 for side in sets[1:])


def test_the_written_hands_are_repeated_under_other_numbers(tmp_path):
    real_data.write("freihand", tmp_path / "freihand", 15)
    reader = PUBLISHED["freihand"].reader(tmp_path / "freihand", "training")
    assert len(reader) == 60
    for index in (12, 15 + 13, 45 + 14):
        here, there = reader.hand(index), reader.hand(index - real_data.WRITTEN)
        assert torch.equal(here.image, there.image) and torch.equal(here.annotation.xyz, there.annotation.xyz)


def test_groups_are_compared_with_their_backbone_and_branches_with_their_loop(records):
    lines = {(line["work"], line["side"]): line for line in records["groups"]["lines"]}
    assert len(lines) == 2 * 2 * 4 + 2 * 2
    for (work, side), line in lines.items():
        assert line["ratio"]["median"] == pytest.approx(turns(line, lines[work, line["reference"]]))
        assert side.split()[0].split("-")[0].replace("groups", "ResNet") in line["reference"]
    for backbone in ("groups", "hourglass"):
        by_multiply_adds = [lines["latency", f"{backbone}-{short}"]["ratio_by_multiply_adds"] for short in groups.ROWS]
        assert by_multiply_adds == sorted(by_multiply_adds, reverse=True) and by_multiply_adds[0] < 1


def test_the_papers_speeds_stand_beside_the_papers_network_only():
    beside = stages.paper(NetworkSize(depth=34), 4, 1)
    assert beside == {"device": "RTX 3090", "images_per_second": 49, "ratio": pytest.approx(49 / 134)}
    assert stages.paper(NetworkSize(depth=34), 3, 1) is None
    assert stages.paper(NetworkSize(depth=18), 4, 1) is None
    assert stages.paper(NetworkSize(depth=34, image_size=128), 4, 1) is None


def test_the_command_writes_the_record_prints_ratios_and_leaves_the_runs_records_readable(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(recording, "commit_of_code", lambda: ("ab" * 20, ()))
    arguments = ["--device", "cpu", "--width", "8", "--size", "32", "--batches", "1"]
    arguments += ["--repetitions", "1", "--seconds", "0", "--results", str(tmp_path / common.FOLDER)]
    assert shared_decoder.BENCHMARK.main(arguments) == 0
    (path,) = (tmp_path / common.FOLDER).iterdir()
    assert path.name == f"shared_decoder-{common.file_name(experiments.device_name(CPU))}.json"
    assert cache.read_json(path)["settings"]["batches"] == [1]
    shown = capsys.readouterr().out
    assert "times as fast as the loop" in shown and "a decoder a joint" in shown
    assert experiments.records(folder=tmp_path) == []


@pytest.mark.parametrize("name", CASES)
def test_tables_are_made_from_the_record_alone(records, name, capsys):
    benchmark, _ = CASES[name]
    header, body = benchmark.table(records[name]["lines"])
    assert body and all(len(row) == len(header) for row in body)
    benchmark.show(records[name])
    assert records[name]["device"] in capsys.readouterr().out


def test_the_papers_columns_say_where_they_are_from(records):
    lines = copy.deepcopy(records["stages"]["lines"])
    assert not any("paper" in cell for cell in stages.table(lines)[0])
    for line in lines:
        line["paper"] = stages.paper(stages.PAPER_NETWORK, line["stages"], 1)
    header, body = stages.table(lines)
    assert all("RTX 3090" in cell for cell in header if "paper" in cell)
    assert [row[-1] for row in body[:3]] == ["134", "86", "49"]


# ------------------------------------------------------------------------------------------ equal before it is timed


@pytest.mark.parametrize(("decoder", "loop"), [(SharedDecoder, "SharedLoop"), (DecoderPerJoint, "JointLoop")])
def test_a_loop_that_decodes_otherwise_is_refused(decoder, loop):
    batched = decoder(features=12, hidden=7)
    other = getattr(shared_decoder, loop)(batched)
    G = torch.rand(3, 21, 12, requires_grad=True)
    shared_decoder.check_equal(batched, other, G)
    other = getattr(shared_decoder, loop)(copy.deepcopy(batched))
    with torch.no_grad():
        next(iter(other.parameters()))[2, 3] += 0.1
    with pytest.raises(AssertionError):
        shared_decoder.check_equal(batched, other, G)


def test_a_loop_in_another_order_of_joints_is_refused():
    batched = DecoderPerJoint(features=12, hidden=7)
    loop = shared_decoder.JointLoop(batched)
    loop.transforms = torch.nn.ModuleList(reversed(loop.transforms))
    with pytest.raises(AssertionError):
        shared_decoder.check_equal(batched, loop, torch.rand(3, 21, 12, requires_grad=True))


def test_branches_that_are_not_the_loops_are_refused():
    branches = GroupBranches(channels=6, width=4, groups=3)
    features = torch.rand(2, 6, 8, 12, requires_grad=True)
    groups.check_equal(branches, groups.BranchLoop(branches, channels=6, width=4), features)
    other = groups.BranchLoop(branches, channels=6, width=4)
    other.alone = torch.nn.ModuleList(reversed(other.alone))
    with pytest.raises(AssertionError):
        groups.check_equal(branches, other, features)


def test_another_backbone_is_refused():
    bare = training_step.bare_network(TINY.backbone()).to(memory_format=torch.channels_last)
    model = experiments.get_row("multihead").build(TINY)
    images = torch.rand(2, 3, 32, 32)
    with pytest.raises(AssertionError):
        training_step.check_backbones(model, bare, images)
    model.load_backbone(bare.backbone.state_dict())
    training_step.check_backbones(model, bare, images)


def test_the_timed_step_trains():
    from hand_lib.training import make_fabric

    images, targets = torch.rand(4, 3, 32, 32), torch.rand(4, 21, 3)
    model = build_seeded(lambda: experiments.get_row("multihead").build(TINY), 0)
    config = TrainingConfig(steps=10, batch_size=len(images), image_size=images.shape[-1], augmentation=NO_AUGMENTATION)
    step = training_step.training_step(model, images, targets, fabric=make_fabric(CPU, "32-true"), config=config)
    losses = [step().item() for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_faster_network_that_gives_something_else_is_refused():
    images = torch.rand(2, 3, 32, 32)
    model = stages.make_network(STAGES, 2, images)
    with torch.no_grad():
        stages.check_equal(model, model, images)
        with pytest.raises(AssertionError):
            stages.check_equal(lambda images: 1.1 * model(images), model, images)


@pytest.mark.parametrize("count", [1, 4])
def test_a_network_has_the_stages_asked_for_and_predicts_finite_numbers(count):
    images = torch.rand(4, 3, 32, 32)
    model = stages.make_network(STAGES, count, images)
    with torch.no_grad():
        predictions = model.stages(images)
    assert predictions.shape == (count, 4, 21, 3)
    assert not model.training and predictions.abs().max() < 10  # batch normalisation has met such pictures


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_captured_graph_sees_new_pictures():
    images = torch.rand(4, 3, 32, 32, device="cuda")
    model = stages.make_network(STAGES, 4, images)
    with torch.inference_mode():
        network = stages.captured(model, images)
        for pictures in (images.flip(0), images.flip(3)):
            stages.check_equal(network, model, pictures)
        assert not torch.equal(network(images).clone(), network(images.flip(3)).clone())


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("name", CASES)
def test_every_benchmark_runs_on_a_gpu(name, tmp_path):
    small = {
        "training_step": ["--profile", "smoke", "--hands", "16"],
        "stages": ["--backbone", "resnet18", "--width", "16", "--size", "64", "--stages", "1", "2", "--batch", "4"],
        "shared_decoder": ["--width", "16", "--size", "64"],
        "groups": ["--profile", "smoke", "--batch", "4", "--groups", "2"],
    }
    arguments = [*small[name], "--device", "cuda", "--repetitions", "2", "--seconds", "0", "--results", str(tmp_path)]
    assert CASES[name][0].main(arguments) == 0
    (path,) = tmp_path.iterdir()
    record = cache.read_json(path)
    assert record["device"] == torch.cuda.get_device_name() and record["clock"].startswith("wall time")


@pytest.mark.slow
def test_the_compiled_network_is_timed_beside_the_eager_one():
    settings = replace(STAGES, stages=(2,), modes=("eager", "compile"), batch_size=1)
    lines = stages.measure(settings, CPU, SHORT)
    assert [(line["mode"], line["batch"]) for line in lines] == [("eager", 1), ("compile", 1)]
    eager, compiled = lines
    assert compiled["ratio_to_eager"]["median"] == pytest.approx(turns(compiled, eager))


def test_where_torch_compile_cannot_work_one_line_says_so(monkeypatch):
    def broken(model, **_):
        def run(images):
            raise stages.TorchDynamoException("No working C++ compiler\nand a long story")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(HandLibError, match=r"No working C\+\+ compiler.*--modes eager") as error:
        stages.in_mode(torch.nn.Identity(), "compile", torch.rand(1, 3, 32, 32))
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("benchmark", "arguments", "says"),
    [
        (training_step, ["--rows", "nonsense"], "unknown row 'nonsense': choose from"),
        (training_step, ["--profile", "slow"], "unknown profile 'slow': choose from full, long, paper, quick, smoke"),
        (training_step, ["--batch", "1"], "batch size must be at least 2"),
        (training_step, ["--repetitions", "0"], "repetitions must be at least 1"),
        (training_step, ["--seconds", "nan"], "seconds a turn must be 0 or more"),
        (stages, ["--backbone", "vgg"], "unknown backbone 'vgg': choose from"),
        (stages, ["--modes", "fast"], "unknown mode 'fast': choose from compile, eager, graphs"),
        (stages, ["--modes", "graphs", "--device", "cpu"], "needs an NVIDIA GPU"),
        (stages, ["--stages", "0"], "stages must be at least 1"),
        (groups, ["--groups", "22"], "21 joints make 1 to 21 groups, not 22"),
        (groups, ["--batch", "1"], "batch size must be at least 2"),
        (shared_decoder, ["--batches", "0"], "batch size must be at least 1"),
        (shared_decoder, ["--device", "tpu"], "unknown device"),
        (shared_decoder, ["--threads", "0"], "--threads 0"),
        (shared_decoder, ["--size", "16"], "at least 32 pixels"),
    ],
)
def test_what_a_person_can_mend_is_one_line_and_exit_code_2(benchmark, arguments, says, tmp_path, capsys):
    assert benchmark.BENCHMARK.main([*arguments, "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ") and says in shown.err and shown.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


# In the library's place: what it is asked is answered by the page's own network, off by as much as is wanted.
STAND_IN = """globalThis.ort = {{
  env: {{ wasm: {{}} }},
  Tensor: class {{ constructor(kind, data) {{ this.data = data; }} }},
  InferenceSession: {{ create: async (path) => {{
    const network = Live.network(await Live.open(path.replace(".onnx", "")));
    const answer = (picture) => network.forward(picture).Y.map((y) => y + {off});
    return {{ run: async ({{ images }}) => ({{ joints: {{ data: answer(images.data) }} }}) }};
  }} }},
}};"""


@pytest.mark.slow
@pytest.mark.parametrize("off", [0.0, 0.1])
def test_the_page_is_timed_in_turns_and_only_where_both_sides_agree(tmp_path, monkeypatch, off):
    pytest.importorskip("onnxscript", reason="it writes the files that the library reads")

    def fetched(folder: Path) -> Path:
        for name in live_networks.NEEDED:
            (folder / name).write_text(STAND_IN.format(off=off) if name == live_networks.NEEDED[0] else "empty")
        return folder

    monkeypatch.setattr(live_networks, "fetch", fetched)
    settings = live_networks.Settings(rows=("afr",))
    if off:
        with pytest.raises(HandLibError, match=r"the two answers for afr differ by 1\.0e-01"):
            live_networks.measure(settings, CPU, SHORT)
        return
    lines = live_networks.measure(settings, CPU, SHORT)
    assert [line["side"] for line in lines] == [live_networks.OURS, live_networks.PLAIN, live_networks.THEIRS]
    assert all(len(line["seconds"]) == SHORT.repetitions and min(line["seconds"]) > 0 for line in lines)
    ours, plain, theirs = (line["bytes"] for line in lines)
    assert ours == plain and 20_000 < ours < 60_000 and theirs == len(STAND_IN.format(off=off)) + 2 * len("empty")
    assert lines[-1]["ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    header, body = live_networks.table(lines)
    assert len(body) == 3 and all(len(line) == len(header) for line in body)


def test_what_no_commit_tells_of_is_measured_and_not_recorded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(common.Benchmark, "record", lambda *_, **__: {"device": "some CPU"})
    monkeypatch.setattr(common.Benchmark, "show", lambda *_: print("the table"))
    for changed, says, files in ((("hand_lib/cache.py",), "not recorded: ", 0), ((), "recorded in ", 1)):
        monkeypatch.setattr(recording, "commit_of_code", lambda changed=changed: ("ab" * 20, changed))
        assert shared_decoder.BENCHMARK.main(["--device", "cpu", "--results", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "the table" in said and says in said and len(list(tmp_path.iterdir())) == files
        assert all(name in said for name in changed)


def test_a_folder_that_cannot_be_written_is_known_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(common.Benchmark, "record", lambda *_, **__: pytest.fail("measured"))
    assert shared_decoder.BENCHMARK.main(["--device", "cpu", "--results", str(tmp_path / "file" / "results")]) == 2
    assert "file" in capsys.readouterr().err


def test_sizes_come_from_the_profile_unless_named():
    parser = common.make_parser("")
    training_step.add_arguments(parser)
    plain = training_step.settings_from(parser.parse_args([]), CPU)
    quick = experiments.PROFILES["quick"]
    assert (plain.network, plain.batch_size, plain.render_size) == (quick.network, quick.batch_size, quick.render_size)
    on_gpu = training_step.settings_from(parser.parse_args(["--precision", "32-true"]), torch.device("cuda"))
    assert on_gpu.profile == "full"
    asked = parser.parse_args(["--profile", "full", "--size", "256", "--backbone", "resnet34", "--batch", "8"])
    named = training_step.settings_from(asked, CPU)
    assert named.network == replace(experiments.PROFILES["full"].network, image_size=256, depth=34)
    assert (named.batch_size, named.render_size) == (8, 320)


COMMANDS = re.findall(
    r"^(?:\w+=\d+ )?python benchmarks/(\w+)\.py([^#\n]*)",
    (BENCHMARKS / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("name", "arguments"), COMMANDS, ids=lambda part: part.strip())
def test_the_commands_of_the_readme_are_understood(name, arguments):
    benchmark, _ = CASES[name]
    parser = common.make_parser(benchmark.what)
    benchmark.add_arguments(parser)
    options = parser.parse_args(arguments.split())
    benchmark.settings(options, torch.device(options.device or "cpu"))


def test_the_readme_shows_how_to_run_each_benchmark():
    assert {name for name, _ in COMMANDS} == set(CASES)


def test_numbers_keep_three_digits_that_count():
    assert str(common.Spread(134.4, 12.34, 0.987)) == "134 [12.3, 0.99]"
    assert math.isclose(float(str(common.Spread(0.5, 0.5, 0.5)).split()[0]), 0.5)
