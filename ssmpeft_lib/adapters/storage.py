"""Save and load an adapter: safetensors and JSON, in the layout of Hugging Face peft, which reads these folders too."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..compat.transformers import name_or_path
from ..plan.atomic import replacing, write_text
from ..plan.reading import read_json
from .adapter_set import AdapterSet
from .api import Adaptation, adapt, adaptation_of, base_model, count, untouched_on_error
from .card import CARD, Card, is_of_someone
from .inputs.learned import LearnedInput
from .method import build_method
from .sparse import Sparse

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
RESUMABLE = "model.safetensors"
"""Where transformers' Trainer looks for what it resumes from."""
PEFT_TYPE = "SSMPEFT"
PREFIX = "base_model.model."
LOAD_WITH = "import ssmpeft_lib, then peft.PeftModel.from_pretrained"
"""The note in a saved configuration to whoever finds the adapter: peft alone does not know its type."""


def save(
    model: nn.Module, folder: str | Path, adapter: str | None = None, state_dict: dict[str, Tensor] | None = None
) -> Path:
    """Write an adapter into a folder: what is trained, and the indices of what was selected.

    Args:
        model: adapted by `adapt` or by peft's `get_peft_model`.
        adapter: whose; None for the only one, or the only active one.
        state_dict: where to take the tensors from, by their names in the model; None for the model itself.
    Returns:
        the folder, with adapter_config.json, adapter_model.safetensors and a model card, unless it has one of yours.
    Raises:
        ValueError: the model is not adapted.
    """
    found = adaptation_of(model, adapter)
    model, folder = base_model(model), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict() if state_dict is None else state_dict
    tensors = {PREFIX + key: _written(state[name]) for key, name in live_names(model, found).items()}
    whole = f".modules_to_save.{found.adapter}."
    config = {
        "peft_type": PEFT_TYPE,
        "method": found.method.spelled_out(),
        "base_class": type(model).__name__,
        "vocab_size": embedding_rows(model),
        "base_model_name_or_path": name_or_path(model),
        "task_type": "CAUSAL_LM" if hasattr(model, "generate") else None,
        "modules_to_save": sorted({key.partition(whole)[0] for key in model.state_dict() if whole in key}) or None,
        "load_with": LOAD_WITH,
    }
    with replacing(folder / WEIGHTS) as draft:
        save_file(tensors, draft, metadata={"format": "pt"})
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    if not is_of_someone(folder / CARD):
        write_text(folder / CARD, str(_card(model, found, tensors)))
    return folder


def _card(model: nn.Module, found: Adaptation, tensors: dict[str, Tensor]) -> Card:
    numbers = sum(tensor.numel() for tensor in tensors.values() if tensor.is_floating_point())
    carriers = [module for module in model.modules() if isinstance(module, AdapterSet)]
    learned = any(isinstance(module, LearnedInput) and found.adapter in module.deltas for module in carriers)
    about = name_or_path(model), type(model).__name__
    return Card(found.method.spelled_out(), *about, numbers, int(count(model)["total"]), not learned)


def save_resumable(model: nn.Module, folder: str | Path, state_dict: dict[str, Tensor] | None = None) -> Path:
    """Write an adapter as `save` does, and model.safetensors with its tensors under their names in the adapted model.

    transformers' Trainer goes on from the second file; everything that is frozen is missing in it.
    """
    folder = save(model, folder, state_dict=state_dict)
    state = model.state_dict() if state_dict is None else state_dict
    tensors = {name: _written(state[name]) for name in live_names(model).values()}
    with replacing(folder / RESUMABLE) as draft:
        save_file(tensors, draft, metadata={"format": "pt"})
    return folder


