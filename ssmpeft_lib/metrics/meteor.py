"""METEOR as nltk computes it (Sec. 4: DART; Banerjee and Lavie, 2005).

The paper does not say which METEOR it reports; this is the one of the authors' released code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from types import SimpleNamespace

import numpy as np

from ..data._task import Example
from ._scoring import scorer

VARIANTS = {
    "nltk": "METEOR of nltk: alpha 0.9, beta 3, gamma 0.5; the best of the references; the mean over examples",
}

CACHED = 2**16
"""How many texts are kept as words: references come back after every epoch."""


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "nltk", labels: Sequence[str] = ()
) -> np.ndarray:
    """METEOR of each example, and a 1 to count it, [examples, 2]."""
    from nltk.stem.porter import PorterStemmer
    from nltk.translate.meteor_score import meteor_score

    tokens = _tokenizer()[0]
    wordnet = _wordnet()
    # nltk stems and looks up every word of every pair of texts; words repeat.
    stemmer = SimpleNamespace(stem=cache(PorterStemmer().stem))
    synsets = SimpleNamespace(synsets=cache(wordnet.synsets) if wordnet else lambda word: ())
    scores = [
        meteor_score([tokens(text) for text in example.references], tokens(answer), stemmer=stemmer, wordnet=synsets)
        for answer, example in zip(predictions, examples, strict=True)
    ]
    return np.stack([scores, np.ones(len(scores))], axis=1)


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Mean METEOR in percent."""
    return {"meteor": 100 * sums[..., 0] / sums[..., 1]}


def describe(variant: str) -> str:
    """What the variant computes, and which of nltk's data were found."""
    import nltk

    wordnet = _wordnet()
    found = f"WordNet {wordnet.get_version()}" if wordnet else "no WordNet (words match by form and stem only)"
    return f"{VARIANTS[variant]}; nltk {nltk.__version__}, {found}, {_tokenizer()[1]}"


def note(sums: np.ndarray) -> str:
    """What is missing is missing for every score."""
    return missing()


def missing() -> str:
    """Say that WordNet is not there, and how to have it."""
    if _wordnet():
        return ""
    return (
        "METEOR without WordNet, so that synonyms do not match and it comes out lower; for the usual METEOR say "
        "`python -m nltk.downloader -d DIR wordnet` and set NLTK_DATA=DIR"
    )


@cache
def _wordnet():
    """nltk's WordNet, or None where its data are not in nltk's path (set NLTK_DATA)."""
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return None
    return wordnet


@cache
def _tokenizer() -> tuple[Callable[[str], list[str]], str]:
    """nltk's `word_tokenize`, with what it splits sentences by."""
    from nltk.tokenize import NLTKWordTokenizer, word_tokenize
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    try:
        word_tokenize("")
        return lru_cache(CACHED)(word_tokenize), "punkt"
    except LookupError:
        words, sentences = NLTKWordTokenizer(), PunktSentenceTokenizer()

        def split(text: str) -> list[str]:
            return [word for part in sentences.tokenize(text) for word in words.tokenize(part)]

        return lru_cache(CACHED)(split), "punkt without its trained abbreviations"


score = scorer(statistics, reduce, VARIANTS)
