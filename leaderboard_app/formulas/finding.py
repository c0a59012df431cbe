r"""Formulas in questions and answers.

Formulas are what stands between `$…$`, `$$…$$`, `\(…\)` or `\[…\]`, and answers that are LaTeX as a
whole. Only formulas made of `COMMANDS` are rendered: others could cover the page with a huge rule
or define macros without end. What is not rendered is shown as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 2_000
"""Maximum number of characters of a formula."""

COMMANDS = frozenset(
    """
    frac dfrac tfrac cfrac binom dbinom tbinom sqrt boxed overline underline bar hat vec tilde
    widehat widetilde overrightarrow overleftarrow overbrace underbrace stackrel overset underset
    text textbf textit textrm mathrm mathbf mathit mathsf mathtt mathcal mathbb mathfrak mathscr
    operatorname boldsymbol displaystyle textstyle left right middle big Big bigg Bigg bigl bigr
    Bigl Bigr biggl biggr langle rangle lfloor rfloor lceil rceil lvert rvert lVert rVert vert Vert
    mid parallel perp angle measuredangle triangle square circ degree prime infty partial nabla
    cdot cdots ldots dots dotsc dotsb vdots ddots times div pm mp ast star oplus otimes wedge vee
    neg lnot land lor cap cup setminus emptyset varnothing subset subseteq supset supseteq in notin
    ni forall exists le leq ge geq lt gt ne neq equiv sim simeq approx cong propto ll gg mod bmod
    pmod to gets rightarrow leftarrow Rightarrow Leftarrow leftrightarrow Leftrightarrow implies
    iff mapsto longrightarrow sum prod int iint oint lim limsup liminf max min sup inf gcd lcm log
    ln lg exp sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh det dim ker deg arg Pr
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi
    rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi
    Psi Omega ell hbar Re Im aleph quad qquad limits nolimits begin end hline
    over choose rm bf it not prec succ preceq succeq leqslant geqslant nmid subsetneq
    nsubseteq sqcup sqcap bigcup bigcap bigoplus coprod bullet dagger therefore because triangleq
    doteq leftarrow Longrightarrow Longleftrightarrow longleftarrow uparrow downarrow hookrightarrow
    lbrace rbrace lbrack rbrack varrho varsigma wp
    """.split()  # noqa: SIM905
)
"""Commands of LaTeX that are rendered, besides those of one sign."""

ENVIRONMENTS = frozenset(
    "matrix pmatrix bmatrix vmatrix Bmatrix Vmatrix cases array aligned align* gathered".split()  # noqa: SIM905
)

_FORMULA = re.compile(
    r"\$\$(?P<double>[^$]+)\$\$|\\\[(?P<display>.+?)\\\]|\\\((?P<inline>.+?)\\\)"
    r"|(?<![\\$\w])\$(?P<dollar>[^\s$](?:[^$\n]*[^\s$\\])?)\$(?![\d$])"
    r"|(?<![\\$\w])\$ (?P<spaced>[^$\n]*[\\^_=][^$\n]*) \$(?![\d$])",
    re.DOTALL,
)
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SIGN = re.compile(r"\\[^A-Za-z]")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{([^{}]*)\}")
_ANSWER = re.compile(r"\\[A-Za-z%,!{]|\^")
_PLACES = ("$", "\\(", "\\[")
"""Beginnings of a formula within an answer."""
_UNFIT = re.compile(r"\$|(?<!\\)%|\\\\\s*\[|\n\s*\n|\\$|:material/")
"""Ends of a formula, comments, line breaks with a height of their own, and Streamlit's icons."""
_DEEPEST = 20
"""Most braces within each other."""
_MOST_COMMANDS = 100
"""Most commands of a formula: each can be an argument of the one before."""
_MOST_OPEN = 8
"""Most opening brackets of a formula with unpaired ones: each doubles the time of math-core."""
_DELIMITER = re.compile(
    r"\\(?P<enter>left(?![A-Za-z])\s*(?:\\[A-Za-z]+|\\.|[^\\])?|begin\s*\{\w+\*?\})"
    r"|\\(?P<leave>right(?![A-Za-z])\s*(?:\\[A-Za-z]+|\\.|[^\\])?|end\s*\{\w+\*?\})"
    r"|(?P<open>[(\[]|\\\{|\\(?:lbrace|lbrack|lfloor|lceil|langle|lvert|lVert)(?![A-Za-z]))"
    r"|(?P<close>[)\]]|\\\}|\\(?:rbrace|rbrack|rfloor|rceil|rangle|rvert|rVert)(?![A-Za-z]))"
    r"|(?P<cell>&|\\\\)|\\.|[{}]",
    re.DOTALL,
)
_ROOT = re.compile(r"\\sqrt\s*\[(?!\s*\w*\s*\])")
"""Root whose index is not a number or a word."""
_PLAIN_SIGNS = frozenset("\\\\,;:!{}% &#_|\n.()[]'/-")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text as it is written; `formula` is the one that it is, None for plain text.

    A `wide` formula stands on a line of its own.
    """

    source: str
    formula: str | None = None
    wide: bool = False


def parts(text: str) -> Iterator[Part]:
    """Split a text into formulas that render and what is between them."""
    end = 0
    for match in _FORMULA.finditer(text):
        formula = next(each for each in match.groups() if each is not None)
        if not renders(formula):
            continue
        if match.start() > end:
            yield Part(text[end : match.start()])
        wide = match["double"] is not None or match["display"] is not None
        yield Part(match[0], formula, wide)
        end = match.end()
    if text[end:]:
        yield Part(text[end:])


def answer_parts(text: str) -> Iterator[Part]:
    """Split a final answer, on one line: it is a formula if it is LaTeX that renders."""
    line = " ".join(text.split())
    if any(place in line for place in _PLACES):
        yield from parts(line)
    elif line:
        formula = line if _ANSWER.search(line) and renders(line) else None
        yield Part(line, formula)


def renders(formula: str) -> bool:
    """Return True if a formula is made of known commands only, with braces in pairs."""
    if not formula.strip() or len(formula) > LONGEST or not _paired(formula):
        return False
    if any(not each.isprintable() and each not in "\n\t" for each in formula):
        return False
    if _UNFIT.search(formula) or not _few_open(formula):
        return False
    bare = formula.replace("\\\\", " ")
    named = _COMMAND.findall(bare)
    if len(named) > _MOST_COMMANDS:
        return False
    signs = {each[1] for each in _SIGN.findall(bare)}
    environments = set(_ENVIRONMENT.findall(bare))
    return COMMANDS.issuperset(named) and signs <= _PLAIN_SIGNS and environments <= ENVIRONMENTS


def _few_open(formula: str) -> bool:
    """Check that brackets are in pairs within each group and cell, or that there are few."""
    groups, paired, count = [0], not _ROOT.search(formula), 0
    for found in _DELIMITER.finditer(formula):
        if found["open"]:
            groups[-1] += 1
            count += 1
        elif found["close"]:
            paired &= groups[-1] > 0
            groups[-1] -= 1
        elif found["enter"] or found[0] == "{":
            groups.append(0)
        elif found["leave"] or found[0] == "}":
            paired &= groups.pop() == 0 and len(groups) > 0
            groups = groups or [0]
        elif found["cell"]:
            paired &= groups[-1] == 0
    return count <= _MOST_OPEN or (paired and groups == [0])


def _paired(formula: str) -> bool:
    """Check that unescaped braces are in pairs, and not nested too deep."""
    depth = 0
    for brace in re.findall(r"\\.|[{}]", formula, re.DOTALL):
        depth += (brace == "{") - (brace == "}")
        if not 0 <= depth <= _DEEPEST:
            return False
    return depth == 0
