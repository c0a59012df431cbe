"""Model card of a trained judge: recipe, data, figures with intervals, and the prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judges.kinds.models import JUDGE_FILE, PACKAGES, TRAINING, judge_file
from judges.kinds.prompting import Template
from judges.training.folders import RECORD, read_figures, read_json, read_summary
from simulator.errors import UserError
from simulator.report.text import interval
from simulator.statistics import Estimate

NOT_MEASURED = "Not measured. `deepprune-sim judge eval PAIRS {judge}` measures them."

METRICS = {
    "auroc": "AUROC [95%]",
    "within": "within problems [95%]",
    "tnr": "TNR@0.2 [95%]",
    "calibration_error": "calibration error [95%]",
}


def model_card(folder: Path, repository: str) -> str:
    """Write the card of the judge in a folder, to be published as `repository` (OWNER/NAME).

    Raises
    ------
    UserError
        The folder holds no judge that `judge train` made.
    """
    judge, record = judge_file(folder), read_json(folder / TRAINING / RECORD)
    if not judge or record is None:
        raise UserError(
            f"{folder}: has no {JUDGE_FILE} or {TRAINING}/{RECORD}; give the folder of a judge "
            "that judge train made"
        )
    summary, figures = read_summary(folder), read_figures(folder)
    spec = f"{judge['kind']}:model={repository}"
    sections = {
        "Use": f"```sh\ndeepprune-sim judge eval PAIRS {spec}\n"
        f"deepprune-sim run deepprune -d POOL -p truncation={judge['truncation']} --judge {spec}\n"
        "```",
        "Prompt": _prompt(judge),
        "Figures": NOT_MEASURED.format(judge=spec) if figures is None else _figures(figures),
        "Recipe": _recipe(record, summary),
        "Data": "Not recorded." if summary is None else _data(record, summary["pairs"]),
    }
    text = "\n\n".join(f"## {name}\n\n{content}" for name, content in sections.items() if content)
    return (
        f"---\n{_metadata(repository, str(judge['kind']), record, figures)}\n---\n\n"
        f"# {repository.partition('/')[2]}\n\n"
        "A judge of deepprune-sim: it reads two unfinished traces of one problem, cut at "
        f"{judge['truncation']}, and predicts whether they reach the same answer (DeepPrune, "
        f"arXiv 2510.08483).\n\n{text}\n"
    )


def _metadata(
    repository: str, kind: str, record: Mapping[str, Any], figures: Mapping[str, Any] | None
) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    model = str(record["model"])
    model = PACKAGES[model][1] if model in PACKAGES else model
    known = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", model) and not Path(model).exists()
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type="deepprune-sim-pairs",
            dataset_name=f"pairs {str(record['pairs'])[:12]}, {row['model']}",
            metric_type=f"{name}_auroc" if name == "within" else name,
            metric_value=row[name]["value"],
        )
        for row in (figures or {"rows": []})["rows"]
        for name in ("auroc", "within")
        if row[name] is not None
    ]
    data = ModelCardData(
        base_model=model if known else None,
        library_name="transformers" if kind == "hf" else "sentence-transformers",
        tags=["deepprune-sim", "judge"],
        model_name=repository.partition("/")[2],
        eval_results=results or None,
    )
    return str(data.to_yaml())


def _prompt(judge: Mapping[str, Any]) -> str:
    if not isinstance(judge.get("template"), dict):
        return ""
    template = Template.recorded(judge["template"])
    system = f"System message:\n\n{_fenced(template.system)}\n\n" if template.system else ""
    return (
        f"SHA-256 `{template.sha256}`; labels `{template.same}` and `{template.different}`; "
        f"tokenized: {template.tokenized}.\n\n{system}{_fenced(template.text)}"
    )


def _fenced(text: str) -> str:
    """Return a block of code, fenced by more backticks than the text has in a row."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def _figures(figures: Mapping[str, Any]) -> str:
    headers = ["tested on", "problems", "pairs", "same %", *METRICS.values()]
    rows = [
        [
            row["model"],
            str(row["problems"]),
            f"{row['pairs']:,}",
            f"{100 * row['same']:.1f}",
            *(
                interval(Estimate(**row[name]), 1, "", 3) if row[name] else "one label"
                for name in METRICS
            ),
        ]
        for row in figures["rows"]
    ]
    return "\n\n".join([_table(headers, rows), *figures["notes"]])


def _recipe(record: Mapping[str, Any], summary: Mapping[str, Any] | None) -> str:
    base = str(record["model"])
    base = Path(base).name if Path(base).is_dir() else base  # no paths of a machine
    rows = [["base model", base], ["its weights", record["weights"]]]
    rows += [[name.replace("_", " "), _value(each)] for name, each in record["recipe"].items()]
    if summary is not None:
        counts = ", ".join(f"{each:,} {name}" for name, each in summary["trained_on"].items())
        rows += [
            ["pairs trained on", counts],
            ["label oversampled", summary["repeated"] or "none"],
            ["updates", f"{summary['updates']:,}; kept: {summary['kept_update']:,}"],
        ]
    return _table(["setting", "value"], rows)


def _value(value: object) -> str:
    return ":".join(map(str, value)) if isinstance(value, list) else str(value)


def _data(record: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    headers = ["pool", "model", "licence", "train pairs (same)", "test pairs (same)", "fingerprint"]
    rows = [
        [
            name + (" (synthetic)" if pool["synthetic"] else ""),
            pool["model"],
            pool["licence"] or "not named",
            *(
                f"{pool[f'{side}_pairs']:,} ({pool[f'{side}_same']:,})"
                for side in ("train", "test")
            ),
            str(pool["fingerprint"])[:12],
        ]
        for name, pool in info["pools"].items()
    ]
    return (
        f"Pairs `{record['pairs']}`, split by {info['split']}, seed {info['seed']}.\n\n"
        + _table(headers, rows)
    )


def _table(headers: list[str], rows: list[list[Any]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
