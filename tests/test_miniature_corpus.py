"""What the stand-ins are pretrained on, and their tokenizer."""

from __future__ import annotations

import re
from itertools import chain, islice

import pytest
from miniatures import GLUE, examples
from tokenizers import Tokenizer

from ssmpeft_lib.miniature.language import words
from ssmpeft_lib.miniature.language.holdout import kept_for_tasks
from ssmpeft_lib.stand_ins import corpus, tokenizer

pytestmark = pytest.mark.slow

INSTRUCTION = "Respond with '0' if entailment or '1' if not_entailment: ###"


def some(count: int, **options) -> list[str]:
    return list(islice(corpus.documents(**options), count))


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return tokenizer.train(some(4000), [INSTRUCTION, "", INSTRUCTION])


def test_documents_depend_on_the_seed_alone():
    assert some(500) == some(500)
    assert some(500) != some(500, seed=1)


def test_documents_of_a_folder_come_from_its_files(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "one.txt").write_text("a tale " * 200, encoding="utf-8")
    assert all(document in "a tale " * 200 for document in some(50, folder=tmp_path))


def test_a_folder_without_text_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        some(1, folder=tmp_path)


def test_documentation_is_a_small_share_of_the_text():
    documents = some(4000)
    pieces = set(corpus.pieces(corpus.documentation()))
    share = sum(len(document) for document in documents if document in pieces) / sum(map(len, documents))
    assert 0.03 < share < 0.1


def test_no_generated_document_has_the_form_of_a_task():
    pieces = set(corpus.pieces(corpus.documentation()))
    generated = [document for document in some(5000) if document not in pieces]
    assert not any("#" in document or "ntail" in document for document in generated)


@pytest.fixture(scope="module")
def said() -> set[str]:
    """Everything between line ends and punctuation in the pretraining text, also without its first words."""
    pieces = re.split(r"[?.,;:]?(?:\n|$)|[?.,;:] ", "\n".join(some(20000)))
    return {tail for piece in pieces for tail in (piece, piece.partition(" ")[2])}


@pytest.mark.parametrize("name", [*GLUE, "dart", "samsum", "spider"])
def test_nothing_that_a_task_asks_or_answers_was_told_before(name, said):
    """Neither a sentence of a task's input nor an answer to be generated occurs in the pretraining text."""
    for given, answer in chain.from_iterable(examples(name).values()):
        sentences = given if name in GLUE else [answer.lower()]
        assert not said & {sentence.rstrip("?.") for sentence in sentences}


def test_the_pretraining_text_has_the_like_of_what_is_looked_for_above(said):
    for shape in ("the {} helped the", "why did the {} find the"):
        assert sum(any(piece.startswith(shape.format(noun)) for piece in said) for noun in words.NOUNS) > 7
    assert any(piece.startswith("the mill serves") for piece in said)


@pytest.mark.parametrize("others", [words.NOUNS, words.PLACES, words.ADJECTIVES], ids=["nouns", "places", "adjectives"])
def test_both_shares_speak_of_every_word(others):
    for noun in words.NOUNS:
        assert {kept_for_tasks(noun, other) for other in others} == {True, False}
    for other in others:
        assert {kept_for_tasks(noun, other) for noun in words.NOUNS} == {True, False}


def test_end_of_text_is_zero_and_the_vocabulary_has_the_size_asked_for(trained):
    assert trained.token_to_id(tokenizer.END_OF_TEXT) == 0
    assert trained.get_vocab_size() == 1024


def test_separator_and_digits_are_one_token_each(trained):
    for digit in "0123456789":
        assert trained.encode(f"the dog{tokenizer.SEPARATOR}{digit}").tokens[-2:] == [tokenizer.SEPARATOR, digit]
        assert trained.encode(digit).tokens == [digit]


def test_a_phrase_is_one_token_and_reads_as_itself(trained):
    encoded = trained.encode(f"{INSTRUCTION}all dogs are red###")
    assert encoded.tokens[0] == INSTRUCTION
    assert trained.decode(encoded.ids) == f"{INSTRUCTION}all dogs are red###"


def test_any_text_survives_encoding(trained):
    for text in ("Zürich\r\n\t§ 漢字 ###### 007", " leading and trailing "):
        assert trained.decode(trained.encode(text).ids) == text


def test_words_of_the_language_are_one_token_in_the_middle_and_at_the_start(trained):
    words = "dogs helped the man some no where film was".split()
    assert [len(trained.encode(f" {word}").ids) for word in words] == [1] * len(words)
    assert len(trained.encode("where").ids) == len(trained.encode("some").ids) == 1


def test_inputs_are_short(trained):
    for name in GLUE:
        lengths = [
            len(trained.encode("###".join(sentences)).ids) + 1
            for sentences, _ in chain.from_iterable(examples(name).values())
        ]
        assert sum(lengths) / len(lengths) < 22 and max(lengths) < 32


def test_a_tokenizer_is_the_same_each_time_and_on_disk(trained, tmp_path):
    again = tokenizer.train(some(4000), [INSTRUCTION])
    tokenizer.save(again, tmp_path / "deeper" / "tokenizer.json")
    assert Tokenizer.from_file(str(tmp_path / "deeper" / "tokenizer.json")).to_str() == trained.to_str()


def test_pixels_are_training_pictures_as_the_loaders_read_them():
    seen = list(islice(corpus.pixels(), 40))
    assert seen == list(islice(corpus.pixels(), 40))
    for text in seen:
        values = text.removesuffix("###").split()
        assert len(values) == 64 and all(value in "0123456789" for value in values)


def test_older_corpora_are_read_as_latin_1(tmp_path):
    (tmp_path / "new.txt").write_text("naïve – yes", encoding="utf-8")
    (tmp_path / "old.txt").write_bytes("¡naïve!".encode("latin-1"))
    assert corpus.from_folder(tmp_path) == ["naïve – yes", "¡naïve!"]
