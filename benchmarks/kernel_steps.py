"""Lines of the kernels' table that compare whole training steps: forward and backward of a backbone of 130M dimensions,
A_log and out_proj trained, everything else frozen.
"""

from __future__ import annotations

from unittest import mock

import torch
from paired import Line, Variant
from torch import nn
from torch.nn import functional as F

from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.mixers import s6
from ssmpeft_lib.ops import Linear, linear

TRAINED = ("A_log", "out_proj.weight")


def backbone(kind: str, layers: int, d_model: int = 768, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A Mamba backbone with random weights: `ours`, transformers' own (`transformers`), or with `mambapy`."""
    from transformers import MambaConfig, MambaModel

    torch.manual_seed(0)
    config = MambaConfig(
        hidden_size=d_model, num_hidden_layers=layers, vocab_size=256, use_mambapy=kind == "mambapy", use_cache=False
    )
    model = MambaModel(config).to(dtype).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith(TRAINED))
    if kind == "ours":
        Backbone(model).prepare()
    return model


def step(model: nn.Module, batch: int, seq_len: int):
    """A call that runs one step without the optimiser."""
    torch.manual_seed(1)
    ids = torch.randint(256, (batch, seq_len))
    dtype = next(model.parameters()).dtype
    weight = torch.randn(batch, seq_len, model.config.hidden_size, dtype=dtype)

    def run():
        model.zero_grad(set_to_none=True)
        model(ids).last_hidden_state.backward(weight)

    return run


def against(kind: str, batch: int, seq_len: int, layers: int = 1, d_model: int = 768):
    def variants():
        return tuple(Variant(k, step(backbone(k, layers, d_model), batch, seq_len)) for k in (kind, "ours"))

    return variants


def memory():
    """After a small step, so that what libraries load and set up on first use is not counted."""
    models = {kind: backbone(kind, 1) for kind in ("ours", "mambapy")}
    for model in models.values():
        step(model, 1, 8)()
    return tuple(Variant(kind, step(model, 4, 256)) for kind, model in models.items())


def cheap_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state, seq_idx=None):
    """A sum in the scan's place, through which every input still gets a gradient."""
    per_channel = (A.sum(1) + D + delta_bias)[:, None]
    return u + delta + z + (B + C).sum(1, keepdim=True) + per_channel


def without_scan(run):
    def stubbed():
        with mock.patch.object(s6, "selective_scan", cheap_scan):
            run()

    return stubbed


def stubbed_scan(prepared=lambda model: model):
    def variants():
        run = step(prepared(backbone("ours", 2)), 4, 256)
        return Variant("ours", run), Variant("ours without the scan", without_scan(run))

    return variants


def stubbed_scan_of_transformers():
    """As the line before, but what stands beside the scan is transformers' own code, with its slower convolution."""
    import transformers.models.mamba.modeling_mamba as modeling

    theirs = backbone("transformers", 2)

    def cheap(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, **_):
        return cheap_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, None)

    for layer in theirs.layers:
        layer.mixer.mamba_selective_scan = cheap
    run = step(theirs, 4, 256)

    def stubbed():
        with mock.patch.object(modeling, "mamba_selective_scan", cheap):
            run()

    return Variant("ours", step(backbone("ours", 2), 4, 256)), Variant("transformers without the scan", stubbed)


def matrix_products(product=F.linear):
    """Against the four projections, the gradients of their inputs and that of out_proj's weight, and nothing else."""

    def variants():
        model = backbone("ours", 2)
        tokens, layers = 4 * 256, [layer.mixer for layer in model.layers]
        sizes = {name: getattr(layers[0], name).weight.shape for name in ("in_proj", "x_proj", "dt_proj", "out_proj")}
        inputs = {name: torch.randn(tokens, size[1]) for name, size in sizes.items()}
        grads = {name: torch.randn(tokens, size[0]) for name, size in sizes.items()}

        def run():
            for mixer in layers:
                for name in sizes:
                    weight = getattr(mixer, name).weight.detach()
                    x, grad = inputs[name], grads[name]
                    product(x, weight)
                    product(grad, weight.t())
                    if name == "out_proj":
                        product(grad.t(), x.t())

        return Variant("ours", step(model, 4, 256)), Variant("matrix products", run)

    return variants


