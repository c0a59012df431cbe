"""Common base of the judges that prompt a causal language model, whichever engine runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from judges.kinds.models import ModelJudge
from judges.kinds.prompting import Prompter, Template, make_prompter
from judges.prefixes import WORDS_25, Truncation
from judges.protocol import Identity, Ints, QuestionTokens
from simulator.errors import UserError, one_line

DEFAULT_MODEL = "THU-KEG/DeepPrune-Judge-4B"
"""The published judge, which was trained from `Qwen/Qwen3-4B-Instruct-2507`."""


class CausalJudge(ModelJudge, ABC):
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
    system
        A file with a system message; None as for `prompt`.
    tokenized
        `parts` tokenizes the parts of a prompt separately, `whole` all of it, as other programs for
        training do; None as for `prompt`, else `parts`.
    truncation
        The truncation of traces; None selects the one that the model was trained with, else 25
        reasoning words.
    other_cut
        True to allow another truncation than the one that the model was trained with.
    """

    kind: ClassVar[str]
    trained_as = "hf"
    default_truncation = WORDS_25
    """The truncation that the published judge was trained on."""

    def __init__(
        self,
        model: str,
        revision: str | None,
        prompt: str | None,
        same: str | None,
        different: str | None,
        system: str | None,
        tokenized: str | None,
        truncation: Truncation | None,
        other_cut: bool,
    ) -> None:
        super().__init__(model, revision, truncation, other_cut)
        self.template = template_of(self.trained, prompt, same, different, system, tokenized)

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

    @property
    def template_tokens(self) -> int:
        """Number of tokens of a prompt besides the two prefixes, and besides a question."""
        return self.prompter.template_tokens

    @property
    def tail_tokens(self) -> int:
        """Number of tokens of a prompt after the second prefix, besides a question."""
        return len(self.prompter.after)

    @cached_property
    def prompter(self) -> Prompter:
        """The prompt in the model's tokens."""
        return make_prompter(self.template, load_tokenizer(self.folder), self.model_name)

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        """Count the tokens of each prefix, shape (len(prefixes),)."""
        return np.array([len(ids) for ids in self.prompter.tokens(prefixes)], dtype=np.int64)

    def question_tokens(self, question: str | None) -> QuestionTokens:
        """Count the tokens of a question in the prompt; zeros if the prompt has no place for it."""
        asked = self.prompter.about(question, self.model_name)
        tail = len(asked.after) - len(self.prompter.after)
        added = asked.template_tokens - self.prompter.template_tokens
        return QuestionTokens(added - tail, tail)


def not_numbers(model: str, what: str, dtype: str) -> str:
    """Write the error message for a model whose output is NaN or infinite."""
    if dtype == "float32":
        return f"{model}: gives {what} that are not finite (NaN); its weights are damaged"
    return (
        f"{model}: gives {what} that are not finite (NaN); its weights are damaged or overflow in "
        f"{dtype}, try dtype=float32"
    )


def check_context(context: int | None, longest: int, template: int, model: str) -> None:
    """Refuse prompts that do not fit into a model's context, in tokens; None for no limit.

    Raises
    ------
    UserError
        The longest prompt, of which `template` tokens are the template's, does not fit.
    """
    if context is not None and longest > context:
        raise UserError(
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
        raise UserError(f"{folder}: its tokenizer cannot be loaded ({one_line(error)})") from None


def template_of(
    trained: dict[str, Any],
    prompt: str | None,
    same: str | None,
    different: str | None,
    system: str | None,
    tokenized: str | None,
) -> Template:
    """Return the prompt template: the user's, else the one the model was trained with."""
    read = Template.read(
        None if prompt is None else Path(prompt),
        same or "Yes",
        different or "No",
        None if system is None else Path(system),
        tokenized or "parts",
    )
    known = trained.get("template")
    if prompt is not None or not isinstance(known, dict):
        return read
    template = Template.recorded(known)
    return replace(
        template,
        same=same or template.same,
        different=different or template.different,
        system=template.system if system is None else read.system,
        tokenized=tokenized or template.tokenized,
    )
