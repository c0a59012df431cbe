"""Letters of multiple-choice answers."""

from __future__ import annotations

import re

_WRAPPER = re.compile(
    r"\\(?:text(?:bf|rm|sf|it|tt)?|math(?:bf|rm|sf|it|bb|cal)|bm|boldsymbol|operatorname|boxed|fbox)"
    r"\s*\{([^{}]*)\}"
)
_MARKUP = re.compile(r"[*`$_\"'“”‘’]|\\[()\[\]]|\\[,;!: ]|\\q?quad(?![A-Za-z])|~")
_WIDE: dict[int, int | str] = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_WIDE |= {0x24B6 + place: 65 + place % 26 for place in range(52)}  # Ⓐ to ⓩ
_WIDE |= {ord(theirs): ours for theirs, ours in zip("أبجدঅবডঢ", "ABCD" * 2, strict=True)}
_WIDE |= dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"), "")
_MOST = 2000
"""Most characters of a text that is read as an answer."""

_LETTER = re.compile(
    r"""(?:(?:the\ )?(?:(?:correct|right|best|final)\ )?(?:option|choice|answer|letter)\b
            (?:\ (?:option|choice|letter))?(?:\ is)?[\s:]*)?
        (?P<open>[(\[{<]{0,2})\s*(?P<letter>[A-Za-z])
        (?:\s*[^\w?/&+=<-]*\Z         # alone
          |\s*(?:[)\]}>]+[.,:;]*|[.:]+(?=\s|\Z)|[-–—]+(?=\s)|[,;(\n])(?P<explained>.*)\Z
          |[ ]*\n(?P<next>.*)\Z
          |\s+(?P<said>(?:because|since|as|is|not|and\ not|rather|instead|due)\b.*)\Z)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_LABEL = re.compile(r"\([a-j]\)")
_SECOND = re.compile(
    r"[\s,;/&+.:()\[\]-]*(?:(?:and|or|and/or|oder|to)\b[\s(\[]*)?(?P<letter>III?|IV|[A-Z])[)\]]?"
    r"(?=\s*(?:\Z|[,;.)\]/&?!]|(?:and|or|are)\b))"
)
_UNDECIDED = re.compile(r"[\s,;)\]]*(?:or|and/or|maybe|perhaps)\b")
_DENIED = re.compile(r"is\s+(?:not|in(?:correct|valid)|wrong|false|un|ruled|eliminated)")


def letter_of(text: str) -> str | None:
    r"""Return the capital letter of the one option that an answer names; None if it names none.

    The letter stands alone, is wrapped (`**C**`, `(C)`, `\text{C}`), or is explained (`C. Paris`,
    `C) Paris`, `C: Paris`, `(C - Paris)`, `C, not B`, `option C`). An answer that names a second
    option (`B or C`, `A, D`), that denies its own (`C is wrong`), or that is prose names none.

    >>> letter_of(r"\textbf{(E)} A polygenic score"), letter_of("B or C"), letter_of("I think so")
    ('E', None, None)
    """
    bare = text[:_MOST].translate(_WIDE)
    for _ in range(3):
        bare = _WRAPPER.sub(r"\1", bare)
    match = _LETTER.fullmatch(_MARKUP.sub("", bare).strip())
    if match is None:
        return None
    letter = match["letter"].upper()
    said = match["said"]
    if said is not None:
        return None if _DENIED.match(said) else letter
    rest = match["explained"] or match["next"]
    if rest is not None:
        second = _SECOND.match(rest)
        if (second and second["letter"] != letter) or _UNDECIDED.match(rest):
            return None
    return letter


def is_letter(text: str) -> bool:
    """Check for a letter as a gold answer: a capital, alone or wrapped (`(C)`, `C.`), or `(c)`."""
    letter = letter_of(text) if len(text) <= _MOST else None
    bare = text
    for _ in range(3):
        bare = _WRAPPER.sub(r"\1", bare)
    alone = re.sub(r"[\W_]", "", bare)
    return letter is not None and (alone == letter or _LABEL.fullmatch(bare.strip()) is not None)
