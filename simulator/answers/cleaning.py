"""Removal of what stands around an answer: Markdown, LaTeX delimiters, prose; and templates."""

from __future__ import annotations

import re

MAX_ANSWER = 2000
"""Most characters of an answer."""

MAX_LINE = 1000
"""Most characters of a line that are searched for an answer."""

_PAIRS = (
    ("**", "**"), ("__", "__"), ("*", "*"), ("_", "_"), ("`", "`"), ("$$", "$$"), ("$", "$"),
    (r"\(", r"\)"), (r"\[", r"\]"), ('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"),
)  # fmt: skip
"""Delimiters of Markdown, LaTeX and quotations."""

_SIGNS_AROUND = "\u2705\u2713\u2714\u2611\ufe0f\U0001f300-\U0001faff"
"""Check marks and emoji."""

_OPENING = re.compile(rf"^(?:[\s}}:{_SIGNS_AROUND}]|#+(?=\s)|\\(?=\s)|\\n(?![a-zA-Z]))+")
_CLOSING = re.compile(
    rf"(?:[\s_`.。,;{_SIGNS_AROUND}]|\*\*|(?<![\^A-Z])\*|(?<=[\s#])#|\\[\])]|(?<!\\)\\[,;!]|\\\\)$"
)
_BRACKETS = (("{", "}"), ("([", ")]"))
_TEXT = re.compile(r"\\(?:text(?:bf|rm|it|sf)?|mathrm|mathbf)\s*\{([^{}]*)\}")
_ABBREVIATION = re.compile(r"(?:^|\W)(?:St|Mr|Mrs|Ms|Dr|Mt|Ft|Jr|Sr|vs|U\.S|[A-Z])$")
_SENTENCE_END = re.compile(r"[.?](?=[\"”')*_]*+(?:\s|$))|。")
_COMMENT = re.compile(
    r"""\s*[,;]\s*(?:because|since|which|where|as|so|but|not|hence|thus|therefore|giving|assuming|
                    rounded|corresponding|obtained|when|and\ (?:not|we|this|it|so))\b
      |\s+[(]?(?:because|since|where|rather\ than|instead\ of|so\ (?:the|we|it|that)
                 |as\ (?:the|we|it|this|there|required|expected|desired|shown))\b
      |\s+and\ (?:we|this|it|so|hence|thus)\b|\s+[–—]\s|\s+\((?:or|i\.e\.|that\ is|approximately)\b
      |\s+[(\[]confidence\b
      |\s+I\ hope\b""",
    re.VERBOSE | re.IGNORECASE,
)
_VERDICT = re.compile(
    r"([\s*_\"'$]*(?:yes|no|true|false)\b[*_\"']*)\s*[,;:–—]\s*\S.*", re.I | re.DOTALL
)
"""A verdict that is explained in its sentence: `Yes, the coin is still heads up`."""

_SPELT_OUT = re.compile(r"(?<=[\d$%*}])(?:\s+\([a-z][a-z -]*\)\W*|:\s+[A-Za-z]{2,}.*)$")
_TEMPLATE = re.compile(
    r"(?:(?:insert|put|write|place|your|the|my|a|an|final|correct|numerical|numeric|single|short"
    r"|exact|just|only) )*"
    r"(?:answer|result|solution|value|number|letter|option|choice|expression)s?"
    r"(?: (?:goes )?here| letter| choice| value| only)?"
)
_NOTHING = re.compile(r"[\s.…?_$\[\]<>{}*:,;\\-]*|\\?[lc]?dots")
_BOLD = re.compile(r"\*\*([^*\n]*\d[^*\n]*)\*\*")
_WORDS_AROUND = re.compile(r"[A-Za-z]{2,}(?:[^A-Za-z]+[A-Za-z]+){2}|[\u4e00-\u9fff]{3}")
_BEGINS = re.compile(r"[\s*_]*(?:[A-Z][a-z]+\s|[\u4e00-\u9fff])")
_FORMULA = re.compile(r"\\[A-Za-z(\[]|\$[^$]*\$|[=^<>]|\d\s*[-+*/×÷]")
_PLAIN_NUMBER = re.compile(r"(?<![\w.,])\\?[$€£]?\d[\d,]*(?:\.\d+)?(?![\w^/:,]|\.\d)\\?%?")
_COMPARED = re.compile(
    r"\b(?:not|never|no|less|more|greater|fewer|least|most|than|before|after|over|under|above|below"
    r"|between|or|if|unless|except|minus|plus|times|half|twice|double|triple|divided|multiplied"
    r"|sum|product|square[ds]?|root|power|factorial|hundred|thousand|million|dozen|option|choice)\b"
    r"|n't\b|[不非否或倍若如]",
    re.IGNORECASE,
)
_EMPTY_SET = re.compile(r"\\\{[\s\\,]*\\\}")
_FIRST = re.compile(
    r"(?:an?(?=\s+[a-z]{2})|one(?=\s+of)|the|that|in|to|as|if|when|where|what|which|it|this|these|those|we|you|they|she|he|there"
    r"|because|so|still|also|and|or|but|for|from|of|on|at|by|with|within|not|just|based|obtained|found"
    r"|given|supposed|needed|required|computed|here|my|our|your|its)[,.:;]*\s.*",
    re.IGNORECASE | re.DOTALL,
)
"""Beginnings of prose that is no mathematical answer."""

_NOT_A_TEXT = re.compile(r"(?:not|that|as|in)\s.*", re.IGNORECASE | re.DOTALL)
_ALONE = re.compile(
    r"(?:(?:(?:in)?correct|right|wrong|unique|clear|obvious|likely|given|expected|reasonable|found"
    r"|acceptable|consistent|(?:in)?valid|verified|confirmed|here|below|above|that|this|it|as)(?:\W*"
    r"|[,;]?\s+(?:and|as|since|because|for|in|when|if|by|to|but|that|with|from|based)\b.*)|not\b.*)",
    re.IGNORECASE | re.DOTALL,
)
"""Beginnings of what is said about an answer ("the answer is correct")."""

_UNFINISHED = re.compile(r"[=+\-<(\[{:]$|\\f?box")
_SIGNS = re.compile(r"\d|\\[A-Za-z]|^.$|[∞π√∅=+^|]")
_PHRASE = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+){0,3}|\([^\W\d_]{1,4}\)")
_MOST_WORDS = {"math": 8, "text": 12}
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def bare_value(value: str, *, unwrap: bool = False) -> str:
    r"""Strip the Markdown, LaTeX delimiters, quotes and full stop around a value.

    `unwrap` also removes `\text{…}` and the like around it.
    """
    while True:
        bare = _without_delimiters(_OPENING.sub("", value.strip(), count=1))
        while closing := _CLOSING.search(bare, max(0, len(bare) - 2)):
            bare = bare[: closing.start()]
        for left, right in () if bare.startswith(("]", ")")) else _BRACKETS:
            if bare.endswith(tuple(right)) and _count(bare, right) > _count(bare, left):
                bare = bare[:-1]
        if bare.endswith("$") and bare.count("$") % 2:
            bare = bare[:-1]
        wrapped = _TEXT.fullmatch(bare) if unwrap else None
        bare = wrapped[1] if wrapped else bare
        if bare == value:
            return bare
        value = bare


