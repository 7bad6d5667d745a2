"""Drawn faces on which each of CelebA's 40 attributes can be seen."""

from __future__ import annotations

from collections.abc import Set
from random import Random

from PIL import Image, ImageDraw, ImageFilter

ATTRIBUTES = tuple(
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair"
    " Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones"
    " Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline"
    " Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick"
    " Wearing_Necklace Wearing_Necktie Young".split()
)
"""The attributes in the order of the original's columns."""

SIZE = (178, 218)
HAIR = {
    "Black_Hair": (25, 22, 22),
    "Blond_Hair": (230, 200, 110),
    "Brown_Hair": (105, 65, 35),
    "Gray_Hair": (165, 165, 168),
}
BEARDS = ("5_o_Clock_Shadow", "Goatee", "Mustache")
EITHER = (("Bald", *HAIR), ("Straight_Hair", "Wavy_Hair"), ("Big_Nose", "Pointy_Nose"), ("Chubby", "Oval_Face"))
"""Groups of which a face has exactly one."""

FREE = (
    "Arched_Eyebrows",
    "Bags_Under_Eyes",
    "Bangs",
    "Big_Lips",
    "Bushy_Eyebrows",
    "Double_Chin",
    "Eyeglasses",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Narrow_Eyes",
    "Pale_Skin",
    "Rosy_Cheeks",
    "Smiling",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
"""Attributes that come with one half."""


def attributes(rng: Random) -> frozenset[str]:
    """The attributes of a random face; what excludes one another does not come together."""
    has = {name for name in FREE if rng.random() < 0.5} | {rng.choice(group) for group in EITHER}
    if "Male" in has:
        has |= {name for name in (*BEARDS, "Sideburns", "Receding_Hairline") if rng.random() < 0.4}
    else:
        has |= {name for name in ("Wearing_Lipstick", "Heavy_Makeup") if rng.random() < 0.6}
    if "Bald" in has:
        has -= {"Bangs", "Sideburns", "Receding_Hairline", "Straight_Hair", "Wavy_Hair"}
    if not has & set(BEARDS):
        has.add("No_Beard")
    if rng.random() < 0.1:
        has.add("Blurry")
    # the one that is a judgement follows from others that can be seen
    if "Young" in has and not has & {"Bags_Under_Eyes", "Double_Chin"}:
        has.add("Attractive")
    return frozenset(has)


def face(has: Set[str], rng: Random) -> Image.Image:
    """The picture of a face with these attributes, 178 x 218 pixels."""
    image = Image.new("RGB", SIZE, tuple(rng.randint(90, 200) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    tone = rng.randint(-12, 12)
    skin = tuple(value + tone for value in ((243, 222, 205) if "Pale_Skin" in has else (205, 150, 115)))
    hair = next((colour for name, colour in HAIR.items() if name in has), skin)
    wide = 50 if "Chubby" in has else 40
    _hair_behind(draw, has, hair, wide)
    _neck(draw, has, skin)
    draw.ellipse((89 - wide, 55, 89 + wide, 175), fill=skin)
    if "Male" in has:
        draw.rectangle((89 - wide + 12, 130, 89 + wide - 12, 168), fill=skin)
    _hair_above(draw, has, hair, wide)
    _beard(draw, has, hair if hair != skin else (60, 45, 40), wide)
    _eyes(draw, has)
    _cheeks(draw, has, skin)
    _nose(draw, has)
    _mouth(draw, has)
    _extras(draw, has, wide)
    return image.filter(ImageFilter.GaussianBlur(4)) if "Blurry" in has else image


Colour = tuple[int, ...]


def _hair_behind(draw: ImageDraw.ImageDraw, has: Set[str], hair: Colour, wide: int) -> None:
    if "Bald" in has or "Male" in has:
        return
    if "Straight_Hair" in has:
        draw.rectangle((89 - wide - 14, 80, 89 + wide + 14, 200), fill=hair)
    else:
        for y in range(80, 200, 20):
            draw.ellipse((89 - wide - 24, y, 89 - wide + 10, y + 28), fill=hair)
            draw.ellipse((89 + wide - 10, y, 89 + wide + 24, y + 28), fill=hair)


def _neck(draw: ImageDraw.ImageDraw, has: Set[str], skin: Colour) -> None:
    draw.rectangle((70, 160, 108, 218), fill=skin)
    draw.rectangle((30, 198, 148, 218), fill=(70, 80, 110))
    if "Wearing_Necktie" in has:
        draw.polygon((82, 168, 96, 168, 106, 218, 72, 218), fill=(170, 20, 30))
    if "Wearing_Necklace" in has:
        draw.arc((60, 142, 118, 184), 20, 160, fill=(250, 230, 90), width=5)
    if "Double_Chin" in has:
        draw.arc((68, 160, 110, 180), 20, 160, fill=(140, 90, 70), width=4)


def _hair_above(draw: ImageDraw.ImageDraw, has: Set[str], hair: Colour, wide: int) -> None:
    if "Bald" not in has:
        line = 60 if "Receding_Hairline" in has else 76
        draw.chord((89 - wide - 8, 40, 89 + wide + 8, 2 * line - 40), 180, 360, fill=hair)
        if "Wavy_Hair" in has:
            for x in range(89 - wide, 89 + wide - 19, (2 * wide - 20) // 5):
                draw.ellipse((x, 36, x + 20, 56), fill=hair)
        if "Bangs" in has:
            draw.rectangle((89 - wide + 8, 60, 89 + wide - 8, 92), fill=hair)
    if "Wearing_Hat" in has:
        draw.rectangle((30, 66, 148, 78), fill=(30, 60, 140))
        draw.rectangle((46, 24, 132, 70), fill=(30, 60, 140))


def _beard(draw: ImageDraw.ImageDraw, has: Set[str], hair: Colour, wide: int) -> None:
    if "5_o_Clock_Shadow" in has:
        draw.chord((89 - wide + 4, 120, 89 + wide - 4, 174), 10, 170, fill=(120, 100, 95))
    if "Goatee" in has:
        draw.ellipse((76, 156, 102, 182), fill=hair)
    if "Mustache" in has:
        draw.rectangle((68, 134, 110, 141), fill=hair)
    if "Sideburns" in has:
        draw.rectangle((89 - wide, 90, 89 - wide + 9, 135), fill=hair)
        draw.rectangle((89 + wide - 9, 90, 89 + wide, 135), fill=hair)


def _eyes(draw: ImageDraw.ImageDraw, has: Set[str]) -> None:
    half = 2 if "Narrow_Eyes" in has else 6
    thick = 7 if "Bushy_Eyebrows" in has else 3
    for x in (70, 108):
        draw.ellipse((x - 10, 106 - half, x + 10, 106 + half), fill=(250, 250, 250))
        draw.ellipse((x - half, 106 - half, x + half, 106 + half), fill=(40, 60, 90))
        if "Arched_Eyebrows" in has:
            draw.arc((x - 13, 86, x + 13, 108), 200, 340, fill=(50, 35, 30), width=thick)
        else:
            draw.line((x - 12, 94, x + 12, 94), fill=(50, 35, 30), width=thick)
        if "Bags_Under_Eyes" in has:
            draw.arc((x - 11, 106, x + 11, 120), 20, 160, fill=(110, 70, 80), width=4)
        if "Heavy_Makeup" in has:
            draw.arc((x - 13, 96, x + 13, 116), 180, 360, fill=(120, 40, 160), width=6)
        if "Eyeglasses" in has:
            draw.rectangle((x - 16, 96, x + 16, 118), outline=(15, 15, 15), width=4)


def _cheeks(draw: ImageDraw.ImageDraw, has: Set[str], skin: Colour) -> None:
    for x in (62, 116):
        if "Rosy_Cheeks" in has:
            draw.ellipse((x - 9, 122, x + 9, 138), fill=(235, 110, 110))
        if "High_Cheekbones" in has:
            draw.line((x - 9, 124, x + 9, 118), fill=tuple(min(255, value + 35) for value in skin), width=5)
    if "Young" not in has:
        for y in (81, 85, 89):
            draw.line((70, y, 108, y), fill=(130, 90, 75), width=2)


def _nose(draw: ImageDraw.ImageDraw, has: Set[str]) -> None:
    if "Big_Nose" in has:
        draw.ellipse((78, 112, 100, 134), fill=(170, 110, 90))
    else:
        draw.polygon((89, 104, 84, 132, 94, 132), fill=(170, 110, 90))


def _mouth(draw: ImageDraw.ImageDraw, has: Set[str]) -> None:
    lips = (200, 15, 60) if "Wearing_Lipstick" in has else (165, 85, 80)
    width = 10 if "Big_Lips" in has else 4
    if "Smiling" in has:
        draw.arc((68, 128, 110, 158), 15, 165, fill=lips, width=width)
    else:
        draw.line((72, 150, 106, 150), fill=lips, width=width)
    if "Mouth_Slightly_Open" in has:
        draw.ellipse((80, 146, 98, 158), fill=(60, 10, 15))


def _extras(draw: ImageDraw.ImageDraw, has: Set[str], wide: int) -> None:
    if "Wearing_Earrings" in has:
        for x in (89 - wide - 3, 89 + wide + 3):
            draw.ellipse((x - 5, 128, x + 5, 142), fill=(250, 230, 90))
