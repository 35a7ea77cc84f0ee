"""The portable Jinja chat template of a conversation format."""

from .template import chat_template

__all__ = ["chat_template"]