def load(model: nn.Module, folder: str | Path) -> nn.Module:
    """Adapt a model as a saved adapter does, in place.

    Args:
        model: the model that the adapter was trained on, not adapted.
        folder: written by `save` or by peft's `save_pretrained`.
    Raises:
        FileNotFoundError: a file of the adapter is missing.
        NotADirectoryError: `folder` is a file.
        ValueError: a file cannot be read, or the adapter is of another kind or for another model, or holds modules that
            peft trained whole.
    """
    if Path(folder).is_file():
        raise NotADirectoryError(f"{folder} is a file; give its folder, an adapter is one with {CONFIG} and {WEIGHTS}")
    config, tensors = _config(Path(folder) / CONFIG), _weights(Path(folder) / WEIGHTS)
    try:
        check_base(config.get("base_class"), config.get("vocab_size"), model)
        with untouched_on_error(model):
            adapt(model, config["method"])
            _fill(model, tensors, Path(folder) / WEIGHTS)
    except (ValueError, LookupError) as error:
        if str(folder) in str(error):
            raise
        raise type(error)(f"{Path(folder) / CONFIG}: {error}") from None
    return model


def hotswap(model: nn.Module, folder: str | Path, adapter: str | None = None) -> nn.Module:
    """Put the values of a saved adapter in the place of those of an adapter on a model, which stays as it is built.

    Nothing is attached or taken away, so that what was compiled or captured of the model goes on with the new values.

    Args:
        model: adapted here or through peft with the method of the saved adapter.
        folder: written by `save` or by peft's `save_pretrained`.
        adapter: whose values are replaced; None for the only one, or the only active one.
    Raises:
        ValueError: the saved adapter is of another method or for another model, or a file cannot be read; the model
            keeps its values then.
    """
    found, config = adaptation_of(model, adapter), _config(Path(folder) / CONFIG)
    model = base_model(model)
    check_base(config.get("base_class"), config.get("vocab_size"), model)
    if build_method(config["method"]) != found.method:
        raise ValueError(
            f"{folder} holds {config['method']}, and the adapter on the model is {found.method.spelled_out()}; only "
            "adapters of one method can take each other's place"
        )
    merged = [module for module in model.modules() if found.adapter in getattr(module, "before_merge", ())]
    if merged:
        raise ValueError(f"adapter {found.adapter!r} is merged into the weights; unmerge it first")
    replaced = set(live_names(model, found).values())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if name in replaced}
    try:
        _fill(model, _weights(Path(folder) / WEIGHTS), Path(folder) / WEIGHTS, found)
    except ValueError:
        model.load_state_dict(before, strict=False)
        raise
    return model


def embedding_rows(model: nn.Module) -> int | None:
    """How many tokens a model embeds; None where it embeds none."""
    embedding = model.get_input_embeddings() if hasattr(model, "get_input_embeddings") else None
    return None if embedding is None else len(embedding.weight)


def check_base(base_class: str | None, vocab_size: int | None, model: nn.Module) -> None:
    """Raise a ValueError when an adapter was made for another class of models, or more tokens; None fits all."""
    rows = embedding_rows(model)
    if vocab_size is not None and rows is not None and rows < vocab_size:
        raise ValueError(
            f"the adapter was made for a {base_class or type(model).__name__} with {vocab_size} tokens, this one "
            f"embeds {rows}; rows that were added are not part of the adapter: save the resized model, and load that"
        )
    if base_class is not None and base_class not in {kind.__name__ for kind in type(model).__mro__}:
        raise ValueError(
            f"the adapter was made for {base_class} and does not fit {type(model).__name__}; load it into the model "
            "that it was trained on"
        )


def check_indices(module: nn.Module) -> None:
    """Raise a ValueError when a module inside chooses entries that its weight does not have."""
    for name, delta in module.named_modules():
        if not isinstance(delta, Sparse):
            continue
        wrong = "" if delta.indices_in_range else f"an index lies outside of its weight {list(delta.shape)}"
        wrong = wrong or ("" if delta.chooses_once else "an index is there twice")
        if wrong:
            raise ValueError(f"{name or 'a sparse delta'}: {wrong}; the file was damaged, copy it again")


