"""What judges share that put a question to a causal language model, whatever runs the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from judges.kinds.models import count_parameters, find_model, judge_file
from judges.kinds.prompting import Prompter, Template, make_prompter
from judges.prefixes import Truncation
from judges.protocol import Identity, Ints
from simulator.errors import UserError

DEFAULT_MODEL = "THU-KEG/DeepPrune-Judge-4B"
"""The published judge; `Qwen/Qwen3-4B-Instruct-2507` is what it was trained from."""

DEFAULT_TRUNCATION = Truncation("words", 25)
"""What the published judge was trained on."""


class CausalJudge(ABC):
    """A causal language model that answers with one of two labels.

    Parameters
    ----------
    model, revision
        A folder, or a repository of the Hugging Face hub and a commit, branch or tag of it; None
        takes the commit that is pinned here, else the newest, which is then in `resolved`.
    prompt
        A template file with {trace_a} and {trace_b}; None takes what the model was trained with,
        else the built-in one.
    same, different
        The two labels, one token each; None as for `prompt`.
    truncation
        Where traces are cut; None takes what the model was trained with, else 25 reasoning words.
    """

    kind: ClassVar[str]
    unranked = False

    def __init__(
        self,
        model: str,
        revision: str | None,
        prompt: str | None,
        same: str | None,
        different: str | None,
        truncation: Truncation | None,
    ) -> None:
        self.model_name = model
        found = find_model(model, revision)
        self.folder, self._weights, self.resolved = found.folder, found.weights, found.resolved
        trained = judge_file(self.folder)
        if trained.get("kind", "hf") != "hf":
            raise UserError(f"{model}: trained as judge {trained['kind']}; name it so")
        self.template = template_of(trained, prompt, same, different)
        self.truncation = truncation or truncation_of(trained) or DEFAULT_TRUNCATION

    @property
    @abstractmethod
    def dtype_name(self) -> str:
        """The arithmetic that scores are computed in."""

    @property
    def identity(self) -> Identity:
        """What its scores depend on."""
        return Identity(
            name=f"{self.kind}-{Path(self.model_name).name}",
            weights=self._weights,
            prompt=self.template.sha256,
            truncation=self.truncation,
            settings=(("dtype", self.dtype_name),),
        )

    @cached_property
    def parameters(self) -> int | None:
        """Parameters of the model."""
        return count_parameters(self.folder)

    @property
    def template_tokens(self) -> int:
        """Tokens of a prompt beside the two prefixes."""
        return self.prompter.template_tokens

    @cached_property
    def prompter(self) -> Prompter:
        """The prompt in the model's tokens."""
        return make_prompter(self.template, load_tokenizer(self.folder), self.model_name)

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        """Tokens of each prefix, shape (len(prefixes),)."""
        return np.array([len(ids) for ids in self.prompter.tokens(prefixes)], dtype=np.int64)


def not_numbers(model: str, what: str, dtype: str) -> str:
    """What to say of a model whose output is NaN or infinite."""
    if dtype == "float32":
        return f"{model}: gives {what} that are not numbers (NaN); its weights are damaged"
    return (
        f"{model}: gives {what} that are not numbers (NaN); its weights are damaged or overflow in "
        f"{dtype}, try dtype=float32"
    )


def too_long(model: str, longest: int, context: int, template: int) -> str:
    """What to say of a prompt of `longest` tokens, `template` of them beside the two prefixes."""
    return (
        f"{model}: a prompt of {longest:,} tokens is longer than its context of {context:,}; "
        f"cut traces earlier (-t; {template:,} tokens are the template's)"
    )


def load_tokenizer(folder: Path) -> Any:
    """A model's tokenizer.

    Raises
    ------
    UserError
        There is none in the folder.
    """
    from transformers import AutoTokenizer

    if not any(folder.glob("tokenizer*")):
        raise UserError(
            f"{folder}: no tokenizer here (tokenizer.json); copy that of its base model"
        )
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{folder}: its tokenizer cannot be loaded ({reason})") from None


def template_of(
    trained: dict[str, Any], prompt: str | None, same: str | None, different: str | None
) -> Template:
    """The template to ask with: what was typed, else what the model was trained with."""
    known = trained.get("template")
    if prompt is None and isinstance(known, dict):
        template = Template(known["text"], known["same"], known["different"])
        if same is None and different is None:
            return template
        return Template(template.text, same or template.same, different or template.different)
    return Template.read(None if prompt is None else Path(prompt), same or "Yes", different or "No")


def truncation_of(trained: dict[str, Any]) -> Truncation | None:
    """Where the traces that the model was trained on were cut; None where it does not say."""
    text = trained.get("truncation")
    return Truncation.parse(text) if isinstance(text, str) else None
