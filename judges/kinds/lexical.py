"""The lexical judge: word overlap of two traces. It is the default, because it needs no model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from judges.prefixes import TOKENS_500, Truncation
from judges.protocol import NO_QUESTION, Floats, Identity, Ints, QuestionTokens, Reads, Setting

WORD = r"\w+|[^\w\s]"
"""Pattern of a word, including single letters, digits and signs, for mathematics."""

NGRAMS = (1, 2)

VERSION = 1
"""Version of the scores, incremented whenever a score changes."""


class LexicalJudge:
    """Judge by the cosine of TF-IDF vectors over words and word pairs, case folded.

    Document frequencies are those of the problem's own prefixes, so that words from the question,
    which every trace repeats, have the least weight; term frequencies are damped (1 + log). The
    prefixes of all stored traces are counted, so that a pair has a single score that can be stored.
    With a smaller budget, weights thus also depend on prefixes of traces that were not started, cut
    in the same way; they never depend on text after the cut, nor on answers. Weights are not
    negative, so the cosine is between 0 and 1. It is not a calibrated probability, so a suitable τ
    has to be found by trial. A prefix without words has similarity 0 to all others.
    """

    parameters = None
    reads: Reads = "prefixes"
    template_tokens = 0
    tail_tokens = 0
    unranked = False

    def __init__(self, truncation: Truncation = TOKENS_500) -> None:
        settings: dict[str, Setting] = {
            "ngrams": f"{NGRAMS[0]}-{NGRAMS[1]}",
            "version": VERSION,
            "word": WORD,
        }
        self.identity = Identity("lexical", truncation=truncation, settings=tuple(settings.items()))
        self._last: tuple[list[str], Floats] | None = None

    def score(self, prefixes: Sequence[str], pairs: Ints, question: str | None = None) -> Floats:
        """Score pairs; see `judges.protocol.Judge`."""
        if self._last is None or self._last[0] != list(prefixes):
            self._last = (list(prefixes), cosines(prefixes))
        return self._last[1][pairs[:, 0], pairs[:, 1]]

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        """Count the words of each prefix."""
        word = re.compile(WORD)
        return np.array([len(word.findall(prefix)) for prefix in prefixes], dtype=np.int64)

    def question_tokens(self, question: str | None) -> QuestionTokens:
        """Return zeros: the judge reads no question."""
        return NO_QUESTION


def cosines(prefixes: Sequence[str]) -> Floats:
    """Compute the cosine of every two prefixes, shape (prefixes, prefixes)."""
    vectorizer = TfidfVectorizer(token_pattern=WORD, ngram_range=NGRAMS, sublinear_tf=True)
    try:
        vectors = vectorizer.fit_transform(prefixes)
    except ValueError:  # raised by scikit-learn if there is not a single word
        return np.zeros((len(prefixes), len(prefixes)))
    products: Floats = (vectors @ vectors.T).toarray()
    return products.clip(0.0, 1.0)
