"""The drawing of a Mamba block: every slot that a method can act on, with marks of the families that do."""

from __future__ import annotations

from collections.abc import Mapping

from ..drawing import svg

WIDTH, HEIGHT = 440, 656

SLOTS = {
    "soft_prompt": (130, 6, 190, 28),
    "norm": (130, 62, 190, 28),
    "beside": (330, 62, 64, 28),
    "in_proj_x": (14, 120, 232, 28),
    "in_proj_z": (262, 120, 128, 28),
    "conv1d": (14, 176, 120, 28),
    "conv1d_bias": (142, 176, 104, 28),
    "x_proj_dt": (14, 270, 74, 28),
    "x_proj_B": (93, 270, 74, 28),
    "x_proj_C": (172, 270, 74, 28),
    "dt_proj": (14, 316, 74, 28),
    "dt_proj_bias": (14, 350, 98, 28),
    "A_log": (24, 444, 62, 28),
    "D": (94, 444, 34, 28),
    "initial_state": (136, 444, 102, 28),
    "state_offset": (24, 478, 96, 28),
    "output_offset": (128, 478, 110, 28),
    "out_proj": (14, 570, 232, 28),
}
"""Left, top, width and height of each slot's box."""

LEARNED = ("soft_prompt", "beside", "initial_state", "state_offset", "output_offset")
"""Places where a method acts that are no parameters of the checkpoint."""

SCAN = (14, 400, 232, 118)

WIRES = (
    "M225 34V62", "M170 90L130 120", "M280 90L326 120", "M130 148V176", "M130 204V220", "M130 240V254H51V270",
    "M130 254V270", "M130 254H209V270", "M51 298V316", "M63 378V400", "M130 298V400", "M209 298V400", "M130 518V536",
    "M326 148V424", "M326 444V546H142", "M130 558V570", "M130 598V618", "M130 640V654", "M225 48H424V629H142",
    "M320 76H330", "M384 90V104H408V629",
)  # fmt: skip

OPERATIONS = ((130, 230, "SiLU"), (326, 434, "SiLU"), (130, 547, "×"), (130, 629, "+"))

WORDS = ((402, 320, "residual", "end"), (320, 540, "gate", "end"), (24, 418, "selective scan", "start"))


def block_drawing(
    acting: Mapping[str, tuple[str, ...]], href: Mapping[str, str], label: str, trained: Mapping[str, str] | None = None
) -> str:
    """The block as SVG.

    Args:
        acting: for each slot, the families that can act on it.
        href: for each slot, where it leads.
        label: what the picture shows, for those who do not see it.
        trained: for each slot that stands out, the family that it stands out for.
    """
    parts = [svg.path(wire, "wire") for wire in WIRES]
    parts += [_tip(wire) for wire in WIRES]
    parts.append(svg.element("rect", x=SCAN[0], y=SCAN[1], width=SCAN[2], height=SCAN[3], rx=4, class_="scan"))
    parts += [svg.text(words, x, y, text_anchor=anchor, class_="word") for x, y, words, anchor in WORDS]
    parts.append(svg.text("h ← exp(ΔA) h + ΔB x,  y = C h + D x", 24, 436, class_="word formula"))
    for x, y, name in OPERATIONS:
        wide = 23 if len(name) > 1 else 11
        parts.append(svg.element("rect", x=x - wide, y=y - 11, width=2 * wide, height=22, rx=11, class_="operation"))
        parts.append(svg.text(name, x, y + 4, text_anchor="middle", class_="word"))
    parts += [_slot(name, acting.get(name, ()), href.get(name, ""), (trained or {}).get(name, "")) for name in SLOTS]
    return svg.drawing(WIDTH, HEIGHT, label, "".join(parts), "block")


def _slot(name: str, families: tuple[str, ...], href: str, trained: str) -> str:
    x, y, width, height = SLOTS[name]
    inner = svg.element("rect", x=x, y=y, width=width, height=height, rx=3, class_="box")
    inner += svg.text(name, x + width / 2, y + 18, text_anchor="middle")
    for index, family in enumerate(families):
        inner += svg.mark(family, x + width - 8 - 12 * index, y + height)
    classes = " ".join(
        ["slot", *(f"acts-{family}" for family in families), *([f"trained f-{trained}"] if trained else [])]
    )
    drawn = svg.element("g", inner, class_=classes)
    return svg.element("a", drawn, href=href, aria_label=name) if href else drawn


def _tip(wire: str) -> str:
    """An arrow's head at the end of a wire, along its last stretch."""
    *_, before, last = _corners(wire)
    dx, dy = last[0] - before[0], last[1] - before[1]
    length = (dx * dx + dy * dy) ** 0.5
    ux, uy = dx / length, dy / length
    left = (last[0] - 6 * ux - 3 * uy, last[1] - 6 * uy + 3 * ux)
    right = (last[0] - 6 * ux + 3 * uy, last[1] - 6 * uy - 3 * ux)
    points = "L".join(f"{x:.1f} {y:.1f}" for x, y in (last, left, right))
    return svg.element("path", d=f"M{points}Z", class_="tip")


def _corners(wire: str) -> list[tuple[float, float]]:
    corners: list[tuple[float, float]] = []
    for letter, numbers in _commands(wire):
        if letter == "H":
            corners.append((numbers[0], corners[-1][1]))
        elif letter == "V":
            corners.append((corners[-1][0], numbers[0]))
        else:
            corners.append((numbers[0], numbers[1]))
    return corners


def _commands(wire: str) -> list[tuple[str, list[float]]]:
    found: list[tuple[str, list[float]]] = []
    for piece in wire.replace("M", "|M").replace("L", "|L").replace("H", "|H").replace("V", "|V").split("|")[1:]:
        found.append((piece[0], [float(number) for number in piece[1:].split()]))
    return found
