"""The stand-ins' tokenizer: byte-level BPE, as GPT-NeoX's, with a small vocabulary."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT = "<|endoftext|>"
"""Ends a document or an answer, and pads; its id is 0."""

SEPARATOR = "###"
"""Stands between the parts of an input; one token here as in GPT-NeoX's vocabulary."""


def train(texts: Iterable[str], phrases: Iterable[str] = (), vocab_size: int = 1024) -> Tokenizer:
    """Train a byte-level BPE tokenizer.

    Args:
        texts: documents to learn from; all of them are read.
        phrases: texts that become one token each, such as the instructions that every input of a task begins with:
            a stand-in is too small to read them, and they would be most of what it reads.
        vocab_size: number of tokens, the 256 bytes and those for phrases among them.
    Returns:
        A tokenizer in which `END_OF_TEXT` is 0, `SEPARATOR` is one token wherever it stands, and each digit is one.
    """
    whole = [SEPARATOR, *sorted(set(filter(None, phrases)))]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(whole),
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # not special: they are part of inputs and of what is decoded
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in whole])
    return tokenizer


def save(tokenizer: Tokenizer, path: Path) -> None:
    """Write `tokenizer.json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
