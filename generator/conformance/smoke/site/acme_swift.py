"""A template class and a loader of one's own, which the spec names by their import paths.

They do what ms-swift's for LLaVA do, so that training can be compared with the built-in. ms-swift 3 has a function in
place of a loader class, and other modules.
"""

from __future__ import annotations

from typing import Any

try:
    from swift.model import ModelLoader
    from swift.template.templates.llava import LlavaHfTemplate
except ImportError:
    from swift.llm import get_model_tokenizer_multimodal
    from swift.llm.template.template.llava import LlavaHfTemplate

    ModelLoader = object


class AcmeTemplate(LlavaHfTemplate):  # type: ignore[misc]
    """How an image becomes tokens."""


class AcmeLoader(ModelLoader):  # type: ignore[misc]
    """Which class of transformers the model is of."""

    auto_model_cls: Any = None

    def get_model(self, model_dir: str, *args: Any, **kwargs: Any) -> Any:
        from transformers import LlavaForConditionalGeneration

        self.auto_model_cls = self.auto_model_cls or LlavaForConditionalGeneration
        return super().get_model(model_dir, *args, **kwargs)


def get_model_tokenizer_acme(model_dir: str, *args: Any, **kwargs: Any) -> Any:
    """The same for ms-swift 3."""
    from transformers import LlavaForConditionalGeneration

    kwargs["automodel_class"] = kwargs.get("automodel_class") or LlavaForConditionalGeneration
    return get_model_tokenizer_multimodal(model_dir, *args, **kwargs)
