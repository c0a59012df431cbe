"""Judge `vllm`: the same prompts as judge `hf`, in vLLM's engine.

For machines with GPUs and many pairs. The engine caches the beginnings of prompts (prefix caching),
so prompts are sorted by trace A, which comes before trace B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from judges.kinds.causal import DEFAULT_MODEL, CausalJudge, check_context, not_numbers
from judges.loading import not_installed
from judges.prefixes import Truncation
from judges.protocol import Floats, Ints, Reads
from simulator.errors import UserError, one_line


class VllmJudge(CausalJudge):
    """A causal language model in vLLM as a judge. The model is loaded on first use.

    Parameters
    ----------
    model, revision, prompt, same, different, system, tokenized, truncation, other_cut
        As for `judges.kinds.causal.CausalJudge`.
    dtype
        `bfloat16` or `float32`.
    tensor_parallel, data_parallel
        Number of GPUs that share one copy of the model, and number of copies: vLLM's own settings.
    context
        The longest prompt in tokens; 0 for the model's own limit, which may need more memory than a
        GPU has.
    memory
        Share of a GPU's memory that vLLM may use.
    eager
        True to run without compiled graphs: a faster start, but slower scoring.

    Raises
    ------
    UserError
        On first use: as for `judges.kinds.hf.HfJudge`, or vLLM cannot start.
    """

    kind = "vllm"
    reads: Reads = "pairs, shared"  # by prefix caching

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        prompt: str | None = None,
        same: str | None = None,
        different: str | None = None,
        system: str | None = None,
        tokenized: str | None = None,
        dtype: str = "bfloat16",
        tensor_parallel: int = 1,
        data_parallel: int = 1,
        context: int = 0,
        memory: float = 0.9,
        eager: bool = False,
        truncation: Truncation | None = None,
        other_cut: bool = False,
    ) -> None:
        if dtype not in ("bfloat16", "float32"):
            raise UserError(f"judge vllm: dtype={dtype}; give bfloat16 or float32")
        super().__init__(
            model, revision, prompt, same, different, system, tokenized, truncation, other_cut
        )
        self.dtype = dtype
        self._engine_settings: dict[str, Any] = {
            "dtype": dtype,
            "tensor_parallel_size": tensor_parallel,
            "max_model_len": context or None,
            "gpu_memory_utilization": memory,
            "enforce_eager": eager,
        }
        if data_parallel != 1:
            self._engine_settings["data_parallel_size"] = data_parallel

    @property
    def dtype_name(self) -> str:
        return self.dtype

    @cached_property
    def engine(self) -> Any:
        """The engine with the model loaded."""
        vllm = _library()
        try:
            return vllm.LLM(
                str(self.folder),
                skip_tokenizer_init=True,  # prompts go in as token ids
                enable_prefix_caching=True,
                disable_log_stats=True,
                seed=0,
                **self._engine_settings,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise UserError(
                f"judge vllm: vLLM cannot start {self.model_name} ({one_line(error)})"
            ) from None

    def score(self, prefixes: Sequence[str], pairs: Ints, question: str | None = None) -> Floats:
        vllm = _library()
        prompter = self.prompter.about(question, self.model_name)
        tokens = prompter.tokens(prefixes)
        context = int(self.engine.model_config.max_model_len) - 1  # one token is generated
        longest = prompter.longest(prefixes, tokens, pairs)
        check_context(context, longest, prompter.template_tokens, self.model_name)
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        prompts = [
            {"prompt_token_ids": ids} for ids in prompter.prompts(prefixes, tokens, pairs[order])
        ]
        asked = vllm.SamplingParams(
            max_tokens=1,
            temperature=0.0,
            logprob_token_ids=list(prompter.labels),
            detokenize=False,
        )
        scores = np.empty(len(pairs))
        outputs = self.engine.generate(prompts, asked, use_tqdm=False)
        for row, output in zip(order.tolist(), outputs, strict=True):
            scores[row] = self._chance(output.outputs[0].logprobs[0])
        return scores

    def _chance(self, logprobs: Any) -> float:
        """Compute P(same) from the log-probabilities of the two labels, normalized over them."""
        different, same = (logprobs[label].logprob for label in self.prompter.labels)
        if not (math.isfinite(different) and math.isfinite(same)):
            raise UserError(not_numbers(self.model_name, "probabilities", self.dtype))
        return float(1 / (1 + math.exp(different - same)))


def _library() -> Any:
    """Import the library vllm on first use only, as stored scores do not need it."""
    try:
        import vllm
    except ModuleNotFoundError as error:
        raise not_installed(VllmJudge.kind, error) from None
    return vllm
