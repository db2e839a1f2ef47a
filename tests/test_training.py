"""The loop: what a step sees, going on after a kill, several processes, and what stops it."""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hand_lib import cache, training
from hand_lib.datasets.augmentation import GENTLE, NO_AUGMENTATION, crop
from hand_lib.errors import HandLibError
from hand_lib.evaluation import mean_targets, predict
from hand_lib.models.recipe import Anneal, PartRate
from hand_lib.samples import Samples
from hand_lib.training import Batches, TrainingConfig, batch_indices, engine, generator_for, train

ROOT = Path(__file__).resolve().parents[1]


def random_samples(count: int, *, size: int = 40, seed: int = 0) -> Samples:
    """Hands of 21 random points before random pixels: nothing to learn, but everything in its place."""
    g = torch.Generator().manual_seed(seed)
    xyz = torch.rand(count, 21, 3, generator=g) * 80 - 40
    xyz[..., 2] += 500
    K = torch.tensor([[200.0, 0, size / 2], [0, 200.0, size / 2], [0, 0, 1]]).expand(count, 3, 3).clone()
    uvw = torch.einsum("bij,bkj->bki", K, xyz)
    uv = uvw[..., :2] / uvw[..., 2:]
    return Samples(
        images=torch.randint(0, 256, (count, 3, size, size), generator=g, dtype=torch.uint8),
        uv=uv,
        xyz=xyz,
        visible=torch.ones(count, 21, dtype=torch.bool),
        K=K,
        right=torch.arange(count) % 2 == 0,
        box=torch.cat([uv.amin(1), uv.amax(1)], dim=-1),
    )


