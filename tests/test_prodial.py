"""ProDiaL: its definition with whole matrices."""

from __future__ import annotations

import pytest
import torch
from families import build, shake
from torch import nn

from ssmpeft_lib.adapters.api import adapt
from ssmpeft_lib.adapters.attach import AdaptedLinear
from ssmpeft_lib.adapters.count import params
from ssmpeft_lib.adapters.region import Region
from ssmpeft_lib.methods.prodial import Transformed


@pytest.mark.parametrize("block_size", [1, 4, 16])
def test_the_layer_computes_what_the_definition_says(block_size):
    torch.manual_seed(0)
    layer = AdaptedLinear(nn.Linear(16, 24))
    layer.add("default", "lin", Transformed((24, 16), block_size, 3, 6.0), Region())
    shake(layer.deltas, 0.5)
    delta, W = layer.deltas["default"]["lin"], layer.base_layer.weight
    P = torch.eye(16) + torch.block_diag(*delta.blocks)
    changed = torch.diag(1 + delta.rows) @ W @ P + 2.0 * delta.lora_B @ delta.lora_A
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(layer(x), x @ changed.T + layer.base_layer.bias, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.weight, changed, rtol=1e-4, atol=1e-5)


def test_what_it_trains():
    counted = params("mamba-130m", "prodial,rank=16")["slots"]
    assert counted["out_proj"]["parameters"] == 24 * (1536 + 768 + 16 * (1536 + 768))
    assert counted["in_proj_x"]["parameters"] == 24 * (768 + 1536 + 16 * (1536 + 768))
    blocks = params("mamba-130m", "prodial@out_proj,rank=16,block_size=4")["trainable"]
    assert blocks == 24 * (4 * 1536 + 768 + 16 * (1536 + 768))


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="block_size=24 does not divide the 64 columns of out_proj"):
        adapt(build("Mamba"), "prodial@out_proj,block_size=24")
    with pytest.raises(ValueError, match="block_size=0 must be at least 1"):
        adapt(build("Mamba"), "prodial,block_size=0")
