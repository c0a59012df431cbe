r"""Mathematics in questions and answers, as Markdown in which everything else is plain text.

Formulas are what stands between `$…$`, `$$…$$`, `\(…\)` or `\[…\]`, and answers that are LaTeX as a
whole. Only formulas made of `COMMANDS` are rendered: others could cover the page with a huge rule
or define macros without end. What is not rendered is shown as it is written.
"""

from __future__ import annotations

import re

from leaderboard_app.shown.screen import plain

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
    """.split()  # noqa: SIM905
)
"""Commands of LaTeX that are rendered, besides those of one sign."""

ENVIRONMENTS = frozenset(
    "matrix pmatrix bmatrix vmatrix Bmatrix Vmatrix cases array aligned align* gathered".split()  # noqa: SIM905
)

_FORMULA = re.compile(
    r"\$\$(?P<double>[^$]+)\$\$|\\\[(?P<display>.+?)\\\]|\\\((?P<inline>.+?)\\\)"
    r"|(?<![\\$\w])\$(?P<dollar>[^\s$](?:[^$\n]*[^\s$\\])?)\$(?![\d$])",
    re.DOTALL,
)
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SIGN = re.compile(r"\\[^A-Za-z]")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{([^{}]*)\}")
_ANSWER = re.compile(r"\\[A-Za-z]|\^")
_UNFIT = re.compile(r"\$|(?<!\\)%|\\\\\s*\[|\n\s*\n|\\$")
"""Ends of a formula, comments, and line breaks with a height of their own."""
_DEEPEST = 20
"""Most braces within each other."""
_PLAIN_SIGNS = frozenset("\\\\,;:!{}% &#_|\n.()[]'/-")


def with_formulas(text: str) -> str:
    """Return Markdown of a text with its formulas rendered."""
    parts, end = [], 0
    for match in _FORMULA.finditer(text):
        formula = next(each for each in match.groups() if each is not None)
        if not renders(formula):
            continue
        wide = match["double"] is not None or match["display"] is not None
        parts += [_lines(text[end : match.start()]), _markdown(formula, wide=wide)]
        end = match.end()
    return "".join([*parts, _lines(text[end:])])


def answer(text: str | None, *, missing: str = "none") -> str:
    """Return Markdown of a final answer: a formula if it is LaTeX that renders, else its text."""
    if text is None:
        return missing
    line = " ".join(text.split())
    if "$" in line or r"\(" in line or r"\[" in line:
        return with_formulas(line)
    return _markdown(line, wide=False) if _ANSWER.search(line) and renders(line) else plain(line)


def renders(formula: str) -> bool:
    """Return True if a formula is made of known commands only, with braces in pairs."""
    if not formula.strip() or len(formula) > LONGEST or not _paired(formula):
        return False
    if any(not each.isprintable() and each not in "\n\t" for each in formula):
        return False
    if _UNFIT.search(formula):
        return False
    bare = formula.replace("\\\\", " ")
    named = set(_COMMAND.findall(bare))
    signs = {each[1] for each in _SIGN.findall(bare)}
    environments = set(_ENVIRONMENT.findall(bare))
    return named <= COMMANDS and signs <= _PLAIN_SIGNS and environments <= ENVIRONMENTS


def _paired(formula: str) -> bool:
    """Check that unescaped braces are in pairs, and not nested too deep."""
    depth = 0
    for brace in re.findall(r"\\.|[{}]", formula, re.DOTALL):
        depth += (brace == "{") - (brace == "}")
        if not 0 <= depth <= _DEEPEST:
            return False
    return depth == 0


def _markdown(formula: str, *, wide: bool) -> str:
    line = " ".join(formula.split())
    return f"$\\displaystyle {line}$" if wide else f"${line}$"


def _lines(text: str) -> str:
    """Return Markdown of a plain text with its line breaks; nothing in it is markup."""
    lines = text.split("\n")
    shown = []
    for number, line in enumerate(lines):
        escaped = plain(line.lstrip() if number else line)
        shown.append(f"\\{escaped}" if escaped.startswith("=") else escaped)
    return "  \n".join(shown).replace("  \n  \n", "\n\n")
