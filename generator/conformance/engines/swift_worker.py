"""The process in which ms-swift runs.

It imports nothing of Chatwright but the byte-level tokenizer and the fixed day.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import importlib
import importlib.util
import logging
import os
import socket
import sys
import types
from collections.abc import Callable
from datetime import date
from typing import Any, NoReturn
from unittest import mock

from ..clock import day
from .tokenizers import byte_level, decode
from .worker import serve

_BOS, _EOS = "<BOS>", "<EOS>"


class _NoNetwork(BaseException):
    """A template looks for a model's files on a hub. No :class:`Exception`, so that nobody tries again for minutes."""


class _Engine:
    """The commands."""

    def __init__(self) -> None:
        import swift.version

        self.version = str(swift.version.__version__)
        self.is_3 = self.version.startswith("3.")
        base = "swift.llm.template" if self.is_3 else "swift.template"
        model = "swift.llm.model.register" if self.is_3 else "swift.model.model_meta"
        self.templates = importlib.import_module(f"{base}.register").TEMPLATE_MAPPING
        self.plain_class = importlib.import_module(f"{base}.base").Template
        self.inputs = importlib.import_module(f"{base}.template_inputs")
        self.models = importlib.import_module(model).MODEL_MAPPING
        self.model_meta = importlib.import_module(model).ModelMeta
        info = "swift.llm.model.utils" if self.is_3 else model
        self.model_info = importlib.import_module(info).ModelInfo
        importlib.import_module("swift.llm" if self.is_3 else "swift.template")
        importlib.import_module("swift.llm" if self.is_3 else "swift.model")
        self.register_all_module: Any = None
        self.warnings: list[str] = []
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self.warnings.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("swift").addHandler(handler)

    def do(self, command: dict[str, Any]) -> Any:
        """Run one command."""
        name = command.pop("do")
        return getattr(self, f"do_{name}")(**command)

    def do_version(self) -> str:
        return self.version

    def do_empty(self) -> None:
        self.templates.clear()
        self.models.clear()

    def do_load(self, path: str) -> list[str]:
        from swift.utils import import_external_file

        self.warnings.clear()
        self.register_all_module = import_external_file(path)
        return list(self.warnings)

    def do_register_all(self, on_conflict: str) -> None:
        self.register_all_module.register_all(on_conflict=on_conflict)

    def do_paste(self, code: str, package: str) -> None:
        exec(compile(code, "pasted", "exec"), {"__name__": f"{package}.pasted", "__package__": package})

    def do_assign(self, template_type: str, field: str, value: Any) -> None:
        setattr(self.templates[template_type], field, value)

    def do_forget(self, template_type: str) -> None:
        del self.templates[template_type]

    def do_origins(self, modules: list[str]) -> dict[str, str | None]:
        found = {}
        for name in modules:
            spec = importlib.util.find_spec(name)
            found[name] = None if spec is None else spec.origin
        return found

    def do_normalized(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(self.inputs.TemplateInputs.from_dict({"messages": messages}).chosen.messages)

    def do_registries(self) -> dict[str, Any]:
        return {
            "templates": {name: _template(meta) for name, meta in self.templates.items()},
            "model_types": {name: self._model_type(meta) for name, meta in self.models.items()},
        }

    def _model_type(self, meta: Any) -> dict[str, Any]:
        found = _fields(meta, leave_out=("model_groups",))
        found["model_arch"] = getattr(meta.model_arch, "arch_name", meta.model_arch)
        found["architectures"] = [name for name in meta.architectures if name != "null"]
        found["groups"] = [
            {**_fields(group, leave_out=("models",)), "models": [dataclasses.asdict(model) for model in group.models]}
            for group in meta.model_groups
        ]
        return found

    def do_render(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [item if "unsupported" in item else self._rendered(**item) for item in items]

    def do_media(self, names: list[str]) -> dict[str, dict[str, list[str] | None]]:
        with mock.patch.dict(sys.modules, {module: _Reader(module) for module in _READERS}):
            return {name: {kind: self._media(name, kind) for kind in ("image", "video", "audio")} for name in names}

    def _media(self, name: str, kind: str) -> list[str] | None:
        """What stands for the first medium of a kind and for the second, as ms-swift hands the text to vLLM.

        Where it does not, as for its own processors. Token ids stand as one null character; None: nothing stands for
        a medium, or the name of its file.
        """
        found: list[list[str]] = []
        for mode in ("vllm", "transformers"):
            try:
                parts = [self._replaced(name, kind, index, mode) for index in (0, 1)]
            except (Exception, _NoNetwork):
                continue
            found.append(["".join(part if isinstance(part, str) else "\0" for part in each) for each in parts])
        found = [texts for texts in found if _MEDIUM not in texts[0]]
        return min(found, key=lambda texts: "\0" in texts[0], default=None)

    def _replaced(self, name: str, kind: str, index: int, mode: str) -> list[Any]:
        template, tokenizer = self._template(name, "prompt", None, False, "", False)
        template.set_mode(mode)
        template.replace_video2image = _per_frame
        module = sys.modules[self.templates[name].template_cls.__module__]
        given = {"messages": [{"role": "user", "content": ""}]}
        inputs = self.inputs.TemplateInputs.from_dict(given).chosen
        inputs.images, inputs.videos, inputs.audios = ([_MEDIUM] * 2 for _ in range(3))
        inputs.all_image_tokens = [1, 1]
        vars(inputs).update(image_idx=index, video_idx=index, audio_idx=index)
        tokenizer.image_processor = types.SimpleNamespace(patch_size=1)
        tokenizer.video_processor = types.SimpleNamespace(num_frames=1)
        tokenizer.image_seq_length = 1
        with contextlib.ExitStack() as stack:
            for reader in [reader for reader in vars(module) if reader.startswith("load_")]:
                stack.enter_context(mock.patch.object(module, reader, _unread))
            return list(template.replace_tag(kind, index, inputs))

    def _rendered(self, **item: Any) -> dict[str, Any]:
        if self.is_3 and item["preserve_thinking"]:
            return {"unsupported": "ms-swift 3.12 cannot keep the thoughts of earlier turns"}
        if self.is_3 and item["variables"]:
            return {"unsupported": "ms-swift 3.12 takes no variables of a chat template"}
        try:
            return self._render(**item)
        except (Exception, _NoNetwork) as error:
            return {"unsupported": f"ms-swift raises {type(error).__name__}: {error}"}

    def _render(
        self,
        *,
        template_type: str,
        inputs: dict[str, Any],
        variables: dict[str, Any],
        kind: str,
        thinking: bool | None,
        preserve_thinking: bool,
        adds: str,
        plain: bool,
    ) -> dict[str, Any]:
        """Encode as training and inference do, below the point where a model's files would be needed."""
        if not self.is_3:  # a request says it as well as the command line, which some classes do not listen to
            said = {} if thinking is None else {"enable_thinking": thinking}
            inputs = {**inputs, "chat_template_kwargs": {**said, **variables}}
        chosen = self.inputs.TemplateInputs.from_dict(inputs).chosen
        for encode in (None, self.plain_class._encode):
            template, tokenizer = self._template(template_type, kind, thinking, preserve_thinking, adds, plain)
            template.set_mode("train" if kind != "prompt" else "pt" if self.is_3 else "transformers")
            if encode is not None:
                template._encode = functools.partial(encode, template)
            try:
                encoded = template._encode_truncated(copy.deepcopy(chosen))
                break
            except ValueError:  # a refusal
                raise
            except Exception:
                # what a class does behind the text may need a model's files: take the text as ms-swift does for engines
                # that do the rest themselves (template/base.py, _encode_truncated)
                if encode is not None:
                    raise
        ids = encoded["input_ids"]
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        labels = encoded["labels"] or [-100] * len(ids)
        runs: list[tuple[list[int], bool]] = []
        for token, label in zip(ids, labels, strict=True):
            if not runs or runs[-1][1] != (label != -100):
                runs.append(([], label != -100))
            runs[-1][0].append(token)
        words = template.template_meta.stop_words
        stops = {word if isinstance(word, str) else decode(tokenizer, word) for word in words}
        return {
            "runs": [(decode(tokenizer, tokens), trained) for tokens, trained in runs],
            "stop_words": sorted(stops),
        }

    def _template(
        self, template_type: str, kind: str, thinking: bool | None, preserve_thinking: bool, adds: str, plain: bool
    ) -> tuple[Any, Any]:
        import torch
        from transformers import PretrainedConfig

        meta = self.templates[template_type]
        marks = [token for token in meta.template_cls.placeholder_tokens if isinstance(token, str)]
        tokenizer: Any = byte_level(adds or _BOS, _EOS, special=marks, adds_bos=bool(adds))
        tokenizer.model_meta = self._model_meta_of(template_type)
        info = self.model_info(tokenizer.model_meta.model_type, "model", torch.float32, 10**9, None, 0)
        info.config = PretrainedConfig(sliding_window_size=None)
        info.task_type = "causal_lm"
        tokenizer.model_info = info
        # what templates of models with media ask for before there is any
        tokenizer.feature_extractor = types.SimpleNamespace(sampling_rate=16000)
        tokenizer.num_image_token = 1
        cls = self.plain_class if plain else meta.template_cls
        # ``placeholder_tokens`` is a list of the class that every instance changes: give each instance its own
        cls = type(cls.__name__, (cls,), {"placeholder_tokens": list(cls.placeholder_tokens)})
        options = {} if self.is_3 else {"preserve_thinking": preserve_thinking or None}
        loss_scale = "last_round" if kind == "training_dropped" else "default"
        template = cls(tokenizer, meta, loss_scale=loss_scale, enable_thinking=thinking, **options)
        template.dummy_model = types.SimpleNamespace(visual_tokenizer=None)  # else it downloads one; text needs no more
        return template, tokenizer

    def _model_meta_of(self, template_type: str) -> Any:
        """The model type whose models use the template; one without media where there is one."""
        users = [
            meta
            for meta in self.models.values()
            if template_type in (meta.template, *(getattr(group, "template", None) for group in meta.model_groups))
        ]
        if users:
            return min(users, key=lambda meta: bool(meta.is_multimodal))
        more = {"get_function": None} if self.is_3 else {}
        return self.model_meta(model_type=None, model_groups=[], template=template_type, **more)


def _fields(value: Any, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(value) if field.name not in leave_out]
    return {name: _plain(getattr(value, name)) for name in names}


def _template(meta: Any) -> dict[str, Any]:
    """The fields of a template; one that puts the system text into the last user turn keeps that prompt beside them."""
    return {**_fields(meta), **({"system_prompt": meta.system_prompt} if meta.is_post_system else {})}


def _plain(value: Any) -> Any:
    if isinstance(value, functools.partial):
        value = value.func
    if isinstance(value, type) or callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else str(value)


_MEDIUM = "medium.file"
_READERS = ("qwen_vl_utils", "qwen_omni_utils", "keye_vl_utils", "soundfile")  # what reads media, not wanted here


class _Reader(types.ModuleType):
    """In place of such a package: hands a medium back as it came."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _fetched


def _fetched(medium: Any, **_: Any) -> Any:
    if isinstance(medium, str):
        return medium
    given = medium.get("image", medium.get("video"))
    return given if "image" in medium else (given, {})


def _unread(medium: Any, *_: Any, **__: Any) -> Any:
    return medium


def _per_frame(*_: Any, **__: Any) -> NoReturn:
    raise ValueError("as many placeholders as a video has frames")


def _no_network(*_: object, **__: object) -> NoReturn:
    """In place of what looks a host up or connects to it."""
    raise _NoNetwork("the template wants the network")


def main(today: str | None = None) -> None:
    """Answer commands until the input ends; on that day, if one is given."""
    socket.getaddrinfo = _no_network
    socket.socket.connect = _no_network  # type: ignore[method-assign]
    os.environ["LOG_LEVEL"] = "WARNING"
    with contextlib.ExitStack() as days:

        def begin() -> Callable[[Any], Any]:
            if today:
                days.enter_context(day(date.fromisoformat(today)))
            return _Engine().do

        serve(begin)


if __name__ == "__main__":
    main(*sys.argv[1:])
