"""Formulas as MathML: right for those worked by hand, and safe for any text."""

from __future__ import annotations

import re
import sys
from threading import Thread, stack_size
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard_app.formulas.finding import COMMANDS, ENVIRONMENTS
from leaderboard_app.formulas.mathml import (
    ATTRIBUTES,
    ELEMENTS,
    LARGEST,
    answer_html,
    formula_html,
    text_html,
)


@pytest.mark.parametrize(
    ("formula", "mathml"),
    [
        (r"\frac{1}{2}", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        ("x^2", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"\sqrt[3]{2}", "<mroot><mn>2</mn><mn>3</mn></mroot>"),
        (r"2\pi", "<mn>2</mn><mi>π</mi>"),
        (r"\boxed{7}", '<mrow class="m-box"><mn>7</mn></mrow>'),
        (r"\overline{AB}", '<mrow class="m-line-top"><mrow><mi>A</mi><mi>B</mi></mrow></mrow>'),
        (r"1<2", "<mn>1</mn><mo>&lt;</mo><mn>2</mn>"),
        (r"\text{if } x", "<mtext>if </mtext><mi>x</mi>"),
        (
            r"\begin{array}{c|c}1&2\end{array}",
            '<mtable displaystyle="false" scriptlevel="0"><mtr><mtd class="m-line-right">'
            "<mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr></mtable>",
        ),
    ],
)
def test_mathml_worked_by_hand(formula: str, mathml: str) -> None:
    shown = formula_html(formula)
    assert shown is not None
    assert shown.replace("\N{NO-BREAK SPACE}", " ") == f"<math>{mathml}</math>"


def test_a_formula_on_a_line_of_its_own_is_a_block() -> None:
    assert text_html(r"So \[x\] & <b>") == (
        'So <math display="block"><mi>x</mi></math> &amp; &lt;b&gt;'
    )


def test_an_answer_is_mathematics_or_the_text_that_it_is() -> None:
    assert answer_html("12") == "12"
    assert answer_html(r"\frac12") == "<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>"
    assert answer_html("$3$ cm") == "<math><mn>3</mn></math> cm"
    assert answer_html(r"\href{javascript:x}{<i>}") == r"\href{javascript:x}{&lt;i&gt;}"


@pytest.mark.parametrize(
    "formula",
    [
        r"\begin{x}1\end{x}",
        "a^b^c",
        r"\left(1",
        r"a & b",
        r"\frac{1}",
        r"\operatorname<",
    ],
)
def test_what_cannot_be_converted_stays_text(formula: str) -> None:
    assert formula_html(formula) is None
    assert "<math" not in text_html(f"${formula}$")


def test_every_command_that_is_admitted_can_be_converted() -> None:
    """Those in other places than others stand in an example each."""
    examples = {
        **{name: rf"\{name}{{a}}{{b}}" for name in ("frac", "dfrac", "tfrac", "cfrac", "stackrel")},
        **{name: rf"\{name}{{a}}{{b}}" for name in ("binom", "dbinom", "tbinom", "overset")},
        **{name: rf"\{name}(" for name in ("big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl")},
        **{name: rf"\{name})" for name in ("Bigr", "biggl", "biggr")},
        **dict.fromkeys(("left", "right", "middle"), r"\left(a\middle|b\right)"),
        **dict.fromkeys(("begin", "end", "hline"), r"\begin{array}{c}1\\\hline 2\end{array}"),
        **{name: rf"\sum\{name}_1" for name in ("limits", "nolimits")},
        "underset": r"\underset{a}{b}",
        **{name: rf"{{a\{name} b}}" for name in ("over", "choose")},
    }
    failed = [
        name
        for name in sorted(COMMANDS)
        if not any(formula_html(each) for each in (examples.get(name, rf"\{name}{{a}}"),))
    ]
    assert failed == []


def test_every_environment_that_is_admitted_can_be_converted() -> None:
    for name in sorted(ENVIRONMENTS):
        shape = "{c}" if name == "array" else ""
        assert formula_html(rf"\begin{{{name}}}{shape}1\\2\end{{{name}}}"), name


def test_the_deepest_formulas_do_not_exhaust_a_small_stack() -> None:
    """Rust ends the process when a thread's stack is exhausted; 512 KiB are those of macOS."""
    shown: list[bool] = []

    def convert() -> None:
        for each in (r"\bar ", r"\sqrt ", r"\frac ", r"\boxed ", r"\mathrm "):
            formula_html(each * 100 + "x")
        for opened, closed in ((r"\left(", r"\right)"), (r"\overset{", "}{x}")):
            formula_html(opened * 50 + "x" + closed * 50)
            formula_html(opened * 20 + r"\frac " * 80 + closed * 20)
        shown.append(True)

    before = stack_size(512 * 1024)
    try:
        thread = Thread(target=convert)
        thread.start()
        thread.join()
    finally:
        stack_size(before)
    assert shown == [True]


PIECES = st.sampled_from(
    [
        *(f"\\{name} " for name in sorted(COMMANDS)),
        *(f"\\begin{{{name}}}" for name in sorted(ENVIRONMENTS)),
        *(f"\\end{{{name}}}" for name in sorted(ENVIRONMENTS)),
        *("{", "}", "^", "_", "&", "\\\\", "x", "1", "+", "(", ")", "[", "]", "{c|c}", "'", '"'),
        *("<b>", "</b>", "<script>", "</script>", "<", ">", "&lt;", "--", "]]>", "\\text{<i>}"),
        *("{a}", "{b}", "\\frac{a}{b}", "\\operatorname{<img src=x onerror=y>}"),
    ]
)


def _elements(found: Element) -> list[Element]:
    return [found, *(each for child in found for each in _elements(child))]


@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_no_element_or_attribute_is_shown_that_is_not_on_the_lists(text: str) -> None:
    for shown in (text_html(f"${text}$ {text}"), answer_html(text), formula_html(text)):
        if shown is None:
            continue
        rest = re.sub(r"<math.*?</math>", "", shown, flags=re.DOTALL)
        assert not re.search(r"[<>\"']|&(?!(?:amp|lt|gt|#34|#39);)", rest)
        for math in re.findall(r"<math.*?</math>", shown, flags=re.DOTALL):
            assert len(math) <= LARGEST
            for each in _elements(fromstring(math)):
                assert each.tag in ELEMENTS
                assert "\\" not in (each.text or "") + (each.tail or "")
                for key, value in each.attrib.items():
                    assert re.fullmatch(ATTRIBUTES[key], value)


def test_a_huge_formula_stays_text() -> None:
    formula = r"\begin{matrix}" + "&" * 1_900 + r"\end{matrix}"
    assert formula_html(formula) is None
    assert sys.getsizeof(answer_html(formula)) < LARGEST
