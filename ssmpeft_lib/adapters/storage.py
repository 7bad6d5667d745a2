"""Save and load an adapter: safetensors and JSON, in the layout of Hugging Face peft, which reads these folders too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .api import Adaptation, adapt, adaptation_of, base_model, untouched_on_error
from .named import Named
from .sparse import Sparse

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PEFT_TYPE = "SSMPEFT"
PREFIX = "base_model.model."
LOAD_WITH = "import ssmpeft_lib, then peft.PeftModel.from_pretrained"
"""The note in a saved configuration to whoever finds the adapter: peft alone does not know its type."""


def save(model: nn.Module, folder: str | Path, adapter: str | None = None) -> Path:
    """Write an adapter into a folder: what is trained, and the indices of what was selected.

    Args:
        model: adapted by `adapt` or by peft's `get_peft_model`.
        adapter: whose; None for the only one, or the only active one.
    Returns:
        the folder, with adapter_config.json and adapter_model.safetensors.
    Raises:
        ValueError: the model is not adapted.
    """
    found = adaptation_of(model, adapter)
    model, folder = base_model(model), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    carried, own = _stored(model, found)
    tensors = {PREFIX + key: tensor.detach().cpu().contiguous() for key, tensor in (carried | own).items()}
    whole = f".modules_to_save.{found.adapter}."
    config = {
        "peft_type": PEFT_TYPE,
        "method": found.method.spelled_out(),
        "base_class": type(model).__name__,
        "base_model_name_or_path": getattr(getattr(model, "config", None), "_name_or_path", None) or None,
        "task_type": "CAUSAL_LM" if hasattr(model, "generate") else None,
        "modules_to_save": sorted({key.partition(whole)[0] for key in model.state_dict() if whole in key}) or None,
        "load_with": LOAD_WITH,
    }
    replace(folder / WEIGHTS, lambda path: save_file(tensors, path, metadata={"format": "pt"}))
    replace(folder / CONFIG, lambda path: path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8"))
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
    check_class(config.get("base_class"), model)
    with untouched_on_error(model):
        adapt(model, config["method"])
        _fill(model, tensors, Path(folder) / WEIGHTS)
    return model


def check_class(base_class: str | None, model: nn.Module) -> None:
    """Raise a ValueError when an adapter was made for another class of models; None fits all."""
    if base_class is not None and base_class not in {kind.__name__ for kind in type(model).__mro__}:
        raise ValueError(
            f"the adapter was made for {base_class} and does not fit {type(model).__name__}; load it into the model "
            "that it was trained on"
        )


def check_indices(module: nn.Module) -> None:
    """Raise a ValueError when a module inside chooses entries that its weight does not have."""
    for name, delta in module.named_modules():
        if isinstance(delta, Sparse) and not delta.points_inside:
            raise ValueError(
                f"{name or 'a sparse delta'}: an index lies outside of its weight {list(delta.shape)}; the file was "
                "damaged, copy it again"
            )


def _stored(model: nn.Module, found: Adaptation) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Live tensors of an adapter, and the model's own ones, by the names they are stored under, which are peft's."""
    inside, whole = f".deltas.{found.adapter}.", f".modules_to_save.{found.adapter}."
    carriers = {name for name, module in model.named_modules() if isinstance(module, Named)}
    state = model.state_dict(keep_vars=True)
    carried = {
        key.replace(inside, ".deltas.").replace(whole, "."): tensor
        for key, tensor in state.items()
        if whole in key or (inside in key and key.partition(inside)[0] in carriers)
    }
    # the model's own parameters: those of full fine-tuning, and others that were unfrozen; a tied one under one name
    others = (".deltas.", ".modules_to_save.")
    own = {
        name: p for name, p in model.named_parameters() if p.requires_grad and not any(mark in name for mark in others)
    }
    return carried, own


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    for name, parameter in model.named_parameters():
        # such as a new head, which was trained beside the method
        if PREFIX + name in tensors:
            parameter.requires_grad_(True)
    carried, own = _stored(model, adaptation_of(model))
    expected = {PREFIX + key: tensor for key, tensor in (carried | own).items()}
    problems = [f"{key} is missing" for key in sorted(expected.keys() - tensors.keys())]
    problems += [f"{key} belongs nowhere" for key in sorted(tensors.keys() - expected.keys())]
    problems += [
        f"{key} has the shape {list(tensors[key].shape)}, not {list(tensor.shape)}"
        for key, tensor in sorted(expected.items())
        if key in tensors and tensors[key].shape != tensor.shape
    ]
    if problems:
        raise ValueError(
            f"{path} does not fit this {type(model).__name__}: {problems[0]}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else "")
            + "; load it into the model that it was trained on"
        )
    with torch.no_grad():
        for key, tensor in carried.items():
            tensor.copy_(tensors[PREFIX + key])
        check_indices(model)
        # last, as these cannot be taken away again
        for key, tensor in own.items():
            tensor.copy_(tensors[PREFIX + key])


def _config(path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing; an adapter is a folder with {CONFIG} and {WEIGHTS}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error})") from None
    if not isinstance(config, dict) or config.get("peft_type") != PEFT_TYPE:
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise ValueError(f"{path} describes an adapter of type {kind!r}, not {PEFT_TYPE!r}; load it with peft itself")
    if not isinstance(config.get("method"), str):
        raise ValueError(f"{path} names no method, it has 'method': {config.get('method')!r}")
    if config.get("modules_to_save"):
        raise ValueError(
            f"{path} names modules that peft trained whole (modules_to_save: {', '.join(config['modules_to_save'])}); "
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


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file aside and put it in place when it is whole."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
