"""Method strings: `name[@target+target][,option=value]`, the text that names a method in specs, paths and the shell."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

PATTERN = r"[a-z][a-z0-9_]*(?:@[A-Za-z][A-Za-z0-9_]*(?:\+[A-Za-z][A-Za-z0-9_]*)*)?(?:,[a-z][a-z0-9_]*=[A-Za-z0-9_.-]+)*"
"""What a method string may look like; without characters that a path, a shell or a wildcard would trip over."""

_WORD = re.compile(PATTERN)

Option = bool | int | float | str


@dataclass(frozen=True)
class MethodString:
    """A parsed method string.

    Attributes:
        name: the method's module in `ssmpeft_lib/methods/`.
        targets: slots or groups of slots; empty for the method's own default.
        options: values for the fields of the method's dataclass.
    """

    name: str
    targets: tuple[str, ...] = ()
    options: dict[str, Option] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> MethodString:
        """Parse `text`, for example `lora@in_proj_x+in_proj_z,rank=16`.

        Raises:
            TypeError: it is no text.
            ValueError: the text does not have the form `name[@target+target][,option=value]`, or a number is no
                finite one.
        """
        if not isinstance(text, str):
            raise TypeError(f"a method is a string such as 'lora@out_proj,rank=16', got a {type(text).__name__}")
        # as peft spells that group
        text = text.replace("all-linear", "all_linear")
        if not _WORD.fullmatch(text):
            raise ValueError(
                f"method {text!r} is not of the form name[@target+target][,option=value], "
                "for example lora@out_proj or sdlora,freeze_states=0.75"
            )
        head, *pairs = text.split(",")
        name, _, targets = head.partition("@")
        options = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key in options:
                raise ValueError(f"method {text!r} gives option {key!r} twice")
            options[key] = value_of(value)
            if isinstance(options[key], float) and not math.isfinite(options[key]):
                raise ValueError(f"method {text!r}: option {key} is {value}; allowed are finite numbers")
        return cls(name, tuple(targets.split("+")) if targets else (), options)

    def __str__(self) -> str:
        head = self.name + ("@" + "+".join(self.targets) if self.targets else "")
        return ",".join([head, *(f"{key}={_text(value)}" for key, value in self.options.items())])


def value_of(text: str) -> Option:
    """The truth value, number or word that a text stands for."""
    # as Python spells them, too
    if text in ("true", "false", "True", "False"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _text(value: Option) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
