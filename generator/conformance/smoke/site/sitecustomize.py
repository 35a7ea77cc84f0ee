"""Python runs this file first in every process that finds it on its search path: in those that train.

With ``CHATWRIGHT_WATCH=FILE`` every step of transformers' ``Trainer`` appends a line of JSON to ``FILE.<rank>``: the
``ids`` and ``labels`` of each example without padding, digests of the ``other`` tensors, the ``loss``, and how many
parameters are ``trained``. Where torchaudio is missing, which LLaMA-Factory imports and text and images do not need, an
empty module stands in for it.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

_TRAINER = "transformers.trainer"


class _Finder(importlib.abc.MetaPathFinder):
    """Finds transformers' trainer as all others do, and watches it once it is there."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if fullname != _TRAINER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None and spec.loader is not None
        load = spec.loader.exec_module

        def load_and_watch(module: types.ModuleType) -> None:
            load(module)
            _watch(module)

        spec.loader.exec_module = load_and_watch  # type: ignore[method-assign]
        return spec


def _watch(module: Any) -> None:
    step = module.Trainer.training_step

    def training_step(trainer: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        line = _described(inputs)
        loss = step(trainer, model, inputs, *args, **kwargs)
        line["loss"] = float(loss)
        line["trained"] = sum(value.numel() for value in trainer.model.parameters() if value.requires_grad)
        with open(f"{os.environ['CHATWRIGHT_WATCH']}.{os.environ.get('RANK', '0')}", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return loss

    module.Trainer.training_step = training_step


def _described(inputs: dict[str, Any]) -> dict[str, Any]:
    ids, labels = inputs["input_ids"], inputs["labels"]
    mask = inputs.get("attention_mask")
    kept = ids == ids if mask is None else mask.bool()
    other = {
        key: hashlib.sha256(value.detach().cpu().float().numpy().tobytes()).hexdigest()
        for key, value in sorted(inputs.items())
        if key not in ("input_ids", "labels", "attention_mask") and hasattr(value, "detach")
    }
    return {
        "ids": [row[keep].tolist() for row, keep in zip(ids, kept, strict=True)],
        "labels": [row[keep].tolist() for row, keep in zip(labels, kept, strict=True)],
        "other": other,
    }


if "CHATWRIGHT_WATCH" in os.environ:
    sys.meta_path.insert(0, _Finder())
if importlib.util.find_spec("torchaudio") is None:
    stand_in = types.ModuleType("torchaudio")
    stand_in.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    sys.modules["torchaudio"] = stand_in
