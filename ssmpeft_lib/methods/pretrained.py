"""The pretrained model as it is: nothing is trained (first row of Table 7)."""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.method import Method


@dataclass(frozen=True)
class Pretrained(Method):
    """No adaptation."""

    family = "frozen"
    acts_on_slots = False
    learning_rate = 0.0

    def adapt(self, backbone: Backbone) -> None:
        pass
