"""A model in vLLM as an engine, in this process."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from simulator.errors import UserError, one_line
from simulator.live.engines.detokenizing import TextStream
from simulator.live.engines.prompts import is_closed, named_model, prompt_ids
from simulator.live.engines.token_signals import ALTERNATIVES, SIGNALS, of_step
from simulator.live.source import Ledger, Piece, Sampling

STEPS_AT_ONCE = 8
"""Engine steps between two lots of pieces."""


class VllmEngine:
    """A model in vLLM's `LLMEngine`, stepped by hand.

    A trace that a policy does not decode is not kept in the engine: its request is aborted, and a
    new one with its tokens so far as prompt goes on later, which finds them in the prefix cache.

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
    slots
        Most traces that are decoded together.
    settings
        Further arguments of vLLM's `EngineArgs`.

    Raises
    ------
    UserError
        vLLM cannot start with the model.
    """

    signals: tuple[str, ...] = SIGNALS

    def __init__(
        self,
        model: str,
        sampling: Sampling,
        *,
        revision: str | None = None,
        dtype: str = "bfloat16",
        slots: int = 96,
        **settings: Any,
    ) -> None:
        from vllm import EngineArgs, LLMEngine

        self.sampling = sampling
        self.ledger = Ledger()
        self._about = {**named_model(model, revision), "dtype": dtype}
        arguments = {
            "model": model,
            "revision": revision,
            "dtype": dtype,
            "max_num_seqs": slots,
            "enable_prefix_caching": True,
            "max_logprobs": ALTERNATIVES,
            "disable_log_stats": True,
            **settings,
        }
        try:
            self.engine = LLMEngine.from_engine_args(EngineArgs(**arguments))
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UserError(f"--model {model}: vLLM cannot start: {one_line(error)}") from None
        self.tokenizer = self.engine.get_tokenizer()
        self.suffix = self.tokenizer.encode(sampling.probe_suffix, add_special_tokens=False)
        self.suffix_tokens = len(self.suffix)
        self.requests = 0

    @property
    def about(self) -> Mapping[str, str]:
        """Model, number format and versions."""
        packages = ("torch", "vllm")
        found = {}
        for name in packages:
            try:
                found[name] = version(name)
            except ModuleNotFoundError:  # another distribution of the package
                found[name] = __import__(name).__version__
        return {"name": "vllm", **self._about, **found}

    def open(
        self, name: str, question: str, traces: Sequence[Sequence[int]], ended: Sequence[bool]
    ) -> VllmSource:
        """Return the traces of a problem, those begun earlier with their tokens so far."""
        prompt = prompt_ids(self.tokenizer, self.sampling.prompt, question)
        return VllmSource(self, name, prompt, traces, ended)

    def submit(self, ids: Sequence[int], settings: Mapping[str, Any]) -> str:
        """Add a request; return its name."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        self.requests += 1
        name = str(self.requests)
        self.engine.add_request(
            name,
            {"prompt_token_ids": list(ids)},
            SamplingParams(output_kind=RequestOutputKind.DELTA, detokenize=False, **dict(settings)),
        )
        return name