def with_torchs_products(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if type(module) is Linear:
            module.__class__ = nn.Linear
    return model


def own_products():
    stock = with_torchs_products(backbone("ours", 2))
    return Variant("torch's products", step(stock, 4, 256)), Variant("ours", step(backbone("ours", 2), 4, 256))


def types(prepared=lambda model: model):
    def variants():
        return tuple(
            Variant(name, step(prepared(backbone("ours", 2, dtype=dtype)), 4, 256))
            for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
        )

    return variants


def threads():
    run = step(backbone("ours", 2), 4, 256)

    def on(count):
        def timed():
            torch.set_num_threads(count)
            run()

        return timed

    return Variant("one thread", on(1)), Variant("two threads", on(2))


def no_bfloat16_unit() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return "" if "avx512_bf16" in file.read() else "this processor has no avx512_bf16"


TORCH = {"SSMPEFT_BACKEND": "torch"}

LINES = {
    "step-mambapy": Line(
        "step of two layers, 4 x 256, against mambapy", against("mambapy", 4, 256, layers=2), ">= 5.5", rounds=5
    ),
    "tiny-transformers": Line(
        "tiny step (d_model 64, 2 layers, 16 x 128) against transformers' default",
        against("transformers", 16, 128, layers=2, d_model=64),
        ">= 30",
    ),
    "tiny-mambapy": Line(
        "tiny step (d_model 64, 2 layers, 16 x 128) against mambapy",
        against("mambapy", 16, 128, layers=2, d_model=64),
        ">= 8",
        rounds=15,
    ),
    "step-stubbed": Line(
        "step of two layers, 4 x 256, against the same step with the scan stubbed out",
        stubbed_scan(),
        "<= 1.1",
        rounds=9,
    ),
    "step-stubbed-torchs-products": Line(
        "the same, both with torch's matrix products", stubbed_scan(with_torchs_products), rounds=9
    ),
    "step-stubbed-transformers": Line(
        "step of two layers, 4 x 256, against transformers' step with the scan stubbed out",
        stubbed_scan_of_transformers,
        rounds=9,
    ),
    "step-products": Line(
        "step of two layers, 4 x 256, against torch's products of its matrices", matrix_products(), "<= 1.2"
    ),
    "step-products-ours": Line(
        "step of two layers, 4 x 256, against our products of its matrices", matrix_products(linear)
    ),
    "step-linear": Line("step of two layers, 4 x 256, with torch's matrix products against ours", own_products),
    "step-memory": Line(
        "peak extra memory of a step of one layer, 4 x 256, against mambapy", memory, "<= 0.143", rounds=3, memory=True
    ),
    "step-bfloat16": Line(
        "step of two layers, 4 x 256, float32 with torch's matrix products against bfloat16",
        types(with_torchs_products),
        ">= 2.2",
        obstacle=no_bfloat16_unit,
    ),
    "step-bfloat16-ours": Line(
        "step of two layers, 4 x 256, float32 with our matrix products against bfloat16",
        types(),
        obstacle=no_bfloat16_unit,
    ),
    "step-threads": Line("step of two layers, 4 x 256, one thread against two", threads, ">= 1.8", rounds=9, threads=2),
    "step-torch-mambapy": Line(
        "torch backend: step of two layers, 4 x 256, against mambapy",
        against("mambapy", 4, 256, layers=2),
        ">= 2.8",
        rounds=3,
        environment=TORCH,
    ),
    "step-torch-memory": Line(
        "torch backend: peak extra memory of a step of one layer, 4 x 256, against mambapy",
        memory,
        "<= 0.333",
        rounds=3,
        memory=True,
        environment=TORCH,
    ),
    # the slow ones last
    "step-transformers": Line(
        "step of one layer, 4 x 256, against transformers' default", against("transformers", 4, 256), ">= 40", rounds=3
    ),
    "step-transformers-tuned": Line(
        "step of one layer, 4 x 256, against transformers' default, allocator tuned",
        against("transformers", 4, 256),
        ">= 12",
        rounds=5,
        allocator="tuned",
    ),
    "step-transformers-1x1024": Line(
        "step of one layer, 1 x 1,024, against transformers' default",
        against("transformers", 1, 1024),
        ">= 150",
        rounds=1,
        warm_up=False,
    ),
}
