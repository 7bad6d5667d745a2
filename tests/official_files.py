"""Writes files in the data sets' official formats, with as many rows as wanted, for the loaders to read."""

from __future__ import annotations

import json
from pathlib import Path

GLUE_HEADERS = {
    "glue-rte": "index\tsentence1\tsentence2\tlabel",
    "glue-mrpc": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "glue-cola": "",
    "glue-sst2": "sentence\tlabel",
    "glue-qnli": "index\tquestion\tsentence\tlabel",
    "glue-qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
    "glue-mnli": "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
    "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
}
"""First lines of the TSVs of gluebenchmark.com."""


def glue_row(name: str, i: int) -> str:
    """Row `i` of a GLUE file, with an unbalanced double quote in every third."""
    quote = '"' if i % 3 == 0 else ""
    one, two = f"{quote}The {i}th sentence .", f"A second one , {i}"
    words = ("entailment", "not_entailment")
    return {
        "glue-rte": f"{i}\t{one}\t{two}\t{words[i % 2]}",
        "glue-mrpc": f"{i % 2}\t{i}\t{i + 1}\t{one}\t{two}",
        "glue-cola": f"gj04\t{i % 2}\t{'*' if i % 2 else ''}\t{one}",
        "glue-sst2": f"{one} \t{i % 2}",
        "glue-qnli": f"{i}\t{one}\t{two}\t{words[i % 2]}",
        "glue-qqp": f"{i}\t{i}\t{i + 1}\t{one}\t{two}\t{i % 2}",
        "glue-mnli": f"{i}\tp\tq\tfiction\tb\tb\tp\tp\t{one}\t{two}\tneutral\t"
        + ("entailment", "neutral", "contradiction")[i % 3],
    }[name]


def write_glue(name: str, folder: Path, **splits: int) -> Path:
    """Write TSVs with the given numbers of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        lines = [GLUE_HEADERS[name]] if GLUE_HEADERS[name] else []
        lines += [glue_row(name, i) for i in range(rows)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return folder


def dart_entry(i: int, references: int) -> dict:
    """Entry `i` of DART's JSON."""
    return {
        "tripleset": [[f"Place {i}", "CAPITAL", f"Town {i}"], [f"Town {i}", "COUNTRY", "France"]],
        "subtree_was_extended": False,
        "annotations": [
            {"source": "WikiSQL_decl_sents", "text": f"Town {i} is the capital of Place {i}, way {k}."}
            for k in range(references)
        ],
    }


def write_dart(folder: Path, **splits: int) -> Path:
    """Write DART's JSON files with the given numbers of entries, of which entry i has 1 + i % 3 references."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, entries in splits.items():
        contents = [dart_entry(i, 1 + i % 3) for i in range(entries)]
        (folder / f"dart-v1.1.1-full-{split}.json").write_text(json.dumps(contents, indent=2), encoding="utf-8")
    return folder


def write_tokenizer(path: Path, texts: list[str] = ()) -> Path:
    """Train a small byte-level BPE tokenizer with the special tokens that the encoder wants."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "###"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts or ["the cat sat on the mat ."], trainer)
    tokenizer.save(str(path))
    return path
