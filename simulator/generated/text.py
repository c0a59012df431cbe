"""Text of generated traces: sentences whose topics depend on the answer that the trace will reach.

Each answer of a problem has a route, a few topics of its own. A trace that has settled writes about
its answer's route; before that it follows its own with chance `FAITHFUL`, and otherwise that of
some other trace's answer. So prefixes predict the final answer in part. One word is one token.
Every number here is an assumption; the text means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.generated.calibration import Outline

_TOPIC_LIST = """
    algebra angles area asymptotics averages bijections bounds cases centroids chords circles
    coefficients colourings combinations complements congruences continuity convexity coordinates
    counting cubes cycles degrees derivatives determinants diagonals divisors eigenvalues energy
    exponents factors fields fractions frequencies functions graphs induction inequalities
    integrals invariants lattices limits logarithms matrices modulus momentum orbits parity paths
    permutations pigeonholes polynomials primes probabilities projections ratios recursion
    reflections remainders residues roots rotations sequences series sets similarity sines spheres
    squares states substitution sums symmetry tangents trees triangles vectors volumes
    weights
"""
TOPICS = tuple(_TOPIC_LIST.split())

ROUTE_TOPICS = 5
"""Number of topics of an answer's route."""

FAITHFUL = 0.5
"""Chance that a trace which has not settled follows its own route."""

ON_ROUTE = 0.5
"""Chance that a topic is drawn from the route; otherwise it may be any topic."""

SENTENCES = tuple(
    sentence.split()
    for sentence in (
        "First the problem asks for something that depends on {topic} and maybe {topic} too.",
        "So we can think about {topic} here and see what it gives.",
        "Wait, I should check the part with {topic} again before going on.",
        "Let me try {topic} instead, with the value {number} to begin.",
        "Since {topic} must agree with {topic} the count is {number} at most.",
        "Thus the second term becomes {number} and the rest follows from {topic} directly.",
        "But that would mean {topic} gives {number} which looks too large.",
        "However, using {topic} we get {number} and not {number} as before.",
        "If we assume {topic} holds then the total is {number} or less.",
        "Therefore the condition on {topic} leaves only {number} ways.",
        "Alternatively, write it in terms of {topic} and compare with {topic} step by step.",
        "Hmm, the case {number} is different because {topic} does not apply there.",
        "Now I add {number} to {number} and look at {topic} once more.",
        "Actually, perhaps {topic} is easier than {topic} for this step.",
        "Okay, that matches what we found by {topic} a moment ago.",
        "Given this, the remaining part is about {topic} with {number} left over.",
        "Suppose instead it is {number} and then {topic} also has to change.",
        "The expression simplifies a lot when {topic} and {topic} are combined.",
    )
)
"""Templates of sentences. No punctuation mark follows a slot, so that its topic or number is a word
of its own."""

NUMBERS = 100
"""Upper end (exclusive) of the numbers in a text."""

CLOSING = ("So", "the", "final", "answer", "is")
"""The last words of a trace with an answer, before the boxed answer itself."""

_PLAIN = sorted({word for sentence in SENTENCES for word in sentence if "{" not in word})
_WORDS = np.array([*TOPICS, *map(str, range(NUMBERS)), *_PLAIN, *CLOSING], dtype=object)
_WORD_LENGTHS = np.array([len(word) for word in _WORDS], dtype=np.int64)
_FIRST_PLAIN = len(TOPICS) + NUMBERS
_TOPIC, _NUMBER = -1, -2
_WORD_NUMBERS = {
    **{word: number for number, word in enumerate(_PLAIN, _FIRST_PLAIN)},
    **{"{topic}": _TOPIC, "{number}": _NUMBER},
}
_SENTENCE_WORDS = np.array([_WORD_NUMBERS[word] for each in SENTENCES for word in each])
_SENTENCE_LENGTHS = np.array([len(sentence) for sentence in SENTENCES])
_SENTENCE_STARTS = np.cumsum(_SENTENCE_LENGTHS) - _SENTENCE_LENGTHS
_CLOSING_WORDS = np.arange(len(_WORDS) - len(CLOSING), len(_WORDS))


def texts(
    rng: np.random.Generator, outline: Outline, settled_at: Floats, answers: list[str | None]
) -> Iterator[tuple[str, Ints]]:
    """Yield the text of each trace in turn, and the end of each of its tokens in characters.

    Parameters
    ----------
    settled_at
        Tokens after which a trace keeps to its own route, shape (traces,).
    answers
        The answer of each trace, None for those without one.
    """
    routes = np.argsort(rng.random((int(outline.final.max()) + 1, len(TOPICS))))[:, :ROUTE_TOPICS]
    traces = len(answers)
    other = outline.final[(rng.random(traces) * traces).astype(np.int64)]
    first_route = np.where(rng.random(traces) < FAITHFUL, outline.final, other)
    for trace, (tokens, answer) in enumerate(zip(outline.tokens.tolist(), answers, strict=True)):
        closing = 0 if answer is None else len(CLOSING) + 1
        words = _sentences(rng, tokens - closing)
        topics = np.flatnonzero(words == _TOPIC)
        early = topics < settled_at[trace]
        route = routes[np.where(early, first_route[trace], outline.final[trace])]
        pick, which, where = rng.random((3, len(topics)))
        on_route = route[np.arange(len(topics)), (which * ROUTE_TOPICS).astype(np.int64)]
        anything = (where * len(TOPICS)).astype(np.int64)
        words[topics] = np.where(pick < ON_ROUTE, on_route, anything)
        numbers = np.flatnonzero(words == _NUMBER)
        words[numbers] = len(TOPICS) + (rng.random(len(numbers)) * NUMBERS).astype(np.int64)
        if answer is None:
            written, lengths = _WORDS[words].tolist(), _WORD_LENGTHS[words]
        else:
            words = np.concatenate([words, _CLOSING_WORDS])
            box = f"\\boxed{{{answer}}}"
            written = [*_WORDS[words].tolist(), box]
            lengths = np.append(_WORD_LENGTHS[words], len(box))
        yield " ".join(written), np.cumsum(lengths + 1) - 1


def _sentences(rng: np.random.Generator, size: int) -> Ints:
    """Return `size` words of sentences in random order; the last one may be truncated."""
    most = size // int(_SENTENCE_LENGTHS.min()) + 1
    drawn = (rng.random(most) * len(SENTENCES)).astype(np.int64)
    lengths = _SENTENCE_LENGTHS[drawn]
    starts = np.cumsum(lengths) - lengths
    needed = int(np.searchsorted(starts, size))
    drawn, lengths, starts = drawn[:needed], lengths[:needed], starts[:needed]
    places = np.repeat(_SENTENCE_STARTS[drawn] - starts, lengths) + np.arange(lengths.sum())
    words: Ints = _SENTENCE_WORDS[places[:size]]
    return words
