"""A model in transformers as an engine: batched, with keys and values kept, on a CPU or a GPU."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulator.errors import UserError, one_line
from simulator.live.engines.base import (
    ProbedAnswer,
    TokenizingEngine,
    Trace,
    load_tokenizer,
    seed_of,
)
from simulator.live.engines.detokenizing import TextStream
from simulator.live.engines.drawing import drawn
from simulator.live.engines.prompts import named_model
from simulator.live.engines.token_signals import ALTERNATIVES, SIGNALS, of_step
from simulator.live.source import Piece, ProbeReply, Sampling, Thousandths

STEPS_AT_ONCE = 8
"""Decode steps between two lots of pieces."""

DTYPES = ("bfloat16", "float16", "float32", "float64")
"""Number formats that a model can be loaded in."""

ROWS_AT_ONCE = 16
"""Traces whose next tokens are chosen together: their logits fit into a CPU's cache."""

Layers = list[tuple[Any, Any]]
"""Keys and values of one trace by layer, each of shape (heads, tokens, size)."""


class HfEngine(TokenizingEngine):
    """A causal language model in transformers.

    Parameters
    ----------
    model
        Folder or name on the Hub.
    sampling
        Settings of sampling and prompts.
    revision
        Commit on the Hub.
    dtype
        `float32`, `bfloat16` or `float16`.
    device
        Device of torch; None for a GPU if there is one, else the CPU.
    slots
        Most traces that are decoded together.

    Raises
    ------
    UserError
        The model cannot be loaded.
    """

    def __init__(
        self,
        model: str,
        sampling: Sampling,
        *,
        revision: str | None = None,
        dtype: str = "bfloat16",
        device: str | None = None,
        slots: int = 96,
    ) -> None:
        if dtype not in DTYPES:
            raise UserError(f"--dtype {dtype}: use one of {', '.join(DTYPES)}")
        import torch
        from transformers import AutoModelForCausalLM

        self.torch = torch
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.slots = slots
        tokenizer = load_tokenizer(model, revision, "--model")
        about = {**named_model(model, revision), "dtype": dtype}
        super().__init__("transformers", about, ("torch", "transformers"), tokenizer, sampling)
        try:
            loaded = AutoModelForCausalLM.from_pretrained(
                model, revision=revision, dtype=getattr(torch, dtype)
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UserError(f"--model {model}: {one_line(error)}") from None
        self.model = loaded.to(self.device).eval()
        if self.device == "cpu" and loaded.config._attn_implementation == "sdpa":
            from simulator.live.engines import attention

            self.model.set_attn_implementation(attention.NAME)
        takes = inspect.signature(self.model.forward).parameters
        self.cache_argument = "cache" if "cache" in takes else "past_key_values"
        ends = self.model.generation_config.eos_token_id
        if ends is None:
            ends = self.tokenizer.eos_token_id
        self.ends = frozenset([ends] if isinstance(ends, int) else ends or ())

    def open(
        self, name: str, question: str, traces: Sequence[Sequence[int]], ended: Sequence[bool]
    ) -> HfSource:
        """Return the traces of a problem, those begun earlier with their tokens so far."""
        return HfSource(self, name, self.prompt(question), traces, ended)


@dataclass(slots=True)
class _Trace(Trace):
    """A trace with the keys and values of all its tokens but the last."""

    layers: Layers | None = None
    key: int = 0
    reported: int = 0
    signals: dict[str, list[Thousandths]] = field(
        default_factory=lambda: {name: [] for name in SIGNALS}
    )


class HfSource:
    """Traces of one problem; see `TokenSource`."""

    def __init__(
        self,
        engine: HfEngine,
        name: str,
        prompt: list[int],
        traces: Sequence[Sequence[int]],
        ended: Sequence[bool],
    ) -> None:
        self._engine = engine
        self._prompt = prompt
        self._prompt_layers: Layers | None = None
        self._batch = _Batch(engine)
        self._traces = []
        for row, (ids, is_ended) in enumerate(zip(traces, ended, strict=True)):
            text = TextStream(engine.tokenizer, ids)
            key = seed_of(128, engine.sampling.seed, name, row)
            trace = _Trace(text, list(ids), is_ended, key=key, reported=len(ids))
            self._traces.append(trace)

    def generate(self, wanted: Mapping[int, int]) -> Iterator[Sequence[Piece]]:
        """Generate until each of these traces has at least so many tokens, or has ended.

        Free slots are refilled at the next step. The batch stays for the next call, which need not
        build it again if it goes on with the same traces.
        """
        began = time.perf_counter()
        since = 0
        while lacking := [row for row in wanted if self._lacks(row, wanted[row])]:
            batch = self._batch
            running = set(batch.rows)
            free = self._engine.slots - len(running.intersection(lacking))
            waiting = [row for row in lacking if row not in running][:free]
            self._drop(set(running.difference(lacking)))
            if waiting:
                batch.add(waiting, [self._layers(row) for row in waiting])
                for row in waiting:
                    self._traces[row].layers = None  # those in the batch are longer from here on
            self._step(batch)
            since += 1
            if since == STEPS_AT_ONCE or not all(self._lacks(row, wanted[row]) for row in lacking):
                since = 0
                pieces = self._pieces()
                self._engine.ledger.seconds += time.perf_counter() - began
                yield pieces
                began = time.perf_counter()
        self._engine.ledger.seconds += time.perf_counter() - began

    def _lacks(self, row: int, tokens: int) -> bool:
        """Check whether a trace has neither so many tokens nor ended."""
        trace = self._traces[row]
        return not trace.ended and len(trace.ids) < tokens

    def _drop(self, rows: set[int]) -> None:
        """Take traces out of the batch; keep their keys and values."""
        if not rows:
            return
        places = [place for place, row in enumerate(self._batch.rows) if row in rows]
        for place in places:
            self._traces[self._batch.rows[place]].layers = [
                (keys.clone(), values.clone()) for keys, values in self._batch.layers_of(place)
            ]
        self._batch.drop(places)

    def probe(self, places: Sequence[tuple[int, int]]) -> Sequence[ProbeReply]:
        """Return what each trace says if it is cut there and made to answer, greedily."""
        replies: list[ProbeReply] = []
        for start in range(0, len(places), self._engine.slots):
            replies += self._probed(places[start : start + self._engine.slots])
        return replies

    def _probed(self, places: Sequence[tuple[int, int]]) -> list[ProbeReply]:
        engine = self._engine
        began = time.perf_counter()
        length = len(self._prompt)
        cut, inputs = [], []
        for row, tokens in places:
            kept = length + tokens - 1  # the last token is read again, before the suffix
            cut.append([(k[:, :kept], v[:, :kept]) for k, v in self._layers(row)])
            whole = [*self._prompt, *self._traces[row].ids[:tokens]]
            inputs.append([whole[-1], *engine.suffix])
        batch = _Batch(engine)
        batch.add([row for row, _ in places], cut)
        engine.ledger.probe_prompts += len(places) * (1 + engine.suffix_tokens)
        answers = [ProbedAnswer(engine) for _ in places]
        going = list(range(len(places)))
        for _ in range(engine.sampling.probe_tokens):
            logits = batch.forward(inputs)
            chosen = logits.argmax(dim=-1).tolist()
            top = _most_likely(logits.float()).cpu().tolist()
            closed = []
            for place, (number, token) in enumerate(zip(going, chosen, strict=True)):
                is_end = token in engine.ends
                engine.ledger.probe_outputs += not is_end
                if answers[number].add(token, top[place], is_end=is_end):
                    closed.append(place)
            if len(closed) == len(going):
                break
            batch.drop(closed)
            leaving = set(closed)
            inputs = [[token] for place, token in enumerate(chosen) if place not in leaving]
            going = [number for place, number in enumerate(going) if place not in leaving]
        engine.ledger.seconds += time.perf_counter() - began
        return [answer.reply() for answer in answers]

    def _step(self, batch: _Batch) -> None:
        """Generate one token of each trace of a batch."""
        traces = [self._traces[row] for row in batch.rows]
        logits = batch.forward([[(trace.ids or self._prompt)[-1]] for trace in traces])
        for start in range(0, len(traces), ROWS_AT_ONCE):
            some = traces[start : start + ROWS_AT_ONCE]
            self._chosen(some, logits[start : start + ROWS_AT_ONCE].float())

    def _chosen(self, traces: Sequence[_Trace], logits: Any) -> None:
        """Add a token to each trace by its logits, shape (traces, vocabulary)."""
        sampling = self._engine.sampling
        signals = of_step(_most_likely(logits).cpu().numpy())
        numbers = [_uniform(trace.key, len(trace.ids)) for trace in traces]
        for place, (trace, token) in enumerate(
            zip(traces, drawn(logits, numbers, sampling), strict=True)
        ):
            trace.ids.append(token)
            for name, values in signals.items():
                trace.signals[name].append(values[place : place + 1])
            trace.ended = token in self._engine.ends or len(trace.ids) >= sampling.max_tokens

    def _pieces(self) -> list[Piece]:
        """Return what has been generated since the last call."""
        pieces = []
        for row, trace in enumerate(self._traces):
            new = trace.ids[trace.reported :]
            if not new:
                continue
            text, ends = trace.text.add(new)
            reason = None
            if trace.ended:
                reason = "stop" if new[-1] in self._engine.ends else "length"
            signals = {name: np.concatenate(values) for name, values in trace.signals.items()}
            pieces.append(Piece(row, new, text, ends, signals, reason))
            trace.reported = len(trace.ids)
            for values in trace.signals.values():
                values.clear()
        return pieces

    def _layers(self, row: int) -> Layers:
        """Return the keys and values of all tokens of a trace but the last."""
        if row in self._batch.rows:
            return self._batch.layers_of(self._batch.rows.index(row))
        trace = self._traces[row]
        if trace.layers is None and not trace.ids:
            if self._prompt_layers is None:
                self._prompt_layers = self._prefilled(self._prompt[:-1])
            else:
                self._engine.ledger.prefix_hits += len(self._prompt) - 1
            trace.layers = self._prompt_layers
        elif trace.layers is None:
            trace.layers = self._prefilled([*self._prompt, *trace.ids[:-1]])
        return trace.layers

    def _prefilled(self, ids: Sequence[int]) -> Layers:
        batch = _Batch(self._engine)
        batch.add([0], [[]])
        if ids:
            batch.forward([ids])
            self._engine.ledger.prefilled += len(ids)
        return batch.layers_of(0)


def _most_likely(logits: Any) -> Any:
    """Return the log-probabilities of the most likely tokens, descending, for each row."""
    count = min(ALTERNATIVES, logits.shape[-1])
    return logits.topk(count, dim=-1).values - logits.logsumexp(dim=-1, keepdim=True)


class _Batch:
    """Keys and values of several traces, padded on the left to one length."""

    def __init__(self, engine: HfEngine) -> None:
        from transformers import DynamicCache

        self._torch = engine.torch
        self._engine = engine
        self.rows: list[int] = []
        self._longest = 0
        self._lengths = engine.torch.zeros(0, dtype=engine.torch.int64)
        self._cache = DynamicCache()

    def add(self, rows: Sequence[int], layers: Sequence[Layers]) -> None:
        """Add traces with the keys and values of their tokens."""
        from transformers import DynamicCache

        known = [each[0][0].shape[1] if each else 0 for each in layers]
        longest = max([self._longest, *known])
        held = [(layer.keys, layer.values) for layer in self._cache.layers]
        some = self.layers_of(0) if held else next((each for each in layers if each), [])
        parts = []
        for number, alike in enumerate(some):
            both = []
            for kind in range(2):
                none = alike[kind][:, :0]
                new = [(each[number][kind] if each else none)[None] for each in layers]
                both.append(_padded([held[number][kind], *new] if held else new, longest))
            parts.append(tuple(both))
        self._cache = DynamicCache(parts) if parts else DynamicCache()
        self.rows += rows
        self._longest = longest
        added = self._torch.tensor(known, dtype=self._torch.int64)
        self._lengths = self._torch.cat([self._lengths, added])

    def forward(self, inputs: Sequence[Sequence[int]]) -> Any:
        """Read as many tokens of each trace; return the last's logits, (traces, vocabulary)."""
        torch, device = self._torch, self._engine.device
        ids = torch.tensor(inputs, dtype=torch.int64)
        new = ids.shape[1]
        places = torch.arange(self._longest + new)
        mask = (places >= (self._longest - self._lengths)[:, None]).long()
        positions = self._lengths[:, None] + torch.arange(new)
        with torch.inference_mode():
            output = self._engine.model(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                position_ids=positions.to(device),
                **{self._engine.cache_argument: self._cache},
                use_cache=True,
                logits_to_keep=1,
            )
        self._longest += new
        self._lengths = self._lengths + new
        return output.logits[:, -1]

    def layers_of(self, place: int) -> Layers:
        """Return the keys and values of one trace, as parts of the batch's."""
        length = int(self._lengths[place])
        return [
            (
                layer.keys[place, :, self._longest - length :],
                layer.values[place, :, self._longest - length :],
            )
            for layer in self._cache.layers
            if layer.keys is not None
        ]

    def drop(self, places: Sequence[int]) -> None:
        """Take traces out of the batch."""
        if not places:
            return
        leaving = set(places)
        staying = [place for place in range(len(self.rows)) if place not in leaving]
        self.rows = [self.rows[place] for place in staying]
        self._lengths = self._lengths[staying]
        if not staying:
            from transformers import DynamicCache

            self._cache, self._longest = DynamicCache(), 0
            return
        self._cache.batch_select_indices(self._torch.tensor(staying, device=self._engine.device))
        spare = self._longest - int(self._lengths.max())
        if spare:  # the longest have left
            self._longest -= spare
            for layer in self._cache.layers:
                layer.keys = layer.keys[:, :, spare:]
                layer.values = layer.values[:, :, spare:]


def _padded(blocks: Sequence[Any], longest: int) -> Any:
    """Join blocks of shape (traces, heads, tokens, size), padded on the left to one length."""
    _, heads, _, size = blocks[0].shape
    whole = blocks[0].new_zeros((sum(map(len, blocks)), heads, longest, size))
    start = 0
    for block in blocks:
        whole[start : start + len(block), :, longest - block.shape[2] :] = block
        start += len(block)
    return whole


def _uniform(key: int, position: int) -> float:
    """Return the random number of a trace's token, which depends on nothing else."""
    return float(np.random.Generator(np.random.Philox(key=key, counter=position)).random())
