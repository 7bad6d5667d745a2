"""The configuration of an adapter: a method string."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar

# the package itself and no module in it: that waits until another thread has imported all of it
from peft import PeftConfig, PeftType

from ..adapters.method import build_method
from ..adapters.storage import LOAD_WITH, PEFT_TYPE
from ..plan.cell import in_our_words
from .registration import register

STARTING = "## How to Get Started with the Model"
"""The heading in the hub's template of a model card."""

HOW_TO_LOAD = """This adapter is of a type that peft does not know by itself; the library `ssmpeft_lib` brings it.

```python
import ssmpeft_lib  # makes the type known
from peft import PeftModel

model = PeftModel.from_pretrained(base_model, adapter)  # the model, and the folder or name of this adapter
```
"""


@dataclass
class SSMPeftConfig(PeftConfig):
    """Configuration for `peft.get_peft_model`.

    Args:
        method: a method string such as `lora@in_proj_x+out_proj,rank=16` or `sdlora,freeze_states=0.9`.
        modules_to_save: modules that are trained in full and saved, besides the method.
        base_class, vocab_size: class of the model that the adapter is for, and how many tokens it embeds; filled in.
    Raises:
        LookupError: no such method or option.
        ValueError: a malformed method string, or a value that an option does not take.
    """

    method: str = field(default="lora", metadata={"help": "Method string, such as lora@out_proj,rank=16."})
    modules_to_save: list[str] | None = field(default=None, metadata={"help": "Modules trained in full and saved."})
    base_class: str | None = field(default=None, metadata={"help": "Class of the base model; filled in."})
    vocab_size: int | None = field(default=None, metadata={"help": "Tokens that the base model embeds; filled in."})
    load_with: str = field(default=LOAD_WITH, metadata={"help": "A note to whoever finds the adapter."})

    # read by peft's generic code: nothing is matched by module names, everything goes through the method's slots
    target_modules: ClassVar[list[str]] = []
    target_parameters: ClassVar[tuple[str, ...]] = ("slots of the method",)
    exclude_modules: ClassVar[None] = None
    layers_to_transform: ClassVar[None] = None
    layers_pattern: ClassVar[None] = None

    def __new__(cls, *args, **options):
        """Answer peft's words before they are refused as unknown."""
        known = {item.name for item in fields(cls)}
        words = [word for name in options if name not in known and (word := in_our_words(name))]
        if words:
            raise TypeError(f"SSMPeftConfig takes a method string, as in method='lora@in_proj,rank=8'; {words[0]}")
        return super().__new__(cls)

    def __post_init__(self):
        super().__post_init__()
        # long done, unless another import hook, or another thread, got in between
        register()
        self.peft_type = PeftType(PEFT_TYPE)
        build_method(self.method)

    def save_pretrained(self, save_directory: str, **kwargs) -> None:
        """Write the configuration, and into the model card that peft has put beside it how the adapter is loaded."""
        super().save_pretrained(save_directory, **kwargs)
        card = Path(save_directory) / "README.md"
        text = card.read_text(encoding="utf-8") if card.exists() else ""
        if text and HOW_TO_LOAD not in text:
            before, heading, after = text.partition(STARTING)
            text = f"{before}{heading}\n\n{HOW_TO_LOAD}{after}" if heading else f"{text}\n\n{STARTING}\n\n{HOW_TO_LOAD}"
            card.write_text(text, encoding="utf-8")
