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

from .adaptation import Adaptation, adapt, adaptation_of, base_model, untouched_on_error
from .adapters.named import Named
from .adapters.sparse import Sparse

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PEFT_TYPE = "SSMPEFT"
PREFIX = "base_model.model."


def save(model: nn.Module, folder: str | Path, adapter: str | None = None) -> Path:
    """Write an adapter into a folder: what is trained, and the indices of what was selected.

    Args:
        model: adapted by `adapt`.
        adapter: whose, where the model has several.
    Returns:
        the folder, with adapter_config.json and adapter_model.safetensors.
    Raises:
        ValueError: the model is not adapted.
    """
    found = adaptation_of(model, adapter)
    model, folder = base_model(model), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {PREFIX + key: tensor.detach().cpu().contiguous() for key, tensor in _stored(model, found).items()}
    config = {
        "peft_type": PEFT_TYPE,
        "method": found.method.spelled_out(),
        "base_class": type(model).__name__,
        "base_model_name_or_path": getattr(getattr(model, "config", None), "_name_or_path", None) or None,
        "task_type": "CAUSAL_LM" if hasattr(model, "generate") else None,
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
        ValueError: a file cannot be read, or the adapter is of another kind or for another model.
    """
    config, tensors = _config(Path(folder) / CONFIG), _weights(Path(folder) / WEIGHTS)
    with untouched_on_error(model):
        adapt(model, config["method"])
        _fill(model, tensors, Path(folder), config)
    return model


def _stored(model: nn.Module, found: Adaptation) -> dict[str, Tensor]:
    """Live tensors of an adapter by the names they are stored under."""
    inside = f".deltas.{found.adapter}."
    carriers = {name for name, module in model.named_modules() if isinstance(module, Named)}
    state = model.state_dict(keep_vars=True)
    stored = {
        key.replace(inside, ".deltas."): tensor
        for key, tensor in state.items()
        if inside in key and key.partition(inside)[0] in carriers
    }
    # full fine-tuning trains the model's own parameters, a tied one under one name
    own = {name: p for name, p in model.named_parameters() if p.requires_grad and ".deltas." not in name}
    return stored | own


def _fill(model: nn.Module, tensors: dict[str, Tensor], folder: Path, config: dict) -> None:
    expected = {PREFIX + key: tensor for key, tensor in _stored(model, adaptation_of(model)).items()}
    problems = [f"{key} is missing" for key in sorted(expected.keys() - tensors.keys())]
    problems += [f"{key} belongs nowhere" for key in sorted(tensors.keys() - expected.keys())]
    problems += [
        f"{key} has the shape {list(tensors[key].shape)}, not {list(tensor.shape)}"
        for key, tensor in sorted(expected.items())
        if key in tensors and tensors[key].shape != tensor.shape
    ]
    if problems:
        made_for = f" (made for {config['base_class']})" if config.get("base_class") else ""
        raise ValueError(
            f"{folder / WEIGHTS}{made_for} does not fit {type(model).__name__}: {problems[0]}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else "")
            + "; load it into the model that it was trained on"
        )
    with torch.no_grad():
        for key, tensor in expected.items():
            tensor.copy_(tensors[key])
    for delta in model.modules():
        if isinstance(delta, Sparse) and not delta.points_inside:
            raise ValueError(f"{folder / WEIGHTS}: an index lies outside of its weight; the file was damaged")


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
