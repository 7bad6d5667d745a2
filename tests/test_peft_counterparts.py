"""Methods that peft has as well: equal to peft's own on a linear layer, in values and in what they train."""

from __future__ import annotations

import peft
import pytest
import torch
from families import build, ids, logits, shake
from torch import Tensor, nn

from ssmpeft_lib.adapters.api import adapt
from ssmpeft_lib.adapters.attach import AdaptedLinear
from ssmpeft_lib.adapters.deltas import Delta, LowRank, Principal
from ssmpeft_lib.adapters.region import Region
from ssmpeft_lib.methods.ia3 import RowFactors
from ssmpeft_lib.methods.miss import Shards
from ssmpeft_lib.methods.oft import Rotation
from ssmpeft_lib.methods.vera import Scaled, _drawn

ROWS, COLUMNS = 24, 16
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


class Layer(nn.Module):
    """One linear layer, as peft wants it inside a model."""

    def __init__(self, bias: bool = True):
        super().__init__()
        torch.manual_seed(0)
        self.lin = nn.Linear(COLUMNS, ROWS, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin(x)


def both(delta: Delta, config: peft.PeftConfig, bias: bool = True) -> tuple[AdaptedLinear, nn.Module]:
    """Our adapted layer, and a model of peft around an equal layer."""
    carrier = AdaptedLinear(Layer(bias).lin)
    carrier.requires_grad_(False)
    carrier.add("default", "lin", delta, Region())
    return carrier, peft.get_peft_model(Layer(bias), config)


def parameter(model: nn.Module, name: str) -> Tensor:
    """The only tensor of a peft model whose name contains a word."""
    (found,) = [p for full, p in [*model.named_parameters(), *model.named_buffers()] if name in full]
    return found


def check(ours: AdaptedLinear, theirs: nn.Module) -> None:
    """Outputs, gradients' counts and merged weights agree, far from the start."""
    x = torch.randn(3, 5, COLUMNS, generator=torch.Generator().manual_seed(1))
    start = ours.base_layer(x)
    expected = theirs(x)
    assert (expected - start).abs().max() > 0.05
    torch.testing.assert_close(ours(x), expected, **CLOSE)
    counts = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (ours, theirs)]
    assert counts[0] == counts[1]
    merged = theirs.merge_and_unload().lin.weight
    torch.testing.assert_close(ours.weight, merged, **CLOSE)


def test_ia3():
    config = peft.IA3Config(target_modules=["lin"], feedforward_modules=[])
    ours, theirs = both(RowFactors((ROWS, COLUMNS)), config, bias=False)
    shake(ours, 0.5)
    parameter(theirs, "ia3_l").data = 1 + ours.deltas["default"]["lin"].rows.detach()[:, None]
    check(ours, theirs)


@pytest.mark.parametrize("rank", [4, 5], ids=["dividing", "not dividing"])
def test_miss(rank):
    ours, theirs = both(Shards((ROWS, COLUMNS), rank), peft.MissConfig(target_modules=["lin"], r=rank))
    shake(ours, 0.5)
    parameter(theirs, "miss_block").data = ours.deltas["default"]["lin"].miss.detach()
    check(ours, theirs)


def test_oft():
    config = peft.OFTConfig(target_modules=["lin"], oft_block_size=8, use_cayley_neumann=False)
    ours, theirs = both(Rotation((ROWS, COLUMNS), 8), config)
    shake(ours, 0.5)
    parameter(theirs, "oft_R.default.weight").data = ours.deltas["default"]["lin"].skew.detach()
    check(ours, theirs)
    rotations = torch.eye(8) + ours.deltas["default"]["lin"].turns()
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(8).expand(2, 8, 8), **CLOSE)


def test_vera():
    A, B = _drawn(6, COLUMNS, 0), _drawn(ROWS, 6, 1)
    ours, theirs = both(Scaled((ROWS, COLUMNS), A, B, 0.1), peft.VeraConfig(target_modules=["lin"], r=6))
    shake(ours, 0.5)
    delta = ours.deltas["default"]["lin"]
    layer = theirs.base_model.model.lin
    layer.vera_A["default"].copy_(A)
    layer.vera_B["default"].copy_(B)
    layer.vera_lambda_d["default"].data = delta.vera_d.detach()
    layer.vera_lambda_b["default"].data = delta.vera_b.detach()
    check(ours, theirs)
    # the same spread as theirs
    fresh = peft.get_peft_model(Layer(), peft.VeraConfig(target_modules=["lin"], r=6)).base_model.model.lin
    assert float(_drawn(400, COLUMNS, 3).std()) == pytest.approx((2 / COLUMNS) ** 0.5, rel=0.02)
    assert float(fresh.vera_A["default"].abs().max()) <= (6 / COLUMNS) ** 0.5
    assert float(A.abs().max()) <= (6 / COLUMNS) ** 0.5


def test_rslora():
    config = peft.LoraConfig(target_modules=["lin"], r=4, lora_alpha=8, use_rslora=True)
    method_scale = adapt(build("Mamba"), "lora@out_proj,rank=4,rslora=true,dropout=0.0")
    (delta, *_) = [m for m in method_scale.modules() if isinstance(m, LowRank)]
    ours, theirs = both(LowRank((ROWS, COLUMNS), 4, 4 * delta.scaling), config)
    shake(ours, 0.5)
    _copy_lora(ours, theirs)
    check(ours, theirs)


def test_pissa():
    config = peft.LoraConfig(target_modules=["lin"], r=4, lora_alpha=8, init_lora_weights="pissa")
    ours, theirs = both(Principal((ROWS, COLUMNS), 4, 8), config)
    delta = ours.deltas["default"]["lin"]
    torch.testing.assert_close(
        delta.lora_B @ delta.lora_A, parameter(theirs, "lora_B") @ parameter(theirs, "lora_A"), **CLOSE
    )
    shake(ours, 0.2)
    _copy_lora(ours, theirs)
    check(ours, theirs)


def _copy_lora(ours: AdaptedLinear, theirs: nn.Module) -> None:
    for name in ("lora_A", "lora_B"):
        parameter(theirs, name).data = getattr(ours.deltas["default"]["lin"], name).detach()


@pytest.mark.parametrize(
    "method, says",
    [
        ("oft@out_proj,block_size=24", "block_size=24 does not divide the 64 columns of out_proj"),
        ("oft,block_size=1", "at least 2, or there is nothing to rotate"),
        ("miss@out_proj,rank=65", "rank=65 is larger than the 64 columns of out_proj"),
        ("vera,rank=0", "rank=0 must be at least 1"),
        ("ia3@D", "D is not a matrix .* and has no row to scale; try full@D"),
        ("lora@out_proj,rank=40,pissa=true", "rank 40 is larger than a side of the weight, 32 x 64"),
        ("dora,pissa=true", "pissa=True is not combined with magnitudes"),
    ],
)
def test_what_cannot_be_is_refused(method, says):
    with pytest.raises(ValueError, match=says):
        adapt(build("Mamba"), method)


def test_vera_shares_its_matrices_and_draws_them_anew():
    torch.manual_seed(0)
    one = shake(adapt(build("Mamba"), "vera,rank=4,seed=3"), 0.3)
    torch.manual_seed(1)
    same, other = (shake(adapt(build("Mamba"), f"vera,rank=4,seed={seed}"), 0.3) for seed in (3, 4))
    assert len({m.A.untyped_storage().data_ptr() for m in one.modules() if isinstance(m, Scaled)}) == 1
    assert torch.equal(logits(one, ids()), logits(same, ids()))
    assert not torch.allclose(logits(one, ids()), logits(other, ids()))
