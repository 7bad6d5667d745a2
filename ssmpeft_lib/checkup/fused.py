"""The fused training kernels of mamba_ssm in plain torch, so that what they skip shows without a GPU.

With mamba_ssm installed, transformers hands raw weights to one function in training and calls modules in evaluation.
The functions here have the signatures of those kernels and compute what the plain path computes on raw weights.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.backbone import Backbone
from ..ops import causal_conv1d, selective_scan, ssd_scan


@contextmanager
def fused_kernels(model: nn.Module) -> Iterator[bool]:
    """Let transformers' mixers train through fused kernels; True where a mixer of the model would use one."""
    modules = {sys.modules[type(part.module).__module__] for part in Backbone(model).mixers}
    replaced = [(m, name, getattr(m, name)) for m in modules for name in KERNELS if hasattr(m, name)]
    for module, name, _ in replaced:
        setattr(module, name, KERNELS[name])
    try:
        yield bool(replaced)
    finally:
        for module, name, function in replaced:
            setattr(module, name, function)


def mamba_inner_fn(
    *arguments, D=None, delta_bias=None, delta_softplus=True, b_c_dt_rms_eps=1e-6, b_rms_weight=None, **_
) -> Tensor:
    """Convolution, projections, scan, gate and output projection of Mamba-1 from raw weights.

    Args:
        arguments: xz [batch, 2 d_inner, seq_len], the weights of conv1d (and its bias), x_proj, dt_proj, out_proj (and
            its bias), A, and B and C, which are None; D may follow.
        b_rms_weight: given where dt, B and C are normalised (falcon_mamba).
    """
    xz, conv, conv_bias, x_proj, dt_proj, out_proj, out_bias, A, _, _, *rest = arguments
    x, z = xz.chunk(2, dim=1)
    u = causal_conv1d(x, conv[:, 0], conv_bias)
    parts = F.linear(u.mT, x_proj).split([dt_proj.shape[1], A.shape[1], A.shape[1]], dim=-1)
    if b_rms_weight is not None:
        parts = [F.rms_norm(part, part.shape[-1:], eps=b_c_dt_rms_eps) for part in parts]
    dt, B, C = parts
    D = rest[0] if rest else D
    y = selective_scan(u, F.linear(dt, dt_proj).mT, A, B.mT, C.mT, D, z, delta_bias, delta_softplus)
    return F.linear(y.mT, out_proj, out_bias)


def mamba2_split_conv1d_scan_combined(
    zxbcdt,
    conv1d_weight,
    conv1d_bias,
    dt_bias,
    A,
    D,
    chunk_size,
    dt_limit=(0.0, float("inf")),
    rmsnorm_weight=None,
    rmsnorm_eps=1e-6,
    outproj_weight=None,
    outproj_bias=None,
    headdim=None,
    ngroups=1,
    norm_before_gate=True,
    **_,
) -> Tensor:
    """Convolution, scan, gated norm, output projection of Mamba-2 from raw weights; zxbcdt [batch, seq_len, rows]."""
    d_inner, heads = outproj_weight.shape[1], len(dt_bias)
    maps = (zxbcdt.shape[-1] - 2 * d_inner - heads) // 2
    z, xBC, dt = zxbcdt.split([d_inner, d_inner + 2 * maps, heads], dim=-1)
    x, B, C = causal_conv1d(xBC.mT, conv1d_weight, conv1d_bias).mT.split([d_inner, maps, maps], dim=-1)
    x, B, C = x.unflatten(-1, (heads, headdim)), B.unflatten(-1, (ngroups, -1)), C.unflatten(-1, (ngroups, -1))
    y = ssd_scan(x, dt, A, B, C, D, dt_bias, True, dt_limit, chunk=chunk_size).flatten(2)
    gate = F.silu(z)
    if rmsnorm_weight is None:
        y = y * gate
    else:
        y = y if norm_before_gate else y * gate
        y = F.rms_norm(y.unflatten(-1, (ngroups, -1)), (d_inner // ngroups,), eps=rmsnorm_eps).flatten(2)
        y = y * rmsnorm_weight
        y = y * gate if norm_before_gate else y
    return F.linear(y.to(torch.promote_types(y.dtype, outproj_weight.dtype)), outproj_weight, outproj_bias)


KERNELS = {kernel.__name__: kernel for kernel in (mamba_inner_fn, mamba2_split_conv1d_scan_combined)}
