"""Token ends of texts, from the tokenizer of the model that wrote them.

The file's own number of tokens is the number that was paid for, and is kept if there is one. The
tokenizer's places are then used only for traces on whose number it agrees: a model can split a text
into other tokens than the tokenizer does, and files can count tokens that the text does not show.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.arrays import Ints
from simulator.errors import UserError, install_extra, one_line
from simulator.importers.importer import Reading, drained
from simulator.importers.json_files import unreadable
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.storage import read_plain

if TYPE_CHECKING:
    import tokenizers

FILE = "tokenizer.json"

BATCH_CHARACTERS = 2**23
"""Characters that are tokenized at once, limited because the library needs memory per token."""

ENDED = frozenset({"stop", "eos", "eos_token", "end_turn", "early_stopped"})
"""Finish reasons of a trace that ends in an end token, which its text does not show.

DeepConf stops a trace early by allowing only that token.
"""

ESTIMATE_NOTE = "lengths are estimated"
"""Beginning of the importers' note that is removed once the tokenizer has counted tokens."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True)
class Tokenizer:
    """A fast tokenizer, and the SHA-256 of the file it was read from."""

    name: str
    sha256: str
    library: tokenizers.Tokenizer

    @property
    def identity(self) -> str:
        """Name and hash of the tokenizer, for `pool.json`."""
        return f"{self.name} sha256:{self.sha256}"

    def token_ends(self, texts: Sequence[str]) -> list[Ints]:
        """Compute the token ends of each text, in characters, on all cores.

        Ends ascend (not strictly) and the last is the text's length. A character of several tokens
        belongs to the last of them. Special tokens are recognized in a text, never added.
        """
        encodings = self.library.encode_batch(list(texts), add_special_tokens=False)
        ends = []
        for place, text in enumerate(texts):
            ends.append(_ends(encodings[place].offsets, len(text)))
            encodings[place] = None  # type: ignore[call-overload]  # large, and no longer needed
        return ends


def _ends(offsets: list[tuple[int, int]], length: int) -> Ints:
    flat = np.fromiter(chain.from_iterable(offsets), dtype=np.int64, count=2 * len(offsets))
    ends = flat[1::2].copy()
    if len(ends):
        np.minimum(ends[:-1], flat[2::2], out=ends[:-1])
        np.maximum.accumulate(ends, out=ends)
        np.minimum(ends, length, out=ends)
        ends[-1] = length
    return ends


def load_tokenizer(name: str) -> Tokenizer:
    """Load the fast tokenizer in a folder (or a `tokenizer.json`), or of a Hugging Face model.

    Raises
    ------
    UserError
        There is none, it cannot be downloaded or read, or the tokenizers library is not installed.
    """
    try:
        from tokenizers import Tokenizer as Library
    except ImportError:
        raise UserError(
            f"--tokenizer needs the tokenizers library; {install_extra('tokenizer')}"
        ) from None
    path = Path(name)
    if path.is_dir():
        shown, file = path.resolve().name, _in_folder(path)
    elif os.path.lexists(path):
        shown, file = Path(os.path.realpath(path)).parent.name, path
    elif _HUB_NAME.fullmatch(name):
        shown, file = name, _from_hub(name)
    else:
        raise UserError(f"--tokenizer {name}: no such folder; name one, or a model on the hub")
    try:
        content = read_plain(file)
    except OSError as error:
        raise unreadable(file, error) from None
    try:
        library = Library.from_buffer(content)
        library.no_truncation()
        library.no_padding()
    except Exception as error:  # the library raises no narrower kind
        raise UserError(
            f"{file}: not readable as a fast tokenizer ({one_line(error, 100)}); it is "
            "damaged, or newer than the tokenizers library here (pip install -U tokenizers)"
        ) from None
    return Tokenizer(shown, hashlib.sha256(content).hexdigest(), library)


