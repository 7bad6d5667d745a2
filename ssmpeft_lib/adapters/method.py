"""What every method is: a frozen dataclass whose fields are its options, with one `adapt`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from ..plan import registry
from ..plan.cell import parse_method
from ..plan.method_string import MethodString
from .backbone import Backbone
from .deltas import Dense
from .published import Published
from .selection.budget import Selection
from .selection.warmup import Warmup
from .slots import Slot

if TYPE_CHECKING:
    from peft import PeftConfig


MOST = 2**16
"""Vectors of a prompt or prefix, units of a network that computes one, ranks of shared matrices; more than any model
here has tokens or channels."""


@dataclass(frozen=True)
class Method:
    """A way to adapt a model. A subclass is found by the name of its module in `ssmpeft_lib/methods/`.

    Attributes:
        targets: the slots or groups of slots it acts on.
        family: for colours and marks in the book, a key of FAMILIES in ssmpeft_lib/plan/families.py.
        acts_on_slots: whether it acts on slots, so that targets may be named.
        starts_unchanged: whether the adapted model computes at the start what the model computed before.
        published: where it was published, for a method that the paper does not compare; None for the paper's.
        selects: whether a warm-up chooses what it trains; then `begin_warmup` and `select` are there.
        learning_rate: for the small stand-ins, found on their validation sets (benchmarks/quick_rates.py); the paper
            searches per data set.
        learning_rates: other ones, by target; where little is trained, it takes larger steps. See `rate`.
    """

    targets: tuple[str, ...] = ()

    family: ClassVar[str]
    acts_on_slots: ClassVar[bool] = True
    starts_unchanged: ClassVar[bool] = True
    published: ClassVar[Published | None] = None
    selects: ClassVar[bool] = False
    learning_rate: ClassVar[float]
    learning_rates: ClassVar[Mapping[str, float]] = {}

    def adapt(self, backbone: Backbone) -> None:
        """Attach what is trained. Everything else of the model is frozen already."""
        raise NotImplementedError

    def begin_warmup(self, backbone: Backbone) -> Warmup:
        """Make the model ready for the warm-up, and say what it trains."""
        raise ValueError(f"method {registry_name(self)!r} selects nothing and has no warm-up")

    def select(self, backbone: Backbone, warmup: Warmup) -> dict[str, Selection]:
        """Undo the warm-up and fix what is trained by what it changed; returns what was chosen where."""
        raise ValueError(f"method {registry_name(self)!r} selects nothing and has no warm-up")

    def buffer_size(self, backbone: Backbone) -> int:
        """How many numbers the warm-up holds beside the model to choose by; the paper counts them (Table 5)."""
        return 0

    def stock_peft(self, backbone: Backbone) -> PeftConfig:
        """What a user of Hugging Face peft would write for this method: a configuration of peft's own tuners.

        Raises:
            ValueError: peft has no such tuner.
        """
        raise ValueError(f"peft has no tuner that does what {registry_name(self)!r} does")

    def rate(self) -> float:
        """The learning rate for what the method acts on: the lowest of those of its targets."""
        rates = [self.learning_rates.get(target, self.learning_rate) for target in self.targets]
        return min(rates, default=self.learning_rate)

    def learning_rate_factor(self, parameter: str) -> float:
        """What the learning rate of a parameter is multiplied with, by the parameter's name."""
        return 1.0

    def refuse(self, option: str, why: str) -> ValueError:
        """The error for an option's bad value, to be raised."""
        return ValueError(f"method {registry_name(self)!r}: {option}={getattr(self, option)!r} {why}")

    def check_count(self, option: str) -> None:
        """Raise a ValueError where a number of vectors or units is below 1, or above what any machine could hold."""
        if getattr(self, option) < 1:
            raise self.refuse(option, "must be at least 1")
        if getattr(self, option) > MOST:
            raise self.refuse(option, f"must be at most {MOST:,}")

    def check_dropout(self) -> None:
        """Raise a ValueError where the option `dropout` is no share of what is to be dropped."""
        if not 0 <= self.dropout < 1:
            raise self.refuse("dropout", "must be at least 0 and below 1")

    def spelled_out(self) -> str:
        """The method string with every option, so that it means the same when a default changes."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != ""}
        targets = given.pop("targets")
        return str(MethodString(registry_name(self), tuple(targets), given))

    def __str__(self) -> str:
        """The method string, with every option that is not the default."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        targets = given.pop("targets", ())
        return str(MethodString(registry_name(self), tuple(targets), given))


def train_fully(backbone: Backbone, names: str) -> None:
    """Train slots or groups in full, named in one word and joined by dots, such as `A_log.D`, or none."""
    for slot in backbone.slots(tuple(names.split("."))) if names else []:
        backbone.attach(slot, Dense(slot.shape))


def matrices(backbone: Backbone, targets: tuple[str, ...], what: str) -> list[Slot]:
    """The slots that targets name, of groups only the projections.

    Args:
        what: of which a vector has none, for the error.
    Raises:
        LookupError: a name that is neither a slot nor a group of this model.
        ValueError: the targets name no slot, or one that is no matrix.
    """
    slots = backbone.slots(targets, within_group=lambda slot: slot.is_projection)
    for slot in slots:
        if len(slot.shape) < 2:
            raise ValueError(
                f"{slot.name} is not a matrix (shape {slot.shape}) and has no {what}; try full@{slot.name}"
            )
    return slots


def stock_modules(backbone: Backbone, targets: tuple[str, ...]) -> list[str]:
    """Names of the modules that the slots lie in, as a user of peft writes them.

    peft cannot address rows of a fused projection, so that in_proj_x becomes all of in_proj.
    """
    slots = backbone.slots(targets, within_group=lambda slot: slot.is_projection)
    return sorted({slot.path.split(".")[-2] for slot in slots if slot.attribute})


def registry_name(method: Method | type[Method]) -> str:
    """Name of the file that a method lives in."""
    kind = method if isinstance(method, type) else type(method)
    return kind.__module__.rsplit(".", 1)[-1]


def method_class(name: str) -> type[Method]:
    """The method class of a module in `ssmpeft_lib/methods/`.

    Raises:
        LookupError: no such method, or no class in its file derives from `Method`.
    """
    module = registry.load("methods", name)
    for kind in vars(module).values():
        if isinstance(kind, type) and issubclass(kind, Method) and kind.__module__ == module.__name__:
            return kind
    raise LookupError(
        f"ssmpeft_lib/methods/{name}.py: no class derives from ssmpeft_lib.adapters.method.Method; "
        "see ssmpeft_lib/methods/lora.py"
    )


def build_method(text: str) -> Method:
    """The method that a method string describes, with its defaults for whatever the string leaves open.

    Raises:
        LookupError: no such method or option.
        ValueError: a malformed string, a value that the option does not take, or targets for a method without slots.
    """
    parsed = parse_method(text)
    kind = method_class(parsed.name)
    return kind(**({"targets": parsed.targets} if parsed.targets else {}), **parsed.options)
