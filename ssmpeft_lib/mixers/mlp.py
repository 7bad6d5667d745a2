"""MLP, gated or not (Table 12, "MLP", together with the experts).

transformers has the gate and the way up in a layer each, or one behind the other in one: `gate_up_proj` in Zamba2 and
`input_linear` in the shared experts of Granite. Nemotron-H has no gate.
"""

from torch import nn

from ..adapters.attach import AdaptedLinear
from ..adapters.slots import SlotSpec

FUSED = ("gate_up_proj", "input_linear")

SLOTS = {
    "gate_proj": SlotSpec(("gate_proj.weight", *(f"{name}.weight" for name in FUSED)), rows=lambda m: _half(m, 0)),
    "up_proj": SlotSpec(("up_proj.weight", *(f"{name}.weight" for name in FUSED)), rows=lambda m: _half(m, 1)),
    "down_proj": SlotSpec(("down_proj.weight", "output_linear.weight")),
}

GROUPS = {"mlp": tuple(SLOTS)}


def matches(module: nn.Module) -> bool:
    """Whether a module is an MLP: a layer up, or one fused with the gate, and one down."""
    pairs = (("up_proj", "down_proj"), ("gate_up_proj", "down_proj"), ("input_linear", "output_linear"))
    return any(all(_is_linear(module, name) for name in pair) for pair in pairs)


def _is_linear(module: nn.Module, name: str) -> bool:
    return isinstance(getattr(module, name, None), nn.Linear | AdaptedLinear)


def _half(module: nn.Module, which: int) -> slice | None:
    fused = next((getattr(module, name) for name in FUSED if _is_linear(module, name)), None)
    if fused is None:
        return None
    middle = fused.out_features // 2
    return slice(which * middle, (which + 1) * middle)
