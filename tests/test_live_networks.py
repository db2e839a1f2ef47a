"""Networks of the package: folded and rounded they are still the recorded ones, and damaged ones are refused."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import live
import pytest
import torch
from conftest import ROOT
from damage import damage_bytes
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from tiny import own_folders
from torch import nn

from hand_lib import cache, experiments
from hand_lib.__main__ import main
from hand_lib.errors import HandLibError
from hand_lib.evaluation import predict
from hand_lib.experiments import recording
from hand_lib.live import shipped
from hand_lib.live.rounding import LARGEST, folded, output_axes, restored, rounded
from hand_lib.live.shipped import FOLDER, PROFILE, SHIPPED_ROWS, find_shipped, get_shipped
from hand_lib.live.site import structures
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize

SMALL = NetworkSize(width=8, image_size=64, final_stride=1)
MOST_ADDED = 0.05  # mm of mean error that the rounding may add
each_shipped = pytest.mark.parametrize("row", SHIPPED_ROWS)


def unlike_its_start(row: str, size: NetworkSize = SMALL) -> nn.Module:
    """A row's network with weights and batch statistics that are not those of the start."""
    torch.manual_seed(0)
    network = experiments.get_row(row).build(size)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.8, 2)
        elif tensor.ndim == 1 and tensor.is_floating_point():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return network.eval()


# ------------------------------------------------------------------------------------------------- folding and rounding


@pytest.mark.parametrize("row", [*ROWS, "heatmap25d-sharp"])
def test_a_folded_network_computes_the_same_without_batch_normalisation(row: str) -> None:
    network = unlike_its_start(row)
    pictures = torch.rand(2, 3, 64, 64)
    small = folded(network)
    with torch.inference_mode():
        torch.testing.assert_close(small(pictures), network(pictures), atol=1e-4, rtol=1e-4)
    left = [name for name, module in small.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(".scales." in name for name in left), "those of a refinement's maps have no convolution before them"


@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 20),
    size=st.floats(1e-20, 1e20),
    seed=st.integers(0, 2**32 - 1),
)
def test_rounding_moves_no_weight_by_more_than_half_a_step_of_its_row(rows, columns, size, seed) -> None:
    layer = nn.Linear(columns, rows)
    layer.weight.data = size * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    network = nn.Sequential(layer)
    small = rounded(network)
    assert small["0.weight"].dtype == torch.int8 and small["0.scale"].shape == (rows, 1)
    off = (restored(small)["0.weight"] - layer.weight).abs()
    step = layer.weight.abs().amax(1, keepdim=True) / LARGEST
    assert (off <= step * 0.501 + 1e-37).all()
    assert torch.equal(restored(small)["0.bias"], layer.bias), "biases stay as they are"


def test_a_row_of_zeros_stays_one() -> None:
    layer = nn.Linear(3, 2)
    layer.weight.data = torch.tensor([[0.0, 0.0, 0.0], [1.0, -127.0, 0.4]])
    assert restored(rounded(nn.Sequential(layer)))["0.weight"].tolist() == [[0, 0, 0], [1, -127, 0]]


@pytest.mark.parametrize("row", ["multihead", "heatmap25d"])
def test_each_output_has_its_own_scale(row: str) -> None:
    """Also where outputs are not the first axis: heads side by side, and transposed convolutions."""
    network = folded(unlike_its_start(row))
    small = rounded(network)
    for name, layer in network.named_modules():
        if (axes := output_axes(layer)) is not None:
            weight = layer.weight
            count = [weight.shape[axis] if axis in axes else 1 for axis in range(weight.ndim)]
            assert list(small[f"{name}.scale"].shape) == count
            largest = small[f"{name}.weight"].abs().amax([a for a in range(weight.ndim) if a not in axes])
            assert (largest == LARGEST).all(), "every row uses its whole range"
    assert set(restored(small)) == set(network.state_dict())


# --------------------------------------------------------------------------------------------------- in the package


