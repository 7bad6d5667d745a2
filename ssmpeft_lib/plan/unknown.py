"""What to say of a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: str, known: Iterable[object], where: str) -> str:
    """Say what a name was, where it was looked for, what there is, and what may be meant."""
    names = sorted(map(str, known))
    close = get_close_matches(name, names, n=1)
    return f"no {kind} {name!r} in {where} (have: {', '.join(names)})" + (
        f"; did you mean {close[0]!r}?" if close else ""
    )
