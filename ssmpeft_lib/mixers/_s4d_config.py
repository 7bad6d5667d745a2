"""The options of a deep S4 layer, with what the paper and the released code choose."""

from __future__ import annotations

from dataclasses import dataclass, fields

CHOICES = {
    "domain": ("complex", "real"),
    "discretization": ("zoh", "bilinear"),
    "residual": ("before_projection", "after_projection"),
    "activation": ("relu", "identity"),
    "init": ("linear", "random"),
    "form": ("convolution", "recurrence", "scan"),
}


@dataclass(frozen=True)
class S4DConfig:
    """What a deep S4 layer looks like. The defaults are the authors' released layer.

    Attributes:
        d_model, d_state: channels, and states of each channel. A complex state stands for itself and its conjugate.
        domain: `complex` (the released code) or `real` (Lemmas 3 to 9).
        discretization: `zoh` (the released code) or `bilinear`, eq. (17).
        residual: where the residual enters. Eq. (4) has `after_projection`, act(W S4(x) + bias + D x);
            the released code has `before_projection`, act(W (S4(x) + D x) + bias).
        activation: `relu`, or `identity` for the theorems, which assume linear activations.
        init: `linear` is S4D-Lin, A_h = -1/2 + i pi h; `random` draws -Re(A) from (0, 1) and Im(A) / pi from 0 .. H-1.
        input_vector: True gives each state its own B. The released code fixes B = 1; tuning C does the same (Sec. 5.2).
        released_lag: at which lag the released code takes what a state adds to the kernel, to rank states by it: 1 in
            its script for Table 4, half the sequence in that for Figures 1 and 2.
    Raises:
        ValueError: an option is none of its choices.
    """

    d_model: int = 64
    d_state: int = 16
    domain: str = "complex"
    discretization: str = "zoh"
    residual: str = "before_projection"
    activation: str = "relu"
    init: str = "linear"
    input_vector: bool = False
    released_lag: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in CHOICES:
                check_choice(field.name, getattr(self, field.name))


def check_choice(name: str, value: str) -> str:
    """Return `value`, or raise a ValueError that lists what the option `name` may be."""
    if value not in CHOICES[name]:
        raise ValueError(f"S4D: {name} {value!r} is not one of {', '.join(CHOICES[name])}")
    return value
