"""The lexical judge against TF-IDF worked out by hand."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from judges.kinds.lexical import NGRAMS, WORD, LexicalJudge, cosines
from judges.protocol import all_pairs


def terms(prefix: str) -> Counter[str]:
    words = re.findall(r"\w+|[^\w\s]", prefix.lower())
    return Counter(words + [" ".join(two) for two in pairwise(words)])


def cosine(prefixes: list[str], a: int, b: int) -> float:
    """(1 + log tf) (1 + log((1 + n) / (1 + df))), the definition, term by term."""
    counts = [terms(prefix) for prefix in prefixes]
    df = Counter(term for count in counts for term in count)

    def weights(count: Counter[str]) -> dict[str, float]:
        return {
            term: (1 + math.log(tf)) * (1 + math.log((1 + len(prefixes)) / (1 + df[term])))
            for term, tf in count.items()
        }

    one, other = weights(counts[a]), weights(counts[b])
    norms = math.hypot(*one.values()) * math.hypot(*other.values())
    return sum(one[term] * other[term] for term in one.keys() & other.keys()) / norms


def test_scores_are_cosines_of_words_and_pairs_of_words() -> None:
    prefixes = ["Let x = 2, so x + x = 4.", "let y = 2; so y = 4", "We draw a circle.", "x = x = 2"]
    pairs = all_pairs(4)
    expected = [cosine(prefixes, a, b) for a, b in pairs.tolist()]
    assert LexicalJudge().score(prefixes, pairs) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "B", "é", "12", "+", "the", " ", "\n", "x", "İ"])).map(
            "".join
        ),
        min_size=1,
        max_size=9,
    ).filter(lambda prefixes: any(map(str.strip, prefixes)))
)
def test_cosines_are_those_of_scikit_learn_to_the_last_bit(prefixes: list[str]) -> None:
    vectors = TfidfVectorizer(
        token_pattern=WORD, ngram_range=NGRAMS, sublinear_tf=True
    ).fit_transform(prefixes)
    expected = (vectors @ vectors.T).toarray().clip(0, 1)
    assert cosines(prefixes).tobytes() == expected.tobytes()


def test_equal_prefixes_have_1_and_those_without_a_common_word_0() -> None:
    scores = LexicalJudge().score(["a b", "A  b", "c"], all_pairs(3))
    assert scores.tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_a_prefix_without_words_is_like_no_other() -> None:
    assert LexicalJudge().score(["", " ", "a"], all_pairs(3)).tolist() == [0.0, 0.0, 0.0]
    assert LexicalJudge().score(["", ""], all_pairs(2)).tolist() == [0.0]


@settings(max_examples=50)
@given(st.lists(st.text("ab =1", max_size=8), min_size=2, max_size=6), st.randoms())
def test_a_score_depends_on_no_other_pair_of_the_call(prefixes: list[str], random: object) -> None:
    pairs = all_pairs(len(prefixes))
    judge = LexicalJudge()
    whole = judge.score(prefixes, pairs)
    assert ((whole >= 0) & (whole <= 1)).all()
    judge.score(["something", "else"], all_pairs(2))
    order = np.arange(len(pairs))
    random.shuffle(order)  # type: ignore[attr-defined]
    for at in order.tolist():
        assert judge.score(prefixes, pairs[at : at + 1])[0] == whole[at]


def test_tokens_are_words() -> None:
    assert LexicalJudge().prefix_tokens(["x = 12.", ""]).tolist() == [4, 0]
