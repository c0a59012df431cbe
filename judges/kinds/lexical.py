"""The lexical judge: word overlap of two traces. It is the default, because it needs no model."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, count, pairwise

import numpy as np

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
    """Compute the cosine of every two prefixes, shape (prefixes, prefixes).

    The numbers are those of scikit-learn's `TfidfVectorizer` to the last bit, which takes longer to
    import than a short run, in each of its processes.
    """
    from scipy.sparse import csr_array  # slow to import

    number = defaultdict[str, int](count().__next__)
    found = [Counter(number[term] for term in _terms(prefix)) for prefix in prefixes]
    ends = np.cumsum([0, *map(len, found)])
    terms = np.fromiter(chain.from_iterable(found), np.int64, ends[-1])
    times = np.fromiter(chain.from_iterable(each.values() for each in found), np.float64, ends[-1])
    vectors = csr_array((times, terms, ends), shape=(len(prefixes), len(number)))
    vectors.sort_indices()  # sums are in this order
    rare = np.log((1.0 + len(prefixes)) / (1.0 + np.bincount(terms))) + 1.0
    vectors.data = (np.log(vectors.data) + 1.0) * rare[vectors.indices]
    prefix = np.repeat(np.arange(len(prefixes)), np.diff(ends))
    vectors.data /= np.sqrt(np.bincount(prefix, vectors.data**2, len(prefixes)))[prefix]
    products: Floats = (vectors @ vectors.T).toarray()
    return products.clip(0.0, 1.0)


def _terms(prefix: str) -> Iterator[str]:
    """Yield the words of a prefix, and each two in a row."""
    words = re.findall(WORD, prefix.lower())
    yield from words
    yield from map(" ".join, pairwise(words))