@each_shipped
def test_it_is_the_best_recorded_run_and_rounding_costs_little(row: str) -> None:
    record = get_shipped(row).record
    runs = [r for r in recording.records(PROFILE, row, folder=ROOT / "results") if recording.is_own(r)]
    best = min(runs, key=lambda run: run["metrics"]["epe_mean"])
    assert (record["seed"], record["checkpoint_sha256"]) == (best["seed"], best["checkpoint_sha256"])
    assert record["epe_mean"] == best["metrics"]["epe_mean"]
    assert record["evaluation_images"] == best["evaluation_images"] == 1024
    assert abs(record["rounded_epe_mean"] - record["epe_mean"]) < MOST_ADDED
    assert 0 < record["moved_mean"] < 1 and record["moved_mean"] < record["moved_max"] < 5
    assert record["command"] == f"python -m hand_lib export {row}"


@each_shipped
def test_its_weights_are_its_records_and_fit_todays_network(row: str) -> None:
    network = get_shipped(row).network()
    assert not network.training
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 64, 64)).isfinite().all()


def test_all_of_them_are_small() -> None:
    files = list(FOLDER.iterdir())
    assert {path.stem for path in files} == set(SHIPPED_ROWS)
    assert sum(path.stat().st_size for path in files) < 15e6


@pytest.mark.slow
def test_their_errors_are_those_that_the_records_tell() -> None:
    """On the 1,024 held-out hands, rendered here; the recorded runs' own errors are what is compared with."""
    hands = _evaluation_hands()
    for row, network in find_shipped().items():
        found = predict(network.network(), hands, image_size=network.size.image_size, device="cpu").metrics["epe_mean"]
        assert found == pytest.approx(network.record["rounded_epe_mean"], abs=0.01), row
        assert abs(found - network.record["epe_mean"]) < MOST_ADDED, row


