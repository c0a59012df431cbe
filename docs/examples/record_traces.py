"""Record traces of a model with vLLM: text, token counts, and if wanted confidences and probes.

    python record_traces.py problems.jsonl traces.jsonl --model Qwen/Qwen3-8B --traces 128 \
        --confidence --probe-every 500
    deepprune-sim import jsonl traces.jsonl --dataset mine --model qwen3-8b --benchmark aime24

Each line of problems.jsonl is {"problem_id": …, "question": …, "gold_answer": …}. A trace that
traces.jsonl has already is not made again, so that the same command goes on after an interruption;
trace i of a problem is sampled with seed i.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from vllm import LLM, SamplingParams

TOP_K = 20  # log-probabilities in a token's confidence, as in DeepConf (arXiv 2508.15260)
PROMPT = "{question}\nReason step by step, and put your final answer within \\boxed{{}}."
CERTAINTY = ("probe_mean", "probe_gmean", "probe_min", "probe_entropy")
PROBE = "\n</think>\n\nThe final answer is \\boxed{"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("problems", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--traces", type=int, default=64, help="for each problem")
    parser.add_argument("--max-tokens", type=int, default=32_000)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument(
        "--confidence", action="store_true", help="one number a token, for DeepConf"
    )
    parser.add_argument("--probe-every", type=int, metavar="TOKENS", help="for Parallel-Probe, SAC")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--probe", default=PROBE, help="what is put after a cut trace")
    parser.add_argument(
        "--engine", type=json.loads, default={}, help="JSON: further settings of LLM"
    )
    parser.add_argument("--at-once", type=int, default=64, help="traces between two writes")
    options = parser.parse_args()

    problems = [json.loads(line) for line in options.problems.read_text("utf-8").splitlines()]
    done = set()
    if options.out.exists():
        whole = options.out.read_text("utf-8").rpartition("\n")[0]  # not a line that was cut off
        options.out.write_text(whole + "\n" if whole else "", "utf-8")
        done = {(row["problem_id"], row["trace_id"]) for row in map(json.loads, whole.splitlines())}
    wanted = [
        (problem, number)
        for problem in problems
        for number in range(options.traces)
        if (problem["problem_id"], number) not in done
    ]
    print(f"{len(done)} traces are there, {len(wanted)} are to be made")
    if not wanted:
        return
    llm = LLM(options.model, enable_prefix_caching=True, **options.engine)
    with options.out.open("a", encoding="utf-8") as out:
        for start in range(0, len(wanted), options.at_once):
            for row in record(llm, wanted[start : start + options.at_once], options):
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()


def record(llm, wanted, options):
    """One row a trace: what `deepprune-sim import jsonl` reads."""
    tokenizer = llm.get_tokenizer()

    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False)

    prompts = []
    for problem, _ in wanted:
        message = {"role": "user", "content": options.prompt.format(**problem)}
        prompts.append(
            encode(
                tokenizer.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
            )
        )
    sampling = [
        SamplingParams(
            temperature=options.temperature,
            top_p=options.top_p,
            max_tokens=options.max_tokens,
            seed=number,
            logprobs=TOP_K if options.confidence else None,
            flat_logprobs=True,  # one list instead of an object for each of 20 times 20,000
        )
        for _, number in wanted
    ]
    outputs = llm.generate([{"prompt_token_ids": ids} for ids in prompts], sampling)
    traces = [output.outputs[0] for output in outputs]
    rows = [
        {
            "problem_id": problem["problem_id"],
            "trace_id": number,
            "question": problem["question"],
            "gold_answer": str(problem["gold_answer"]),
            "text": trace.text,
            "num_tokens": len(trace.token_ids),
            "prompt_tokens": len(prompt),
            "finish_reason": trace.finish_reason,
        }
        for (problem, number), prompt, trace in zip(wanted, prompts, traces, strict=True)
    ]
    if options.confidence:
        for row, trace in zip(rows, traces, strict=True):
            row["confidence"] = confidences(trace.logprobs)
    if options.probe_every:
        suffix = encode(options.probe)
        cuts = [
            (number, cut)
            for number, trace in enumerate(traces)
            for cut in range(options.probe_every, len(trace.token_ids), options.probe_every)
        ]
        asked = [
            {"prompt_token_ids": [*prompts[n], *list(traces[n].token_ids)[:cut], *suffix]}
            for n, cut in cuts
        ]
        greedy = SamplingParams(temperature=0.0, max_tokens=32, logprobs=TOP_K)
        said = llm.generate(asked, greedy) if asked else []
        written = [len(output.outputs[0].token_ids) for output in said]
        if written:  # of this batch; about the same in the others
            mean = -(-sum(written) // len(written))
            print(f"tokens of a probe, for import: --probe-cost {len(suffix)}+{mean}")
        for row in rows:
            row |= {name: [] for name in ("probe_positions", "probe_answers", *CERTAINTY)}
        for (number, cut), output in zip(cuts, said, strict=True):
            rows[number]["probe_positions"].append(cut)
            rows[number]["probe_answers"].append(inside_box(output.outputs[0].text))
            for name, value in certainty(output.outputs[0], tokenizer).items():
                rows[number][name].append(value)
    return rows


def confidences(flat):
    """Of each token, minus the mean of its largest log-probabilities, in thousandths."""
    found = []
    for start, end in zip(flat.start_indices, flat.end_indices, strict=True):
        largest = flat.logprobs[start + 1 : end]  # the first is the sampled token's, once more
        found.append(round(-sum(largest) / len(largest), 3))
    return found


def certainty(answer, tokenizer):
    """Of a probe's answer, the probabilities of its tokens, and the entropy of the first."""
    logs = []
    for end, token in enumerate(answer.token_ids, 1):
        if end == len(answer.token_ids) and answer.finish_reason == "stop":
            break  # the token for the end of the text
        logs.append(min(answer.logprobs[end - 1][token].logprob, 0.0))
        if end_of_box(tokenizer.decode(answer.token_ids[:end])) is not None:
            break
    likely = sorted((each.logprob for each in answer.logprobs[0].values()), reverse=True)[:TOP_K]
    total = sum(map(math.exp, likely))
    shares = [math.exp(log) / total for log in likely]
    entropy = -sum(share * math.log(share) for share in shares if share > 0)
    if not logs:
        return dict(zip(CERTAINTY, (None, None, None, entropy), strict=True))
    mean = sum(map(math.exp, logs)) / len(logs)
    found = (mean, math.exp(sum(logs) / len(logs)), math.exp(min(logs)), entropy)
    return dict(zip(CERTAINTY, found, strict=True))


def inside_box(text):
    """Return the text before the brace that closes the box; None without one."""
    end = end_of_box(text)
    return None if end is None else text[:end].strip() or None


def end_of_box(text):
    """Return the place of the brace that closes the box; None without one."""
    depth = 1
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return place
    return None


if __name__ == "__main__":
    main()
