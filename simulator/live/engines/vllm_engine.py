"""A model in vLLM as an engine, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.errors import UserError, one_line
from simulator.live.engines.base import ProbedAnswer, TokenizingEngine, Trace, seed_of
from simulator.live.engines.detokenizing import TextStream
from simulator.live.engines.prompts import named_model
from simulator.live.engines.token_signals import ALTERNATIVES, of_alternatives
from simulator.live.source import Piece, ProbeReply, Sampling

STEPS_AT_ONCE = 8
"""Engine steps between two lots of pieces."""


class VllmEngine(TokenizingEngine):
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

        about = {**named_model(model, revision), "dtype": dtype}
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
        tokenizer = self.engine.get_tokenizer()
        super().__init__("vllm", about, ("torch", "vllm"), tokenizer, sampling)
        self.requests = 0

    def open(
        self, name: str, question: str, traces: Sequence[Sequence[int]], ended: Sequence[bool]
    ) -> VllmSource:
        """Return the traces of a problem, those begun earlier with their tokens so far."""
        return VllmSource(self, name, self.prompt(question), traces, ended)

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
        self._traces = [
            Trace(TextStream(engine.tokenizer, ids), list(ids), is_ended)
            for ids, is_ended in zip(traces, ended, strict=True)
        ]

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
                    "seed": seed_of(31, sampling.seed, self._name, row, place),
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
        return trace.grow(row, ids, of_alternatives(_most_likely(made)), reason)

    def _count_prompt(self, output: Any) -> None:
        """Count the tokens of a request's prompt, from its first output."""
        hits = output.num_cached_tokens or 0
        self._engine.ledger.prefix_hits += hits
        self._engine.ledger.prefilled += len(output.prompt_token_ids or ()) - hits

    def probe(self, places: Sequence[tuple[int, int]]) -> Sequence[ProbeReply]:
        """Return what each trace says if it is cut there and made to answer, greedily."""
        engine, began = self._engine, time.perf_counter()
        answers: dict[str, ProbedAnswer] = {}
        waiting = set()
        for row, tokens in places:
            ids = [*self._prompt, *self._traces[row].ids[:tokens], *engine.suffix]
            most = engine.sampling.probe_tokens
            asked = {"temperature": 0, "max_tokens": most, "logprobs": ALTERNATIVES}
            name = engine.submit(ids, asked)
            engine.ledger.probe_prompts += engine.suffix_tokens
            answers[name] = ProbedAnswer(engine)
            waiting.add(name)
        while waiting:
            for output in engine.engine.step():
                name = output.request_id
                if name not in waiting:
                    continue
                (made,) = output.outputs
                ids = list(made.token_ids)
                engine.ledger.probe_outputs += len(ids)
                closed = False
                for number, (token, top) in enumerate(zip(ids, _most_likely(made), strict=True), 1):
                    is_end = made.finish_reason == "stop" and number == len(ids)
                    closed = closed or answers[name].add(token, top, is_end=is_end)
                if closed and not output.finished:
                    engine.engine.abort_request([name])
                if closed or output.finished:
                    waiting.discard(name)
        engine.ledger.seconds += time.perf_counter() - began
        return [answer.reply() for answer in answers.values()]


def _most_likely(made: Any) -> list[list[float]]:
    """Return the log-probabilities of the most likely tokens at each token of an output."""
    return [
        [each.logprob for each in alternatives.values() if each.rank <= ALTERNATIVES]
        for alternatives in made.logprobs or ()
    ]
