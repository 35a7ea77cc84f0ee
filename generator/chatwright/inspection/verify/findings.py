"""What verification says: findings of stable kinds, and the whole of one folder's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...verdicts import Verdict
from ..prompt_differences import Divergence

_COPY = "; for a GGUF: chatwright export TEMPLATE --for llamacpp --gguf FILE"
# kind -> what to do about it. The names are stable: programs may rely on them.
ADVICE = {
    "chat-template-missing": f"put the deployed file into the folder as chat_template.jinja{_COPY}",
    "chat-template-fails": f"put the deployed file into the folder as chat_template.jinja{_COPY}",
    "chat-templates-disagree": "keep one of them; transformers and vLLM read chat_template.jinja first",
    "unknown-template": "name the template it was trained with (--template), or add a spec for it (--specs)",
    "wrong-template": "serve with the deployed file, or name the template it was trained with (--template)",
    "template-refuses": "serve with the deployed file",
    "default-system-lost": "serve with the deployed file, or send this system message with every request",
    "default-system-added": "serve with the deployed file, or send a system message with every request",
    "empty-system": "serve with the deployed file, or never send an empty system message",
    "system-layout": "serve with the deployed file",
    "turn-layout": "serve with the deployed file",
    "generation-prompt": "serve with the deployed file",
    "thinking-prefill": "serve with the deployed file",
    "thought-layout": "serve with the deployed file",
    "tool-layout": "serve with the deployed file, or do not offer tools",
    "white-space": "serve with the deployed file; compare the last characters of each turn",
    "trimming": "serve with the deployed file, or trim messages before they are sent",
    "placeholder-missing": "serve with the deployed file, and add the placeholder to the tokenizer where it lacks it",
    "bos-doubled": "write the BOS once: in the chat template, and tokenize its text with add_special_tokens=False",
    "bos-missing": "let the chat template write {{ bos_token }} first, as the deployed file does",
    "bos-added": f"leave the BOS out of the chat template, as the deployed file does{_COPY}",
    "token-boundary": "no template mends this: train on the token ids of the whole text, or change the tokenizer",
    "marker-missing": "add it to the tokenizer as a special token before training, and resize the embeddings",
    "end-of-turn-missing": "let the end of turn be a token of the vocabulary, or give it to the server as a stop text",
    "eos-not-end-of-turn": f"add the end of turn's id to eos_token_id of generation_config.json{_COPY}",
    "stop-word-missing": f"add the stop word's id to eos_token_id of generation_config.json{_COPY}",
    "stop-word-split": "give it to the server as a stop text; eos_token_id holds whole tokens only",
    "eos-disagrees": "let eos_token_id of generation_config.json contain the id of the tokenizer's eos_token",
    "eos-not-an-id": "write the number of the token, or a list of numbers",
    "stop-must-be-written": "take it out of eos_token_id; stop at the end of turn",
    "not-described": "compare with the framework itself; the catalogue has no text for this template",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind, where it stands (a file, or ``deploy`` for ours), what it is, in one line.

    ``conversations`` are those it was seen in, ``example`` the first of them.
    """

    kind: str
    place: str
    text: str
    conversations: tuple[str, ...] = ()
    example: Divergence | None = None

    @property
    def advice(self) -> str:
        """What to do."""
        return ADVICE[self.kind]


Counts = Mapping[Verdict, int]


@dataclass(frozen=True)
class Compared:
    """How many conversations have which verdict; each is counted, also one that the template cannot carry.

    ``chat_template`` and ``deployed`` compare what is served with what was trained as text, ``token_ids`` the ids of
    the trained text slot by slot with those of the whole.
    """

    chat_template: Counts | None  # None: the folder has none that can be run
    deployed: Counts | None  # None: there is no file for this template
    token_ids: Counts | None  # None: there is no tokenizer to ask


@dataclass(frozen=True)
class Verification:
    """What is said of one folder.

    ``template`` is the catalogue's template it was held against, None where none could be told; ``same`` are others
    that mean the same, ``others`` those that its chat template agrees with just as far.
    """

    folder: str
    template: str | None
    named: bool
    same: tuple[str, ...]
    others: tuple[str, ...]
    compared: Compared | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """All of it in one line."""
        if self.template is None:
            return "cannot be verified: no template of the catalogue is named, and none can be told"
        if self.fine:
            as_text = (
                ", as text; no token ids were compared" if self.compared and self.compared.token_ids is None else ""
            )
            return f"fine: served with exactly the prompts that {self.template} trains on{as_text}"
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in self.findings))
        return f"not fine: held against {self.template}, {len(self.findings)} found ({kinds})"

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        findings = [{**asdict(finding), "advice": finding.advice} for finding in self.findings]
        return {**asdict(self), "findings": findings, "fine": self.fine, "verdict": self.verdict}
