"""Writes `problems.jsonl`: sixteen families of school mathematics, their answers computed.

    python problems.py > problems.jsonl

A family's problems grow harder from its first to its last. Their order goes through all families
before the next level, so that the first problems of the file are of all families.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable

Random = random.Random
Problem = tuple[str, int]

LEVELS = 3


def sums(rng: Random, level: int) -> Problem:
    most = (20, 50, 99, 400)[level]
    a, b, c = (rng.randint(most // 3, most) for _ in range(3))
    return f"Compute {a + c} + {b} - {c}.", a + b


def products(rng: Random, level: int) -> Problem:
    a = rng.randint(*((3, 9), (6, 12), (11, 19), (21, 59))[level])
    b, c = rng.randint(4, 12) + 4 * level, rng.randint(5, 30)
    return f"Compute {a} * {b} + {c}.", a * b + c


def shopping(rng: Random, level: int) -> Problem:
    pens, price = rng.randint(2, 4 + 2 * level), rng.randint(2, 6)
    books, cost = rng.randint(2, 5), rng.randint(5, 8 + 3 * level)
    spent = pens * price + books * cost
    paid = spent // 10 * 10 + 20
    return (
        f"Mia buys {pens} pens at {price} dollars each and {books} books at {cost} dollars each. "
        f"She pays with {paid} dollars. How many dollars does she get back?",
        paid - spent,
    )


def apples(rng: Random, level: int) -> Problem:
    start, boxes, each = rng.randint(5, 15 + 10 * level), rng.randint(2, 8), rng.randint(5, 12)
    gone = rng.randint(3, 5 + 4 * level)
    return (
        f"Tom has {start} apples at home. At the market he buys {boxes} boxes with {each} apples "
        f"in each, and takes them home too. Then he gives away {gone} apples. How many apples does "
        "he have at home now?",
        start + boxes * each - gone,
    )


def shares(rng: Random, level: int) -> Problem:
    children, each = rng.randint(3, 5 + level), rng.randint(4, 8 + 3 * level)
    left, eaten = rng.randint(0, min(level, 2)), rng.randint(2, 5 + 4 * level)
    return (
        f"A bag holds {children * each + left + eaten} sweets. After {eaten} of them are eaten, "
        f"the rest is shared equally among {children} children, as many as possible to each. How "
        "many sweets does each child get?",
        each,
    )


def percents(rng: Random, level: int) -> Problem:
    price, units = rng.randrange(40, 200, 20), 1 + level
    off = rng.choice(([10, 50], [10, 20, 25], [5, 15, 30], [15, 35, 45])[level])
    asked = "such a lamp" if units == 1 else f"{units} such lamps"
    return (
        f"A lamp costs {price} dollars. A shop takes {off}% off the price. How many dollars must "
        f"be paid for {asked} after the discount?",
        price * (100 - off) // 100 * units,
    )


def linear(rng: Random, level: int) -> Problem:
    x, a, b = rng.randint(2, 6 + 3 * level), rng.randint(2, 3 + 2 * level), rng.randint(1, 30)
    return f"Solve {a}x + {b} = {a * x + b} for x.", x


def two_sided(rng: Random, level: int) -> Problem:
    x, c = rng.randint(2, 5 + 3 * level), rng.randint(1, 2 + level)
    more, b = rng.randint(1, 2 + level), rng.randint(1, 20)
    left = "x" if c == 1 else f"{c}x"
    return f"Solve {c + more}x - {b} = {left} + {more * x - b} for x.".replace("+ -", "- "), x


def ages(rng: Random, level: int) -> Problem:
    child, times, years = rng.randint(4, 8 + level), rng.randint(2, 3 + level), rng.randint(2, 9)
    return (
        f"A father is {times} times as old as his daughter. Together they are "
        f"{child * (times + 1)} years old. How old will the daughter be in {years} years?",
        child + years,
    )


def remainders(rng: Random, level: int) -> Problem:
    divisor = rng.randint(3 + 2 * level, 6 + 4 * level)
    number = rng.randint(20, (60, 150, 400, 999)[level])
    return f"What is the remainder when {number} is divided by {divisor}?", number % divisor


def divisors(rng: Random, level: int) -> Problem:
    greatest = rng.randint(2 + 2 * level, 5 + 4 * level)
    a, b = rng.choice([(2, 3), (3, 4), (3, 5), (4, 5), (4, 7), (5, 6)])
    return f"What is the greatest common divisor of {a * greatest} and {b * greatest}?", greatest


def multiples(rng: Random, level: int) -> Problem:
    numbers = ([2, 3, 4, 5], [4, 6, 8, 9], [8, 9, 10, 12, 15], [12, 14, 15, 16, 18, 20])[level]
    a, b = rng.sample(numbers, 2)
    return f"What is the least common multiple of {a} and {b}?", math.lcm(a, b)


def sequences(rng: Random, level: int) -> Problem:
    first, step, place = rng.randint(1, 20), rng.randint(2, 4 + 2 * level), 6 + 6 * level
    shown = ", ".join(str(first + step * number) for number in range(4))
    return (
        f"In the sequence {shown}, ... each number is {step} more than the one before. The first "
        f"number is {first}. What is the {place}th number?",
        first + step * (place - 1),
    )


def rectangles(rng: Random, level: int) -> Problem:
    a, b = rng.randint(3, 8 + 4 * level), rng.randint(3, 8 + 4 * level)
    return (
        f"A rectangle has a perimeter of {2 * (a + b)} cm and is {a} cm wide. What is its area in "
        "square cm?",
        a * b,
    )


def averages(rng: Random, level: int) -> Problem:
    known = [rng.randint(5, 20 + 15 * level) for _ in range(2 + level // 2)]
    mean = sum(known) // len(known) + rng.randint(1, 5)
    count = "three" if len(known) == 2 else "four"
    listed = ", ".join(map(str, known[:-1])) + f" and {known[-1]}"
    return (
        f"The average of {count} numbers is {mean}. All but one of them are {listed}. What is the "
        "missing number?",
        (len(known) + 1) * mean - sum(known),
    )


def journeys(rng: Random, level: int) -> Problem:
    legs = [
        (rng.randint(2, 3 + level), rng.randrange(20, 90, 10) + 5 * (level > 1))
        for _ in range(2 + level // 2)
    ]
    listed = ", then ".join(f"{hours} hours at {speed} km per hour" for hours, speed in legs)
    return (
        f"A train runs {listed}. How many km does it run in all?",
        sum(hours * speed for hours, speed in legs),
    )


FAMILIES: tuple[Callable[[Random, int], Problem], ...] = (
    sums,
    products,
    shopping,
    apples,
    shares,
    percents,
    linear,
    two_sided,
    ages,
    remainders,
    divisors,
    multiples,
    sequences,
    rectangles,
    averages,
    journeys,
)


def main() -> None:
    """Write the problems to standard output, a line each."""
    for level in range(LEVELS):
        for family in FAMILIES:
            question, answer = family(Random(f"{family.__name__} {level}"), level)
            problem_id = f"{family.__name__.replace('_', '-')}-{level + 1}"
            line = {"problem_id": problem_id, "question": question, "answer": str(answer)}
            sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