def live_names(model: nn.Module, found: Adaptation | None = None) -> dict[str, str]:
    """Names of an adapter's tensors in an adapted model, by the names that they are stored under, which are peft's.

    Args:
        found: which adapter; None for the only one, or the only active one.
    """
    found = adaptation_of(model) if found is None else found
    inside, whole = f".deltas.{found.adapter}.", f".modules_to_save.{found.adapter}."
    carriers = {name for name, module in model.named_modules() if isinstance(module, AdapterSet)}
    carried = {
        key.replace(inside, ".deltas.").replace(whole, "."): key
        for key in model.state_dict()
        if whole in key or (inside in key and key.partition(inside)[0] in carriers)
    }
    return carried | {name: name for name in _own(model)}


def _own(model: nn.Module) -> list[str]:
    """The model's own trained parameters: of full fine-tuning, and others that were unfrozen; a tied one once."""
    others = (".deltas.", ".modules_to_save.")
    return [n for n, p in model.named_parameters() if p.requires_grad and not any(mark in n for mark in others)]


def _written(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _not_the_values_of(tensor: Tensor, stored: Tensor) -> str:
    """What is wrong with the values that are stored for a tensor, in words; empty where nothing is."""
    if tensor.is_floating_point():
        if not stored.is_floating_point():
            return f"is of type {stored.dtype}, not a floating-point one"
        return "" if stored.isfinite().all() else "holds values that are not finite"
    return "" if stored.dtype == tensor.dtype else f"is of type {stored.dtype}, not {tensor.dtype}"


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path, found: Adaptation | None = None) -> None:
    for name, parameter in model.named_parameters():
        # such as a new head, which was trained beside the method
        if PREFIX + name in tensors:
            parameter.requires_grad_(True)
    state = model.state_dict(keep_vars=True)
    expected = {PREFIX + key: state[name] for key, name in live_names(model, found).items()}
    problems = [f"{key} is missing" for key in sorted(expected.keys() - tensors.keys())]
    problems += [f"{key} belongs nowhere" for key in sorted(tensors.keys() - expected.keys())]
    problems += [
        f"{key} has the shape {list(tensors[key].shape)}, not {list(tensor.shape)}"
        for key, tensor in sorted(expected.items())
        if key in tensors and tensors[key].shape != tensor.shape
    ]
    problems += [
        f"{key} {wrong}"
        for key, tensor in sorted(expected.items())
        if key in tensors and (wrong := _not_the_values_of(tensor, tensors[key]))
    ]
    if problems:
        raise ValueError(
            f"{path} does not fit this {type(model).__name__}: {problems[0]}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else "")
            + "; load it into the model that it was trained on"
        )
    own = {PREFIX + name for name in _own(model)}
    with torch.no_grad():
        for key in expected.keys() - own:
            expected[key].copy_(tensors[key])
        check_indices(model)
        # last, as these cannot be taken away again
        for key in own:
            expected[key].copy_(tensors[key])
    for delta in model.modules():
        if isinstance(delta, Sparse):
            delta.settle()


def _config(path: Path) -> dict:
    try:
        config = read_json(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing; an adapter is a folder with {CONFIG} and {WEIGHTS}") from None
    if not isinstance(config, dict) or config.get("peft_type") != PEFT_TYPE:
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise ValueError(f"{path} describes an adapter of type {kind!r}, not {PEFT_TYPE!r}; load it with peft itself")
    if not isinstance(config.get("method"), str):
        raise ValueError(f"{path} names no method, it has 'method': {config.get('method')!r}")
    if not isinstance(config.get("base_class"), str | None):
        raise ValueError(f"{path} has 'base_class': {config['base_class']!r}, which must be the name of a class")
    if not isinstance(config.get("vocab_size"), int | None):
        raise ValueError(f"{path} has 'vocab_size': {config['vocab_size']!r}, which must be a number of tokens")
    whole = config.get("modules_to_save")
    if not isinstance(whole, list | None) or not all(isinstance(name, str) for name in whole or ()):
        raise ValueError(f"{path} has 'modules_to_save': {whole!r}, which must be a list of names")
    if whole:
        raise ValueError(
            f"{path} names modules that peft trained whole (modules_to_save: {', '.join(whole)}); "
            "load it with peft.PeftModel.from_pretrained"
        )
    return config


def _weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; an adapter is a folder with {CONFIG} and {WEIGHTS}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); copy it again") from None
