"""A template class and a loader of one's own, which the spec names by their import paths.

They do what ms-swift's for LLaVA do, so that training can be compared with the built-in.
"""

from __future__ import annotations

from typing import Any

from swift.model import ModelLoader
from swift.template.templates.llava import LlavaHfTemplate


class AcmeTemplate(LlavaHfTemplate):  # type: ignore[misc]
    """How an image becomes tokens."""


class AcmeLoader(ModelLoader):  # type: ignore[misc]
    """Which class of transformers the model is of."""

    def get_model(self, model_dir: str, *args: Any, **kwargs: Any) -> Any:
        from transformers import LlavaForConditionalGeneration

        self.auto_model_cls = self.auto_model_cls or LlavaForConditionalGeneration
        return super().get_model(model_dir, *args, **kwargs)
