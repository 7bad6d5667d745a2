"""Prompt tuning: learned embeddings in front of the input (Lester et al., 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..adapters.backbone import Backbone
from ..adapters.method import Method

if TYPE_CHECKING:
    from peft import PromptTuningConfig


@dataclass(frozen=True)
class Prompt(Method):
    """A soft prompt of `tokens` embeddings, started from those of random tokens."""

    tokens: int = 64
    """Length of the prompt: 16 on GLUE, 64 elsewhere (Tables 7-11)."""

    family = "prompt"
    acts_on_slots = False
    starts_unchanged = False
    learning_rate = 0.2

    def adapt(self, backbone: Backbone) -> None:
        self.check_count("tokens")
        backbone.attach_prompt(self.tokens)

    def stock_peft(self, backbone: Backbone) -> PromptTuningConfig:
        from peft import PromptTuningConfig

        # peft asks for a number of heads, which an SSM does not have
        heads = getattr(backbone.model.config, "num_attention_heads", 1)
        return PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=self.tokens, num_attention_heads=heads)
