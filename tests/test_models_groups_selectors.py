"""The binary selector: limits, distributions against closed forms and scipy, gradients, and a toy with known groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from torch.nn import functional

from hand_lib.errors import HandLibError
from hand_lib.models.groups.decoding import select
from hand_lib.models.groups.selectors import (
    THUMB_INDEX_REST,
    AlwaysSampledSelector,
    ConcreteSelector,
    FixedSelector,
    LateSelector,
    StraightThroughSelector,
    gumbel_like,
    late_choice,
    members,
    temperature_schedule,
)
from hand_lib.skeleton import FINGERS, JOINTS

LEARNT = (ConcreteSelector, StraightThroughSelector, AlwaysSampledSelector)


def selector(kind=ConcreteSelector, groups: int = 3, *, temperature: float = 1.0, seed: int = 0) -> ConcreteSelector:
    """One with a θ that prefers something."""
    made = kind(groups=groups)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        made.theta.copy_(torch.randn(21, groups, generator=generator))
        made.temperature.fill_(temperature)
    return made


def samples(made: ConcreteSelector, count: int) -> torch.Tensor:
    """``(count, 21, K)``."""
    with torch.no_grad():
        return torch.stack([made.sample() for _ in range(count)])


# --------------------------------------------------------------------------------------------------------- Eq. 6 and 7


@settings(max_examples=30, deadline=None)
@given(groups=st.integers(1, 21), temperature=st.floats(0.05, 20), seed=st.integers(0, 10**6))
def test_every_joint_is_given_away_once(groups, temperature, seed):
    for kind in LEARNT:
        made = selector(kind, groups, temperature=temperature, seed=seed)
        sample = made.train()()
        assert sample.shape == (21, groups) and sample.isfinite().all() and (sample >= 0).all()
        torch.testing.assert_close(sample.sum(dim=1), torch.ones(21))
        decided = made.decided()
        assert (decided.sum(dim=1) == 1).all() and set(decided.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(decided.argmax(dim=1), made.theta.argmax(dim=1))


def test_at_evaluation_nothing_is_drawn():
    made = selector().eval()
    torch.manual_seed(1)
    state, first = torch.get_rng_state(), made()
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(first, made()) and torch.equal(first, made.decided())


def test_the_authors_evaluation_depends_on_the_seed():
    made = selector(AlwaysSampledSelector).eval()
    torch.manual_seed(1)
    first = made()
    assert not torch.equal(first, made())
    torch.manual_seed(1)
    assert torch.equal(first, made())


def test_one_group_is_all_there_is_whatever_is_drawn():
    for temperature in (0.05, 5.0):
        made = selector(groups=1, temperature=temperature)
        sample = made.train()()
        assert torch.equal(sample, torch.ones(21, 1))
        sample.sum().backward()
        assert torch.equal(made.theta.grad, torch.zeros(21, 1))


@pytest.mark.parametrize("groups", [0, 22, -1])
def test_a_number_of_groups_that_joints_cannot_make_is_one_line(groups):
    with pytest.raises(HandLibError, match=rf"1 to 21 groups, not {groups}$"):
        ConcreteSelector(groups=groups)


# -------------------------------------------------------------------------------------------------------------- limits


def test_cold_samples_are_one_hot_and_hot_ones_are_uniform():
    cold = samples(selector(temperature=1e-3), 50)
    assert (cold.amax(dim=-1) > 0.99).float().mean() > 0.98
    equal = ConcreteSelector(groups=4)
    equal.temperature.fill_(1e4)
    torch.testing.assert_close(samples(equal, 50), torch.full((50, 21, 4), 0.25), atol=1e-3, rtol=0)


def test_every_group_is_as_likely_at_first():
    made = ConcreteSelector(groups=5)
    assert torch.equal(made.theta.detach(), torch.full((21, 5), 0.2))
    torch.testing.assert_close(made.probabilities(), torch.full((21, 5), 0.2))
    assert made.temperature == 5.0


def test_a_constant_added_to_theta_changes_nothing():
    """So θ = 1/K, as the paper prints, and θ = 1/2, as its code has it, are one start."""
    a, b = selector(temperature=0.7), selector(temperature=0.7)
    with torch.no_grad():
        b.theta += torch.linspace(-3, 4, 21)[:, None]
    torch.manual_seed(5)
    first = a.sample()
    torch.manual_seed(5)
    torch.testing.assert_close(first, b.sample())
    torch.testing.assert_close(a.probabilities(), b.probabilities())


def test_the_printed_equation_8_has_no_temperature():
    """exp(θ + O)/τ over the sum of the same: τ cancels. With τ inside the exponent it does not."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(21, 3, generator=generator, dtype=torch.float64)
    noise = -torch.log(-torch.log(torch.rand(21, 3, generator=generator, dtype=torch.float64)))

    def printed(tau: float) -> torch.Tensor:
        term = torch.exp(theta + noise) / tau
        return term / term.sum(dim=1, keepdim=True)

    torch.testing.assert_close(printed(5.0), printed(0.01))
    torch.testing.assert_close(printed(5.0), (theta + noise).softmax(dim=1))  # the corrected one at τ = 1
    corrected = [((theta + noise) / tau).softmax(dim=1) for tau in (5.0, 0.01)]
    assert (corrected[0] - corrected[1]).abs().max() > 0.5


