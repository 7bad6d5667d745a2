"""The slots and groups of slots of a mixer, read from its source: importing it would import torch."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..plan.registry import PACKAGE

HANDLES = ("soft_prompt", "initial_state")
"""Places where a method acts that are no parameters of the checkpoint."""


@dataclass(frozen=True)
class SlotFacts:
    """Where a slot lives: the parameter below its owner, and which axes are channels and states."""

    name: str
    parameter: str
    channel_axis: int | None
    state_axis: int | None


@cache
def slots(mixer: str) -> dict[str, SlotFacts]:
    """The slots of a mixer such as `s6`, by name."""
    found = {}
    for key, call in zip(_constant(mixer, "SLOTS").keys, _constant(mixer, "SLOTS").values, strict=True):
        parameter = ast.literal_eval(call.args[0])
        given = {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
        path = parameter if isinstance(parameter, str) else parameter[0]
        found[key.value] = SlotFacts(key.value, path, given.get("channel_axis"), given.get("state_axis"))
    return found


@cache
def groups(mixer: str) -> dict[str, tuple[str, ...]]:
    """The groups of slots of a mixer, by name."""
    expression = compile(ast.Expression(_constant(mixer, "GROUPS")), mixer, "eval")
    names: dict[str, Any] = {"SLOTS": slots(mixer), "tuple": tuple, "__builtins__": {}}
    return eval(expression, names)  # noqa: S307 - a literal of this package, but for the names of SLOTS


def _constant(mixer: str, name: str) -> ast.Dict:
    tree = ast.parse((PACKAGE / "mixers" / f"{mixer}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.value
    raise LookupError(f"ssmpeft_lib/mixers/{mixer}.py has no {name}")
