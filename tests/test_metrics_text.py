"""BLEU and METEOR against sacrebleu, nltk and TF-NMT's formula, on real and on odd texts."""

import math
import os
import random
import subprocess
import sys

import pytest
import sacrebleu
from reference import REPOSITORY, shared

from ssmpeft_lib.data import dart
from ssmpeft_lib.data._task import Example
from ssmpeft_lib.metrics import bleu, meteor, rouge
from ssmpeft_lib.metrics._scoring import bootstrap

ODD = [
    "",
    " ",
    "a",
    "a b c d",
    "“quoted” 1,000.5 -\n end-\n",
    "&amp; &lt; <skipped>",
    "ein großes Haus, 3-4!",
    "😀 😀 😀 😀",
]


def examples_of(references):
    return [Example("", texts[0], tuple(texts)) for texts in references]


def real_case(n=400):
    """Real references, and answers made by cutting and shuffling them."""
    rng = random.Random(0)
    examples = dart.read_files("dart", shared("data/dart"))["test"][:n]
    answers = []
    for i, example in enumerate(examples):
        words = example.references[-1].split()
        if rng.random() < 0.5:
            rng.shuffle(words)
        answers.append(" ".join(words[: rng.randrange(len(words) + 1)]))
        if rng.random() < 0.3:
            answers[-1] = examples[i * 7 % n].references[0]
    return answers, examples


def sacrebleu_of(answers, examples, **options):
    most = max(len(example.references) for example in examples)
    columns = [[dict(enumerate(example.references)).get(k) for example in examples] for k in range(most)]
    return sacrebleu.BLEU(**options).corpus_score(answers, columns).score


def odd_cases():
    rng = random.Random(1)
    for _ in range(60):
        n = rng.randrange(1, 5)
        references = [[rng.choice(ODD[2:]) for _ in range(rng.randrange(1, 4))] for _ in range(n)]
        yield [rng.choice(ODD) for _ in range(n)], examples_of(references)


def test_sacrebleu_variant_is_sacrebleu():
    for answers, examples in [real_case(), *odd_cases()]:
        found = bleu.score(answers, examples, "sacrebleu")["bleu"]
        assert found == pytest.approx(sacrebleu_of(answers, examples), abs=1e-9)


def test_signature_is_sacrebleu_s():
    metric = sacrebleu.BLEU()
    metric.corpus_score(["a", "b"], [["a", "b"], ["c", None]])
    assert str(metric.get_signature()) == bleu.describe("sacrebleu")


def test_paper_variant_with_one_reference_is_unsmoothed_bleu():
    answers, examples = real_case()
    single = examples_of([[example.references[0]] for example in examples])
    found = bleu.score(answers, single)["bleu"]
    assert found == pytest.approx(sacrebleu_of(answers, single, smooth_method="none"), abs=1e-9)


def test_paper_variant_takes_the_shortest_reference():
    """Precisions 5/5, 4/4, 3/3, 2/2; the longer reference would give a brevity penalty of exp(1 - 6/5)."""
    examples = examples_of([["the cat sat on the mat", "the cat sat on the"]])
    assert bleu.score(["the cat sat on the"], examples)["bleu"] == pytest.approx(100)
    longer = examples_of([["the cat sat on the mat"]])
    assert bleu.score(["the cat sat on the"], longer)["bleu"] == pytest.approx(100 * math.exp(1 - 6 / 5))


def test_paper_variant_on_real_references():
    """The value that evaluate's `bleu` script (TF-NMT) gives for these texts: recorded from a run of it."""
    answers, examples = real_case()
    assert bleu.score(answers, examples)["bleu"] == pytest.approx(17.405516823346563, abs=1e-9)


def test_empty_answers_score_zero():
    assert bleu.score(["", ""], examples_of([["a b"], ["c d"]])) == {"bleu": 0}
    assert meteor.score(["", ""], examples_of([["a b"], ["c d"]])) == {"meteor": 0}


