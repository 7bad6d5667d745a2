"""Lines of the kernels' table that compare single ops with what transformers and mambapy do instead."""

from __future__ import annotations

import math

import torch
from paired import Line, Variant
from torch import Tensor
from torch.nn import functional as F

from ssmpeft_lib import ops
from ssmpeft_lib.ops.s4d import naive

SIZE_130M = {"d_inner": 1536, "d_state": 16}


def gradients(function, inputs: list[Tensor], weight: Tensor):
    """A call that runs `function` on `inputs` and takes the gradients of the weighted output."""
    return lambda: torch.autograd.grad(function(*inputs), inputs, weight)


def scan_inputs(batch: int, seq_len: int, d_inner: int, d_state: int, dtype=torch.float32) -> list[Tensor]:
    """u, delta, A, B, C, D, z, delta_bias as a mixer hands them over: transposed, B, C and z slices of projections."""
    torch.manual_seed(0)
    halves = torch.randn(batch, seq_len, 2 * d_inner, dtype=dtype)
    maps = torch.randn(batch, seq_len, 2 * d_state, dtype=dtype)
    sequences = {
        "u": torch.randn(batch, seq_len, d_inner, dtype=dtype),
        "delta": torch.randn(batch, seq_len, d_inner, dtype=dtype) - 3,
        "B": maps[..., :d_state],
        "C": maps[..., d_state:],
        "z": halves[..., d_inner:],
    }
    u, delta, B, C, z = (tensor.transpose(1, 2) for tensor in sequences.values())
    A = -torch.arange(1.0, d_state + 1).repeat(d_inner, 1)
    return [t.detach().requires_grad_() for t in (u, delta, A, B, C, torch.ones(d_inner), z, torch.zeros(d_inner))]


def our_scan(backend="auto"):
    return lambda *inputs: ops.selective_scan(*inputs, delta_softplus=True, backend=backend)


def their_scan(**options):
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    return lambda *inputs: mamba_selective_scan(*inputs, delta_softplus=True, **options)


def scan(batch: int, seq_len: int, backend="auto", **options):
    def variants():
        inputs = scan_inputs(batch, seq_len, **SIZE_130M)
        weight = torch.randn(batch, seq_len, SIZE_130M["d_inner"]).transpose(1, 2)
        name = "mambapy" if options else "transformers"
        return (
            Variant(name, gradients(their_scan(**options), inputs, weight)),
            Variant("ours", gradients(our_scan(backend), inputs, weight)),
        )

    return variants


def scan_growth(small: dict, large: dict):
    """Time an element at a large size over time an element at a small one."""

    def variants():
        made = []
        for name, size in (("large", large), ("small", small)):
            inputs = scan_inputs(**size)
            weight = torch.randn(size["batch"], size["seq_len"], size["d_inner"]).transpose(1, 2)
            made.append(Variant(name, gradients(our_scan(), inputs, weight), math.prod(size.values()) / 1e6))
        return tuple(made)

    return variants


def scan_types():
    made = []
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        weight = torch.randn(4, 256, SIZE_130M["d_inner"], dtype=dtype).transpose(1, 2)
        inputs = scan_inputs(4, 256, **SIZE_130M, dtype=dtype)
        made.append(Variant(name, gradients(our_scan(), inputs, weight)))
    return tuple(made)


def scan_threads():
    inputs = scan_inputs(4, 1024, **SIZE_130M)
    weight = torch.randn(4, 1024, SIZE_130M["d_inner"]).transpose(1, 2)
    run = gradients(our_scan(), inputs, weight)

    def on(threads):
        def timed():
            torch.set_num_threads(threads)
            run()

        return timed

    return Variant("one thread", on(1)), Variant("two threads", on(2))


def small_call():
    """What a call costs beyond its arithmetic: a tiny scan through torch's dispatcher and as eager code calls it."""
    inputs = scan_inputs(1, 1, 16, 16)
    weight = torch.randn(1, 16, 1)
    registered = torch.ops.ssmpeft.scan_cpp.default

    def dispatched(u, delta, A, B, C, D, z, bias):
        return registered(u, delta, A, B, C, D, z, bias, None, True, True)[0]

    def many(function):
        run = gradients(function, inputs, weight)
        return lambda: [run() for _ in range(500)]

    return Variant("dispatcher", many(dispatched), 500.0), Variant("eager", many(our_scan("cpp")), 500.0)


def conv(batch: int, seq_len: int):
    def variants():
        from transformers.models.mamba.modeling_mamba import causal_conv1d_fn

        torch.manual_seed(0)
        d_inner = SIZE_130M["d_inner"]
        x = torch.randn(batch, seq_len, 2 * d_inner)[..., :d_inner].transpose(1, 2).detach().requires_grad_()
        taps, bias = torch.randn(d_inner, 4), torch.randn(d_inner)
        weight = torch.randn(batch, seq_len, d_inner).transpose(1, 2)
        return (
            Variant(
                "transformers", gradients(lambda t: causal_conv1d_fn(t, taps, bias, activation="silu"), [x], weight)
            ),
            Variant("ours", gradients(lambda t: ops.causal_conv1d(t, taps, bias), [x], weight)),
        )

    return variants


