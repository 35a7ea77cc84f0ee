"""The real ``yaml-language-server`` (npm), which editors ask about a YAML file: over its standard input and output.

It speaks the Language Server Protocol 3.17: JSON behind a head that tells its length. Lines and columns count from 0.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from .npm import node_and_version

PACKAGE = "yaml-language-server"
_PATIENCE = 60  # seconds for an answer; it reads the schema first


class Server:
    """A running server that looks at files of one folder; use it as a context manager.

    Raises:
        ImportError: there is no Node, or no such package in the folder ``node_modules``.
    """

    def __init__(self, node_modules: Path, folder: Path) -> None:
        package = node_modules / PACKAGE
        node, self.version = node_and_version(node_modules, PACKAGE)
        self._process = subprocess.Popen(
            [node, str(package / "bin" / PACKAGE), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._diagnostics: queue.Queue[tuple[str, list[Any]]] = queue.Queue()
        self._found: dict[str, list[dict[str, Any]]] = {}  # by file
        self._number = 0
        threading.Thread(target=self._read, daemon=True).start()
        abilities = {"textDocument": {"hover": {"contentFormat": ["plaintext"]}, "publishDiagnostics": {}}}
        root = {"processId": None, "rootUri": folder.as_uri(), "capabilities": abilities}
        self.ask("initialize", {**root, "workspaceFolders": [{"uri": folder.as_uri(), "name": "specs"}]})
        self._tell("initialized", {})
        settings = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}
        self._tell("workspace/didChangeConfiguration", {"settings": {"yaml": settings}})

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def open(self, file: Path, text: str) -> None:
        """Open a file with this text."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})

    def problems(self, file: Path) -> list[dict[str, Any]]:
        """What the server finds wrong with an open file, once it has looked at it."""
        while file.as_uri() not in self._found:
            uri, found = self._diagnostics.get(timeout=_PATIENCE)
            self._found[uri] = found
        return self._found[file.as_uri()]

    def complete(self, file: Path, line: int, column: int) -> list[str]:
        """The words that the server offers at a place of an open file."""
        answer = self.ask("textDocument/completion", _at(file, line, column)) or {}
        items = answer if isinstance(answer, list) else answer.get("items", [])
        return [str(item["label"]) for item in items]

    def hover(self, file: Path, line: int, column: int) -> str:
        """What the server tells of a place of an open file."""
        answer = self.ask("textDocument/hover", _at(file, line, column)) or {}
        contents = answer.get("contents", "")
        return str(contents.get("value", "") if isinstance(contents, dict) else contents)

    def ask(self, method: str, parameters: Any) -> Any:
        """The answer to a request.

        Raises:
            queue.Empty: there is none within a minute.
        """
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = self._answers.get(timeout=_PATIENCE)
            if answer.get("id") == self._number:
                return answer.get("result")

    def _tell(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self._process.stdin.flush()

    def _read(self) -> None:
        """Sort what the server sends: answers, what is wrong with files, and questions, which get an empty answer."""
        assert self._process.stdout is not None
        stream = self._process.stdout
        while head := stream.readline():
            length = 0
            while head.strip():
                name, _, value = head.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                head = stream.readline()
            message = json.loads(stream.read(length))
            if message.get("method") == "textDocument/publishDiagnostics":
                self._diagnostics.put((message["params"]["uri"], message["params"]["diagnostics"]))
            elif "method" in message and "id" in message:
                items = (
                    message.get("params", {}).get("items", [])
                    if message["method"] == "workspace/configuration"
                    else None
                )
                self._send({"id": message["id"], "result": None if items is None else [None for _ in items]})
            elif "id" in message:
                self._answers.put(message)


def _at(file: Path, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": column}}
