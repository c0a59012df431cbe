"""Prompts of judges that are causal language models: a template, in a model's own tokens.

A prompt has five parts that are tokenized separately: the text before trace A, trace A, the text
between, trace B, and the text after. All pairs of one trace A therefore begin with the same tokens,
which engines read once, and each prefix is tokenized once for all its partners.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from judges import PACKAGE
from simulator.errors import UserError
from simulator.storage import read_plain_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DEFAULT_TEMPLATE = Path(PACKAGE) / "prompts" / "same_answer.txt"

FIELDS = ("{trace_a}", "{trace_b}")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt's text with a field for each trace, and the two labels that answer it."""

    text: str
    same: str = "Yes"
    different: str = "No"

    @classmethod
    def read(cls, path: Path | None = None, same: str = "Yes", different: str = "No") -> Template:
        """Read the template in a file; None for the built-in one.

        Raises
        ------
        UserError
            The file cannot be read, lacks one of the fields, has one twice or an unknown one, or
            has trace B before trace A; or the labels are equal.
        """
        path = path or DEFAULT_TEMPLATE
        try:
            text = read_plain_text(path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such prompt template; give a text file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as text ({error})") from None
        for field in FIELDS:
            if text.count(field) != 1:
                raise UserError(
                    f"{path}: has {field} {text.count(field)} times; a prompt template needs "
                    f"{FIELDS[0]} and then {FIELDS[1]}, once each"
                )
        if text.index(FIELDS[0]) > text.index(FIELDS[1]):
            raise UserError(f"{path}: {FIELDS[1]} stands before {FIELDS[0]}; swap them")
        unknown = set(re.findall(r"\{(?:trace|prefix|question|problem)\w*\}", text)) - set(FIELDS)
        if unknown:
            raise UserError(
                f"{path}: unknown field {min(unknown)}; the fields are {' and '.join(FIELDS)}"
            )
        if same == different:
            raise UserError(f"both labels are {same!r}; give two that differ")
        return cls(text.strip(), same, different)

    @property
    def sha256(self) -> str:
        """SHA-256 of the text and the labels, the identity of the prompt."""
        parts = "\0".join((self.text, self.same, self.different))
        return hashlib.sha256(parts.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Prompter:
    """A template in the tokens of one model.

    `labels` are the token ids of different and same, always in this order.
    """

    tokenizer: PreTrainedTokenizerBase
    before: list[int]
    between: list[int]
    after: list[int]
    labels: tuple[int, int]

    @property
    def template_tokens(self) -> int:
        """Number of tokens of a prompt besides the two prefixes."""
        return len(self.before) + len(self.between) + len(self.after)

    def tokens(self, prefixes: Sequence[str]) -> list[list[int]]:
        """Tokenize each prefix; text that spells a special token is read as plain text."""
        if not prefixes:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(prefixes), add_special_tokens=False, split_special_tokens=True
        )["input_ids"]
        return ids

    def head(self, first: Sequence[int]) -> list[int]:
        """Return the tokens that all pairs of trace A share."""
        return [*self.before, *first, *self.between]

    def tail(self, second: Sequence[int]) -> list[int]:
        """Return the rest of the tokens: trace B and the text after it."""
        return [*second, *self.after]


def make_prompter(template: Template, tokenizer: PreTrainedTokenizerBase, name: str) -> Prompter:
    """Tokenize a template for a model, inside its chat template if it has one.

    A model without a chat template is a base model, which reads the template unchanged. Thinking is
    disabled in chat templates that support it, because the label has to be the next token.

    Raises
    ------
    UserError
        A label is not one token, or the chat template drops a part of the prompt.
    """
    text = template.text
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": template.text}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        if any(text.count(field) != 1 for field in FIELDS):
            raise UserError(f"{name}: its chat template changes the prompt")
        start: list[int] = []
    else:
        start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    before, rest = text.split(FIELDS[0])
    between, after = rest.split(FIELDS[1])

    def ids(part: str) -> list[int]:
        encoded: list[int] = tokenizer(part, add_special_tokens=False)["input_ids"]
        return encoded

    labels = [_label_id(label, ids(label), name) for label in (template.different, template.same)]
    if labels[0] == labels[1]:
        raise UserError(
            f"{name}: its tokenizer gives {template.same!r} and {template.different!r} the same "
            "token; give labels with different tokens"
        )
    return Prompter(
        tokenizer, [*start, *ids(before)], ids(between), ids(after), (labels[0], labels[1])
    )


def _label_id(label: str, ids: list[int], name: str) -> int:
    if len(ids) != 1:
        raise UserError(
            f"{name}: its tokenizer makes {len(ids)} tokens of the label {label!r}; a label must "
            "be one token, choose others with same= and different="
        )
    return ids[0]