def _count(value: str, characters: str) -> int:
    return sum(map(value.count, characters))


def _without_delimiters(value: str) -> str:
    """Remove the delimiters that a value begins with, unless it has further ones of them."""
    for left, right in _PAIRS:
        if value.startswith(left):
            end = value.find(right, len(left))
            if end < 0:
                return value[len(left) :]
            rest = value[end + len(right) :]
            return value if left in rest else value[len(left) : end] + rest
    return value


def cut_prose(value: str, answer_kind: str) -> str:
    """Cut a value where its sentence ends, or a comment on it begins; of numbers, words in (…)."""
    for match in _SENTENCE_END.finditer(value):
        before = value[: match.start()]
        whole = before.count("{") <= before.count("}") and before.strip(" *_$")
        if whole and not _ABBREVIATION.search(before[-6:]):
            value = before
            break
    if answer_kind == "math":
        value = _SPELT_OUT.sub("", value)
    if verdict := _VERDICT.fullmatch(value):
        return verdict[1]
    comment = _COMMENT.search(value)
    return value[: comment.start()] if comment and value[: comment.start()].strip() else value


def value_of_sentence(value: str) -> str:
    """Return the value of a sentence that has one: its only bold number, or its only number.

    A value that is no sentence stays, and so does one that compares or denies.
    """
    bold = _BOLD.findall(value)
    around = _BOLD.sub(" ", value)
    if len(bold) > 1 or not _WORDS_AROUND.search(around) or _COMPARED.search(around):
        return value
    if len(bold) == 1:
        return str(bold[0])
    numbers = [] if _FORMULA.search(value) else _PLAIN_NUMBER.findall(value)
    return str(numbers[0]) if len(numbers) == 1 and _BEGINS.match(value) else value


def fits(value: str, answer_kind: str, *, prose: bool) -> bool:
    """Check whether a value may be an answer: no template (`[your answer]`), and no mere prose."""
    if not value or len(value) > MAX_ANSWER:
        return False
    if _NOTHING.fullmatch(value):
        return _EMPTY_SET.fullmatch(value) is not None
    plain = " ".join(re.sub(r"\\text|[\W_]", " ", value).lower().split())
    if _TEMPLATE.fullmatch(plain):
        return False
    if not prose:
        return True
    words = _WORD.findall(_TEXT.sub(" ", value))
    if len(words) > _MOST_WORDS[answer_kind]:
        return False
    if _ALONE.fullmatch(value) or _UNFINISHED.search(value):
        return False
    if answer_kind != "text" and not _SIGNS.search(value) and not _PHRASE.fullmatch(value):
        return False
    return not (_NOT_A_TEXT if answer_kind == "text" else _FIRST).fullmatch(value)
