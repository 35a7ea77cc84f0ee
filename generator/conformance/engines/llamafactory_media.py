"""What LLaMA-Factory's multimodal plugins put in place of ``<image>``, ``<video>`` and ``<audio>``.

``process_messages`` is run as LLaMA-Factory's own vLLM engine runs it (``chat/vllm_engine.py`` turns
``expand_mm_tokens`` off): the text as it is before a processor makes many tokens of one. No medium is read, and in
place of a model's processor there is one that only knows the numbers that the plugins ask for; a token that a plugin
asks the processor for stands as ``{its_name}`` in the text.
"""

from __future__ import annotations

import copy
from typing import Any

from chatwright.meaning.conversation import MediaKind

_ARGUMENTS = ("image", "video", "audio")


class _Processor:
    """A model's processor without a model: sizes are one, tokens are their names."""

    merge_size = max_slice_nums = image_seq_length = 1
    merge_kernel_size = (1, 1)
    use_image_id = image_do_pan_and_scan = use_audio_in_video = False

    def __getattr__(self, name: str) -> Any:
        if name.endswith(("_processor", "_extractor")):
            return self
        if name.endswith(("_token", "_sequence")):
            return f"{{{name}}}"
        raise AttributeError(name)


def media_texts(plugin: Any, kind: MediaKind) -> tuple[str, str] | None:
    """What stands for the first medium of a kind and for the second; None where the plugin takes none."""
    plugin = copy.copy(plugin)
    plugin.expand_mm_tokens = False
    one = {"image_num_patches": [1, 1], "video_num_patches": [1, 1], "video_patch_indices": [1, 2]}
    plugin._get_mm_inputs = lambda *given, **options: one
    media = [["medium"] * 2 if name == kind else [] for name in _ARGUMENTS]
    content = f"\0<{kind}>\0<{kind}>\0"
    try:
        (message,) = plugin.process_messages([{"role": "user", "content": content}], *media, _Processor())
    except ValueError:  # a kind that the model does not take
        return None
    written = message["content"].split("\0")
    if written[1:-1] == [f"<{kind}>"] * 2 and not _has_token(plugin, kind):
        return None
    first, second = written[1:-1]
    return first, second


def _has_token(plugin: Any, kind: MediaKind) -> bool:
    return getattr(plugin, f"{kind}_token", None) is not None
