"""What the serving targets share: which templates have no file at all."""

from __future__ import annotations

from types import ModuleType

import pytest

from chatwright.errors import Unsupported
from chatwright.meaning.render import render
from chatwright.targets import llamafactory, lmdeploy, ollama, vllm
from chatwright.targets.protocol import Context
from tests.support import catalogue

UNDESCRIBED = {name: item.undescribed for name, item in catalogue().templates.items() if item.undescribed}


@pytest.mark.parametrize("target", [vllm, ollama, lmdeploy, llamafactory], ids=lambda target: target.FOLDER)
def test_what_the_slots_do_not_say_is_refused_with_the_spec_s_words(target: ModuleType) -> None:
    """A template whose text a framework's own code makes: it stands in that framework only."""
    assert UNDESCRIBED
    made = target.generate(Context(catalogue(), {}, {})).deployments
    told = {name: made[name] for name in UNDESCRIBED if name in made}
    assert told or target is llamafactory
    wrong = {name: found for name, found in told.items() if found.path or UNDESCRIBED[name] not in (found.reason or "")}
    assert wrong == {}


@pytest.mark.parametrize("name", sorted(UNDESCRIBED))
def test_nobody_renders_it(name: str) -> None:
    with pytest.raises(Unsupported, match="own code writes"):
        render(catalogue().templates[name], [{"role": "user", "content": "q"}])