# ------------------------------------------------------------------------------------------------------- distributions


def test_with_two_groups_the_log_odds_are_logistic():
    """The difference of two Gumbel variables is logistic: log(S₁/S₂) = (θ₁ − θ₂ + L)/τ, in closed form."""
    tau = 0.6
    made = selector(groups=2, temperature=tau)
    drawn = samples(made, 400).double()
    difference = (made.theta[:, 0] - made.theta[:, 1]).detach()
    logistic = (drawn[..., 0].log() - drawn[..., 1].log()) * tau - difference
    assert stats.kstest(logistic.flatten().numpy(), "logistic").pvalue > 1e-3


def test_noise_is_gumbel_and_finite_at_either_end(monkeypatch):
    assert stats.kstest(gumbel_like(torch.zeros(5000)).double().numpy(), "gumbel_r").pvalue > 1e-3
    monkeypatch.setattr(torch, "rand_like", lambda like: like.new_tensor([0.0, 1 - 2**-24]))  # the extremes of rand
    assert gumbel_like(torch.zeros(2)).isfinite().all()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_samples_are_concrete(temperature):
    """Kolmogorov and Smirnov against scipy's Gumbel noise, against torch's function, and against its distribution."""
    made = selector(temperature=temperature)
    with torch.no_grad():
        made.theta.copy_(made.theta[:1].expand(21, 3).clone())  # all joints alike, so that their samples are one heap
    drawn = samples(made, 200).numpy()
    theta = made.theta.detach()
    gumbel = stats.gumbel_r.rvs(size=drawn.shape, random_state=1)
    with np.errstate(under="ignore"):
        by_hand = np.exp((theta.numpy() + gumbel) / temperature)
    by_hand /= by_hand.sum(axis=-1, keepdims=True)
    function = functional.gumbel_softmax(theta.expand(200, 21, 3), tau=temperature).numpy()
    concrete = torch.distributions.RelaxedOneHotCategorical(torch.tensor(temperature), logits=theta)
    distribution = concrete.sample((200,)).numpy()
    for other in (by_hand, function, distribution):
        pvalues = [stats.ks_2samp(drawn[..., k].ravel(), other[..., k].ravel()).pvalue for k in range(3)]
        assert min(pvalues) > 1e-4


@pytest.mark.parametrize("kind", [ConcreteSelector, StraightThroughSelector])
@pytest.mark.parametrize("temperature", [0.1, 5.0])
def test_the_largest_entry_is_as_frequent_as_softmax_says_at_any_temperature(kind, temperature):
    made = selector(kind, temperature=temperature)
    count = 600
    found = functional.one_hot(samples(made, count).argmax(dim=-1), 3).sum(dim=0).numpy()
    expected = made.theta.detach().double().softmax(dim=1).numpy() * count
    keep = expected.min(axis=1) > 5  # where the χ² test holds
    pvalues = [
        stats.chisquare(f, e * f.sum() / e.sum()).pvalue for f, e in zip(found[keep], expected[keep], strict=True)
    ]
    assert len(pvalues) > 10 and min(pvalues) > 1e-3 / len(pvalues)


