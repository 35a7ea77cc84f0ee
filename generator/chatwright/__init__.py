"""Chatwright: one declarative spec per model family, generated into every framework and engine."""

__version__ = "0.1.0"
