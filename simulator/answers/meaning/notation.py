r"""Notation: what of an answer's LaTeX says how it looks and not what it means.

`plain` takes it away, so that `\textbf{(C)}\ 12`, `$12$`, `12\text{ cm}` and `\color{red}{12}` are
all `12`. It never evaluates anything. What carries meaning (percent signs, `\pm`, degrees inside a
formula, the base of a number) stays, in one spelling.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LENGTH = 300
"""Length of the longest answer that is read as mathematics, in characters."""

_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
        "÷": r"\div ", "π": r"\pi ", "°": r"^\circ ", "∞": r"\infty ", "≤": r"\leq ",
        "≥": r"\geq ", "≠": r"\neq ", "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ",
        "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ", "√": r"\sqrt ",
        "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "¼": r"\frac{1}{4}",
        "⅔": r"\frac{2}{3}", "¾": r"\frac{3}{4}", "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}",
        "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}", "⅙": r"\frac{1}{6}", "⅚": r"\frac{5}{6}",
        "⅛": r"\frac{1}{8}", "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}",
        "α": r"\alpha ", "β": r"\beta ",
        "γ": r"\gamma ", "θ": r"\theta ", "λ": r"\lambda ", "ω": r"\omega ", "φ": r"\phi ",
        "\u00a0": " ", "\u2009": r"\,", "\u202f": r"\,", "′": "'", "（": "(", "）": ")", "，": ",",
        "…": r"\ldots ",
    }
)  # fmt: skip

_UNICODE |= {ord(a): b for a, b in zip("‐‑‒﹣⁄∕", "----//", strict=True)}
_UNICODE |= dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"), "")
_UNICODE |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if code not in _UNICODE}

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_TIMES_TEN = re.compile(r"(?<=[0-9]) ?[xX] ?(?=10\s*\^)")
_EMPTY_SET = re.compile(r"\\\{\s*\\\}")
_MATH = re.compile(r"\$+([^$]*)\$+|\\\((.*)\\\)|\\\[(.*)\\\]", re.DOTALL)
_SIZE = re.compile(
    r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|tiny|small|normalsize|large|Large|LARGE"
    r"|huge|Huge|limits|nolimits|bf|rm|it|sf|tt|boldmath|centering|middle)(?![a-zA-Z])\.?"
)
_COLOUR = re.compile(r"\\(?:color|textcolor|colorbox|fcolorbox)\s*(?:\[[a-zA-Z]*\])?\s*\{[^{}]*\}")
_THIN = re.compile(r"\\[,!;:>]|\\thinspace(?![a-zA-Z])")
_SPACE = re.compile(
    r"\\ |~|\\q?quad(?![a-zA-Z])|\\hspace\*?\s*\{[^{}]*\}|\\phantom\s*\{[^{}]*\}|\\tag\s*\{[^{}]*\}"
)
_ROW_END = re.compile(r"\\\\(?:\s*\[\s*-?[0-9.]+\s*[a-z]{2}\s*\])?\s*(?:\\hline\s*)?")
_ROW = re.compile(r"\\cr(?![a-zA-Z])\s*")
_THIN_THOUSANDS = re.compile(r"(?<![0-9.])([0-9]{1,3})((?:(?:\\[,!;: ]|~)+[0-9]{3})+)(?![0-9])")
_SPACED_THOUSANDS = re.compile(
    r"-?[0-9]{1,3}(?: [0-9]{3})+(?:\.[0-9]+)?|-?[0-9]{1,3}(?:, [0-9]{3})*, 0[0-9]{2}(?:, [0-9]{3})*"
)
_UNDERSCORED_THOUSANDS = re.compile(r"(?<![0-9a-zA-Z_.}])([0-9]{1,3})((?:\\?_[0-9]{3})+)(?![0-9_])")
_BARE_COMMAND = re.compile(
    r"(?<![\\a-zA-Z_])(?:pi(?![a-zA-Z])"
    r"|(?:sqrt|exp|ln|log|arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc)(?=\s*[(\[{^_])"
    r"|sqrt(?=\s*[0-9])|(?:ln|log|sin|cos|tan)(?=\s+(?:[0-9]|[a-z](?![a-zA-Z]))))"
)
_ROOT_IN_BRACKETS = re.compile(r"\\sqrt(?:\s*\[[^\]]{1,9}\])?\s*(?=\()")
_LOST_FRACTION = re.compile(r"(?<![\\a-zA-Z])f?rac(?=\s*\{)")
r"""`\frac` of which JSON or a shell took the backslash, and perhaps the letter after it."""

_CHOOSE = re.compile(r"\{?\s*([0-9]+|[a-zA-Z])\s*\\choose\s+([0-9]+|[a-zA-Z])\s*\}?")
_REPEATED_IN_BRACKETS = re.compile(r"(?<![0-9.])([0-9]+)\.\(([0-9]{1,20})\)(?![0-9])")
_NEARLY = re.compile(
    r"(?:there (?:are|is) )?(?:(?:about|approximately|approx\.?|around|roughly|nearly|exactly|only"
    r"|there (?:are|is)|a total of)\s+)(?=[-+]?[0-9.\\])|\\sim\s+",
    re.I,
)
_LABEL = re.compile(
    r"[A-Za-z][A-Za-z ]{0,30}(?::\s+|\s*:=\s*)(?=[-+]?[0-9.\\($])|(?:option|choice)\s+(?=\(?[0-9])",
    re.I,
)
_NUMBERED = re.compile(r"\(?([0-9])\)\s+[A-Za-z]{3,}[A-Za-z .,'-]*")
"""A numbered option and its text, `(2) Paris`."""

_ALIGNED = re.compile(
    r"\\begin\s*\{(aligned|align\*?|gathered|split|equation\*?)\}(.*)\\end\s*\{\1\}", re.DOTALL
)
_BESIDE = re.compile(
    r"(?<=[0-9}%])\s+(?:of (?:the|an?|his|her|their|its|all) [a-zA-Z][a-zA-Z ]*|\(\s*[A-J]\s*\))$"
)
"""Remarks after a value: `3/4 of the pie`, or the label of its option, `12 (C)`."""

_MARKS = re.compile(r"\\(?:checkmark(?![a-zA-Z])|#)")
_FANCY_DIGITS = re.compile(r"\\math(?:bb|cal|scr|frak)\s*\{\s*([0-9.,]+)\s*\}")
_QUALIFIED = re.compile(
    r"(?<=\S)\s*(?:,?\s*\\text\s*\{\s*for\s+(?:all|any|every|each)\b[^{}]*\}.*"
    r"|(?:,|\()\s*[a-zA-Z]\s*\\in\s*\\mathbb\s*(?:\{\s*[CNQRZ]\s*\}|[CNQRZ])\s*\)?)$",
    re.DOTALL,
)
"""Conditions on letters after a formula: `cx \\text{ for any } c`, `k\\pi, k \\in \\mathbb{Z}`."""

_PLAIN_MODULO = re.compile(r"(?<=[0-9)}])\s+mod(?:ulo)?\s+(?=[0-9])")
_MODULO = re.compile(r"\(\s*mod(?:ulo)?\s+([0-9]+)\s*\)")
_TEXT_FONT = (
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|textnormal|textup|emph|mbox|hbox|mathrm|mathbf"
    r"|mathit|mathsf|mathtt|mathnormal|boldsymbol|bm|pmb|operatorname\*?|underline|boxed|fbox"
    r"|ensuremath|bold)(?![a-zA-Z])"
)
_FONT = re.compile(_TEXT_FONT + r"\s*\{([^{}]*)\}")
_FONT_NESTED = re.compile(_TEXT_FONT + r"\s*(?=\{)")
_FONT_DIGIT = re.compile(_TEXT_FONT + r"\s*([0-9a-zA-Z])")
_EMPTY = re.compile(r"(?<![_^a-zA-Z}\]])\{\s*\}")
_ORDINAL = re.compile(
    r"(?<=[0-9])\s*(?:\^\s*\{?\s*(?:st|nd|rd|th)\s*\}?|(?:st|nd|rd|th))(?![a-zA-Z])"
)
_PERCENT = re.compile(r"\s*(?:\\%|%|(?<![a-zA-Z])(?:percentage|percent|per cent|pct)(?![a-zA-Z]))")
_DEGREE = re.compile(r"\s*\^\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\(?:circ|degree)(?![a-zA-Z]))")
_UNIT = (
    r"\\(?:text|textrm|mathrm|rm)\s*\{\s*[a-zA-Z]{1,12}\s*\}"
    r"(?:\s*\^\s*(?:[0-9]|\{\s*-?[0-9]\s*\}))?"
)
_COMPOUND_UNIT = re.compile(
    rf"(?<=[0-9}}])\s*+(?:\\frac\s*\{{\s*{_UNIT}\s*\}}\s*\{{\s*{_UNIT}\s*\}}"
    rf"|{_UNIT}(?:\s*(?:\\cdot|/)\s*{_UNIT})+"
    r"|\\mathrm\s*\{(?=[^}]*(?:\^|/|\\cdot))"
    r"(?:[a-zA-Z/\s]|\\cdot|\^\s*(?:[0-9]|\{\s*-?[0-9]\s*\})){1,40}+\})\s*\.?$"
)
"""A quotient, product or power of units in another font: `\\frac{\\text{m}}{\\text{s}}`."""

_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_CURRENCY = re.compile(
    r"(?:\\\$|[$€£¥₹₩₽₺₫₱]|\\pounds\s|\\euro\s|(?:US|USD|EUR|Rs\.?)\s*(?=[0-9]))\s*"
)
_OPTION = re.compile(
    r"\(\s*[A-J]\s*\)(?:\s*[:.])?\s+(?=\S)|\(\s*[A-J]\s*\)(?=[-0-9\\.])|[A-J][.):]\s+(?=[-0-9\\(.])"
)
_FRACTION = re.compile(r"\\[dtcx]frac(?![a-zA-Z])")
_MIXED = re.compile(
    r"(?<![0-9a-zA-Z.}\)_^/*,])([0-9]+)\s+([0-9]+)\s*/\s*([0-9]+)(?![0-9.]|\s*[a-zA-Z\\^({])"
)
_SPACED_FRACTION = re.compile(r"(?<![0-9a-zA-Z.}\)_^/*,])([0-9]+)/([0-9]+) +(?=[a-zA-Z\\(])")
_COMMANDS = {
    r"\leqslant": r"\leq", r"\geqslant": r"\geq", r"\le": r"\leq", r"\ge": r"\geq",
    r"\lt": "<", r"\gt": ">", r"\ne": r"\neq", r"\lbrace": r"\{", r"\rbrace": r"\}",
    r"\lbrack": "[", r"\rbrack": "]", r"\lvert": "|", r"\rvert": "|", r"\vert": "|",
    r"\mid": "|", r"\ast": r"\cdot", r"\imath": "i", r"\dots": r"\ldots", r"\cdots": r"\ldots",
    r"\varnothing": r"\emptyset", r"\land": r"\wedge", r"\lor": r"\vee", r"\colon": ":",
    r"\degree": r"^\circ", r"\langle": "(", r"\rangle": ")", r"\varphi": r"\phi",
    r"\varepsilon": r"\epsilon",
}  # fmt: skip
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_CONJUNCTION = re.compile(
    r"\s*(?:,\s*)?(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])\s*|\s*\\vee\s*|\s*;\s*"
)
_UNIT_WORDS = (
    "degrees?|deg|radians?|rad|dollars?|cents?|euros?|pounds?|rupees?|units?|"
    "(?:milli|centi|kilo|deci)?(?:met(?:er|re)|gram|lit(?:er|re))s?|miles?|inch(?:es)?|feet|foot|"
    "yards?|acres?|hectares?|hours?|minutes?|seconds?|days?|weeks?|months?|years?|mph|kmph|km/h|"
    "m/s|cm|mm|km|kg|mg|ml|mL|ft|lbs?|oz|hrs?|mins?|secs?|sq|square|cubic"
)
_REMARK = re.compile(
    rf"(?<=[0-9}}])\s*\(\s*(?:(?:exact(?:ly)?|approx(?:imately)?|rounded|(?:in )?total|ways?|final"
    rf"|simplified|{_UNIT_WORDS})(?:\s+(?:answer|value|form|units?))?|(?:since|because|i\.e\.).*)\s*\)$"
)
"""Words in brackets that say nothing of the value: `7 (exact)`, `7 (since 3 + 4)`."""

_UNITS = re.compile(
    rf"(?:(?<=[0-9}})\]])|(?<=\\pi)|(?<=\\pi ))\s*(?:(?:{_UNIT_WORDS})(?![a-zA-Z])\.?"
    r"(?:\s*\^\s*(?:\{\s*-?[0-9]\s*\}|-?[0-9]))?\s*(?:/|per)?\s*)+$"
)
_SHORT_UNITS = re.compile(
    r"([-+]?(?:[0-9.,]+|\\frac\{[0-9]+\}\{[0-9]+\}))\s+(?:[mgshLlJNWVAKCF]|in|yd|mi|ha|Hz|Pa|kW|kJ|kN|eV|mol|ms|USD|EUR)(?:\s*\^\s*\{?[23]\}?)?"
)
_COUNTED = re.compile(
    r"([-+]?(?:[0-9][0-9.,]*(?:/[0-9]+)?|\\frac\{[0-9]+\}\{[0-9]+\}))\s+"
    r"((?:per )?[a-zA-Z]{4,}(?:[ .-]+[a-zA-Z]{2,}){0,3})"
)
_COUNTED_IN_CHINESE = re.compile(
    r"([-+]?[0-9][0-9.,]*)\s*(?=[\u4e00-\u9fff])([万萬亿億]?)"
    r"(?:(?![十百千万萬亿億兆半多余餘几幾折成打])[\u4e00-\u9fff]){0,4}"
)
_CHINESE_SCALE = {"万": 4, "萬": 4, "亿": 8, "億": 8}
_SCALE = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_NOT_UNITS = {"pi", "mod", "modulo", "sqrt", "in", "to", "cdot", "times", "sin", "cos", "log", "ln"}
_CHANGES_VALUE = re.compile(
    r"(?:and|or|[ap]\.?m|b\.?c|dozen|factorial|squared|cubed|halves|(?:four|fif|six|seven|eigh|nin|ten"
    r"|twelf|hundred|thousand|million)ths|thirds|tenth|hundredth|thousandth)(?![a-zA-Z])",
    re.IGNORECASE,
)
"""Words that are no unit of the number before them: `5 dozen`, `2 thirds`, `3:30 PM`."""

_DIRECTION = re.compile(r"\b(?:north|south)?(?:east|west|north|south)(?:wards?)?\b", re.IGNORECASE)


@lru_cache(maxsize=65536)
def plain(answer: str) -> str:
    r"""Return an answer without what only says how it looks.

    A longer one than `MAX_LENGTH` is returned as it stands, but for the space around it.

    >>> plain(r"\textbf{(C)}\ 12"), plain(r"$7^{\text{th}} \text{ grade}$"), plain("1{,}250 cm")
    ('12', '7', '1,250')
    >>> plain(r"x = 1 \text{ or } x = 2"), plain("3 1/2"), plain(r"40 \text{ percent}")
    ('x = 1 , x = 2', '(3+\\frac{1}{2})', '40\\%')
    """
    text = answer.strip()
    if len(text) > MAX_LENGTH or not text:
        return text
    text = _SUPERSCRIPT.sub(_raised, _unwrapped(text).translate(_UNICODE))
    if "rac" in text:
        text = _LOST_FRACTION.sub(r"\\frac", text)
    text = text.rstrip("\\ ")
    if "\\begin" in text:
        text = _ALIGNED.sub(lambda match: match[2].replace("&", "").strip(), text)
        # A command in their place, as `\\ ` and `\\,` would be spaces after a backslash.
        text = _ROW_END.sub(r"\\cr ", text)
    text = _COMMAND.sub(lambda match: _COMMANDS.get(match[0], match[0]) + _gap(match), text)
    text = _FRACTION.sub(r"\\frac", _COLOUR.sub("", _SIZE.sub("", text)))
    text = (
        text.replace("{,}", ",").replace("{.}", ".").replace("{:}", ":").replace("...", r"\ldots ")
    )
    text = _THIN_THOUSANDS.sub(_joined, text)
    text = _SPACE.sub(" ", _THIN.sub("", text))
    if "\\" in text:
        text = _FANCY_DIGITS.sub(r"\1", _MARKS.sub("", text))
        text = _without_fonts(_COMPOUND_UNIT.sub("", _QUALIFIED.sub("", text)))
    text = _with_commands(_SPACE.sub(" ", text))
    text = _unwrapped(text.strip("*")).replace("**", "^")
    text = _OPTION.sub("", text, count=1) if _OPTION.match(text) else text
    text = _CURRENCY.sub("", text)
    text = _PERCENT.sub(r"\\%", _ORDINAL.sub("", text))
    if not _TRIGONOMETRY.search(text):
        text = _DEGREE.sub("", text)
    for before in (_LABEL, _NEARLY):
        found = before.match(text)
        text = text[found.end() :] if found else text
    text = _NUMBERED.sub(r"\1", text) if _NUMBERED.fullmatch(text) else text
    text = _BESIDE.sub("", _REMARK.sub("", text.rstrip()))
    if "mod" in text:
        text = _PLAIN_MODULO.sub(r" \\bmod ", _MODULO.sub(r"\\pmod{\1}", text))
    text = _CONJUNCTION.sub(" , ", _TIMES_TEN.sub(r"\\times ", text))
    text = _EMPTY_SET.sub(r"\\emptyset", text)
    text = _without_units(" ".join(text.split()).rstrip(".,:").rstrip())
    if _SPACED_THOUSANDS.fullmatch(text):
        text = text.replace(" ", "").replace(",", "")
    text = _SPACED_FRACTION.sub(r"\\frac{\1}{\2} ", _MIXED.sub(r"(\1+\\frac{\2}{\3})", text))
    return _ROW.sub(r"\\\\", text).strip()


def _with_commands(text: str) -> str:
    r"""Write plain names and signs of operations as LaTeX has them: `sqrt(2)`, `pi`, `0.(3)`."""
    if "_" in text:
        text = _UNDERSCORED_THOUSANDS.sub(_joined, text)
    if ".(" in text:
        text = _REPEATED_IN_BRACKETS.sub(r"\1.\\overline{\2}", text)
    if "choose" in text:
        text = _CHOOSE.sub(r"\\binom{\1}{\2}", text)
    text = _BARE_COMMAND.sub(r"\\\g<0> ", text)
    if "sqrt" not in text:
        return text
    for match in reversed([*_ROOT_IN_BRACKETS.finditer(text)]):
        end = _closing(text, match.end())
        if end is not None:
            inside = text[match.end() + 1 : end]
            text = f"{text[: match.end()].rstrip()}{{{inside}}}{text[end + 1 :]}"
    return text


def _closing(text: str, opened: int) -> int | None:
    """Return the place of the bracket that closes the one at `opened`; None without it."""
    depth = 0
    for place in range(opened, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return None


def _gap(match: re.Match[str]) -> str:
    """Return a space where a command was replaced, so that no letter after it joins the new one."""
    return " " if match[0] in _COMMANDS and match.string[match.end() :][:1].isalpha() else ""


def _unwrapped(text: str) -> str:
    """Return a formula without its delimiters, `$…$` and the like, and outer braces."""
    for _ in range(3):
        text = text.strip().strip("`")
        wrapped = _MATH.fullmatch(text)
        if wrapped:
            text = next(group for group in wrapped.groups() if group is not None)
        elif text.startswith("{") and text.endswith("}") and _closes_at_end(text):
            text = text[1:-1]
        else:
            break
    return text.strip()


def _raised(match: re.Match[str]) -> str:
    return "^{" + match[0].translate(_SUPERSCRIPTS) + "}"


def _closes_at_end(text: str) -> bool:
    """Check whether the brace that opens a text is the one that ends it."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return place == len(text) - 1
    return False


