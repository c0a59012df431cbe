"""Common base of the judges that prompt a causal language model, whichever engine runs it."""

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
"""The published judge, which was trained from `Qwen/Qwen3-4B-Instruct-2507`."""

DEFAULT_TRUNCATION = Truncation("words", 25)
"""The truncation that the published judge was trained on."""


class CausalJudge(ABC):
    """A causal language model that answers with one of two labels.

    Parameters
    ----------
    model, revision
        A folder, or a repository of the Hugging Face hub and a commit, branch or tag of it. None
        selects the pinned commit, else the newest, which is then stored in `resolved`.
    prompt
        A template file with {trace_a} and {trace_b}; None selects the template that the model was
        trained with, else the built-in one.
    same, different
        The two labels, one token each; None as for `prompt`.
    truncation
        The truncation of traces; None selects the one that the model was trained with, else 25
        reasoning words.
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
            raise UserError(
                f"{model}: trained as judge {trained['kind']}; use {trained['kind']}:model={model}"
            )
        self.template = template_of(trained, prompt, same, different)
        self.truncation = truncation or truncation_of(trained) or DEFAULT_TRUNCATION

    @property
    @abstractmethod
    def dtype_name(self) -> str:
        """Number format that scores are computed in."""

    @property
    def identity(self) -> Identity:
        """Everything that the scores depend on."""
        return Identity(
            name=f"{self.kind}-{Path(self.model_name).name}",
            weights=self._weights,
            prompt=self.template.sha256,
            truncation=self.truncation,
            settings=(("dtype", self.dtype_name),),
        )

    @cached_property
    def parameters(self) -> int | None:
        """Number of parameters of the model."""
        return count_parameters(self.folder)

    @property
    def template_tokens(self) -> int:
        """Number of tokens of a prompt besides the two prefixes."""
        return self.prompter.template_tokens

    @cached_property
    def prompter(self) -> Prompter:
        """The prompt in the model's tokens."""
        return make_prompter(self.template, load_tokenizer(self.folder), self.model_name)

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        """Count the tokens of each prefix, shape (len(prefixes),)."""
        return np.array([len(ids) for ids in self.prompter.tokens(prefixes)], dtype=np.int64)


def not_numbers(model: str, what: str, dtype: str) -> str:
    """Write the error message for a model whose output is NaN or infinite."""
    if dtype == "float32":
        return f"{model}: gives {what} that are not finite (NaN); its weights are damaged"
    return (
        f"{model}: gives {what} that are not finite (NaN); its weights are damaged or overflow in "
        f"{dtype}, try dtype=float32"
    )


def too_long(model: str, longest: int, context: int, template: int) -> str:
    """Write the error message for a prompt of `longest` tokens, `template` of them the template."""
    return (
        f"{model}: a prompt of {longest:,} tokens is longer than its context of {context:,}; "
        f"truncate traces earlier (-t; the template takes {template:,} tokens)"
    )


def load_tokenizer(folder: Path) -> Any:
    """Load a model's tokenizer.

    Raises
    ------
    UserError
        The folder has no tokenizer, or it cannot be loaded.
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
    """Return the prompt template: the user's, else the one the model was trained with."""
    known = trained.get("template")
    if prompt is None and isinstance(known, dict):
        template = Template(known["text"], known["same"], known["different"])
        if same is None and different is None:
            return template
        return Template(template.text, same or template.same, different or template.different)
    return Template.read(None if prompt is None else Path(prompt), same or "Yes", different or "No")


def truncation_of(trained: dict[str, Any]) -> Truncation | None:
    """Return the truncation that the model was trained on; None if it is not recorded."""
    text = trained.get("truncation")
    return Truncation.parse(text) if isinstance(text, str) else None
