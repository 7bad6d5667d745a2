"""SDT: train a few channels and states of the SSM, chosen by what a warm-up changes (Sec. 5, Algorithm 1, Sec. D.2).

The paper's text and the released code differ. `rule=upstream` is the released code: the warm-up trains A_log and the
adapter on the projections, and all states of a chosen channel are trained in W_B and W_C. The printed shares are those
of this rule, on Mamba-130M with other ratios than the released ones (erratum E-28). `rule=paper` is the text: the
warm-up trains all of the SSM, and W_B and W_C are trained at the chosen entries only.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..adapters.backbone import Backbone
from ..adapters.deltas import Dense
from ..adapters.method import Method, train_fully
from ..adapters.selection.budget import Budget, Selection, select
from ..adapters.selection.choice import Choice, choices
from ..adapters.selection.warmup import Warmup
from ..adapters.slots import Slot
from ..adapters.sparse import Sparse, SparseOrSilent, StandIn


def select_dimensions(
    change: Tensor,
    freeze_channels: float,
    freeze_states: float,
    zero_channels: float = 0.0,
    zero_states: float = 0.0,
) -> Tensor:
    """Mask of the (channel, state) entries of A_log that are trained (Algorithm 1, lines 8-12).

    Args:
        change: A_log after the warm-up minus before, of any sign, shape [d_inner, d_state].
        freeze_channels, freeze_states: what stays frozen, as fractions in [0, 1); the paper uses 0.99 and 0.75 to 0.95
            (Sec. D.4). Whole numbers are counts.
        zero_channels, zero_states: what is silenced, and not trained either.
    Returns:
        bool [d_inner, d_state]; at least one state of at least one channel is True.
    Raises:
        ValueError: a fraction outside [0, 1), or nothing is left to train.
    """
    budget = Budget.of(tuple(change.shape), freeze_channels, freeze_states, zero_channels, zero_states)
    return select(change.square(), budget).trained


@dataclass(frozen=True)
class SDT(Method):
    """Sparse training of the SSM, and of the chosen channels' columns in projections.

    These are those of `targets`; if none are named, those that read the chosen channels: out_proj, or none in Mamba-2,
    whose A has no channels, so that channels are chosen among the inputs of W_B and W_C (Sec. D.6).
    """

    freeze_channels: float = 0.99
    """Fraction of the channels that stay frozen (Sec. D.4)."""
    freeze_states: float = 0.75
    """Fraction of the states of a channel that stay frozen: 0.75, 0.9 or 0.95 in the paper (Sec. D.4)."""
    zero_channels: float = 0.0
    """Fraction of the channels that are silenced (Algorithm 1; none in the paper's language models)."""
    zero_states: float = 0.0
    """Fraction of the states of a channel that are silenced."""
    rule: str = "upstream"
    """`paper` (text) or `upstream` (released code)."""
    also: str = ""
    """Slots or groups, joined by dots, that are trained in full as well."""

    family = "sdlora"
    learning_rate = 4e-2
    selects = True

    def adapt(self, backbone: Backbone) -> None:
        if self.rule not in ("paper", "upstream"):
            raise self.refuse("rule", "must be paper or upstream")
        for choice in self.choices(backbone):
            for slot in choice.slots:
                backbone.attach(slot, self._sparse(slot, choice))
        for part in backbone.mixers:
            for slot in backbone.slots_of(part, "dynamics"):
                if slot.state_axis is None:
                    backbone.attach(slot, Dense(slot.shape))
        train_fully(backbone, self.also)
        self.adapt_projections(backbone)
        self._stand_in(backbone)

    def adapt_projections(self, backbone: Backbone) -> None:
        """Attach what is trained on whole projections; SDT trains columns of them only (Sec. D.2)."""

    def choices(self, backbone: Backbone) -> list[Choice]:
        """The selections to make, one or more for each mixer."""
        by_group = [slot for part in backbone.mixers for slot in backbone.slots_of(part, "columns")]
        return choices(backbone, backbone.slots(self.targets) if self.targets else by_group)

    def begin_warmup(self, backbone: Backbone) -> Warmup:
        if self.rule == "paper":
            return Warmup(backbone, backbone.slots(("ssm",)), beside=[])
        sparse = {id(m.values) for m in backbone.model.modules() if isinstance(m, Sparse)}
        beside = [p for p in backbone.model.parameters() if p.requires_grad and id(p) not in sparse]
        return Warmup(backbone, backbone.slots(("warmup",)), beside)

    def select(self, backbone: Backbone, warmup: Warmup) -> dict[str, Selection]:
        made = [(choice, self._select(choice, backbone, warmup)) for choice in self.choices(backbone)]
        warmup.undo()
        for choice, selection in made:
            self._choose(choice, selection, backbone)
        return {choice.name: selection for choice, selection in made}

    def buffer_size(self, backbone: Backbone) -> int:
        return sum(slot.block.numel() for choice in self.choices(backbone) for slot in choice.deciding)

    def _stand_in(self, backbone: Backbone) -> None:
        """Choose by the frozen values, so that the model runs before a warm-up has chosen."""
        stand_in = StandIn()
        for choice in self.choices(backbone):
            if not any(slot.block.is_meta for slot in choice.deciding):
                scores = choice.scores(lambda slot: slot.block.detach().float())
                selection = select(scores, self._budget(choice), silence_kept=self.rule == "paper")
                self._choose(choice, selection, backbone, stand_in)

    def _select(self, choice: Choice, backbone: Backbone, warmup: Warmup) -> Selection:
        frozen, warmed = (backbone.values(choice.part, warmed) for warmed in (False, True))
        scores, magnitude = choice.part.ranks(frozen, warmed, self.rule)
        scores = choice.scores(warmup.change) if scores is None else scores
        return select(scores, self._budget(choice), magnitude, silence_kept=self.rule == "paper")

    @property
    def _silences(self) -> bool:
        return bool(self.zero_channels or self.zero_states)

    def _budget(self, choice: Choice) -> Budget:
        shares = (self.freeze_channels, self.freeze_states, self.zero_channels, self.zero_states)
        if self._silences and all(slot.silent is None for slot in choice.slots):
            raise self.refuse("zero_channels", f"must be 0: nothing in {choice.part.path} can be silenced")
        return Budget.of(choice.shape, *shares)

    def _sparse(self, slot: Slot, choice: Choice) -> Sparse:
        budget, (channels, states) = self._budget(choice), choice.shape
        trained_states = states if self._in_whole_channels(slot, choice) else budget.states
        count = choice.size(slot, budget.channels, trained_states)
        if slot.silent is None or not self._silences:
            return Sparse(slot.shape, count)
        silent = choice.size(slot, budget.silent_channels, states)
        if self._silences_states(slot, choice):
            kept = channels - budget.silent_channels if self.rule == "paper" else budget.channels
            silent += choice.size(slot, kept, budget.silent_states)
        return SparseOrSilent(slot.shape, count, silent, slot.silent)

    def _choose(
        self, choice: Choice, selection: Selection, backbone: Backbone, stand_in: StandIn | None = None
    ) -> None:
        for slot in choice.slots:
            delta = backbone.delta(slot)
            trained = selection.columns if self._in_whole_channels(slot, choice) else selection.trained
            delta.choose(choice.mask_for(trained, slot), stand_in)
            if isinstance(delta, SparseOrSilent):
                silent = selection.silent
                if not self._silences_states(slot, choice):
                    silent = silent.all(dim=1, keepdim=True).expand_as(silent)
                delta.silence(choice.mask_for(silent, slot), stand_in)

    def _in_whole_channels(self, slot: Slot, choice: Choice) -> bool:
        # the released code trains all rows of the chosen columns of W_B and W_C
        return self.rule == "upstream" and slot in choice.following and slot.is_projection

    def _silences_states(self, slot: Slot, choice: Choice) -> bool:
        # the released code silences single states through C, but not through A_log
        return self.rule == "paper" or slot in choice.following