def _in_folder(folder: Path) -> Path:
    file = folder / FILE
    if file.is_file():
        return file
    slow = ("tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tokenizer_config.json")
    if any((folder / each).is_file() for each in slow):
        raise UserError(
            f"{folder}: a slow tokenizer, without {FILE}; make the fast one with transformers: "
            f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
        )
    raise UserError(f"{folder}: no {FILE} in this folder; name the folder of the model's tokenizer")


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    given = f"--tokenizer {name}"
    elsewhere = "or give a folder that holds it"
    try:
        return Path(hf_hub_download(name, FILE))
    except GatedRepoError:
        raise UserError(
            f"{given}: a gated model; accept its conditions on https://huggingface.co/{name} and "
            f"log in (hf auth login), {elsewhere}"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{given}: no such folder, and no such model on the hub (or a private one: "
            f"hf auth login); check the name, {elsewhere}"
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled):
        raise UserError(
            f"{given}: no such folder, not among the models downloaded before, and the hub cannot "
            f"be reached; go online (unset HF_HUB_OFFLINE), {elsewhere}"
        ) from None
    except EntryNotFoundError:
        raise UserError(
            f"{given}: this model has no {FILE}, so its tokenizer is a slow one; save it as a fast "
            "one with transformers (AutoTokenizer, save_pretrained) and give that folder"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{given}: cannot be downloaded ({one_line(error, 150)}); try again, {elsewhere}"
        ) from None


def tokenize(reading: Reading, tokenizer: Tokenizer) -> None:
    """Add token ends to the problems of `reading`, and replace estimated token counts.

    After the iteration over its problems, `reading` has the resulting token accuracy and notes:
    `exact` only if every trace has as many token ends as tokens.
    """
    reading.problems = _Placing(reading, tokenizer).problems(reading.problems)


@dataclass
class _Placing:
    """Placing of tokens, with counts for the notes."""

    reading: Reading
    tokenizer: Tokenizer
    placed: int = 0  # traces that were tokenized
    recounted: int = 0
    estimate: int = 0
    recount: int = 0
    still_estimated: int = 0
    end_tokens: int = 0
    disagreeing: int = 0
    largest: int = 0
    example: str = ""

    def problems(self, given: Iterable[ProblemRecord]) -> Iterator[ProblemRecord]:
        """Yield the problems of `given` with their tokens placed, in batches."""
        batch: list[ProblemRecord] = []
        characters = 0
        for problem in given:
            batch.append(problem)
            characters += sum(len(trace.text or "") for trace in problem.traces)
            if characters >= BATCH_CHARACTERS:
                self.place(batch)
                yield from drained(batch)
                batch, characters = [], 0
        self.place(batch)
        yield from drained(batch)
        self.conclude()

    def place(self, problems: list[ProblemRecord]) -> None:
        chunk: list[tuple[str, TraceRecord, str]] = []
        characters = 0
        for problem in problems:
            for trace in problem.traces:
                if trace.text is None:
                    raise UserError(
                        f"--tokenizer: problem {problem.problem_id}, trace {trace.trace_id} has no "
                        "text to tokenize; remove --tokenizer"
                    )
                if trace.token_ends is not None:  # the source's own token ends are exact
                    continue
                chunk.append((problem.problem_id, trace, trace.text))
                characters += len(trace.text)
                if characters >= BATCH_CHARACTERS:
                    self.place_chunk(chunk)
                    chunk, characters = [], 0
        self.place_chunk(chunk)

    def place_chunk(self, chunk: list[tuple[str, TraceRecord, str]]) -> None:
        all_ends = self.tokenizer.token_ends([text for _, _, text in chunk])
        for (problem_id, trace, text), ends in zip(chunk, all_ends, strict=True):
            self.placed += 1
            if not trace.counted:
                if trace.token_signals or trace.probe_positions is not None:
                    self.still_estimated += 1  # other signals depend on this length
                    continue
                if not len(ends):  # a trace has at least one token
                    ends = np.array([len(text)])
                self.recounted += 1
                self.estimate += trace.num_tokens
                self.recount += len(ends)
                trace.num_tokens, trace.token_ends = len(ends), ends
                continue
            if len(ends) + 1 == trace.num_tokens and trace.finish_reason in ENDED:
                ends = np.append(ends, len(text))
                self.end_tokens += 1
            if len(ends) == trace.num_tokens:
                trace.token_ends = ends
                continue
            self.disagreeing += 1
            difference = abs(len(ends) - trace.num_tokens)
            if difference > self.largest:
                self.largest = difference
                self.example = (
                    f"{trace.num_tokens} in the file, {len(ends)} by the tokenizer: problem "
                    f"{problem_id}, trace {trace.trace_id}"
                )

    def conclude(self) -> None:
        """Set accuracy and notes, after the importer has set its own."""
        reading = self.reading
        if self.recounted:
            if not self.still_estimated:
                reading.notes = [n for n in reading.notes if not n.startswith(ESTIMATE_NOTE)]
            reading.notes.append(
                f"lengths were counted by the tokenizer: {self.recount} tokens, where the "
                f"estimate was {self.estimate}; tokens that the texts do not show are not counted"
            )
        if self.end_tokens:
            reading.notes.append(
                f"{self.end_tokens} traces have one token more than their text, assumed to be the "
                "end token, which has no characters"
            )
        if self.disagreeing:
            reading.notes.append(
                f"in {self.disagreeing} of {self.placed} traces the file and the tokenizer count "
                f"different numbers of tokens (at most {self.largest} apart; {self.example}): the "
                "file's was kept, and those traces' tokens are placed in proportion"
            )
        if self.still_estimated or (reading.token_accuracy == "estimated" and not self.recounted):
            reading.token_accuracy = "estimated"
        else:
            reading.token_accuracy = "total" if self.disagreeing else "exact"
