"""What the doctor measures. Every probe works on a copy and leaves the model that it is given alone."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ..adapters.api import base_model, merge
from ..adapters.attach import HALF, AdaptedParameter, Shows, shared_weights
from ..adapters.backbone import Backbone
from ..adapters.inputs.learned import LearnedInput
from ..adapters.mixed_class import mix_in, stock_class
from ..adapters.quantised import dequantised, quantiser_of
from .fused import fused_kernels


def prepared(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy in float64 on the CPU, without dropout; what is trained in it has been moved away from its start.

    Quantised layers are plain ones in it, as quantisers round what goes through them.
    """
    model = _with_plain_layers(model).cpu().double()
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


def is_quantised(model: nn.Module) -> bool:
    """Whether a layer of the model is quantised."""
    return any(_is_quantised_layer(module) for module in model.modules())


def _is_quantised_layer(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) and bool(quantiser_of(module.weight, module))


def _with_plain_layers(model: nn.Module) -> nn.Module:
    """A copy in which every quantised layer is a plain one."""
    quantised = [module for module in model.modules() if _is_quantised_layer(module)]
    memo = {id(layer): dequantised(layer) for layer in quantised}
    for layer in quantised:
        # what adapts its bias comes along
        plain = memo[id(layer)]
        plain.bias = copy.deepcopy(plain.bias)
        for name, child in layer.named_children():
            plain.add_module(name, copy.deepcopy(child, memo))
            if isinstance(child, AdaptedParameter):
                mix_in(plain, Shows, child.name)
    return copy.deepcopy(model, memo)


def small_changes_lost(model: nn.Module) -> list[str]:
    """Names of trained tensors in half precision, and of raw parameters that an adapter changes in half precision."""
    lost = [name for name, p in model.named_parameters() if p.requires_grad and p.dtype in HALF]
    for name, module in model.named_modules():
        # peft's wrapper of a raw parameter, which adds the change in the type of the parameter
        parameter = module.get_param() if hasattr(module, "get_param") and hasattr(module, "parameter_name") else None
        if parameter is not None and parameter.dtype in HALF and parameter.dim() < 3:
            lost.append(f"{name}.{module.parameter_name}")
    return lost


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


def relative_difference(one: Tensor, other: Tensor) -> float:
    """Largest difference between two tensors, as a share of the largest entry of the second."""
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-30))


class NotMergeable(Exception):
    """The adapter cannot become part of the weights."""


def merged(model: nn.Module, ids: Tensor, quantised: bool = False) -> tuple[Tensor, int]:
    """Logits of the merged model, and how many of its tensors a plain model of its class lacks or does not know.

    Raises:
        NotMergeable: it holds learned inputs, changes weights that layers share, or is a copy of a `quantised` model.
    """
    if any(isinstance(m, LearnedInput) for m in model.modules()) or hasattr(model, "prompt_encoder"):
        raise NotMergeable("a learned input is no weight")
    if shared_weights(model):
        raise NotMergeable("layers share weights and have a change each")
    if quantised:
        raise NotMergeable("quantised weights take no adapter in")
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


@torch.no_grad()
def packed(model: nn.Module, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of documents one behind the other in one row, and of each alone."""
    model.eval()
    documents = [part for row in ids.split(1) for part in row.split(max(1, ids.shape[1] // 2), dim=1)]
    number = torch.cat([torch.full_like(document, i) for i, document in enumerate(documents)], dim=1)
    together = model(input_ids=torch.cat(documents, dim=1), seq_idx=number.int(), use_cache=False).logits
    return together, torch.cat([logits(model, document) for document in documents], dim=1)


def coverage(model: nn.Module) -> tuple[int, int]:
    """How many blocks hold something that is trained, of how many."""
    base = base_model(model)
    blocks = base.get_submodule(".".join(filter(None, [Backbone(base).path, "layers"])))
    return sum(any(p.requires_grad for p in block.parameters()) for block in blocks), len(blocks)