def test_bleu_interval_covers_the_score():
    answers, examples = real_case()
    low, high = bootstrap(bleu.statistics(answers, examples), bleu.reduce)["bleu"]
    assert low < bleu.score(answers, examples)["bleu"] < high


def test_meteor_of_nltk_s_documentation():
    reference = "It is a guide to action that ensures that the military will forever heed Party commands"
    answer = "It is a guide to action which ensures that the military always obeys the commands of the party"
    assert meteor.score([answer], examples_of([[reference]]))["meteor"] == pytest.approx(69.44, abs=0.005)


def test_meteor_is_the_mean_over_examples_of_the_best_reference():
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.translate.meteor_score import single_meteor_score

    class NoWordNet:
        def synsets(self, word):
            return []

    def peer(answer, reference):
        wordnet = meteor._wordnet() or NoWordNet()
        return single_meteor_score(tokens(reference), tokens(answer), wordnet=wordnet)

    tokens = NLTKWordTokenizer().tokenize
    answers, examples = real_case(150)
    # One sentence each, for which splitting sentences makes no difference.
    kept = [i for i, e in enumerate(examples) if all(t.count(". ") == 0 for t in (*e.references, answers[i]))]
    expected = [max(peer(answers[i], text) for text in examples[i].references) for i in kept]
    found = meteor.score([answers[i] for i in kept], [examples[i] for i in kept])["meteor"]
    assert len(kept) > 75
    assert found == pytest.approx(100 * sum(expected) / len(kept))


def test_meteor_with_wordnet():
    """In a process of its own, because nltk looks for its data once."""
    code = """
from nltk.translate.meteor_score import meteor_score
from ssmpeft_lib.metrics import meteor
from ssmpeft_lib.data._task import Example
pairs = [("a dog ran", "a hound ran"), ("the movies were films", "the film was a movie"), ("he quits", "she resigns")]
examples = [Example("", reference, (reference,)) for _, reference in pairs]
peer = [meteor_score([reference.split()], answer.split()) for answer, reference in pairs]
found = meteor.score([answer for answer, _ in pairs], examples)["meteor"]
print(found, 100 * sum(peer) / 3, meteor.describe("nltk"))
"""
    environment = {**os.environ, "NLTK_DATA": str(shared("data/nltk_data"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=REPOSITORY, capture_output=True, encoding="utf-8"
    )
    found, peer, described = done.stdout.split(" ", 2)
    assert float(found) == pytest.approx(float(peer))
    assert "WordNet 3.0" in described and "no WordNet" not in described
    answers = ["a dog ran", "the movies were films", "he quits"]
    references = [["a hound ran"], ["the film was a movie"], ["she resigns"]]
    if meteor._wordnet() is None:
        assert meteor.score(answers, examples_of(references))["meteor"] < float(found)


def test_meteor_says_what_it_ran_with():
    assert meteor.describe("nltk").count("WordNet") == 1
    assert "punkt" in meteor.describe("nltk")


def test_rouge_is_the_mean_of_rouge_score():
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import BootstrapAggregator

    answers, examples = real_case(200)
    peer, aggregator = RougeScorer(["rouge1", "rouge2", "rougeL"]), BootstrapAggregator()
    for answer, example in zip(answers, examples, strict=True):
        aggregator.add_scores(peer.score_multi(example.references, answer))
    found = rouge.score(answers, examples)
    for name, values in aggregator.aggregate().items():
        # evaluate reports the median of bootstrapped means, which moves a little from call to call.
        assert found[name] == pytest.approx(100 * values.mid.fmeasure, abs=0.5)


def test_rouge_by_hand():
    # 3 of 6 and 3 of 4 words, 2 of 5 and 2 of 3 pairs, longest common subsequence of 3
    examples = examples_of([["the cat sat on the mat"]])
    assert rouge.score(["the cat sat down"], examples) == pytest.approx({"rouge1": 60, "rouge2": 50, "rougeL": 60})
    assert rouge.score([""], examples) == {"rouge1": 0, "rouge2": 0, "rougeL": 0}
