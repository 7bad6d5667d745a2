"""The card of a model that was pretrained on text."""

from __future__ import annotations

from typing import Any

from .text_folder import END

CARD = """# {about[model]} on real text, small

A stand-in for {about[model]} with {about[parameters]:,} parameters, pretrained from random weights by
`make real-models` on {about[run][text_documents]:,} documents of English: {about[run][text_tokens]:,} tokens of a
byte-level BPE with {about[run][vocab_size]:,} words. It shares its architecture with the checkpoint
of that name, not its abilities.

| | |
|---|---|
| tokens seen | {about[tokens]:,} |
| training time | {about[hours]:g} hours on {about[made_by][device]} |
| tokens a second and core | {about[speed][training]:,}; its matrix products alone: {about[speed][products_alone]:,} |
| held-out text | {about[held_out][documents]:,} documents, {about[held_out][bytes]:,} bytes |
| held-out loss | {about[held_out][loss]:.3f} nats a token |
| bits per byte | {about[held_out][bits_per_byte]:.3f} |
| of a {ngrams[order]}-gram model | {ngrams[bits_per_byte]:.3f} (Kneser-Ney, same tokens and text); {gain} |

{sources}

In one training document of sixteen, `###` stands in place of line breaks, so that the separator of task inputs is a
token that the model knows.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("recorded/checkpoints/{about[model]}")
tokenizer = AutoTokenizer.from_pretrained("recorded/checkpoints/{about[model]}")
```

What it writes (temperature 0.8, among the 40 likeliest tokens, first seed; / is a line break):

{samples}
"""

WITH_SOURCES = """[{name}]({name}) lists the text, its authors and its licences. Name them where the model is passed
on; text under CC BY-SA asks for the same terms."""

WITHOUT_SOURCES = "The folder of text had no README.md that names its sources and licences."


def card(about: dict[str, Any], sources: str | None) -> str:
    """Write a checkpoint's card as Markdown.

    Args:
        about: what its `model.json` says.
        sources: name of the file that lists the text's sources and licences.
    """
    ngrams = about["ngrams"]
    less = 1 - about["held_out"]["bits_per_byte"] / ngrams["bits_per_byte"]
    return CARD.format(
        about=about,
        ngrams=ngrams,
        gain=f"this model's are {abs(less):.1%} {'fewer' if less >= 0 else 'more'}",
        sources=WITH_SOURCES.format(name=sources) if sources else WITHOUT_SOURCES,
        samples="\n".join(f"> **{_line(s['prompt'])}**{_line(s['answer'])}\n" for s in about["samples"]).strip(),
    )


def _line(text: str) -> str:
    return text.replace(END, "").replace("\n", " / ")