class TinyNet(nn.Module):
    """A network with all that the loop relies on: convolution, batch norm, two stages."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=4, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.heads = nn.ModuleList([nn.Linear(8, 63) for _ in range(2)])

    def forward(self, images):
        return self.stages(images)[-1]

    def stages(self, images):
        x = torch.relu(self.bn(self.conv(images))).mean(dim=(2, 3))
        return torch.stack([head(x).unflatten(1, (21, 3)) for head in self.heads])


CONFIG = TrainingConfig(
    steps=12, batch_size=8, image_size=24, augmentation=GENTLE, seed=3, validations=3, validation_images=16
)


def tiny_net(seed: int = 0) -> TinyNet:
    torch.manual_seed(seed)
    return TinyNet()


def run(folder, *, model=None, config=CONFIG, samples=None, **options):
    model = model or tiny_net()
    samples = random_samples(32) if samples is None else samples
    held_out = random_samples(16, seed=1)

    def validate(model):
        return predict(model, held_out, image_size=config.image_size, device="cpu").errors.mean().item()

    options = {"device": "cpu", "progress_bar": False, "validate": validate, **options}
    return train(model, samples, config=config, folder=folder, **options), model


def same_weights(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------------------------------------- what a step sees


def test_every_epoch_shows_each_image_once_in_another_order():
    count, batch = 10, 4
    walk = torch.cat([batch_indices(step, count=count, batch_size=batch, seed=5) for step in range(10)])
    epochs = walk.view(4, count)
    assert all(sorted(epoch.tolist()) == list(range(count)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 4
    other = torch.cat([batch_indices(step, count=count, batch_size=batch, seed=6) for step in range(10)])
    assert not torch.equal(walk, other)


def test_a_batch_larger_than_the_data():
    indices = batch_indices(3, count=3, batch_size=8, seed=0)
    assert indices.shape == (8,) and torch.bincount(indices, minlength=3).max() <= 3


def test_a_step_depends_on_seed_and_number_alone():
    batches = Batches(random_samples(32), CONFIG)
    first = batches(7)
    torch.rand(100), batches(2)
    assert all(torch.equal(a, b) for a, b in zip(first, batches(7), strict=True))
    assert not torch.equal(first[0], batches(8)[0])
    assert not torch.equal(first[0], Batches(random_samples(32), replace(CONFIG, seed=4))(7)[0])


def test_the_parts_of_several_processes_are_the_whole_batch():
    samples = random_samples(32)
    images, targets = Batches(samples, CONFIG)(5)
    parts = [Batches(samples, CONFIG, rank=rank, world=4)(5) for rank in range(4)]
    assert torch.allclose(torch.cat([part[0] for part in parts]), images, atol=1e-6)
    assert torch.allclose(torch.cat([part[1] for part in parts]), targets, atol=1e-6)
    with pytest.raises(HandLibError, match="8 cannot be shared equally by 3"):
        Batches(samples, CONFIG, rank=0, world=3)


def test_an_objective_gives_targets_and_losses(tmp_path):
    """Of what is asked the loop knows nothing: here, the mean colour of the crop, from one stage."""

    class Colour(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def stages(self, images):
            return self.conv(images).mean(dim=(2, 3))[None]

    def mean_colour(samples, crops):
        assert len(samples) == len(crops)
        return crops.images.mean(dim=(2, 3))

    squares = training.Objective(
        targets=mean_colour, losses=lambda stages, targets: (stages - targets).square().mean(dim=(1, 2))
    )
    images, targets = Batches(random_samples(32), CONFIG, squares)(3)
    torch.testing.assert_close(targets, images.mean(dim=(2, 3)))
    assert torch.equal(images, Batches(random_samples(32), CONFIG)(3)[0])
    config = replace(CONFIG, steps=40, learning_rate=0.05, precision="32-true")
    model = training.build_seeded(Colour, 0)
    done = train(
        model, random_samples(32), config=config, folder=tmp_path, objective=squares, device="cpu", progress_bar=False
    )
    assert done.finished and done.losses[-1] < 0.5 * done.losses[0]


def test_generators_differ_by_every_counter():
    draws = {
        torch.rand(1, generator=generator_for(*c)).item() for c in [("a", 0, 1), ("a", 1, 0), ("b", 0, 1), ("a", 0)]
    }
    assert len(draws) == 4
    assert torch.equal(torch.rand(3, generator=generator_for("a", 1)), torch.rand(3, generator=generator_for("a", 1)))


# --------------------------------------------------------------------------------------------- loss, error, schedule


def test_l1_of_stages_in_closed_form():
    targets = torch.zeros(2, 21, 3)
    stages = torch.stack([torch.full((2, 21, 3), 0.5), torch.full((2, 21, 3), -2.0)])
    assert torch.equal(training.l1_of_stages(stages, targets), torch.tensor([0.5, 2.0]))


def test_a_perfect_model_has_no_error():
    samples = random_samples(20)
    answers = iter([crop(samples, size=24).targets])
    result = predict(lambda images: next(answers), samples, image_size=24, device="cpu")
    assert result.errors.shape == (20, 21)
    assert result.errors.max() < 1e-2  # mm
    assert torch.allclose(result.true_xyz[samples.right], samples.xyz[samples.right], atol=1e-3)


def test_predict_leaves_the_mode_and_the_statistics_alone():
    model = tiny_net().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    predict(model, random_samples(4), image_size=24, device="cpu")
    assert model.training and same_weights(before, model.state_dict())


def test_mean_targets_is_the_mean():
    samples = random_samples(24)
    config = replace(CONFIG, augmentation=NO_AUGMENTATION)
    assert torch.allclose(mean_targets(samples, config), crop(samples, size=24).targets.mean(0), atol=1e-5)


def test_the_cosine_goes_from_the_first_rate_to_nearly_zero(tmp_path):
    """Adam's first steps move each weight by the learning rate; with a constant gradient all steps do."""

    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))
            self.seen = []

        def forward(self, images):
            return (self.w - 10.0).expand(len(images), 21, 3)  # far below every target: the slope of L1 is constant

        def stages(self, images):
            if self.training:
                self.seen.append(self.w.item())
            return self(images)[None]

    model = Slope()
    run(tmp_path, model=model, config=replace(CONFIG, steps=10))
    moves = np.diff([*model.seen, model.w.item()])
    assert np.allclose(moves, 3e-4 * 0.5 * (1 + np.cos(np.pi * np.arange(10) / 10)), rtol=1e-3)


def test_it_learns(tmp_path):
    """One batch again and again: the loss must fall well below that of the best constant."""
    samples = random_samples(8)
    config = replace(CONFIG, steps=150, learning_rate=1e-2, augmentation=NO_AUGMENTATION)
    progress, _ = run(tmp_path, config=config, samples=samples)
    targets = crop(samples, size=24).targets
    constant = (targets - targets.median(0).values).abs().mean()
    assert progress.finished and progress.step == 150
    assert progress.losses[-1] < 0.5 * constant
    assert [point["step"] for point in progress.curve] == [0, 50, 100, 150]
    assert progress.curve[-1]["loss"] == pytest.approx(progress.losses[100:].mean().item(), rel=1e-5)
    assert 0 < progress.data_seconds < progress.seconds


