"""What the doctor found, as a table to read and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

TITLES = {
    "adapted": "can be adapted",
    "gradients": "every tensor trains",
    "gradients_fused": "  with fused kernels",
    "training": "training = evaluation",
    "training_fused": "  with fused kernels",
    "merged": "merged = unmerged",
    "cached": "cached generation = full forward",
    "packed": "packed documents = one by one",
    "precision": "small changes are kept",
    "layers": "layers covered",
}
"""What is looked at: key in the JSON, and line of the table."""

SHOWN = 4
"""How many tensors the table names for one finding; the JSON has all of them."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        ok: whether it is as it should be; None where it does not apply.
        found: in words.
        difference: largest difference of logits over the largest logit, where two ways were compared and differ by
            more than rounding.
        tensors: names of the tensors concerned.
    """

    ok: bool | None
    found: str
    difference: float | None = None
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All findings on one adapted model.

    Attributes:
        model: class of the model.
        method: what it was adapted with.
        by: who adapted it.
        tensors: how many trainable tensors there are.
        checks: what was looked at, by the keys of `TITLES`.
    """

    model: str
    method: str
    by: str
    tensors: int
    checks: dict[str, Check]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.ok is not False for check in self.checks.values())

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self) | {"healthy": self.healthy}

    def __str__(self) -> str:
        marks = {True: "ok", False: "WRONG", None: "-"}
        width = max(map(len, TITLES.values()))
        lines = [f"{self.model}, {self.method}, adapted by {self.by}: {self.tensors} trainable tensors"]
        for key, check in self.checks.items():
            lines.append(f"  {marks[check.ok]:5}  {TITLES[key]:{width}}  {check.found}")
            lines += [f"  {'':5}  {'':{width}}    {name}" for name in check.tensors[:SHOWN]]
            if len(check.tensors) > SHOWN:
                lines.append(f"  {'':5}  {'':{width}}    and {len(check.tensors) - SHOWN} more")
        lines.append("  nothing is wrong" if self.healthy else "  this adapter does not do what its name says")
        return "\n".join(lines)
