"""The model card of a saved adapter: what it is, and how it is loaded with this library and without."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CARD = "README.md"
WRITTEN = "<!-- written by ssmpeft_lib.save, which writes it anew as long as this line is here -->"


@dataclass(frozen=True)
class Card:
    """What a model card says.

    Attributes:
        method: the method string, in full.
        base, base_class: name or folder of the model that the adapter is for, where it has one, and its class.
        numbers, total: how many numbers are trained, and how many the model has.
        merges: whether the adapter can become part of the weights.
    """

    method: str
    base: str | None
    base_class: str
    numbers: int
    total: int
    merges: bool

    def __str__(self) -> str:
        """The card, with the header that the hub reads."""
        on_hub = self.base is not None and not Path(self.base).exists()
        header = ["---", "library_name: ssmpeft_lib", "tags: [adapter, state-space-model]"]
        header += [f"base_model: {self.base}"] if on_hub else []
        base = self.base if on_hub else "BASE"
        way_out = (
            'model = ssmpeft_lib.merge(model)\nmodel.save_pretrained("merged")  # a plain model of transformers'
            if self.merges
            else "# a learned state, prefix, prompt or offset is no weight: this adapter needs the library"
        )
        return f"""{chr(10).join(header)}
---
{WRITTEN}

# `{self.method}` on {self.base_class}

An adapter for {f"`{self.base}`" if on_hub else f"a {self.base_class}"}: {self.numbers:,} trained numbers, \
{100 * self.numbers / self.total:.4g} % of those of the model.

```python
import ssmpeft_lib
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("{base}")
model = ssmpeft_lib.load(model, "ADAPTER")  # this folder
# or, through peft: model = peft.PeftModel.from_pretrained(model, "ADAPTER")
```

For users without the library:

```python
{way_out}
```
"""


def is_of_someone(path: Path) -> bool:
    """Whether a card is there that someone has made his own."""
    return path.exists() and WRITTEN not in path.read_text(encoding="utf-8")
