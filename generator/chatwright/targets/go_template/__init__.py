"""Compiles the Jinja of tool formats to Go ``text/template`` over the data that Ollama gives a template."""

from .compiler import compile_jinja, keep_text, write_calls, write_tools
from .shapes import CALL, TOOL, Items, Text
from .values import Constant, Go, Value

__all__ = [
    "CALL",
    "TOOL",
    "Constant",
    "Go",
    "Items",
    "Text",
    "Value",
    "compile_jinja",
    "keep_text",
    "write_calls",
    "write_tools",
]
