"""Algorithm 1 on S4: the paper's rule, the released rules, and their two slips."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from ssmpeft_lib.mixers.s4d import S4DConfig, S4DKernel
from ssmpeft_lib.theory.selection import SLIPS, Budget, select_dimensions

BUDGET = Budget(usable_channels=8, usable_states=5, update_channels=4, update_states=2)


@pytest.fixture
def kernels():
    torch.manual_seed(0)
    frozen = S4DKernel(S4DConfig(16, 6, init="random"))
    warmed = copy.deepcopy(frozen)
    with torch.no_grad():
        for parameter in warmed.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return frozen, warmed


def by_hand(frozen, warmed, lag, released):
    """The released rule in float64, a loop over dimensions; `released` with both slips, else without."""
    f, w = ({name: p.detach().double().numpy() for name, p in k.named_parameters()} for k in (frozen, warmed))
    unit = 1 if released else 1j
    A = -np.exp(w["log_A_real"]) + unit * w["A_imag"]
    dtA = A * np.exp(w["log_dt"])[:, None]
    C = w["C"][..., 0] + 1j * w["C"][..., 1]
    weight = np.abs(C * (np.exp(dtA) - 1) / A * np.exp(dtA) ** lag)
    sign = -1 if released else 1
    real = -np.exp(w["log_A_real"]) + sign * np.exp(f["log_A_real"])
    change = np.sqrt(real**2 + (w["A_imag"] - f["A_imag"]) ** 2)

    def top(scores, among, count):
        return sorted(among, key=lambda i: -scores[i])[:count]

    usable = top((weight**2).sum(1), range(16), 8)
    update = top((change**2).sum(1), usable, 4)
    states = {c: top(weight[c], range(6), 5) for c in update}
    return usable, update, states, {c: top(change[c], states[c], 2) for c in update}


@pytest.mark.parametrize("lag", [1, 20])
@pytest.mark.parametrize("released", [True, False])
def test_released_rule(kernels, lag, released):
    chosen = select_dimensions(*kernels, BUDGET, "kernel", lag, SLIPS if released else ())
    found = chosen.usable_channels, chosen.update_channels, chosen.usable_states, chosen.update_states
    assert found == by_hand(*kernels, lag, released)


@pytest.mark.parametrize("slip", SLIPS)
def test_each_slip_changes_what_is_chosen(kernels, slip):
    right, wrong = (select_dimensions(*kernels, BUDGET, "kernel", 20, slips) for slips in ((), (slip,)))
    assert right != wrong


def test_paper_rule_keeps_the_slowest_decay_and_trains_what_moved(kernels):
    frozen, warmed = kernels
    chosen = select_dimensions(frozen, warmed, BUDGET)
    A_bar = np.exp(-np.exp((warmed.log_A_real + warmed.log_dt[:, None]).detach().double().numpy()))
    assert set(chosen.usable_channels) == set(np.argsort(-np.linalg.norm(A_bar, axis=1))[:8])
    channel = chosen.update_channels[0]
    assert set(chosen.usable_states[channel]) == set(np.argsort(-A_bar[channel])[:5])


def test_a_real_system_is_chosen_from_too():
    torch.manual_seed(0)
    frozen = S4DKernel(S4DConfig(8, 6, "real", init="random"))
    warmed = copy.deepcopy(frozen)
    with torch.no_grad():
        warmed.log_A_real[3, 2] += 1.0
    budget = Budget(usable_channels=8, usable_states=6, update_channels=1, update_states=1)
    assert select_dimensions(frozen, warmed, budget).update_states == {3: [2]}


def test_overflow_keeps_the_order_of_channels(kernels):
    """Without the imaginary unit, fast oscillations overflow float32; such ties keep their order, as in the release."""
    frozen, warmed = kernels
    with torch.no_grad():
        warmed.log_dt.fill_(0.0)
        warmed.A_imag[5:8] = 40.0
    chosen = select_dimensions(frozen, warmed, BUDGET, "kernel", 100, ("summed_parts",))
    assert [c for c in chosen.usable_channels if c in (5, 6, 7)] == [5, 6, 7]


def test_masks(kernels):
    chosen = select_dimensions(*kernels, BUDGET)
    trained, silenced = chosen.trained((16, 6)), chosen.silenced((16, 6))
    assert trained.sum() == 4 * 2 and not (trained & silenced).any()
    assert silenced.sum() == (16 - 8) * 6 + 4 * (6 - 5)
    # states of usable channels that are not trained stay as they are
    idle = [c for c in chosen.usable_channels if c not in chosen.update_channels]
    assert not silenced[idle].any()


@pytest.mark.parametrize("sizes", [(4, 4, 5, 4), (4, 4, 0, 1), (4, 2, 4, 3)])
def test_more_trained_than_kept_is_refused(sizes):
    with pytest.raises(ValueError, match="must be in 1..usable_"):
        Budget(*sizes)


def test_unknown_slip_or_importance_is_refused(kernels):
    with pytest.raises(ValueError, match="slips"):
        select_dimensions(*kernels, BUDGET, slips=("typo",))
    with pytest.raises(ValueError, match="importance 'gradient'"):
        select_dimensions(*kernels, BUDGET, importance="gradient")
