"""How examples become text: the separator of the paper's protocol."""

SEPARATOR = "###"
"""Ends every input and stands between its parts; one token of the GPT-NeoX tokenizer that Mamba uses."""


def separated(*parts: str) -> str:
    """The parts of an input, each followed by the separator."""
    return "".join(part + SEPARATOR for part in parts)