def test_the_curve_begins_with_the_untrained_network(tmp_path):
    untrained = predict(tiny_net(), random_samples(16, seed=1), image_size=24, device="cpu").errors.mean().item()
    progress, _ = run(tmp_path)
    first = progress.curve[0]
    assert first["step"] == 0 and "loss" not in first
    assert first["epe"] == pytest.approx(untrained, rel=1e-6)
    assert 0 < first["seconds"] <= progress.curve[1]["seconds"]


def test_validations_leave_the_training_as_it_was(tmp_path):
    """They see annealed buffers as the step has them, and may draw numbers of their own."""
    temperatures = []

    def validate(model):
        temperatures.append(model.selector.temperature.item())
        return torch.rand(5).sum().item()

    validated, alone = selecting(), selecting()
    progress, _ = run(tmp_path / "validated", model=validated, config=ASKING, validate=validate)
    without, _ = run(tmp_path / "alone", model=alone, config=ASKING, validate=None)
    assert same_weights(validated.state_dict(), alone.state_dict()) and validated.seen == alone.seen
    assert [point["step"] for point in progress.curve] == [0, 4, 8, 12]
    assert temperatures == pytest.approx([ASKING.anneals[0].at(step / 12) for step in (0, 3, 7, 11)])
    assert [point.keys() for point in without.curve] == [{"step", "seconds"}, *[{"step", "loss", "seconds"}] * 3]


def test_the_outcome_depends_on_the_seed_alone(tmp_path):
    _, first = run(tmp_path / "a")
    torch.manual_seed(99)
    model = tiny_net()
    torch.rand(7)
    _, second = run(tmp_path / "b", model=model)
    _, other = run(tmp_path / "c", config=replace(CONFIG, seed=4))
    assert same_weights(first.state_dict(), second.state_dict())
    assert not same_weights(first.state_dict(), other.state_dict())


# ------------------------------------------------------------------------------------------- what a row may ask for


