"""Prompts of judges that are causal language models: a template, in a model's own tokens.

By default, the parts of a prompt are tokenized separately: the text before trace A, trace A, the
text between, trace B, and the text after, and so is the question in any of them. All pairs of one
trace A therefore begin with the same tokens, which engines read once, and each prefix is tokenized
once for all its partners. Other programs for training tokenize a prompt as a whole, by which tokens
may differ where parts meet; a judge of theirs is asked with `tokenized="whole"`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from judges import PACKAGE
from simulator.arrays import Ints
from simulator.errors import UserError, one_line
from simulator.storage import read_plain_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DEFAULT_TEMPLATE = Path(PACKAGE) / "prompts" / "same_answer.txt"

FIELDS = ("{trace_a}", "{trace_b}")

QUESTION = "{question}"
"""Field of the problem's question, which a template may have."""

TOKENIZED = ("parts", "whole")
"""Ways to tokenize a prompt."""


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt's text with a field for each trace, and the two labels that answer it.

    Parameters
    ----------
    text
        Text with {trace_a}, then {trace_b}, and {question} anywhere or not at all.
    same, different
        The labels.
    system
        A system message without fields; empty for none.
    tokenized
        `parts` or `whole`.
    """

    text: str
    same: str = "Yes"
    different: str = "No"
    system: str = ""
    tokenized: str = "parts"

    @classmethod
    def read(
        cls,
        path: Path | None = None,
        same: str = "Yes",
        different: str = "No",
        system: Path | None = None,
        tokenized: str = "parts",
    ) -> Template:
        """Read the template in a file, None for the built-in one, and a system message in another.

        Raises
        ------
        UserError
            A file cannot be read; the template lacks one of the fields, has one twice or an unknown
            one, or has trace B before trace A; the labels are equal; or `tokenized` is unknown.
        """
        path = path or DEFAULT_TEMPLATE
        text = _read(path)
        for field in FIELDS:
            if text.count(field) != 1:
                raise UserError(
                    f"{path}: has {field} {text.count(field)} times; a prompt template needs "
                    f"{FIELDS[0]} and then {FIELDS[1]}, once each"
                )
        if text.index(FIELDS[0]) > text.index(FIELDS[1]):
            raise UserError(f"{path}: {FIELDS[1]} stands before {FIELDS[0]}; swap them")
        known = (*FIELDS, QUESTION)
        unknown = set(re.findall(r"\{(?:trace|prefix|question|problem)\w*\}", text)) - set(known)
        if unknown:
            raise UserError(
                f"{path}: unknown field {min(unknown)}; the fields are {', '.join(known)}"
            )
        if text.count(QUESTION) > 1:
            raise UserError(f"{path}: has {QUESTION} {text.count(QUESTION)} times; once at most")
        if same == different:
            raise UserError(f"both labels are {same!r}; give two that differ")
        if tokenized not in TOKENIZED:
            raise UserError(f"tokenized={tokenized}: give {' or '.join(TOKENIZED)}")
        message = "" if system is None else _read(system).strip()
        if any(field in message for field in known):
            raise UserError(f"{system}: a system message has no fields; move them to the prompt")
        return cls(text.strip(), same, different, message, tokenized)

    @classmethod
    def recorded(cls, known: Mapping[str, Any]) -> Template:
        """Make the template that a `judge.json` or `training.json` records."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: str(known[name]) for name in names if name in known})

    @property
    def asks_question(self) -> bool:
        """True if the prompt holds the problem's question."""
        return QUESTION in self.text

    def filled(self, first: str, second: str, question: str) -> str:
        """Return the text for a pair of traces."""
        values = {FIELDS[0]: first, FIELDS[1]: second, QUESTION: question}
        pattern = "|".join(map(re.escape, values))
        return re.sub(pattern, lambda found: values[found[0]], self.text)

    @property
    def sha256(self) -> str:
        """SHA-256 of all of it, the identity of the prompt."""
        parts = [self.text, self.same, self.different]
        if (self.system, self.tokenized) != ("", "parts"):  # prompts of before keep their identity
            parts += [self.system, self.tokenized]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _read(path: Path) -> str:
    try:
        return read_plain_text(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such prompt template; give a text file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from None


@dataclass(frozen=True, eq=False)
class Prompter:
    """A template in the tokens of one model, for the problems of one question.

    Parameters
    ----------
    texts
        Text before, between and after the traces, with {question} in one of them or in none.
    start
        Tokens before the text.
    before, between, after
        Tokens of these texts.
    labels
        Token ids of different and same, always in this order.
    whole
        True to tokenize a prompt as a whole.
    """

    tokenizer: PreTrainedTokenizerBase
    texts: tuple[str, str, str]
    start: list[int]
    before: list[int]
    between: list[int]
    after: list[int]
    labels: tuple[int, int]
    whole: bool

    @property
    def template_tokens(self) -> int:
        """Number of tokens of a prompt besides the two prefixes, and besides a question."""
        return len(self.before) + len(self.between) + len(self.after)

    def about(self, question: str | None, name: str) -> Prompter:
        """Return the prompter with this question in its place, if the prompt has one.

        Raises
        ------
        UserError
            The prompt has a question and there is none.
        """
        if not any(QUESTION in text for text in self.texts):
            return self
        if not question:
            raise UserError(
                f"{name}: its prompt has {QUESTION}, but a problem here has no question; use a "
                "prompt without, or pairs and pools with questions"
            )
        parts = [_ids(self.tokenizer, text, question) for text in self.texts]
        before, between, after = (text.replace(QUESTION, question) for text in self.texts)
        return replace(
            self,
            texts=(before, between, after),
            before=self.start + parts[0],
            between=parts[1],
            after=parts[2],
        )

    def tokens(self, prefixes: Sequence[str]) -> list[list[int]]:
        """Tokenize each prefix; text that spells a special token is read as plain text."""
        if not prefixes:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(prefixes), add_special_tokens=False, split_special_tokens=True
        )["input_ids"]
        return ids

    def head(self, first: Sequence[int]) -> list[int]:
        """Return the tokens that all pairs of trace A share, where parts are tokenized."""
        return [*self.before, *first, *self.between]

    def tail(self, second: Sequence[int]) -> list[int]:
        """Return the rest of the tokens: trace B and the text after it."""
        return [*second, *self.after]

    def prompts(
        self, prefixes: Sequence[str], tokens: Sequence[list[int]], pairs: Ints
    ) -> list[list[int]]:
        """Return the tokens of the prompt of each pair, of prefixes and their `tokens`."""
        if not self.whole:
            return [
                self.head(tokens[first]) + self.tail(tokens[second])
                for first, second in pairs.tolist()
            ]
        if not len(pairs):
            return []
        before, between, after = self.texts
        texts = [
            before + prefixes[first] + between + prefixes[second] + after
            for first, second in pairs.tolist()
        ]
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [[*self.start, *each] for each in ids]

    def longest(self, prefixes: Sequence[str], tokens: Sequence[list[int]], pairs: Ints) -> int:
        """Return the number of tokens of the longest prompt."""
        if self.whole:
            return max(map(len, self.prompts(prefixes, tokens, pairs)), default=0)
        lengths = np.array([len(ids) for ids in tokens])
        both = lengths[pairs[:, 0]] + lengths[pairs[:, 1]]
        return int(both.max(initial=0)) + self.template_tokens


