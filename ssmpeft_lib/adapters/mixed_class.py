"""Changes the class of one module by mixing another class in.

Its parameters, names, copies and pickles stay as they are, `isinstance` still holds, and the class keeps its name.
Other modules of the class are left alone.
"""

from __future__ import annotations

from functools import cache

from torch import nn


class Mixin:
    """What can be mixed into the class of a module derives from this."""

    @classmethod
    def members(cls, names: tuple[str, ...]) -> dict[str, object]:
        """Further members of the class, one for each name that `mix_in` was given."""
        return {}

    def __reduce_ex__(self, protocol):
        # pickle finds a class by its name, and this one's is that of the class which it takes the place of
        return _remade, _recipe(type(self)), *super().__reduce_ex__(protocol)[2:]


def mix_in(module: nn.Module, mixin: type[Mixin], name: str | None = None) -> None:
    """Mix a class into that of one module. Does nothing when it is there already, with a member for `name`."""
    stock, mixed = _recipe(type(module))
    names = dict(mixed).get(mixin, ())
    mixed = dict(mixed) | {mixin: names if name is None or name in names else (*names, name)}
    _exchange(module, stock, mixed)


def take_out(module: nn.Module, mixin: type[Mixin], name: str | None = None) -> None:
    """Take a class out of that of a module again; with a name, its member, and the class with the last of them."""
    stock, mixed = _recipe(type(module))
    mixed = dict(mixed)
    names = tuple(known for known in mixed.pop(mixin, ()) if known != name)
    _exchange(module, stock, mixed | {mixin: names} if name is not None and names else mixed)


def stock_class(module: nn.Module) -> type:
    """The class of a module without anything that was mixed in."""
    return _recipe(type(module))[0]


def _exchange(module: nn.Module, stock: type, mixed: dict[type, tuple[str, ...]]) -> None:
    kind = _mixed(stock, tuple(mixed.items()))
    if kind is not type(module):
        module.__class__ = kind


@cache
def _mixed(stock: type, mixed: tuple[tuple[type, tuple[str, ...]], ...]) -> type:
    """The class of that name with others mixed in, of which the last one comes first."""
    kind = stock
    for mixin, names in mixed:
        about = {name: getattr(stock, name) for name in ("__module__", "__qualname__", "__doc__")}
        kind = type(stock.__name__, (mixin, kind), about | mixin.members(names))
    if mixed:
        kind._recipe = stock, mixed
    return kind


def _recipe(kind: type) -> tuple[type, tuple]:
    """The stock class, and what was mixed into it, in order."""
    return vars(kind).get("_recipe", (kind, ()))


def _remade(stock: type, mixed: tuple) -> nn.Module:
    """An empty module for pickle to fill."""
    kind = _mixed(stock, mixed)
    return kind.__new__(kind)
