"""Ollama: a whole Modelfile per template."""

from .modelfile import FOLDER, NO_CALLS, ONE_CALL, generate, modelfile, quote
from .template import go_template

__all__ = ["FOLDER", "NO_CALLS", "ONE_CALL", "generate", "go_template", "modelfile", "quote"]
