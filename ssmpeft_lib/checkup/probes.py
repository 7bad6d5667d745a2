"""What the doctor measures. Every probe works on a copy and leaves the model that it is given alone."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ..adapters.api import base_model, merge
from ..adapters.backbone import Backbone
from ..adapters.inputs.prompts import Prompts
from ..adapters.inputs.starts import Starts
from ..adapters.mixed_class import stock_class
from .fused import fused_kernels


def prepared(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy in float64 on the CPU, without dropout; what is trained in it has been moved away from its start."""
    model = copy.deepcopy(model).cpu().double()
    # torch multiplies all experts at once in narrower types only
    base_model(model).set_experts_implementation("eager")
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.5 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
    return model


def without_gradient(model: nn.Module, ids: Tensor, fused: bool = False) -> list[str]:
    """Names of the trainable tensors that a training step gives no gradient, or only zeros."""
    model = copy.deepcopy(model).train()
    model.zero_grad()
    with fused_kernels(base_model(model)) if fused else nullcontext():
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        if loss.requires_grad:
            loss.backward()
    return [name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]


@torch.no_grad()
def logits(model: nn.Module, ids: Tensor, train: bool = False, fused: bool = False) -> Tensor:
    """Logits in evaluation, or on the path that training takes."""
    was = model.training
    with fused_kernels(base_model(model)) if fused else nullcontext():
        found = model.train(train)(input_ids=ids, use_cache=False).logits
    model.train(was)
    return found[:, -ids.shape[1] :]


class NotMergeable(Exception):
    """The adapter cannot become part of the weights."""


def merged(model: nn.Module, ids: Tensor) -> tuple[Tensor, int]:
    """Logits of the merged model, and how many of its tensors a plain model of its class lacks or does not know.

    Raises:
        NotMergeable: it holds learned inputs.
    """
    if any(isinstance(m, Starts | Prompts) for m in model.modules()) or hasattr(model, "prompt_encoder"):
        raise NotMergeable("a learned input is no weight")
    names, model = set(plain_names(model)), copy.deepcopy(model)
    merged = model.merge_and_unload() if hasattr(model, "peft_config") else merge(model)
    return logits(merged.eval(), ids), len(set(merged.state_dict()) ^ names)


def plain_names(model: nn.Module) -> list[str]:
    """Names of the tensors of a model of the same class and size without adapters."""
    base = base_model(model)
    with torch.device("meta"):
        return list(stock_class(base)(base.config).state_dict())


@torch.no_grad()
def continued(model: nn.Module, ids: Tensor, tokens: int = 4) -> tuple[Tensor, Tensor]:
    """Logits of the same continuation, token by token with a cache and in one go without."""
    options = {"max_new_tokens": tokens, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    options |= {"attention_mask": torch.ones_like(ids), "pad_token_id": 0, "eos_token_id": None}
    model.eval()
    cached = model.generate(input_ids=ids, **options, use_cache=True)
    whole = torch.cat([ids, cached.sequences[:, -tokens:]], dim=1)
    full = model(input_ids=whole, use_cache=False).logits[:, -tokens - 1 : -1]
    return torch.stack(cached.logits, 1), full


def coverage(model: nn.Module) -> tuple[int, int]:
    """How many blocks hold something that is trained, of how many."""
    base = base_model(model)
    blocks = base.get_submodule(".".join(filter(None, [Backbone(base).path, "layers"])))
    return sum(any(p.requires_grad for p in block.parameters()) for block in blocks), len(blocks)