def _seed(seed: int, name: str, row: int, place: int) -> int:
    """Return the seed of a request: another for each place at which a trace goes on."""
    digest = hashlib.sha256(f"{seed}\0{name}\0{row}\0{place}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


@dataclass(slots=True)
class _Trace:
    text: TextStream
    ids: list[int]
    ended: bool = False


class VllmSource:
    """Traces of one problem; see `TokenSource`."""

    def __init__(
        self,
        engine: VllmEngine,
        name: str,
        prompt: list[int],
        traces: Sequence[Sequence[int]],
        ended: Sequence[bool],
    ) -> None:
        self._engine = engine
        self._name = name
        self._prompt = prompt
        self._traces = []
        for ids, is_ended in zip(traces, ended, strict=True):
            text = TextStream(engine.tokenizer)
            text.add(ids)
            self._traces.append(_Trace(text, list(ids), is_ended))

    def generate(self, wanted: Mapping[int, int]) -> Iterator[Sequence[Piece]]:
        """Generate until each of these traces has at least so many tokens, or has ended."""
        engine, sampling = self._engine, self._engine.sampling
        began = time.perf_counter()
        row_of: dict[str, int] = {}
        begun: set[str] = set()
        for row, tokens in wanted.items():
            trace = self._traces[row]
            if trace.ended:
                continue
            place = len(trace.ids)
            most = min(tokens, sampling.max_tokens) - place
            name = engine.submit(
                [*self._prompt, *trace.ids],
                {
                    "temperature": sampling.temperature,
                    "top_p": sampling.top_p,
                    "top_k": sampling.top_k,
                    "max_tokens": most,
                    "logprobs": ALTERNATIVES,
                    "seed": _seed(sampling.seed, self._name, row, place),
                },
            )
            row_of[name] = row
        lot: list[Piece] = []
        steps = 0
        try:
            while row_of:
                for output in engine.engine.step():
                    if output.request_id not in row_of:
                        continue
                    row = row_of[output.request_id]
                    if output.request_id not in begun:
                        begun.add(output.request_id)
                        self._count_prompt(output)
                    piece = self._piece(row, output)
                    if piece is not None:
                        lot.append(piece)
                    if output.finished:
                        del row_of[output.request_id]
                steps += 1
                if lot and (steps % STEPS_AT_ONCE == 0 or not row_of):
                    engine.ledger.seconds += time.perf_counter() - began
                    yield lot
                    lot, began = [], time.perf_counter()
        finally:
            if row_of:
                engine.engine.abort_request(list(row_of))
                engine.ledger.aborts += len(row_of)
            engine.ledger.seconds += time.perf_counter() - began

    def _piece(self, row: int, output: Any) -> Piece | None:
        """Return what an output of the engine adds to a trace."""
        trace = self._traces[row]
        (made,) = output.outputs
        ids = list(made.token_ids)
        limit = self._engine.sampling.max_tokens
        reason = None
        if made.finish_reason == "stop":
            reason = "stop"
        elif len(trace.ids) + len(ids) >= limit:
            reason = "length"
        if not ids:
            return None
        trace.ids += ids
        trace.ended = reason is not None
        text, ends = trace.text.add(ids)
        top = np.full((len(ids), ALTERNATIVES), -np.inf)
        for place, alternatives in enumerate(made.logprobs):
            ranked = sorted(
                (each.logprob for each in alternatives.values() if each.rank <= ALTERNATIVES),
                reverse=True,
            )
            top[place, : len(ranked)] = ranked[:ALTERNATIVES]
        return Piece(row, ids, text, ends, of_step(top), reason)

    def _count_prompt(self, output: Any) -> None:
        """Count the tokens of a request's prompt, from its first output."""
        hits = output.num_cached_tokens or 0
        self._engine.ledger.prefix_hits += hits
        self._engine.ledger.prefilled += len(output.prompt_token_ids or ()) - hits

    def probe(self, places: Sequence[tuple[int, int]]) -> Sequence[str]:
        """Return what each trace says if it is cut there and made to answer, greedily."""
        engine, began = self._engine, time.perf_counter()
        texts: dict[str, str] = {}
        said: dict[str, list[int]] = {}
        waiting = set()
        for row, tokens in places:
            ids = [*self._prompt, *self._traces[row].ids[:tokens], *engine.suffix]
            name = engine.submit(
                ids, {"temperature": 0, "max_tokens": engine.sampling.probe_tokens}
            )
            engine.ledger.probe_prompts += engine.suffix_tokens
            texts[name], said[name] = "", []
            waiting.add(name)
        while waiting:
            for output in engine.engine.step():
                name = output.request_id
                if name not in waiting:
                    continue
                said[name] += output.outputs[0].token_ids
                engine.ledger.probe_outputs += len(output.outputs[0].token_ids)
                texts[name] = engine.tokenizer.decode(said[name], skip_special_tokens=True)
                if output.finished:
                    waiting.discard(name)
                elif is_closed(engine.sampling.probe_suffix + texts[name]):
                    engine.engine.abort_request([name])
                    waiting.discard(name)
        engine.ledger.seconds += time.perf_counter() - began
        return [texts[name] for name in texts]
