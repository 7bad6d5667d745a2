"""Full fine-tuning, of the whole model or of chosen slots (the rows "Full" of Tables 1-18)."""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.deltas import Dense
from ..adapters.method import Method


@dataclass(frozen=True)
class Full(Method):
    """`full` trains every parameter of the model; `full@slot+slot` every entry of those slots and nothing else."""

    family = "full"
    learning_rate = 4e-3
    learning_rates = {
        "ssm": 2e-2,
        **dict.fromkeys(("conv1d", "conv1d_bias", "x_proj", "in_proj_B", "in_proj_C", "in_proj_dt"), 5e-2),
        **dict.fromkeys(("A_log", "D", "norm", "norm_f", "dt_proj", "dt_proj_bias"), 1e-1),
    }

    def adapt(self, backbone: Backbone) -> None:
        if not self.targets:
            backbone.train_everything()
            return
        for slot in backbone.slots(self.targets):
            backbone.attach(slot, Dense(slot.shape))
