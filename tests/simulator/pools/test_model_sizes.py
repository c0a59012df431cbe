"""Sizes of the models that wrote pools."""

from __future__ import annotations

import pytest

from simulator.errors import UserError
from simulator.pools.model_sizes import Size, parse_sizes, size_of
from simulator.pools.pool import PoolInfo


def info(model: str, active: float | None = None) -> PoolInfo:
    return PoolInfo("d", model, "b", "test", "1", "total", active_parameters=active)


@pytest.mark.parametrize(
    ("model", "billions"),
    [
        ("qwen3-8b", 8),
        ("Qwen2.5-32B-Instruct", 32),
        ("qwen2.5-coder-0.5b-instruct-q4_k_m", 0.5),
        ("deepseek-r1-0528-qwen3-8b", 8),  # not its teacher's
        ("deepseek-r1-distill-llama-70b", 70),
        # Mixtures of experts: the parameters that a token passes through.
        ("qwen3-30b-a3b", 3),
        ("Qwen3-235B-A22B-Thinking-2507", 22),
        ("gpt-oss-20b", 3.6),
        ("gpt-oss-120b-high", 5.1),
        ("mixtral-8x7b-instruct-v0.1", 12.9),
        ("deepseek-r1", 37),
        ("deepseek-r1-0528", 37),
        ("glm-4.5", 32),
        ("glm-4.5-air", 12),
        ("GLM-4.5-Air-FP8", 12),
        ("phi-4", 14.7),
        ("phi-4-reasoning", 14.7),
        ("phi-4-Q4_K_M", 14.7),
        ("phi-4-q8_0", 14.7),
        ("phi-4-mini-instruct", 3.8),
    ],
)
def test_the_table_and_the_name_tell_the_size(model: str, billions: float) -> None:
    found = size_of(info(model), {})
    assert found is not None
    assert found.parameters == pytest.approx(billions * 1e9)


@pytest.mark.parametrize(
    "model",
    ["o3-mini-medium", "claude-3.7-sonnet", "model", "phi-4-multimodal", "some-8x7b", "glm-4.5v"],
)
def test_an_unknown_size_is_not_guessed(model: str) -> None:
    assert size_of(info(model), {}) is None


def test_what_is_given_comes_before_what_the_pool_says_and_that_before_its_name() -> None:
    assert size_of(info("qwen3-8b"), {}) == Size(8e9, "name")
    assert size_of(info("gpt-oss-20b"), {}) == Size(3.6e9, "table")
    assert size_of(info("gpt-oss-20b", 3.5e9), {}) == Size(3.5e9, "pool")
    given = parse_sizes(["gpt-oss-20b=3B", "7e9"])
    assert size_of(info("gpt-oss-20b", 3.5e9), given) == Size(3e9, "given")
    assert size_of(info("other"), given) == Size(7e9, "given")
    assert size_of(info("other"), parse_sizes(["gpt-oss-20b=3B"])) is None
    assert parse_sizes(["22.7M"]) == {"": 22.7e6}


@pytest.mark.parametrize("text", ["", "B", "big", "m=", "-1", "0", "nan", "inf", "m=1T"])
def test_a_size_is_a_positive_number(text: str) -> None:
    with pytest.raises(UserError, match="give active parameters"):
        parse_sizes([text])


def test_a_size_is_given_once() -> None:
    with pytest.raises(UserError, match="give it once"):
        parse_sizes(["m=1B", "m=2B"])