# ----------------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("kind", LEARNT)
def test_a_sample_s_gradient_is_that_of_the_softmax(kind):
    """∂S_k/∂θ_i = S_k(δ_ki − S_i)/τ, of the soft sample, also where the sample itself is made one-hot."""
    tau = 0.8
    made = selector(kind, temperature=tau).train()
    weight = torch.randn(21, 3, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(4)
    (made() * weight).sum().backward()
    soft = selector(temperature=tau)
    torch.manual_seed(4)
    S = soft.sample().detach()
    expected = S * (weight - (S * weight).sum(dim=1, keepdim=True)) / tau
    torch.testing.assert_close(made.theta.grad, expected)
    assert (made.theta.grad != 0).all()


def test_straight_through_samples_are_one_hot_exactly():
    made = selector(StraightThroughSelector, temperature=5.0).train()
    for _ in range(20):
        sample = made()
        assert set(sample.unique().tolist()) == {0.0, 1.0} and torch.equal(sample.sum(dim=1), torch.ones(21))


@settings(max_examples=20, deadline=None)
@given(groups=st.integers(2, 21), choosing=st.floats(0, 1), seed=st.integers(0, 10**6))
def test_a_late_choice_goes_from_no_choice_to_a_concrete_one(groups, choosing, seed):
    late, concrete = selector(LateSelector, groups, seed=seed), selector(groups=groups, seed=seed)
    late.choosing.fill_(choosing)
    torch.manual_seed(seed)
    drawn = late.sample()
    torch.manual_seed(seed)
    torch.testing.assert_close(drawn, (1 - choosing) / groups + choosing * concrete.sample())
    torch.testing.assert_close(drawn.sum(dim=1), torch.ones(21))
    assert torch.equal(late.eval()(), concrete.decided())


def test_before_its_time_a_late_choice_learns_nothing_and_then_it_does():
    late = LateSelector(groups=3)
    value = torch.arange(63.0).reshape(21, 3)
    begin = late_choice("choosing")
    for share, learns in ((0.0, False), (0.2, False), (0.25, False), (0.26, True), (0.5, True), (1.0, True)):
        late.choosing.fill_(begin.at(share))
        late.theta.grad = None
        (late.sample() * value).sum().backward()
        assert (late.theta.grad.abs().max() > 0) == learns
    assert late.choosing == 1


# -------------------------------------------------------------------------------------------------------------- fixed


def test_groups_made_by_hand_are_thumb_index_and_the_rest():
    made = FixedSelector(THUMB_INDEX_REST)
    assert made.groups == 3 and not list(made.parameters()) and not made.state_dict()
    thumb, index, rest = members(made.train()())
    assert thumb == [name for name in JOINTS if name.startswith("thumb")] and len(thumb) == 4
    assert index == [name for name in JOINTS if name.startswith("index")] and len(index) == 4
    assert rest == ["wrist", *(name for name in JOINTS if name.split()[0] in FINGERS[2:])]
    assert torch.equal(made.train()(), made.eval()())


def test_members_may_be_none():
    assert members(functional.one_hot(torch.zeros(21, dtype=torch.long), 2).float()) == [list(JOINTS), []]


@pytest.mark.parametrize(("numbers", "named"), [((0,) * 20, "20"), ((0,) * 20 + (2,), r"\[0, 2\]")])
def test_groups_that_are_none_are_one_line(numbers, named):
    with pytest.raises(HandLibError, match=named):
        FixedSelector(numbers)


# ----------------------------------------------------------------------------------------------------------- annealing


def test_the_temperature_is_the_papers_on_its_own_number_of_steps():
    anneal = temperature_schedule("t")
    for step in range(0, 50_000, 1000):
        assert anneal.at(step / 50_000) == pytest.approx(max(5 - 0.1 * step / 1000, 0.1))
    assert min(anneal.at(step / 800) for step in range(801)) == pytest.approx(0.1)  # never 0, which divides


# ----------------------------------------------------------------------------------------------------------------- toy


class OneDirectionEach(nn.Module):
    """K branches that can each say one number of a picture; a joint is a multiple of its branch's."""

    def __init__(self, selector: ConcreteSelector) -> None:
        super().__init__()
        self.selector = selector
        self.directions = nn.Parameter(torch.randn(selector.groups, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, 6)`` to ``(B, 21, 1)``."""
        said = x @ self.directions.T  # (B, K)
        return select(self.selector(), said[:, :, None, None].expand(-1, -1, 21, 1))


def solve(kind, seed: int, steps: int = 300) -> float:
    """The share of pairs of joints that are rightly together or apart (the Rand index), 1 for the right groups."""
    torch.manual_seed(seed)
    truth = torch.arange(21) % 3
    directions = torch.linalg.qr(torch.randn(6, 3))[0].T  # three that have nothing in common
    net = OneDirectionEach(kind(groups=3)).train()
    optimiser = torch.optim.Adam(
        [{"params": [net.directions], "lr": 0.03}, {"params": [net.selector.theta], "lr": 0.1}]
    )
    schedule = temperature_schedule("selector.temperature")
    for step in range(steps):
        net.selector.temperature.fill_(schedule.at(step / steps))
        x = torch.randn(32, 6)
        loss = (net(x)[..., 0] - x @ directions.T[:, truth]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = net.selector.decided()
    return ((found @ found.T).bool() == (truth[:, None] == truth)).float().mean().item()


@pytest.mark.parametrize("kind", [ConcreteSelector, StraightThroughSelector])
def test_groups_that_are_there_are_found(kind):
    scores = [solve(kind, seed) for seed in range(5)]
    assert sum(score == 1 for score in scores) >= 4, scores  # by chance about 0.57, and never 1