class Selecting(nn.Module):
    """A part with a rate of its own, a temperature that follows the step, and noise that the network draws."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TinyNet()
        self.selector = nn.Module()
        self.selector.theta = nn.Parameter(torch.zeros(3))
        self.selector.register_buffer("temperature", torch.tensor(5.0))
        self.seen: list[tuple[float, float]] = []

    def forward(self, images):
        return self.stages(images)[-1]

    def stages(self, images):
        noise = torch.rand(3) if self.training else torch.full((3,), 0.5)
        if self.training:
            self.seen.append((self.selector.temperature.item(), noise[0].item()))
        return self.net.stages(images) + ((self.selector.theta + noise) / self.selector.temperature).softmax(-1)


ASKING = replace(
    CONFIG,
    rates=(PartRate(part="selector", factor=50.0),),
    anneals=(Anneal(buffer="selector.temperature", start=5.0, end=0.5, begin=0.25, until=0.75),),
)


def selecting() -> Selecting:
    torch.manual_seed(0)
    return Selecting()


def test_an_annealed_buffer_follows_a_straight_line_between_two_shares():
    anneal = Anneal(buffer="t", start=5.0, end=1.0, begin=0.2, until=0.7)
    assert [anneal.at(share) for share in (0.0, 0.2, 0.7, 1.0)] == [5.0, 5.0, 1.0, 1.0]
    assert anneal.at(0.45) == pytest.approx(3.0)
    for begin, until in ((0.5, 0.5), (0.7, 0.2), (-0.1, 1.0), (0.0, 1.1), (float("nan"), 1.0)):
        with pytest.raises(HandLibError, match="begin < until"):
            Anneal(buffer="t", start=5.0, end=1.0, begin=begin, until=until)


def test_parts_learn_at_their_own_rate_and_buffers_follow_the_step(tmp_path):
    """Adam's first step moves every weight that has a gradient by its learning rate, whatever the gradient's size."""
    model = selecting()
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    run(tmp_path / "one", model=model, config=replace(ASKING, steps=1, validations=1))
    moved = {name: (tensor - before[name]).abs().max().item() for name, tensor in model.named_parameters()}
    assert moved["selector.theta"] == pytest.approx(50 * 3e-4, rel=1e-2)
    assert moved["net.heads.1.bias"] == pytest.approx(3e-4, rel=1e-2)

    model = selecting()
    run(tmp_path / "all", model=model, config=ASKING)
    temperatures = [temperature for temperature, _ in model.seen]
    assert temperatures == pytest.approx([ASKING.anneals[0].at(step / 12) for step in range(12)])
    assert len({noise for _, noise in model.seen}) == 12  # every step draws anew


def test_what_a_network_draws_and_anneals_goes_on_bit_for_bit(tmp_path):
    whole = selecting()
    run(tmp_path / "whole", model=whole, config=ASKING)
    parts, progress = [], None
    while progress is None or not progress.finished:
        model = selecting()
        torch.rand(len(parts))  # whatever has been drawn before
        state = torch.get_rng_state()
        progress, _ = run(tmp_path / "parts", model=model, config=ASKING, deadline=time.monotonic())
        assert torch.equal(state, torch.get_rng_state())  # the caller's numbers are left alone
        parts += model.seen
    assert parts == whole.seen
    assert same_weights(model.state_dict(), whole.state_dict())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rates": (PartRate(part="select", factor=2.0),)}, "'select'"),
        ({"rates": (PartRate(part="net", factor=2.0), PartRate(part="net.heads", factor=3.0))}, "'net.heads'"),
        ({"anneals": (Anneal(buffer="selector.theta", start=1.0, end=0.0),)}, "'selector.theta'"),
    ],
)
def test_a_part_or_buffer_that_is_not_there_is_named(tmp_path, change, named):
    with pytest.raises(HandLibError, match=named):
        run(tmp_path, model=selecting(), config=replace(CONFIG, **change))


# ------------------------------------------------------------------------------------------ stopping and going on


def test_a_deadline_stops_and_the_next_call_goes_on_to_the_same_weights(tmp_path):
    whole, expected = run(tmp_path / "whole")
    parts, model, progress = 0, None, None
    while progress is None or not progress.finished:
        model = tiny_net()
        progress, _ = run(tmp_path / "parts", model=model, deadline=time.monotonic())  # one step each
        parts += 1
    assert parts == CONFIG.steps
    assert same_weights(expected.state_dict(), model.state_dict())
    assert torch.equal(progress.losses, whole.losses)
    assert [p.get("loss") for p in progress.curve] == [p.get("loss") for p in whole.curve]
    assert [p["epe"] for p in progress.curve] == [p["epe"] for p in whole.curve]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_being_asked_to_stop_finishes_the_step_and_saves(tmp_path, number, request):
    inherited = signal.signal(number, signal.default_int_handler)  # under nohup a signal may be ignored from the start
    request.addfinalizer(lambda: signal.signal(number, inherited))
    before = signal.getsignal(number)

    class Interrupting(TinyNet):
        def stages(self, images):
            self.calls = getattr(self, "calls", 0) + self.training
            if self.calls == 5:
                os.kill(os.getpid(), number)
            return super().stages(images)

    torch.manual_seed(0)
    model = Interrupting()
    progress, _ = run(tmp_path, model=model)
    assert progress.stopped_by == number.name and progress.step == 5 and not progress.finished
    assert signal.getsignal(number) is before
    progress, model = run(tmp_path)
    _, expected = run(tmp_path / "whole")
    assert progress.finished and same_weights(model.state_dict(), expected.state_dict())


def test_a_signal_in_the_last_step_is_not_forgotten(tmp_path):
    """Too late to stop this training, it must still stop what would come after it."""

    steps = iter((0, CONFIG.steps))  # of the validations

    def validate(model):
        if next(steps):
            os.kill(os.getpid(), signal.SIGTERM)
        return 0.0

    progress, _ = run(tmp_path, config=replace(CONFIG, validations=1), validate=validate)
    assert progress.finished and progress.stopped_by == "SIGTERM"
    assert (tmp_path / "checkpoint.safetensors").exists()


def test_a_training_with_frozen_and_unused_parameters_goes_on(tmp_path):
    class Partly(TinyNet):
        def __init__(self):
            super().__init__()
            self.conv.weight.requires_grad_(False)
            self.unused = nn.Linear(3, 3)

    def partly():
        torch.manual_seed(0)
        return Partly()

    whole, parts, progress = partly(), None, None
    run(tmp_path / "whole", model=whole)
    while progress is None or not progress.finished:
        parts = partly()
        progress, _ = run(tmp_path / "parts", model=parts, deadline=time.monotonic())
    assert same_weights(whole.state_dict(), parts.state_dict())
    assert torch.equal(whole.conv.weight, partly().conv.weight)


KILLED = """
    import sys, time, torch
    sys.path.insert(0, {tests!r})
    import test_training as t
    class Slow(t.TinyNet):
        def stages(self, images):
            time.sleep(0.02)
            return super().stages(images)
    torch.manual_seed(0)
    model = Slow()
    t.run({folder!r}, model=model, config=t.replace(t.CONFIG, steps=60), checkpoint_seconds=0.0)
    torch.save(model.state_dict(), {final!r})
