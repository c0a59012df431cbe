"""The lexical judge: do two traces use the same words? It needs no model: the default."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from judges.prefixes import TOKENS_500, Truncation
from judges.protocol import Floats, Identity, Ints, Setting

WORD = r"\w+|[^\w\s]"
"""What counts as a word: also single letters, digits and signs, which mathematics consists of."""

NGRAMS = (1, 2)

VERSION = 1
"""Goes up whenever a score changes."""


class LexicalJudge:
    """Cosine of TF-IDF vectors over words and pairs of words, case folded.

    Document frequencies are those of the problem's own prefixes, so that words which every trace
    takes from the question weigh least; term frequencies are damped (1 + log). They are the
    prefixes of all stored traces, so that a pair has one score that can be stored: with a budget of
    fewer, weights also come from prefixes of traces that were not started, cut where the others
    are; never from what follows the cut, nor from answers. The weights are not
    negative, so the cosine lies between 0 and 1 as it is. It is no calibrated probability: which τ
    prunes how much is to be tried out. A prefix without words is like no other.
    """

    parameters = None
    template_tokens = 0
    unranked = False

    def __init__(self, truncation: Truncation = TOKENS_500) -> None:
        settings: dict[str, Setting] = {
            "ngrams": f"{NGRAMS[0]}-{NGRAMS[1]}",
            "version": VERSION,
            "word": WORD,
        }
        self.identity = Identity("lexical", truncation=truncation, settings=tuple(settings.items()))
        self._last: tuple[list[str], Floats] | None = None

    def score(self, prefixes: Sequence[str], pairs: Ints) -> Floats:
        """See `judges.protocol.Judge`."""
        if self._last is None or self._last[0] != list(prefixes):
            self._last = (list(prefixes), cosines(prefixes))
        return self._last[1][pairs[:, 0], pairs[:, 1]]

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        """Words of each prefix."""
        word = re.compile(WORD)
        return np.array([len(word.findall(prefix)) for prefix in prefixes], dtype=np.int64)


def cosines(prefixes: Sequence[str]) -> Floats:
    """Cosine of every two prefixes, shape (prefixes, prefixes)."""
    vectorizer = TfidfVectorizer(token_pattern=WORD, ngram_range=NGRAMS, sublinear_tf=True)
    try:
        vectors = vectorizer.fit_transform(prefixes)
    except ValueError:  # scikit-learn's way to say that there is not one word
        return np.zeros((len(prefixes), len(prefixes)))
    products: Floats = (vectors @ vectors.T).toarray()
    return products.clip(0.0, 1.0)