def linear(rows: int, inputs: int, outputs: int):
    """Forward and backward with a frozen weight; for a few rows, forward alone over many weights, as in decoding."""

    def variants():
        torch.manual_seed(0)
        weights = [torch.randn(outputs, inputs) for _ in range(1 if rows > 8 else 40)]
        x, weight = torch.randn(rows, inputs, requires_grad=rows > 8), torch.randn(rows, outputs)

        def over(function):
            if rows > 8:
                return gradients(lambda x: function(x, weights[0]), [x], weight)
            return torch.no_grad()(lambda: [function(x, each) for each in weights])

        return Variant("torch", over(F.linear)), Variant("ours", over(ops.linear))

    return variants


def ssd(batch: int, seq_len: int, heads=24, head_dim=64, d_state=128):
    def variants():
        from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

        torch.manual_seed(0)
        maps = (torch.randn(batch, seq_len, 1, d_state) for _ in range(2))
        x, delta = torch.randn(batch, seq_len, heads, head_dim), torch.randn(batch, seq_len, heads) - 4
        inputs = [t.requires_grad_() for t in (x, delta, -torch.rand(heads) * 15 - 1, *maps, torch.ones(heads))]
        # the chunk length that transformers' configuration sets
        length = min(256, seq_len)

        def theirs(x, delta, A, B, C, D):
            return mamba2_chunk_scan(x, delta, A, B, C, length, D=D, dt_softplus=True)

        weight = torch.randn(x.shape)
        return (
            Variant("transformers", gradients(theirs, inputs, weight)),
            Variant("ours", gradients(lambda *t: ops.ssd_scan(*t, delta_softplus=True), inputs, weight)),
        )

    return variants


def s4d_kernel(seq_len: int, channels=256, d_state=32):
    def variants():
        torch.manual_seed(0)
        A = torch.complex(torch.full((channels, d_state), -0.5), math.pi * torch.arange(d_state).repeat(channels, 1))
        delta = torch.exp(torch.empty(channels, 1).uniform_(math.log(0.001), math.log(0.1)))
        C = torch.randn(channels, d_state, dtype=torch.complex64)
        inputs, weight = [(A * delta).requires_grad_(), C.requires_grad_()], torch.randn(channels, seq_len)
        return (
            Variant("naive", gradients(lambda a, c: naive.s4d_kernel(a, c, seq_len), inputs, weight)),
            Variant("ours", gradients(lambda a, c: ops.s4d_kernel(a, c, seq_len), inputs, weight)),
        )

    return variants


ONE_K = {"batch": 1, "seq_len": 1024, "d_inner": 1536, "d_state": 16}

LINES = {
    "scan-mambapy": Line("scan alone, 4 x 256, against mambapy", scan(4, 256, use_mambapy=True)),
    "scan-torch-mambapy": Line(
        "torch backend of the scan alone, 4 x 256, against mambapy", scan(4, 256, "torch", use_mambapy=True), ">= 2.8"
    ),
    "scan-memory": Line(
        "peak extra memory of the scan alone, 4 x 256, against mambapy",
        lambda: scan(4, 256, use_mambapy=True)()[::-1],
        rounds=3,
        memory=True,
    ),
    "scan-torch-memory": Line(
        "peak extra memory of the torch backend of the scan alone, 4 x 256, against mambapy",
        lambda: scan(4, 256, "torch", use_mambapy=True)()[::-1],
        "<= 0.333",
        rounds=3,
        memory=True,
    ),
    "scan-length": Line(
        "scan, time an element at length 16,384 against 1,024", scan_growth(ONE_K, ONE_K | {"seq_len": 16384}), "<= 1.6"
    ),
    "scan-length-tuned": Line(
        "the same, allocator tuned", scan_growth(ONE_K, ONE_K | {"seq_len": 16384}), allocator="tuned"
    ),
    "scan-width": Line(
        "scan, time an element at d_model 3,072 against 768", scan_growth(ONE_K, ONE_K | {"d_inner": 6144}), "<= 1.6"
    ),
    "scan-bfloat16": Line("scan alone, 4 x 256, float32 against bfloat16", scan_types),
    "scan-threads": Line("scan alone, 4 x 1,024, one thread against two", scan_threads, ">= 1.8", threads=2),
    "scan-call": Line("a tiny scan, through torch's dispatcher against eager", small_call),
    "conv-4x256": Line("convolution with SiLU alone, 4 x 256, against transformers", conv(4, 256)),
    "conv-1x1024": Line("convolution with SiLU alone, 1 x 1,024, against transformers", conv(1, 1024)),
    "linear-1024": Line("in_proj, 1,024 rows, with the gradient of the input, against torch", linear(1024, 768, 3072)),
    "linear-40": Line("in_proj, 40 rows, with the gradient of the input, against torch", linear(40, 768, 3072)),
    "linear-5": Line("in_proj, 5 rows, against torch", linear(5, 768, 3072)),
    "linear-1": Line("in_proj, 1 row, against torch", linear(1, 768, 3072)),
    "mamba2-4x256": Line("Mamba-2 scan, 4 x 256, against transformers", ssd(4, 256), ">= 4"),
    "mamba2-1x1024": Line("Mamba-2 scan, 1 x 1,024, against transformers", ssd(1, 1024), ">= 2.2"),
    "s4d-784": Line("S4D kernel, length 784, against the naive sum", s4d_kernel(784), ">= 12"),
    "s4d-1024": Line("S4D kernel, length 1,024, against the naive sum", s4d_kernel(1024), ">= 12"),
    "s4d-4096": Line("S4D kernel, length 4,096, against the naive sum", s4d_kernel(4096), ">= 12"),
}
