"""The real ms-swift, 4.6 or 3.12, in a process of its own: its registries, and what its templates write.

The two versions cannot live in one process, and a registry that was emptied cannot be refilled. So every
:class:`Swift` is a worker (:mod:`.swift_worker`) with a search path of the caller's choice.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.render import Kind
from chatwright.meaning.scenarios import Scenario

from ..adapters import to_swift
from .worker import PythonWorker

PLAIN_CLASS = "swift.template.base.Template"  # of a template without a Python class of its own (4.x)
THOUGHT_WORDS = ("<think>\n", "\n</think>\n\n")  # that ms-swift's Template looks for (template/base.py)


@dataclass(frozen=True)
class Rendered:
    """What a template writes: runs of text, marked where a model learns to write them, and where generation stops.

    The byte-level tokenizer's BOS and EOS stand in the text as ``<BOS>`` and ``<EOS>``; stop words are sorted.
    """

    runs: tuple[tuple[str, bool], ...]
    stop_words: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(text for text, _ in self.runs)


@dataclass(frozen=True)
class Request:
    """One text to render.

    ``adds`` is the token that the tokenizer puts in front of a text by itself, its BOS. ``plain`` leaves out the
    template's own Python class and takes ms-swift's ``Template``. ``words`` are those around a thought, ``levels`` says
    whether the template reads further variables of a request.
    """

    template_type: str
    scenario: Scenario
    kind: Kind
    adds: str = ""
    plain: bool = False
    words: tuple[str, str] = THOUGHT_WORDS
    levels: bool = False


class Swift(PythonWorker):
    """A running ms-swift; use it as a context manager. ``python_path`` goes in front of its search path.

    ``today`` is the day on which the worker believes to be, from before it imports ms-swift.

    Raises:
        WorkerError: ms-swift cannot be imported there.
    """

    def __init__(self, *, python_path: Sequence[Path] = (), today: date | None = None) -> None:
        super().__init__("swift_worker", *([today.isoformat()] if today else []), python_path=python_path)
        self._registries: dict[str, Any] | None = None

    @property
    def version(self) -> str:
        """The version of ms-swift."""
        return str(self._ask(do="version"))

    @property
    def registries(self) -> Mapping[str, Any]:
        """``templates`` and ``model_types`` by name, every field as plain data."""
        if self._registries is None:
            self._registries = self._ask(do="registries")
        return self._registries

    def empty(self) -> None:
        """Empty ms-swift's registries of templates and model types."""
        self._registries = None
        self._ask(do="empty")

    def load(self, register_all: Path) -> list[str]:
        """Import the generated file as ``--external_plugins`` (3.12: ``--custom_register_path``) does.

        Returns the warnings it gave.

        Raises:
            WorkerError: the import failed.
        """
        self._registries = None
        warnings: list[str] = self._ask(do="load", path=str(register_all))
        return warnings

    def register_all(self, on_conflict: str) -> None:
        """Call ``register_all`` of the loaded file.

        Raises:
            WorkerError: it raised; the message is its own.
        """
        self._registries = None
        self._ask(do="register_all", on_conflict=on_conflict)

    def paste(self, code: str, package: str) -> None:
        """Run Python as a new file of ms-swift's package would.

        Raises:
            WorkerError: it raised.
        """
        self._registries = None
        self._ask(do="paste", code=code, package=package)

    def assign(self, template_type: str, field: str, value: Any) -> None:
        """Change a field of a registered template."""
        self._registries = None
        self._ask(do="assign", template_type=template_type, field=field, value=value)

    def forget(self, template_type: str) -> None:
        """Remove a template from ms-swift's registry."""
        self._registries = None
        self._ask(do="forget", template_type=template_type)

    def origins(self, modules: Sequence[str]) -> dict[str, str | None]:
        """Where a module of that name would be imported from, by name."""
        found: dict[str, str | None] = self._ask(do="origins", modules=list(modules))
        return found

    def normalized(self, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Messages as ms-swift itself reads OpenAI messages (4.x only)."""
        found: list[dict[str, Any]] = self._ask(do="normalized", messages=list(messages))
        return found

    def render(self, requests: Sequence[Request]) -> list[Rendered | Unsupported]:
        """Render texts through the registered ``Template`` classes; what ms-swift cannot carry comes back as reason."""
        answers: list[Rendered | Unsupported] = []
        sent: list[dict[str, Any]] = []
        for request in requests:
            try:
                sent.append(self._prepared(request))
            except Unsupported as reason:
                sent.append({"unsupported": str(reason)})
        for answer in self._ask(do="render", items=sent):
            if "unsupported" in answer:
                answers.append(Unsupported(answer["unsupported"]))
            else:
                runs = tuple((text, trained) for text, trained in answer["runs"])
                answers.append(Rendered(runs, tuple(answer["stop_words"])))
        return answers

    def media(self, names: Sequence[str]) -> dict[str, dict[str, list[str] | None]]:
        """What templates put in place of the first and the second medium, by template and kind (``replace_tag``).

        It is the text that ms-swift hands to vLLM, before a processor makes many tokens of one, with a null
        character for token ids; None where nothing stands for one medium, such as with one placeholder per frame.
        """
        found: dict[str, dict[str, list[str] | None]] = self._ask(do="media", names=list(names))
        return found

    def _prepared(self, request: Request) -> dict[str, Any]:
        fields = self.registries["templates"][request.template_type]
        thinks = any(fields[key] for key in ("is_thinking", "thinking_prefix", "non_thinking_prefix"))
        scenario = request.scenario
        if scenario.variables and not request.levels:
            raise Unsupported("ms-swift's template knows no levels of thinking")
        messages = scenario.asked if request.kind is Kind.PROMPT else scenario.messages
        return {
            "template_type": request.template_type,
            "inputs": to_swift(messages, scenario.tools, words=request.words if thinks else None),
            "variables": dict(scenario.variables),
            "kind": request.kind.value,
            "thinking": scenario.thinking,
            "preserve_thinking": scenario.preserve_thinking and request.kind is Kind.PROMPT,
            "adds": request.adds,
            "plain": request.plain,
        }

    def _ask(self, **command: Any) -> Any:
        return self.ask(command)


@contextmanager
def copied(generated: Path) -> Iterator[Path]:
    """A copy of ``generated/swift`` in a folder of its own; yields its ``register_all.py``."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "registered"
        shutil.copytree(generated / "swift", target)
        yield target / "register_all.py"