"""


@pytest.mark.slow
def test_kill_9_and_again_gives_the_same_weights_bit_for_bit(tmp_path):
    """A real process, killed by the system three times at odd moments, against one left in peace."""
    final = tmp_path / "final.pt"
    folder = tmp_path / "run"
    folder.mkdir()
    code = textwrap.dedent(KILLED).format(tests=str(ROOT / "tests"), folder=folder, final=str(final))
    code = code.replace(repr(folder), f"__import__('pathlib').Path({str(folder)!r})")
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    checkpoint = folder / "checkpoint.safetensors"
    for _ in range(2):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(command, env=environment)
        while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.005)
        time.sleep(0.1)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it ended before it could be killed: make it slower"
        assert not final.exists()
    steps = json.loads(cache.read_tensors(checkpoint)[1]["progress"])["step"]
    assert 0 < steps < 60
    subprocess.run(command, env=environment, check=True)

    torch.set_num_threads(1)
    _, expected = run(tmp_path / "whole", config=replace(CONFIG, steps=60))
    assert same_weights(expected.state_dict(), torch.load(final, weights_only=True))


@pytest.mark.parametrize("damage", ["cut", "foreign", "other key"])
def test_a_checkpoint_that_cannot_be_trusted_is_one_line(tmp_path, damage):
    run(tmp_path, deadline=time.monotonic(), key="one")
    path = tmp_path / "checkpoint.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "foreign":
        cache.write_tensors(path, {"weights": torch.zeros(3)})
    with pytest.raises(HandLibError) as error:
        run(tmp_path, key="two" if damage == "other key" else "one")
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_batch(tmp_path):
    class Breaking(TinyNet):
        def stages(self, images):
            self.calls = getattr(self, "calls", 0) + self.training
            return super().stages(images) * (torch.nan if self.calls == 4 else 1)

    with pytest.raises(HandLibError, match="step 3 is not finite") as error:
        run(tmp_path, model=Breaking())
    (path,) = tmp_path.glob("not-finite-*.safetensors")
    assert str(path) in str(error.value)
    kept, metadata = cache.read_tensors(path)
    images, targets = Batches(random_samples(32), CONFIG)(3)
    assert metadata["step"] == "3"
    assert torch.equal(kept["images"], images) and torch.equal(kept["targets"], targets)
    assert not (tmp_path / "checkpoint.safetensors").exists()


# ---------------------------------------------------------------------------------------------- several processes


def test_the_synchronised_batch_norm_is_batch_norm_on_one_process(tmp_path):
    """In a group of one: the same outputs, gradients, running statistics and names as the library's."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        torch.manual_seed(0)
        library = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
        nn.init.normal_(library[1].weight), nn.init.normal_(library[1].bias)
        ours = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
        ours.load_state_dict(library.state_dict())
        ours = engine.synchronise_batch_norm(ours, torch.device("cpu"))
        assert isinstance(ours[1], engine.SynchronisedBatchNorm)
        x = torch.randn(4, 3, 7, 9)
        for model in (library, ours):
            for _ in range(2):
                model.zero_grad()
                model(x).pow(3).sum().backward()
        assert ours.state_dict().keys() == library.state_dict().keys()
        for name, tensor in library.state_dict().items():
            assert torch.allclose(ours.state_dict()[name], tensor, atol=1e-5), name
        for (name, a), b in zip(library.named_parameters(), ours.parameters(), strict=True):
            assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-2), name
        assert torch.allclose(library.eval()(x), ours.eval()(x), atol=1e-5)
    finally:
        torch.distributed.destroy_process_group()


