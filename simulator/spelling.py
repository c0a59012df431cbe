"""Scripts and look-alike letters of names, so that no name passes for another one.

Look-alikes are those of Unicode Technical Standard 39.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

LOOKS_LATIN = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο")
"""Greek letters that no reader can tell from Latin ones, so that they stand for no quantity."""

TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)
"""Scripts that one word may mix, as Chinese, Japanese and Korean do ("highly restrictive")."""

JOINED = frozenset(
    [
        "ARABIC",
        "SYRIAC",
        "MONGOLIAN",
        "NKO",
        "DEVANAGARI",
        "BENGALI",
        "GURMUKHI",
        "GUJARATI",
        "ORIYA",
        "TAMIL",
        "TELUGU",
        "KANNADA",
        "MALAYALAM",
        "SINHALA",
        "KHMER",
        "MYANMAR",
        "TIBETAN",
    ]
)
"""Scripts whose words need invisible joiners."""

_ANY = frozenset({"COMMON", "INHERITED", "UNKNOWN"})
_SEPARATOR = re.compile(r"[\W_]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\W_]+(?=\d)")


def script_of(character: str) -> str:
    """Return the name of a character's script in capitals, such as LATIN or COMMON."""
    from confusable_homoglyphs.categories import alias

    return str(alias(character)).upper()


def mixed_scripts(name: str) -> str | None:
    """Describe the letter that mixes scripts within a name; None if there is none.

    A word is a run of letters, marks and digits. Its letters must be of one script (or of
    `TOGETHER`). Beside Latin words, a word of another script must not look wholly Latin. A single
    Greek letter is a word that may stand beside any other, as in β-sc, if it is not one of
    `LOOKS_LATIN`.
    """
    if name.isascii():
        return None
    words = [word for word in _SEPARATOR.split(unicodedata.normalize("NFKC", name)) if word]
    has_latin = any(script_of(each) == "LATIN" for word in words for each in word)
    for word in words:
        scripts = Counter(script_of(each) for each in word if each.isalpha())
        for any_script in _ANY:
            scripts.pop(any_script, None)
        if not scripts:
            continue
        if len(scripts) > 1 and not any(set(scripts) <= each for each in TOGETHER):
            usual = "LATIN" if "LATIN" in scripts else max(scripts, key=scripts.__getitem__)
            return _described(next(each for each in word if script_of(each) not in {usual, *_ANY}))
        (letter, *more) = [each for each in word if each.isalpha()]
        script = script_of(letter)
        if script == "GREEK" and not more and letter not in LOOKS_LATIN:
            continue
        if has_latin and script != "LATIN" and _plain(word).isascii():
            return _described(letter)
    return None


def _described(letter: str) -> str:
    return f"U+{ord(letter):04X} ({unicodedata.name(letter, 'a letter without a name')})"


def keys(name: str) -> frozenset[str]:
    """Return keys of a name: two names that share one look alike to a reader.

    They are equal for names that differ only in case, accents, punctuation, spaces, script,
    invisible characters or look-alike letters. Punctuation between two digits counts.
    """
    text = unicodedata.normalize("NFKC", name)
    text = "".join(each for each in text if unicodedata.category(each)[0] != "C")
    return frozenset({_key(text), _key(text.casefold())})


def _key(text: str) -> str:
    parts = _BETWEEN_DIGITS.split(text)
    return "/".join(_plain(_SEPARATOR.sub("", each)) for each in parts) or text


def _plain(text: str) -> str:
    """Return a text in small letters, with every letter replaced by the one that it looks like."""
    return "".join(map(_looks_like, _without_marks(text))).casefold().replace("0", "o")


def _without_marks(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    return "".join(each for each in parts if unicodedata.category(each)[0] not in "MC")


@cache
def _looks_like(character: str) -> str:
    """Return the representative of the characters that look like this one, ASCII if any is."""
    from confusable_homoglyphs.confusables import confusables_data

    def alike(one: str) -> set[str]:
        found = {_without_marks(each["c"]) for each in confusables_data.get(one, ())}
        return {each for each in found if each}

    several = [each for each in alike(character) if len(each) > 1 and each.isascii()]
    if several:
        return min(several)
    seen, waiting = {character}, [character]
    while waiting:
        new = {each for each in alike(waiting.pop()) if len(each) == 1} - seen
        seen |= new
        waiting += new
    return min(seen, key=lambda one: (not one.isalnum(), not one.isascii(), not one.islower(), one))
