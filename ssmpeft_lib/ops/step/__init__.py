"""One step of each recurrence, for decoding: in place on the state, without gradients.

All of them go on from the state or the columns that the scan or convolution of a prompt left.
"""

from __future__ import annotations

from math import inf

from torch import Tensor, dtype, no_grad

from ssmpeft_lib.ops._dispatch import pick_backend
from ssmpeft_lib.ops._layout import accumulation_dtype, cast, check_floating, check_like, check_same_dtype
from ssmpeft_lib.ops.conv import known_activation
from ssmpeft_lib.ops.step import cpp, torch

STATE_BACKENDS = {"cpp": cpp.selective_state_step, "torch": torch.selective_state_step}
CONV_BACKENDS = {"cpp": cpp.causal_conv1d_step, "torch": torch.causal_conv1d_step}
SSD_BACKENDS = {"cpp": cpp.ssd_state_step, "torch": torch.ssd_state_step}


@no_grad()
def selective_state_step(
    state: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    backend: str = "auto",
) -> Tensor:
    """One step of `selective_scan`.

    Args:
        state: what the scan returned as its last state, shape [batch, d_inner, d_state], contiguous and in float32
            (float64 for float64 inputs); updated in place.
        u, delta, z: shape [batch, d_inner].
        A: shape [d_inner, d_state].
        B, C: shape [batch, d_state].
        D, delta_bias: shape [d_inner].
        delta_softplus: whether to apply softplus to `delta + delta_bias`.
        backend: `auto`, or a name from `backends()`.
    Returns:
        y of the shape and type of `u`.
    Raises:
        TypeError, ValueError: a shape, type, device or backend that does not fit.
    """
    op = "selective_state_step"
    check_floating(op, "u", u, "(batch, d_inner)")
    check_floating(op, "A", A, "(d_inner, d_state)")
    (batch, d_inner), d_state = u.shape, A.shape[1]
    check_like(
        op,
        u,
        (
            ("state", state, "(batch, d_inner, d_state)", (batch, d_inner, d_state)),
            ("delta", delta, "(batch, d_inner)", (batch, d_inner)),
            ("A", A, "(d_inner, d_state)", (d_inner, d_state)),
            ("B", B, "(batch, d_state)", (batch, d_state)),
            ("C", C, "(batch, d_state)", (batch, d_state)),
            ("D", D, "(d_inner,)", (d_inner,)),
            ("z", z, "(batch, d_inner)", (batch, d_inner)),
            ("delta_bias", delta_bias, "(d_inner,)", (d_inner,)),
        ),
    )
    check_same_dtype(op, u, (("delta", delta), ("B", B), ("C", C), ("z", z)))
    compute = _check_state(op, state, u)
    A, D, delta_bias = cast(A, compute), cast(D, compute), cast(delta_bias, compute)
    run = pick_backend(op, STATE_BACKENDS, backend, u.device, u.dtype)
    return run(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus)


@no_grad()
def causal_conv1d_step(
    columns: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = "silu",
    backend: str = "auto",
) -> Tensor:
    """One step of `causal_conv1d`.

    Args:
        columns: the last `width - 1` inputs, oldest first, shape [batch, d_inner, width - 1], in the type of `x`;
            updated in place. Any strides will do; a transposed (batch, width - 1, d_inner) tensor is the fast one.
        x: the present input, shape [batch, d_inner].
        weight: shape [d_inner, width].
        bias: shape [d_inner].
        activation: `silu`, which is `swish` too, or None.
        backend: `auto`, or a name from `backends()`.
    Returns:
        y of the shape and type of `x`.
    Raises:
        TypeError, ValueError: a shape, type, device or backend that does not fit.
    """
    op = "causal_conv1d_step"
    check_floating(op, "x", x, "(batch, d_inner)")
    check_floating(op, "weight", weight, "(d_inner, width)")
    (batch, d_inner), width = x.shape, weight.shape[1]
    check_like(
        op,
        x,
        (
            ("columns", columns, "(batch, d_inner, width - 1)", (batch, d_inner, width - 1)),
            ("weight", weight, "(d_inner, width)", (d_inner, width)),
            ("bias", bias, "(d_inner,)", (d_inner,)),
        ),
    )
    check_same_dtype(op, x, (("columns", columns),))
    activation = known_activation(op, activation)
    compute = accumulation_dtype(x.dtype)
    run = pick_backend(op, CONV_BACKENDS, backend, x.device, x.dtype)
    return run(columns, x, cast(weight, compute), cast(bias, compute), activation)


@no_grad()
def ssd_state_step(
    state: Tensor,
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    delta_limit: tuple[float, float] = (0.0, inf),
    backend: str = "auto",
) -> Tensor:
    """One step of `ssd_scan`.

    Args:
        state: what the scan returned as its last state, shape [batch, heads, head_dim, d_state], contiguous and in
            float32 (float64 for float64 inputs); updated in place.
        x: shape [batch, heads, head_dim].
        delta: shape [batch, heads].
        A, D, delta_bias: shape [heads].
        B, C: shape [batch, groups, d_state].
        delta_softplus, delta_limit: as for `ssd_scan`.
        backend: `auto`, or a name from `backends()`.
    Returns:
        y of the shape and type of `x`.
    Raises:
        TypeError, ValueError: a shape, type, device or backend that does not fit.
    """
    op = "ssd_state_step"
    check_floating(op, "x", x, "(batch, heads, head_dim)")
    check_floating(op, "B", B, "(batch, groups, d_state)")
    (batch, heads, head_dim), (groups, d_state) = x.shape, B.shape[1:]
    if groups == 0 or heads % groups:
        raise ValueError(f"{op}: B has {groups} groups, expected a divisor of the {heads} heads of x")
    check_like(
        op,
        x,
        (
            ("state", state, "(batch, heads, head_dim, d_state)", (batch, heads, head_dim, d_state)),
            ("delta", delta, "(batch, heads)", (batch, heads)),
            ("A", A, "(heads,)", (heads,)),
            ("B", B, "(batch, groups, d_state)", (batch, groups, d_state)),
            ("C", C, "(batch, groups, d_state)", (batch, groups, d_state)),
            ("D", D, "(heads,)", (heads,)),
            ("delta_bias", delta_bias, "(heads,)", (heads,)),
        ),
    )
    check_same_dtype(op, x, (("delta", delta), ("B", B), ("C", C)))
    compute = _check_state(op, state, x)
    A, D, delta_bias = cast(A, compute), cast(D, compute), cast(delta_bias, compute)
    run = pick_backend(op, SSD_BACKENDS, backend, x.device, x.dtype)
    return run(state, x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit)


def _check_state(op: str, state: Tensor, first: Tensor) -> dtype:
    """The type to compute in, which is the one that the state must have."""
    compute = accumulation_dtype(first.dtype)
    if state.dtype != compute or not state.is_contiguous():
        raise TypeError(
            f"{op}: state is {state.dtype}{'' if state.is_contiguous() else ' and not contiguous'}, expected {compute}"
            " and contiguous, as the scan returns it"
        )
    return compute