def _evaluation_hands():
    from hand_lib.datasets.synthetic import load_synthetic

    profile = experiments.PROFILES[PROFILE]
    count, size = profile.evaluation_count, profile.render_size
    where = {"split": "evaluation", "scene": profile.scene, "seed": experiments.DATA_SEED}
    return load_synthetic(count=count, size=size, **where)


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """The package's networks, to be damaged."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("fr.json", "fr.safetensors"):
        shutil.copy(FOLDER / name, folder)
    monkeypatch.setattr(shipped, "FOLDER", folder)
    return folder


def test_a_changed_record_or_another_file_is_refused(copied) -> None:
    path = copied / "fr.json"
    for old, new in (('"seed": 4', '"seed": 5'), ('"row": "fr"', '"row": "afr"'), ('"format": 1', '"format": "x"')):
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new))
        with pytest.raises(HandLibError, match=r"cannot use .*fr\.json: .*; install hand_lib again"):
            get_shipped("fr")
        path.write_text(content)
    weights = copied / "fr.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(HandLibError, match="is not the file its record tells of: install hand_lib again"):
        get_shipped("fr").network()
    with pytest.raises(HandLibError, match="unknown row in the package 'afr': choose from fr"):
        get_shipped("afr")


@pytest.mark.slow
def test_a_run_is_rounded_measured_and_kept_with_its_record(tmp_path_factory, tmp_path, monkeypatch) -> None:
    with own_folders(tmp_path_factory):
        run = experiments.run("multihead", profile="tiny", device="cpu", progress=False)
        made = shipped.ship(run, command="a command", commit="0" * 40, folder=tmp_path)
        assert find_shipped(tmp_path)["multihead"] == made
        assert made.record["checkpoint_sha256"] == run.record["checkpoint_sha256"]
        assert abs(made.record["rounded_epe_mean"] - run.record["metrics"]["epe_mean"]) < 1
        tensors, said = cache.read_tensors(made.path)
        assert json.loads(said["network"]) == dataclasses.asdict(run.plan.network)
        heads = run.model().decoder
        assert tensors[shipped.USUAL].shape == (21, heads.outputs)
        # A recorded run is found by its checkpoint's hash alone.
        monkeypatch.setattr(experiments, "records", lambda *_: [run.record])
        monkeypatch.setattr(shipped, "is_own", lambda _: True)
        monkeypatch.setattr(experiments, "is_current", lambda _: True)
        elsewhere = run.folder.with_name(run.folder.name[:-12] + "0" * 12)
        run.folder.rename(elsewhere)
        assert shipped.best_run("multihead", "tiny").folder == elsewhere
        shutil.rmtree(elsewhere)
        with pytest.raises(HandLibError, match=r"is not in the cache .*: python -m hand_lib train multihead"):
            shipped.best_run("multihead", "tiny")


def test_the_package_takes_its_networks_along() -> None:
    import tomllib

    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["hand_lib"]
    assert f"{FOLDER.relative_to(ROOT / 'hand_lib')}/*" in data


# ------------------------------------------------------------------------------------------------------- export


def test_export_names_what_it_cannot_do(capsys) -> None:
    for words, said in (
        (["export", "refine-h"], "refine-h does not come with the package: choose from fr, afr"),
        (["export", "--onnx", "x.onnx"], "--onnx writes one network: name one row or one file, not 0"),
        (["export", "fr", "--onnx", "mine.safetensors"], "mine.safetensors: give a name that ends in .onnx"),
        (["export", "fr", "--onnx", ""], "give a name that ends in .onnx"),
        (["export", "fr", "--onnx", f"{300 * 'x'}.onnx"], "xx.onnx: the name is too long"),
        (["export", "--onnx", "x.onnx", "refine-h"], "unknown row in the package 'refine-h': choose from afr"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_onnx_file_computes_what_the_network_computes(tmp_path) -> None:
    import onnxruntime

    path = tmp_path / "hand.onnx"
    command = [sys.executable, "-m", "hand_lib", "export", "heatmap25d-sharp", "--onnx", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0 and "pictures of 64 × 64 pixels" in ran.stdout and ran.stderr == "", ran.stderr
    assert list(tmp_path.iterdir()) == [path]
    session = onnxruntime.InferenceSession(path)
    for count in (1, 3):
        pictures = torch.rand(count, 3, 64, 64)
        (said,) = session.run(["joints"], {"images": pictures.numpy()})
        with torch.inference_mode():
            wanted = get_shipped("heatmap25d-sharp").network()(pictures)
        torch.testing.assert_close(torch.from_numpy(said), wanted, atol=1e-4, rtol=1e-3)


# -------------------------------------------------------------------------------------------- what the page computes on


def test_the_product_is_that_of_matrices_with_simd_and_without() -> None:
    generator = random.Random(0)
    products, wanted = [], []
    for _ in range(12):
        M, N, K = 4 * generator.randint(1, 5), 8 * generator.randint(1, 4), generator.randint(1, 40)
        A, B, bias = torch.randn(M, K), torch.randn(K, N), torch.randn(M)
        relu = generator.random() < 0.5
        products.append({"M": M, "N": N, "K": K, "A": A.tolist(), "B": B.tolist(), "bias": bias.tolist(), "relu": relu})
        C = A.double() @ B.double() + bias.double()[:, None]
        wanted.append(C.relu() if relu else C)
    answers = live.in_node(ROOT / "tests" / "live_products.js", {"products": products})
    for (fast, plain), C in zip(answers, wanted, strict=True):
        assert (fast["simd"], plain["simd"]) == (True, False)
        for answer in (fast, plain):
            torch.testing.assert_close(torch.tensor(answer["C"]).view_as(C).double(), C, atol=1e-4, rtol=1e-4)


def own_file(row: str, size: NetworkSize = SMALL, changes: dict[str, str] | None = None) -> bytes:
    """A file of weights as a training leaves it."""
    network = unlike_its_start(row, size)
    said = {"kind": "weights", "row": row, "network": json.dumps(dataclasses.asdict(size)), **(changes or {})}
    return save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, said)


def said_of(*files: bytes) -> list[dict[str, str]]:
    request = {"files": [live.encoded(content) for content in files]}
    return live.in_node(ROOT / "tests" / "live_damage.js", request, structures(sizes=[SMALL]))


def test_a_readers_own_file_is_read_or_refused_in_words() -> None:
    whole = own_file("afr")
    tensors = load(whole)
    said = {"row": "afr", "network": json.dumps(dataclasses.asdict(SMALL))}

    def changed(**others: torch.Tensor) -> bytes:
        return save({**tensors, **others}, said)

    lost = dict(tensors)
    lost.pop("decoder.transform.first.weight")
    broken = {"backbone.layer2.0.conv1.weight": tensors["backbone.layer2.0.conv1.weight"] * float("nan")}
    answers = said_of(
        whole,
        own_file("afr", changes={"row": "refine-h"}),
        own_file("afr", changes={"network": json.dumps({**dataclasses.asdict(SMALL), "width": 99})}),
        save(tensors, {}),
        save(lost, said),
        changed(**broken),
        changed(**{"backbone.conv1.weight": tensors["backbone.conv1.weight"].half()}),
        changed(**{"decoder.transform.first.weight": torch.rand(5, 7)}),
        whole[:-100],
        b"",
        b"\x89PNG and more of a picture",
    )
    assert answers[0] == {"row": "afr"}
    wanted = [
        "the row refine-h cannot be drawn here, only fr, afr",
        "afr of this size cannot be drawn here",
        "this file is not a network of this book: it names no row",
        "the file lacks the tensor decoder.transform.first.weight",
        "the file has a number that is not finite",
        "backbone.conv1.weight is of the type F16, and this page reads F32",
        "the tensors of this file are no afr of this book",
        "this is no whole safetensors file",
        "this is no whole safetensors file: it is empty or cut short",
        "this is no whole safetensors file: its head is cut short",
    ]
    for answer, words in zip(answers[1:], wanted, strict=True):
        assert answer["kind"] == "Error" and words in answer["message"] and "\n" not in answer["message"]


def test_a_head_that_asks_for_the_impossible_is_refused_at_once_and_shortly() -> None:
    """A file need not be damaged to be none: heads of JSON that ask for much, for less than nothing, or in words."""
    whole, name = own_file("afr"), "backbone.conv1.weight"
    length = int.from_bytes(whole[:8], "little")
    said, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    shape, (start, end) = said[name]["shape"], said[name]["data_offsets"]
    plain = {"stem": 2, "final": 1, "representation": "JointMaps", "decoder": "SharedDecoder", "stages": []}

    def file(size: int | None = None, about: dict[str, str] | None = None, **changes: object) -> bytes:
        head = {**said, name: {**said[name], **changes}, "__metadata__": {**said["__metadata__"], **(about or {})}}
        content = json.dumps(head).encode()
        return (len(content) if size is None else size).to_bytes(8, "little") + content + body

    tensors = [
        *(file(size=size) for size in (0, 2**53 + 1, 2**63, 2**64 - 1)),
        file(shape=[-shape[0], -shape[1], *shape[2:]]),
        file(shape=[str(side) for side in shape]),
        file(shape=[2**40, 2**40]),
        file(data_offsets=[start + 0.5, end + 0.5]),
        file(data_offsets=[-8, end - start - 8]),
        file(data_offsets=[2**53, 2**53 + 1]),
    ]
    sides = (0, -3, 1.5, "64", None, 2048, 1e9)
    pictures = [file(about={"structure": json.dumps({"side": side, **plain})}) for side in sides]
    words = [file(about={"row": "<b>" * 500}), file(about={"network": json.dumps({"a": "x" * 5000})})]
    answers = said_of(*tensors, *pictures, *words)
    assert all(answer.get("kind") == "Error" and len(answer["message"]) < 250 for answer in answers), answers
    assert all("no whole safetensors file" in answer["message"] for answer in answers[: len(tensors)])
    assert all("pixels a side" in answer["message"] for answer in answers[len(tensors) : -2]), answers


def test_whatever_is_wrong_with_a_file_is_said_in_words() -> None:
    """Damage to the head or the tensors: an answer, or an Error that was made for people."""
    size, choose = NetworkSize(width=8, image_size=32, final_stride=1), random.Random(1)
    whole = own_file("heatmap25d", size)
    head = 8 + int.from_bytes(whole[:8], "little")
    files = []
    for _ in range(60):
        part = whole[:head] if choose.random() < 0.7 else whole
        try:
            files.append(damage_bytes(part, choose)[: 2 * len(whole)] + whole[len(part) :])
        except UnicodeDecodeError:  # a change of encoding, of what is no text
            continue
    request = {"files": [live.encoded(content) for content in files]}
    for answer in live.in_node(ROOT / "tests" / "live_damage.js", request, structures(sizes=[size])):
        assert answer.get("row") or answer["kind"] == "Error", answer
