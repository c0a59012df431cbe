"""What only says how an answer looks is taken away, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.answers.meaning.notation import MAX_LENGTH, plain

LOOKS = {
    "fonts": [
        (r"\mathsf{41}", "41"),
        (r"\textit{41}", "41"),
        (r"\mathbf 8", "8"),
        (r"\boldsymbol{\mathrm{41}}", "41"),
        (r"\operatorname{lcm}", "lcm"),
        (r"\text{(041)}", "(041)"),
        (r"\underline{\text{41}}", "41"),
    ],
    "colours and sizes": [
        (r"\textcolor{teal}{41}", "41"),
        (r"{\color{teal} 41}", "41"),
        (r"\color[rgb]{teal}{41}", "41"),
        (r"\Large 41", "41"),
        (r"\displaystyle\dfrac{2}{9}", r"\frac{2}{9}"),
        (r"\bigl( 2, 9 \bigr)", "( 2, 9 )"),
    ],
    "delimiters": [
        (r"\(41\)", "41"),
        (r"$$41$$", "41"),
        (r"**41**", "41"),
        (r"{41}", "41"),
        ("`41`", "41"),
        (r"\frac{1}{2}{3}", r"\frac{1}{2}{3}"),
    ],
    "ordinals": [
        (r"3^{\text{rd}}", "3"),
        (r"22\text{nd}", "22"),
        (r"31st", "31"),
        (r"4^{th} \text{ place}", "4"),
        (r"3^{r}", "3^{r}"),
        (r"2nx", "2nx"),
    ],
    "degrees": [
        (r"75^\circ", "75"),
        (r"75^{\circ}", "75"),
        ("75°", "75"),
        ("75 degrees", "75"),
        (r"\cos 75^\circ", r"\cos 75^\circ"),
    ],
    "units": [
        (r"14\text{ m}", "14"),
        (r"14\,\mathrm{kg}", "14"),
        (r"14\text{ cubic feet}", "14"),
        (r"14 \text{ cm}^3", "14"),
        ("14 miles per hour", "14"),
        ("14 m", "14"),
        (r"\frac{5}{2} \text{ hours}", r"\frac{5}{2}"),
        (r"6\pi \text{ in}^2", r"6\pi"),
        ("14m", "14m"),
        ("14 x", "14 x"),
        (r"k + 14 s", "k + 14 s"),
        (r"7\text{i}", "7i"),
    ],
    "percent": [
        ("65 percent", r"65\%"),
        (r"65\text{ pct}", r"65\%"),
        ("65%", r"65\%"),
        (r"65 \%", r"65\%"),
    ],
    "thousands": [
        ("3{,}500", "3,500"),
        (r"3\,500", "3500"),
        (r"12\ 345\ 678", "12345678"),
        ("12 345", "12345"),
        ("3, 050", "3050"),
        ("3, 500", "3, 500"),
        (r"4\,x", "4x"),
    ],
    "currency": [(r"\$18.50", "18.50"), ("€18", "18"), ("$18", "18"), ("18 dollars", "18")],
    "option labels": [
        (r"\textbf{(D)}\ 41", "41"),
        (r"\text{(D) }41", "41"),
        (r"(D) \frac{2}{9}", r"\frac{2}{9}"),
        ("D. 41", "41"),
        ("(D)", "(D)"),
        ("(x) 41", "(x) 41"),
    ],
    "mixed numbers": [
        ("5 1/8", r"(5+\frac{1}{8})"),
        ("-5 1/8", r"-(5+\frac{1}{8})"),
        ("5 1/8x", "5 1/8x"),
        ("x5 1/8", "x5 1/8"),
    ],
    "lists": [
        (r"4 \text{ or } 9", "4 , 9"),
        ("4 and 9", "4 , 9"),
        (r"x = 4\text{, and }x = 9", "x = 4 , x = 9"),
        ("4; 9", "4 , 9"),
        ("sand", "sand"),
    ],
    "scale": [("3.5 million", r"3.5 \cdot 10^{6}"), (r"2 \text{ thousand}", r"2 \cdot 10^{3}")],
    "counted in Chinese": [
        ("14个", "14"),
        ("14 元", "14"),
        (r"14 \text{平方米}", "14"),
        ("3.5万元", r"3.5 \cdot 10^{4}"),
        ("2亿", r"2 \cdot 10^{8}"),
        ("14个半", "14个半"),
        ("8折", "8折"),
    ],
    "rates": [("14 per pound", "14"), ("$1.40 per week", "1.40"), ("14 per cent", r"14\%")],
    "look-alikes": [
        ("１４．５", "14.5"),
        ("－14", "-14"),
        ("‐14", "-14"),
        ("﹣14", "-14"),
        ("3⁄14", "3/14"),
        ("\u200b14\u200b", "14"),
        ("（2，9）", "(2,9)"),
    ],
    "Unicode": [
        ("⅞", r"\frac{7}{8}"),
        ("3√7 − 2", r"3\sqrt 7 - 2"),
        ("2×9", r"2\times 9"),
        ("x²", "x^{2}"),
    ],
}


@pytest.mark.parametrize(
    ("answer", "expected"), [pair for pairs in LOOKS.values() for pair in pairs]
)
def test_what_only_says_how_an_answer_looks_is_taken_away(answer: str, expected: str) -> None:
    assert plain(answer) == expected


@pytest.mark.parametrize("answer", [r"\text{North}", "North", r"\mathrm{North}"])
def test_words_stay(answer: str) -> None:
    assert plain(answer) == "North"


def test_a_long_text_stays_as_it_is() -> None:
    assert plain("$" + "1" * MAX_LENGTH + "$ ") == "$" + "1" * MAX_LENGTH + "$"


@given(st.integers(), st.sampled_from(["{}", r"\text{{{}}}", "${}$", r"\mathbf{{{}}}.", r"\({}\)"]))
def test_a_number_in_any_dress_is_the_number(number: int, dress: str) -> None:
    assert plain(dress.format(number)) == str(number)


@given(st.text(alphabet=r"\{}()[]$^_,. 019axtefrcq%+-=<>", max_size=40))
def test_any_text_has_a_plain_one(text: str) -> None:
    assert isinstance(plain(text), str)
