"""Single steps: each goes on exactly where the scan or convolution of a prompt stopped."""

from __future__ import annotations

import pytest
import torch
from ops_inputs import need, scan_inputs, transposed
from transformers.models.mamba.modeling_mamba import causal_conv1d_update, mamba_selective_state_update
from transformers.models.mamba2.modeling_mamba2 import mamba2_selective_state_update

from ssmpeft_lib.ops import (
    causal_conv1d,
    causal_conv1d_step,
    selective_scan,
    selective_state_step,
    ssd_scan,
    ssd_state_step,
)

BACKENDS = ["cpp", "torch"]
TYPES = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 2e-2}
SEQUENCES = ("u", "delta", "B", "C", "z")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def close(got, expected, dtype):
    torch.testing.assert_close(got, expected, rtol=TYPES[dtype], atol=TYPES[dtype])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("batch, d_inner, d_state", [(1, 5, 3), (3, 40, 16), (2, 18, 17)])
def test_scan_steps_equal_the_scan(backend, dtype, batch, d_inner, d_state):
    need(backend)
    inputs = {name: tensor.detach() for name, tensor in scan_inputs(batch, d_inner, d_state, 9, dtype).items()}
    expected, last = selective_scan(**inputs, delta_softplus=True, return_last_state=True, backend="naive")
    state = inputs.pop("initial_state").expand(batch, -1, -1).clone()
    ys = []
    for t in range(9):
        step = {name: tensor[..., t] if name in SEQUENCES else tensor for name, tensor in inputs.items()}
        ys.append(selective_state_step(state, **step, delta_softplus=True, backend=backend))
    close(torch.stack(ys, dim=-1), expected, dtype)
    close(state, last, torch.float32 if dtype == torch.bfloat16 else dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_scan_step_equals_that_of_transformers(backend):
    inputs = {name: tensor.detach() for name, tensor in scan_inputs(2, 12, 16, 1, torch.float32).items()}
    state = torch.randn(2, 12, 16)
    step = {name: tensor[..., 0] if name in SEQUENCES else tensor for name, tensor in inputs.items()}
    order = [step[name] for name in ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")]
    theirs = state.clone()
    expected = mamba_selective_state_update(
        theirs, *order[:6], dt_bias=step["delta_bias"], dt_softplus=True, z=step["z"]
    )
    y = selective_state_step(state, *order, delta_softplus=True, backend=need(backend))
    close(y, expected, torch.float32)
    close(state, theirs, torch.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("activation", ["silu", None])
def test_convolution_steps_equal_the_convolution(backend, dtype, width, activation):
    need(backend)
    x = transposed(3, 40, 9, dtype=dtype)
    weight, bias = torch.randn(40, width), torch.randn(40)
    before = torch.randn(3, 40, width - 1, dtype=dtype)
    expected = causal_conv1d(x, weight, bias, activation, before, backend="naive")
    for columns in (before.clone(), before.transpose(1, 2).contiguous().transpose(1, 2)):
        ys = [causal_conv1d_step(columns, x[..., t], weight, bias, activation, backend=backend) for t in range(9)]
        close(torch.stack(ys, dim=-1), expected, dtype)
        assert torch.equal(columns, torch.cat([before, x], dim=-1)[..., 9:])


@pytest.mark.parametrize("backend", BACKENDS)
def test_convolution_step_equals_that_of_transformers(backend):
    x, weight, bias, columns = torch.randn(2, 12), torch.randn(12, 4), torch.randn(12), torch.randn(2, 12, 3)
    theirs = torch.nn.functional.pad(columns, (1, 0))
    expected = causal_conv1d_update(x[..., None], theirs, weight, bias, "silu")[..., 0]
    close(causal_conv1d_step(columns, x, weight, bias, backend=need(backend)), expected, torch.float32)
    assert torch.equal(columns, theirs[..., 1:])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("heads, head_dim, groups, d_state", [(4, 3, 2, 17), (2, 8, 1, 16)])
def test_mamba2_steps_equal_the_scan(backend, dtype, heads, head_dim, groups, d_state):
    need(backend)
    parameters = torch.float64 if dtype == torch.float64 else torch.float32
    x, delta = torch.randn(2, 9, heads, head_dim, dtype=dtype), torch.randn(2, 9, heads, dtype=dtype)
    B, C = (torch.randn(2, 9, groups, d_state, dtype=dtype) for _ in range(2))
    A, D, bias = -torch.rand(heads, dtype=parameters), *torch.randn(2, heads, dtype=parameters)
    state = torch.randn(2, heads, head_dim, d_state, dtype=parameters)
    options = {"delta_softplus": True, "delta_limit": (0.1, 1.0), "backend": "naive"}
    expected, last = ssd_scan(x, delta, A, B, C, D, bias, initial_state=state, return_last_state=True, **options)
    options["backend"] = backend
    ys = [ssd_state_step(state, x[:, t], delta[:, t], A, B[:, t], C[:, t], D, bias, **options) for t in range(9)]
    close(torch.stack(ys, dim=1), expected, dtype)
    close(state, last, torch.float32 if dtype == torch.bfloat16 else dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_mamba2_step_equals_that_of_transformers(backend):
    x, delta, B, C = torch.randn(2, 4, 3), torch.randn(2, 4), torch.randn(2, 2, 5), torch.randn(2, 2, 5)
    A, D, bias, state = -torch.rand(4), torch.randn(4), torch.randn(4), torch.randn(2, 4, 3, 5)
    theirs = state.clone()
    expected = mamba2_selective_state_update(
        theirs,
        x,
        delta[..., None].expand(-1, -1, 3),
        A[:, None, None].expand(-1, 3, 5),
        B,
        C,
        D[:, None].expand(-1, 3),
        dt_bias=bias[:, None].expand(-1, 3),
        dt_softplus=True,
    )
    close(ssd_state_step(state, x, delta, A, B, C, D, bias, True, backend=need(backend)), expected, torch.float32)
    close(state, theirs, torch.float32)


def test_strided_slices_of_projections():
    """What a mixer has at hand: halves of in_proj's output and thirds of x_proj's."""
    halves, parts = torch.randn(3, 2 * 20), torch.randn(3, 7 + 2 * 5)
    A, state = -torch.rand(20, 5), torch.randn(3, 20, 5)
    u, z, B, C = halves[:, :20], halves[:, 20:], parts[:, 7:12], parts[:, 12:]
    states = state.clone(), state.clone()
    sliced = selective_state_step(states[0], u, z, A, B, C, z=z, delta_softplus=True)
    copies = [tensor.clone() for tensor in (u, z, B, C)]
    dense = selective_state_step(states[1], copies[0], copies[1], A, *copies[2:], z=copies[1], delta_softplus=True)
    close(sliced, dense, torch.float32)
    close(*states, torch.float32)


def test_bad_arguments_are_named():
    state, u, A, B = torch.randn(2, 4, 3), torch.randn(2, 4), -torch.rand(4, 3), torch.randn(2, 3)
    with pytest.raises(ValueError, match=r"state has shape \(2, 4, 2\), expected \(batch, d_inner, d_state\)"):
        selective_state_step(state[..., :2], u, u, A, B, B)
    with pytest.raises(TypeError, match="state is torch.float64, expected torch.float32 and contiguous"):
        selective_state_step(state.double(), u, u, A, B, B)
    with pytest.raises(TypeError, match="state is torch.float32 and not contiguous"):
        selective_state_step(state.transpose(0, 1).contiguous().transpose(0, 1), u, u, A, B, B)
    with pytest.raises(ValueError, match=r"columns has shape \(2, 4, 4\), expected .* = \(2, 4, 3\)"):
        causal_conv1d_step(torch.randn(2, 4, 4), u, torch.randn(4, 4))
    with pytest.raises(ValueError, match="B has 3 groups, expected a divisor of the 4 heads"):
        ssd_state_step(torch.randn(2, 4, 3, 5), torch.randn(2, 4, 3), u, A[:, 0], *torch.randn(2, 2, 3, 5))
