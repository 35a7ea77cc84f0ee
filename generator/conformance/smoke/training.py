"""Starting the frameworks' own commands, and what each step of theirs was given and gave."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from chatwright.errors import ChatwrightError
from chatwright.meaning.scenarios import Scenario

from ..adapters import to_llamafactory, to_swift
from ..engines.swift import THOUGHT_WORDS
from .cases import Case, Trainer, image_count

SITE = Path(__file__).parent / "site"
_SECONDS = 600  # within which a training must end
_CALL_WORDS = ("<tool_call>", "</tool_call>")
_ROLES = ("user", "assistant", "observation", "function", "system")

Start = Literal["one process", "two processes", "torchrun"]


@dataclass(frozen=True)
class Step:
    """A step of one process: ids and labels of each example without padding, digests of other tensors, the loss."""

    ids: tuple[tuple[int, ...], ...]
    labels: tuple[tuple[int, ...], ...]
    other: Mapping[str, str]
    loss: float
    trained: int  # parameters that are learned


@dataclass(frozen=True)
class Trained:
    """A finished training: the steps of each process, the folder with the model, and how long it took."""

    ranks: tuple[tuple[Step, ...], ...]
    folder: Path
    seconds: float


class Bench:
    """The folder in which everything stands: ``models/``, ``images/``, ``generated/``, ``data/``, ``runs/``.

    ``packages`` are folders that a trainer imports from before anything else: what one needs, another excludes.
    """

    def __init__(self, folder: Path, images: Sequence[str], packages: Mapping[Trainer, Sequence[Path]]) -> None:
        self.folder = folder
        self.images = list(images)
        self.packages = packages
        self._numbers = count(1)

    def write_data(self, cases: Sequence[Case]) -> None:
        """Write the conversations in both frameworks' forms."""
        data = self.folder / "data"
        data.mkdir()
        tags = {f"{role}_tag": role for role in _ROLES} | {"role_tag": "role", "content_tag": "content"}
        columns = {name: name for name in ("messages", "system", "tools", "images")}
        described = {"formatting": "sharegpt", "columns": columns, "tags": tags}
        known = {case.model: {"file_name": f"{case.model}.json", **described} for case in cases}
        (data / "dataset_info.json").write_text(json.dumps(known), encoding="utf-8")
        for case in cases:
            rows = [self._llamafactory_row(scenario) for scenario in case.scenarios]
            (data / f"{case.model}.json").write_text(json.dumps(rows), encoding="utf-8")
            lines = [json.dumps(self._swift_row(scenario)) + "\n" for scenario in case.scenarios]
            (data / f"{case.model}.jsonl").write_text("".join(lines), encoding="utf-8")

    def _llamafactory_row(self, scenario: Scenario) -> dict[str, Any]:
        words = {"thought_words": THOUGHT_WORDS, "tool_call_words": _CALL_WORDS}
        found = to_llamafactory(scenario.messages, scenario.tools, **words)
        images = self.images[: image_count(scenario)]
        return {"messages": found.messages, "system": found.system, "tools": found.tools, "images": images}

    def _swift_row(self, scenario: Scenario) -> dict[str, Any]:
        found = to_swift(_spelled_out(scenario), scenario.tools, words=THOUGHT_WORDS)
        images = self.images[: image_count(scenario)]
        tools = {"tools": json.dumps(found["tools"])} if "tools" in found else {}
        return {**found, **tools} | ({"images": images} if images else {})

    def train(self, case: Case, trainer: Trainer, start: Start, *, ours: bool) -> Trained:
        """Train a case, with our template or with the built-in one.

        Raises:
            ChatwrightError: the framework's command failed, or has not ended in time.
        """
        run = self.folder / "runs" / f"{next(self._numbers):02}"
        run.mkdir(parents=True)
        if trainer == "llamafactory":
            command, further = _llamafactory(case, run, start, ours)
        else:
            command, further = _swift(case, run, ours, third=trainer == "swift 3"), {}
        began = time.monotonic()
        self._call(command, {**further, "CHATWRIGHT_WATCH": str(run / "steps")}, trainer, run / "cache")
        seconds = time.monotonic() - began
        ranks = tuple(_steps(path) for path in sorted(run.glob("steps.*")))
        if not all(ranks) or not ranks:
            raise ChatwrightError(f"{' '.join(command)}: ended without a step")
        return Trained(ranks, _model_folder(run), seconds)

    def _call(self, command: list[str], further: Mapping[str, str], trainer: Trainer, cache: Path) -> None:
        packages = [str(path.resolve()) for path in self.packages.get(trainer, ())]
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "LOCAL_RANK", "RANK")}
        environment = {
            **kept,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join([str(SITE), *packages]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(cache),
            "MODELSCOPE_CACHE": str(cache),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",  # sums of floats come out the same every time
            "TOKENIZERS_PARALLELISM": "false",
            **further,
        }
        shown = " ".join([*(f"{key}={value}" for key, value in further.items()), *command])
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise ChatwrightError(f"{shown}: has not ended in {_SECONDS} seconds") from None
        if done.returncode:
            end = "\n".join(done.stdout.splitlines()[-40:])
            raise ChatwrightError(f"{shown}: failed with {done.returncode}:", *end.splitlines())


def _spelled_out(scenario: Scenario) -> list[dict[str, Any]]:
    """The messages with ``<image>`` in place of images, as ms-swift's data sets have it."""
    found: list[dict[str, Any]] = copy.deepcopy([dict(message) for message in scenario.messages])
    for message in found:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image":
                part.update(type="text", text="<image>")
    return found


def _llamafactory(case: Case, run: Path, start: Start, ours: bool) -> tuple[list[str], dict[str, str]]:
    settings = {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "model_name_or_path": f"models/{case.model}",
        "template": case.template if ours else case.built_in["llamafactory"],
        "dataset_dir": "data",
        "dataset": case.model,
        "cutoff_len": 8192,
        "output_dir": str(run / "model"),
        "overwrite_output_dir": True,
        "per_device_train_batch_size": 1,
        "num_train_epochs": 2,
        "learning_rate": 0.001,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "seed": 7,
    }
    config = run / "train.yaml"
    config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    launcher = "generated/llamafactory/launcher.py"
    two = {"FORCE_TORCHRUN": "1", "NPROC_PER_NODE": "2"}
    if start == "torchrun":
        return ["torchrun", "--standalone", "--nproc-per-node", "2", launcher, str(config)], {}
    command = [sys.executable, launcher] if ours else [sys.executable, "-m", "llamafactory.cli"]
    return [*command, "train", str(config)], two if start == "two processes" else {}


def _swift(case: Case, run: Path, ours: bool, *, third: bool) -> list[str]:
    settings = {
        "model": f"models/{case.model}",
        "dataset": f"data/{case.model}.jsonl",
        "train_type" if third else "tuner_type": "full",
        "torch_dtype": "float32",
        "output_dir": str(run / "model"),
        "add_version": "false",
        "per_device_train_batch_size": "1",
        "gradient_accumulation_steps": "1",
        "num_train_epochs": "2",
        "learning_rate": "0.001",
        "logging_steps": "1",
        "split_dataset_ratio": "0",
        "dataloader_num_workers": "0",
        "dataset_num_proc": "1",
        "max_length": "8192",
        "report_to": "none",
        "use_cpu": "true",
        "seed": "7",
        "data_seed": "7",
    }
    if ours:
        settings["custom_register_path" if third else "external_plugins"] = "generated/swift/register_all.py"
    if not (ours and case.by_path):
        settings["model_type"] = case.model_type if ours else case.built_in_type
        settings["template"] = case.template if ours else case.built_in["swift"]
    words = [word for key, value in settings.items() for word in (f"--{key}", value)]
    return [sys.executable, "-m", "swift.cli.main", "sft", *words]


def _steps(path: Path) -> tuple[Step, ...]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        ids, labels = (tuple(map(tuple, told[key])) for key in ("ids", "labels"))
        found.append(Step(ids, labels, told["other"], told["loss"], told["trained"]))
    return tuple(found)


def _model_folder(run: Path) -> Path:
    """Where the trained model stands: ms-swift writes it into the folder of its last checkpoint."""
    folders = [path.parent for path in run.rglob("model.safetensors")]
    if not folders:
        raise ChatwrightError(f"{run}: no trained model was saved")
    return max(folders, key=lambda path: path.stat().st_mtime)
