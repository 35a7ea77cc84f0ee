"""Chat templates of others: what they write, and that none gets out of bounds; of time, see test_faults.py."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from chatwright.meaning.sandbox import Refused, Sandbox, TemplateFailed, render_foreign

TODAY = date(2025, 3, 4)


def test_requests_are_rendered_or_refused_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jinja2.py").write_text("raise SystemExit", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    source = (
        "{{ strftime_now('%d %b %Y') }} {{ x|tojson }}{% if x == 2 %}{{ raise_exception('no') }}{% endif %}{{ x + 1 }}"
        "{% if x == 3 %}{{ ''.__class__.__mro__ }}{% endif %}"
    )
    with Sandbox(source, strict=False) as sandbox:
        texts = sandbox.render([{"x": 1}, {"x": 2}, {"x": "é"}, {"x": 3}, {"x": 4}], TODAY)
    assert texts[:2] == ["04 Mar 2025 12", Refused("no")]
    assert isinstance(texts[2], Refused)
    assert "TypeError" in texts[2].reason
    assert isinstance(texts[3], Refused)
    assert "forbids: access to attribute '__class__'" in texts[3].reason
    assert texts[4] == "04 Mar 2025 45"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ ''.__class__.__mro__ }}", "forbids: access to attribute '__class__'"),
        ("{{ 'a' * 10**10 }}", "500 MB"),
        ("{% for i in range(99999) %}{{ 'abcdefgh' * 999 }}{% endfor %}", "more than 4000000 characters"),
    ],
)
def test_what_it_may_not_do_is_told(source: str, reason: str) -> None:
    with pytest.raises(TemplateFailed, match=reason):
        render_foreign(source, [{}], TODAY)
