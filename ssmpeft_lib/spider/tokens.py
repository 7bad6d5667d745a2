"""SQL text: words and literals told apart, and cut into tokens as Spider's own evaluation does."""

from __future__ import annotations

import re
from collections.abc import Callable

LITERAL = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`""")
"""A quoted string or name."""

COMMENT = re.compile(rf"{LITERAL.pattern}|/\*.*?(?:\*/|\Z)|--[^\n]*", re.DOTALL)
"""A literal or a comment, whichever begins first."""

# The rules of nltk's word_tokenize that can apply to SQL of which the quoted parts have been taken out.
_SPACED = [
    (re.compile(r"([:,])([^\d])"), r" \1 \2"),
    (re.compile(r"([:,])$"), r" \1 "),
    (re.compile(r"\.{2,}"), r" \g<0> "),
    (re.compile(r"[;@#$%&?!*\]\[(){}<>]"), r" \g<0> "),
    (re.compile(r"([^.])(\.)([\])}> ]*)\s*$"), r"\1 \2 \3 "),
    (re.compile(r"--"), r" -- "),
]


def outside_literals(sql: str, change: Callable[[str], str]) -> str:
    """Change the text between literals, and leave these as they are."""
    parts, end = [], 0
    for literal in LITERAL.finditer(sql):
        parts += [change(sql[end : literal.start()]), literal.group()]
        end = literal.end()
    return "".join([*parts, change(sql[end:])])


def lower_keywords(sql: str) -> str:
    """Lower case, except in literals: `WHERE name = 'Bob'` asks for Bob, not for bob."""
    return outside_literals(sql, str.lower)


def remove_distinct(sql: str) -> str:
    """Without the word DISTINCT, which the official execution accuracy does not ask for."""
    return outside_literals(sql, lambda text: re.sub(r"\bdistinct\b", "", text, flags=re.IGNORECASE))


def remove_comments(sql: str) -> str:
    """Without comments, which SQLite passes over as it does spaces."""
    return COMMENT.sub(lambda found: found.group() if LITERAL.fullmatch(found.group()) else " ", sql).strip()


def first_statement(sql: str) -> str:
    """What comes before the first semicolon; the official execution accuracy does not look at the rest."""
    end = next((found.start() for found in re.finditer(f"{LITERAL.pattern}|;", sql) if found.group() == ";"), None)
    return sql[:end]


def tokenize(sql: str) -> list[str]:
    """Tokens in lower case, quoted literals whole, as Spider's evaluation cuts them.

    Raises:
        ValueError: an odd number of quotes.
    """
    parts = sql.replace("'", '"').split('"')
    if len(parts) % 2 == 0:
        raise ValueError("an odd number of quotes")
    # Every second part was quoted; a word that no SQL has stands in for it.
    text = "".join(part if i % 2 == 0 else f"\x00{i}\x00" for i, part in enumerate(parts))
    for pattern, replacement in _SPACED:
        text = pattern.sub(replacement, text)
    tokens = [_restored(token, parts) for token in text.split()]
    for at in reversed([i for i, token in enumerate(tokens) if token == "="]):
        if at and tokens[at - 1] in ("!", ">", "<"):
            tokens[at - 1 : at + 1] = [tokens[at - 1] + "="]
    return tokens


def _restored(token: str, parts: list[str]) -> str:
    marked = re.fullmatch(r"\x00(\d+)\x00", token)
    return f'"{parts[int(marked.group(1))]}"' if marked else token.lower()