def _joined(match: re.Match[str]) -> str:
    return match[1] + re.sub(r"[^0-9]", "", match[2])


def _without_fonts(text: str) -> str:
    r"""Take the content out of `\text{…}` and the like; text after a value is its unit."""
    for _ in range(6):
        shorter = _FONT.sub(_content, text)
        if shorter == text:
            break
        text = shorter
    return _EMPTY.sub("", _FONT_DIGIT.sub(r"\1", _FONT_NESTED.sub("", text)))


def _content(match: re.Match[str]) -> str:
    inside = match[1]
    before = match.string[: match.start()].rstrip()
    words = inside.strip()
    after = match.string[match.end() :].strip()
    is_last = re.fullmatch(r"(?:\^\s*\{?[23]\}?)?\.?", after) is not None
    is_word = re.fullmatch(r"[a-zA-Z][a-zA-Z .,'/-]*", words) is not None
    follows_value = bool(before) and (before[-1].isdigit() or before[-1] in "})i")
    is_unit = words not in ("i", "e", "pi") and not _CHANGES_VALUE.match(words)
    is_unit = is_unit and not _DIRECTION.search(words)
    if is_last and is_word and follows_value and is_unit:
        if words in ("st", "nd", "rd", "th") or words.casefold() in _SCALE:
            return inside
        if not _PERCENT.fullmatch(words) and not _CONJUNCTION.fullmatch(f" {words} "):
            return " \\unit "
    # The space keeps `\text{a}\text{b}` and `\mathrm{i}x` apart from commands before them.
    glued = bool(re.search(r"\\[a-zA-Z]+$", before)) and inside[:1].isalpha()
    return f" {inside}" if glued else inside


_TEXT_UNIT = re.compile(r"\s*\\unit\s*(?:\^\s*\{?[23]\}?)?\.?\s*$")


def _without_units(text: str) -> str:
    """Take the units off the end of a value; `2 million` is a number."""
    text = _TEXT_UNIT.sub("", text).replace("\\unit", "").strip()
    counted = _COUNTED.fullmatch(text)
    if counted:
        words = re.split(r"[ .-]+", counted[2].strip(" .-"))
        number = counted[1].rstrip(".,")
        if words[0].casefold() in _SCALE:
            return f"{number.replace(',', '')} \\cdot 10^{{{_SCALE[words[0].casefold()]}}}"
        other = _CHANGES_VALUE.match(counted[2]) or _DIRECTION.search(counted[2])
        if not other and not _NOT_UNITS & {word.casefold() for word in words}:
            return number
    if counted := _COUNTED_IN_CHINESE.fullmatch(text):
        number, scale = counted[1].rstrip(".,"), counted[2]
        if scale:
            return f"{number.replace(',', '')} \\cdot 10^{{{_CHINESE_SCALE[scale]}}}"
        return number
    short = _SHORT_UNITS.fullmatch(text)
    return short[1] if short else _UNITS.sub("", text).strip()