TOGETHER = """
    import sys, torch
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import test_training as t
    torch.set_num_threads(1)
    folder = Path({folder!r})
    progress, model = t.run(folder)
    import os
    if os.environ.get("RANK", "0") == "0":
        torch.save((progress.losses, [p["epe"] for p in progress.curve], model.state_dict()), folder / "outcome.pt")
"""


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path):
    """torchrun, gloo, CPU: the same global batch, the same losses, validation errors and weights, to rounding."""
    code = tmp_path / "together.py"
    code.write_text(textwrap.dedent(TOGETHER).format(tests=str(ROOT / "tests"), folder=str(tmp_path)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    losses, epe, weights = torch.load(tmp_path / "outcome.pt", weights_only=True)

    expected, model = run(tmp_path / "alone")
    assert torch.allclose(losses, expected.losses, rtol=1e-5)
    assert epe == pytest.approx([p["epe"] for p in expected.curve], rel=1e-4)
    assert weights.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.allclose(weights[name].float(), tensor.float(), atol=2e-5), name


def test_a_buffer_that_is_not_kept_cannot_be_annealed(tmp_path):
    model = selecting()
    model.register_buffer("fleeting", torch.ones(1), persistent=False)
    model.register_buffer("count", torch.ones(1, dtype=torch.long))
    for name in ("fleeting", "count"):
        with pytest.raises(HandLibError, match=f"'{name}' cannot be annealed"):
            run(tmp_path, model=model, config=replace(CONFIG, anneals=(Anneal(buffer=name, start=1.0, end=0.0),)))


@pytest.mark.parametrize("factor", [-1.0, math.nan, math.inf, "2", None])
def test_a_factor_that_is_none_is_one_line(factor):
    with pytest.raises(HandLibError, match="selector cannot learn at"):
        PartRate(part="selector", factor=factor)


@pytest.mark.parametrize(
    "change",
    [
        *({"steps": 0}, {"validations": 0}, {"validation_images": 0}, {"batch_size": -1}),
        *({"learning_rate": math.nan}, {"learning_rate": 0.0}, {"precision": "16-mixed"}),
    ],
)
def test_a_config_that_cannot_be_trained_is_one_line(change):
    with pytest.raises(HandLibError) as error:
        replace(CONFIG, **change)
    assert "\n" not in str(error.value) and str(next(iter(change.values()))) in str(error.value)


def test_a_scheduler_s_variables_are_not_asked(monkeypatch):
    variables = {"NTASKS": "2", "JOB_NAME": "job", "JOB_ID": "5", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert training.make_fabric(torch.device("cpu"), "32-true").world_size == 1


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"WORLD_SIZE": "2", "RANK": "0"}, "start it with torchrun"),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK='x'"),
        ({"RANK": "x"}, "RANK='x'"),
        ({"RANK": "²"}, "RANK='²'"),
        ({"WORLD_SIZE": "-1"}, "WORLD_SIZE='-1'"),
        ({"RANK": "3", "WORLD_SIZE": "2"}, "RANK=3, WORLD_SIZE=2"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0"),
    ],
)
def test_an_environment_that_torchrun_did_not_leave_is_one_line(monkeypatch, environment, named):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(HandLibError, match=named):
        engine.processes()


def test_without_torchrun_a_process_is_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert engine.processes() == engine.Processes(rank=0, world=1, local=1)


# ------------------------------------------------------------------------------------------------ device and precision


def test_an_unknown_device_names_the_ones_there_are():
    with pytest.raises(HandLibError, match=r"unknown device .*'tpu'.*cpu"):
        training.choose_device("tpu")
    assert training.choose_device("cpu").type == "cpu"


def test_bf16_only_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert training.choose_precision(torch.device("cpu")) == "32-true"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert training.choose_precision(torch.device("cpu")) == "bf16-mixed"


@pytest.mark.parametrize(("precision", "inside"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_a_training_computes_in_the_precision_it_was_told(tmp_path, precision, inside):
    seen = {True: set(), False: set()}  # by whether the network was training
    model = tiny_net()
    model.conv.register_forward_hook(lambda conv, _, out: seen[conv.training].add(out.dtype))
    progress, _ = run(tmp_path, model=model, config=replace(CONFIG, precision=precision))
    assert progress.finished and progress.losses.isfinite().all()
    assert seen == {True: {inside}, False: {torch.float32}}  # the validations are always in float32
    assert all(p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="of GNU's allocator")
def test_memory_that_a_step_leaves_is_there_for_the_next():
    """Pages that the system had to provide while a tensor of 64 MB was made and dropped ten times."""
    script = """
import resource, torch
from hand_lib.training.engine import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.zeros(2**24).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
plain = faults()
keep_freed_memory()
faults()
print(plain, faults())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    plain, kept = map(int, done.stdout.split())
    assert kept < 100 and plain > 10 * kept
