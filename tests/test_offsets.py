"""Offsets of state and output: what their definitions say, written out step by step, on every kind of mixer."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake
from torch.nn import functional as F

from ssmpeft_lib.adapters.api import adapt, merge, remove
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.adapters.count import params
from ssmpeft_lib.models.s4 import MODELS
from ssmpeft_lib.models.s4 import build as build_s4

METHODS = ["state_offset", "state_offset,low_rank=2", "output_offset"]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def offset_of(method: str, family: str = "Mamba"):
    """The first mixer of an adapted model whose offset is far from zero, and the offset."""
    mixer = Backbone(shake(adapt(build(family), method), 0.5)).mixers[0].module
    return mixer, mixer.offset()


@pytest.mark.parametrize("method", METHODS)
def test_mamba_reads_the_offset_as_it_reads_the_state(method):
    """out_t = silu(z_t) (C_t (h_t + h') + D u_t + y'), by a loop that keeps h_t and h' apart."""
    mixer, offset = offset_of(method)
    d_inner, d_state = mixer.state_shape
    state_offset = torch.zeros(d_inner, d_state) if offset.state is None else offset.state
    output_offset = torch.zeros(d_inner) if offset.output is None else offset.output
    x = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        inputs, z = mixer.in_proj(x)[0].chunk(2, dim=-1)
        u = F.silu(mixer.conv1d(inputs.T[None])[0, :, :6]).T
        dt, B, C = mixer.x_proj(u).split([mixer.time_step_rank, d_state, d_state], dim=-1)
        delta, A, h, rows = F.softplus(mixer.dt_proj(dt)), -torch.exp(mixer.A_log), torch.zeros(d_inner, d_state), []
        for t in range(6):
            h = torch.exp(delta[t, :, None] * A) * h + delta[t, :, None] * B[t] * u[t, :, None]
            y = ((h + state_offset) * C[t]).sum(-1) + mixer.D * u[t] + output_offset
            rows.append(F.silu(z[t]) * y)
        torch.testing.assert_close(mixer(x)[0], mixer.out_proj(torch.stack(rows)), **CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_mamba2_reads_the_offset_in_front_of_its_gated_norm(method):
    mixer, offset = offset_of(method, "Mamba2")
    heads, head_dim, d_state = mixer.state_shape
    state_offset = torch.zeros(heads, head_dim, d_state) if offset.state is None else offset.state
    output_offset = torch.zeros(heads, head_dim) if offset.output is None else offset.output
    x, maps = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(0)), mixer.n_groups * d_state
    with torch.no_grad():
        z, xBC, dt = mixer.in_proj(x)[0].split([heads * head_dim, mixer.conv_dim, heads], dim=-1)
        xBC = F.silu(mixer.conv1d(xBC.T[None])[0, :, :6]).T
        u, B, C = xBC.split([heads * head_dim, maps, maps], dim=-1)
        # each head reads the maps of its group
        B, C = (part.view(6, mixer.n_groups, d_state).repeat_interleave(heads // mixer.n_groups, 1) for part in (B, C))
        u, delta, A = u.view(6, heads, head_dim), F.softplus(dt + mixer.dt_bias), -torch.exp(mixer.A_log)
        h, rows = torch.zeros(heads, head_dim, d_state), []
        for t in range(6):
            h = torch.exp(delta[t] * A)[:, None, None] * h + delta[t, :, None, None] * u[t, :, :, None] * B[t, :, None]
            y = ((h + state_offset) * C[t, :, None]).sum(-1) + mixer.D[:, None] * u[t] + output_offset
            rows.append(y.flatten())
        torch.testing.assert_close(mixer(x)[0], mixer.out_proj(mixer.norm(torch.stack(rows), z)), **CLOSE)


@pytest.mark.parametrize("domain", ["real", "complex"])
@pytest.mark.parametrize("form", ["convolution", "recurrence", "scan"])
@pytest.mark.parametrize("method", METHODS)
def test_deep_s4_reads_the_offset_in_every_form_and_step_by_step(method, form, domain):
    network = shake(adapt(build_s4(**(MODELS["s4-deep"]["stand_in"] | {"domain": domain})), method), 0.5)
    layer = network.layers[0]
    x = torch.randn(2, 7, layer.config.d_model, generator=torch.Generator().manual_seed(0))
    offset, kernel = layer.offset(), layer.kernel
    with torch.no_grad():
        A_bar, C = torch.exp(kernel.discrete()[0]), kernel.continuous()[2]
        B_bar, h, rows = kernel.discrete()[1], kernel.new_state(2), []
        for t in range(7):
            h = A_bar * h + B_bar * x[:, t, :, None]
            read = h
            if offset.state is not None:
                read = h + (torch.view_as_complex(offset.state) if offset.state.dim() == 3 else offset.state)
            y = (C * read).sum(-1)
            y = (2 * y.real if y.is_complex() else y) + (0.0 if offset.output is None else offset.output)
            around = layer.D * x[:, t]
            y = layer.output_linear(y + around) if _before(layer) else layer.output_linear(y) + around
            rows.append(torch.relu(y) if layer.config.activation == "relu" else y)
        expected, state = torch.stack(rows, dim=1), kernel.new_state(2)
        torch.testing.assert_close(layer(x, form=form), expected, **CLOSE)
        steps = [layer.step(x[:, t], state) for t in range(7)]
        torch.testing.assert_close(torch.stack(steps, dim=1), expected, **CLOSE)


def _before(layer) -> bool:
    return layer.config.residual == "before_projection"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_token_by_token_is_what_one_pass_gives(family, method):
    model = shake(adapt(build(family), method), 0.3)
    options = {"max_new_tokens": 4, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    options["attention_mask"] = torch.ones_like(ids())
    cached, full = (model.generate(ids(), **options, use_cache=use_cache) for use_cache in (True, False))
    torch.testing.assert_close(torch.stack(cached.logits), torch.stack(full.logits), rtol=1e-3, atol=1e-4)
    assert (logits(model, ids()) - logits(build(family), ids())).abs().max() > 1e-3
    torch.testing.assert_close(logits(remove(model), ids()), logits(build(family), ids()), **CLOSE)


def test_counts_are_those_of_the_paper():
    """Kang et al. (2025): d_inner x d_state and d_inner numbers in each of the 24 layers of Mamba-130M."""
    assert params("mamba-130m", "state_offset")["trainable"] == 24 * 1536 * 16 == 589_824
    assert params("mamba-130m", "output_offset")["trainable"] == 24 * 1536 == 36_864
    assert params("mamba-130m", "state_offset,low_rank=4")["trainable"] == 24 * 4 * (1536 + 16)


@pytest.mark.parametrize("method", METHODS)
def test_an_offset_is_not_merged_and_says_why(method):
    model = shake(adapt(build("Mamba"), method), 0.3)
    before = logits(model, ids())
    with pytest.raises(ValueError, match="a learned offset, which the input scales at every token, cannot be merged"):
        merge(model)
    torch.testing.assert_close(logits(model, ids()), before, rtol=0, atol=0)


@pytest.mark.parametrize("rank, says", [(-1, "low_rank=-1 must be at least 1, or 0"), (9, "rank 9 is larger than")])
def test_a_rank_that_cannot_be_is_refused(rank, says):
    with pytest.raises(ValueError, match=says):
        adapt(build("Mamba"), f"state_offset,low_rank={rank}")