def make_prompter(template: Template, tokenizer: PreTrainedTokenizerBase, name: str) -> Prompter:
    """Tokenize a template for a model, inside its chat template if it has one.

    A model without a chat template is a base model, which reads the template unchanged. Thinking is
    disabled in chat templates that support it, because the label has to be the next token.

    Raises
    ------
    UserError
        A label is not one token, the chat template drops a part of the prompt, or there is a system
        message and the model takes none.
    """
    text = template.text
    start: list[int] = []
    if tokenizer.chat_template:
        text = _in_chat(template, tokenizer, name)
    elif template.system:
        raise UserError(f"{name}: has no chat template, so it takes no system message")
    elif tokenizer.bos_token_id is not None:
        start = [tokenizer.bos_token_id]
    before, rest = text.split(FIELDS[0])
    between, after = rest.split(FIELDS[1])
    labels = [
        _label_id(label, _ids(tokenizer, label), name)
        for label in (template.different, template.same)
    ]
    if labels[0] == labels[1]:
        raise UserError(
            f"{name}: its tokenizer gives {template.same!r} and {template.different!r} the same "
            "token; give labels with different tokens"
        )
    return Prompter(
        tokenizer=tokenizer,
        texts=(before, between, after),
        start=start,
        before=start + _ids(tokenizer, before),
        between=_ids(tokenizer, between),
        after=_ids(tokenizer, after),
        labels=(labels[0], labels[1]),
        whole=template.tokenized == "whole",
    )


def _in_chat(template: Template, tokenizer: PreTrainedTokenizerBase, name: str) -> str:
    """Return the text of a conversation that asks the template, with its fields."""
    from jinja2 import TemplateError

    messages = [{"role": "user", "content": template.text}]
    if template.system:
        messages.insert(0, {"role": "system", "content": template.system})
    try:
        text: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
    except TemplateError as error:
        raise UserError(
            f"{name}: its chat template refuses the prompt ({one_line(error)})"
        ) from None
    wanted = [*FIELDS, QUESTION] if template.asks_question else FIELDS
    if any(text.count(field) != 1 for field in wanted) or template.system not in text:
        raise UserError(f"{name}: its chat template changes the prompt")
    return text


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, question: str = "") -> list[int]:
    """Tokenize a part of the template, and the question in it by itself, as plain text."""
    before, field, after = text.partition(QUESTION)
    ids: list[int] = list(tokenizer(before, add_special_tokens=False)["input_ids"])
    if field:
        told = tokenizer(question, add_special_tokens=False, split_special_tokens=True)
        ids += [*told["input_ids"], *tokenizer(after, add_special_tokens=False)["input_ids"]]
    return ids


def _label_id(label: str, ids: list[int], name: str) -> int:
    if len(ids) != 1:
        raise UserError(
            f"{name}: its tokenizer makes {len(ids)} tokens of the label {label!r}; a label must "
            "be one token, choose others with same= and different="
        )
    return ids[0]
