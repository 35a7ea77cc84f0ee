"""The page that tells how each template compares with the chat template that its publisher ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..records.publishers import CAUSES
from .markdown import cell, link
from .models import address

_HASH = 8  # characters of a template's hash that are shown
# Per language: each word of a table, and what each cause means.
LABELS = {
    "": {
        "publishers": "Templates beside their publishers'",
        "publishers_intro": "What the frameworks train with often differs from the chat template that the publisher "
        "ships. Here every template is held against the publishers' templates of the very models that use it (by their "
        "ids on the hubs), on every scenario, as `apply_chat_template` renders the prompt. A BOS at the start is left "
        "aside, since some templates leave it to the tokenizer; where only one of the two writes it, the row says so. "
        "All scenarios and one example for each cause stand in `fidelity.json`.",
        "same": "Publisher's",
        "why": "Why they differ",
        "why_intro": "As far as a program can tell; one scenario may have several causes. Templates are counted once "
        "for each cause, scenarios once for each row below.",
        "cause": "Cause",
        "meaning": "What differs",
        "scenarios": "Scenarios",
        "one_by_one": "Template by template",
        "rows_intro": "Publishers' templates that compare alike share a row; * is a third party's copy. "
        "Scenarios are counted; those without a publisher's truth are not compared.",
        "publisher": "Publisher's template",
        "first": "First difference",
        "ours": "ours",
        "theirs": "publisher's",
        "bos_publisher": "only the publisher's writes the BOS",
        "bos_ours": "only ours writes the BOS",
        "refuses": "ours refuses",
        "not_compared": "Not compared",
        "unknown": "No publisher's template known",
        "count_known": "{known} of {all} templates have a publisher's template that is known.",
        "count_same": "{every} of these write the same as each of theirs on every scenario it carries, {some} the same "
        "as at least one of them; {base} write the same on the base conversations ({names}) as at least one.",
        "count_differ": "{count} differ from all of theirs.",
        "count_without": "{count} cannot be held against any: publishers' templates raise, or there is no file.",
        "count_scenarios": "{total} scenarios of {rows} rows: {told}.",
        "default-system": "a default system text, a date or another head that nothing asks for",
        "empty-system": "an empty system message",
        "system-layout": "where and how the system message stands",
        "turn-layout": "how turns are written",
        "generation-prompt": "the end of the prompt, where the model begins to write",
        "thinking-prefill": "the thought mark at the end of the prompt",
        "thought-layout": "thoughts in earlier replies",
        "thinking-switch": "what a request adds that turns thinking on or off, or names a level",
        "tool-layout": "how tools are described",
        "tool-calls": "how calls and results are written",
        "trimming": "white space around messages",
        "white-space": "white space elsewhere",
    },
    ".zh": {
        "publishers": "与发布方模板的对比",
        "publishers_intro": "框架训练所用的格式常与发布方提供的聊天模板不同。此处按各模型在各平台的 id，"
        "将每个模板与使用它的模型的发布方模板逐个场景对比，渲染方式与 `apply_chat_template` 相同。开头的 BOS 不计，"
        "因为有的模板交给分词器添加；只有一方写出时在行中注明。全部场景以及每种原因的一个例子见 `fidelity.json`。",
        "same": "发布方",
        "why": "不一致的原因",
        "why_intro": "以程序所能判断为准；一个场景可有多个原因。每种原因下，模板只计一次，场景按下表每行计一次。",
        "cause": "原因",
        "meaning": "不同之处",
        "scenarios": "场景",
        "one_by_one": "逐个模板",
        "rows_intro": "对比结果相同的发布方模板合为一行；* 表示第三方的副本。"
        "数字为场景数；发布方无对照的场景不作比较。",
        "publisher": "发布方模板",
        "first": "首处不同",
        "ours": "本仓库",
        "theirs": "发布方",
        "bos_publisher": "只有发布方写出 BOS",
        "bos_ours": "只有本仓库写出 BOS",
        "refuses": "本仓库的模板拒绝",
        "not_compared": "未比较",
        "unknown": "发布方模板未知",
        "count_known": "{all} 个模板中有 {known} 个已知其发布方模板。",
        "count_same": "其中 {every} 个在发布方模板所支持的全部场景中与其每个发布方模板一致，"
        "{some} 个至少与其中一个一致；"
        "{base} 个在基本对话（{names}）中至少与一个一致。",
        "count_differ": "{count} 个与其所有发布方模板都不一致。",
        "count_without": "{count} 个无法比较：发布方模板报错，或没有可比较的文件。",
        "count_scenarios": "{rows} 行共 {total} 个场景：{told}。",
        "default-system": "未要求时写出的默认系统文本、日期或其他开头",
        "empty-system": "空的系统消息",
        "system-layout": "系统消息的位置和写法",
        "turn-layout": "各轮对话的写法",
        "generation-prompt": "提示的结尾，即模型开始回答之处",
        "thinking-prefill": "提示结尾的思考标记",
        "thought-layout": "历史回答中的思考内容",
        "thinking-switch": "开关思考或指定级别时写出的内容",
        "tool-layout": "工具描述的写法",
        "tool-calls": "工具调用和结果的写法",
        "trimming": "消息首尾的空白",
        "white-space": "其他空白",
    },
}


def publishers_rows(known: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, each text ready for a cell."""
    templates = known["templates"]
    compared = {name: verdict["compared"] for name, verdict in templates.items() if "compared" in verdict}
    rest = {name: verdict["reason"] for name, verdict in templates.items() if "compared" not in verdict}
    unknown = [name for name, verdict in templates.items() if verdict["status"] == "no upstream truth" and name in rest]
    return {
        "counts": list(_counts(known, compared, labels)),
        "causes": list(_causes(compared, labels)),
        "rows": [_row(name, entry, known["sources"], labels) for name, found in compared.items() for entry in found],
        "uncompared": [
            {"template": cell(name), "reason": cell(reason)} for name, reason in rest.items() if name not in unknown
        ],
        "unknown": cell(", ".join(unknown)),
    }


def same_cell(verdict: Mapping[str, Any], labels: Mapping[str, str], page: str) -> str:
    """How a template compares in a few words, with a link to the page that tells more."""
    if "compared" not in verdict:
        return "" if verdict.get("status") != "unverified" else labels["unverified"]
    shares = {f"{exact}/{total}": None for exact, total in map(_share, verdict["compared"]) if total}
    told = f" ({', '.join(shares)})" if shares else ""
    return f"{link(labels[verdict['status']], page)}{told}"


def _share(entry: Mapping[str, Any]) -> tuple[int, int]:
    counts = entry["counts"]
    exact = counts.get("exact", 0)
    return exact, exact + counts.get("differs", 0) + counts.get("unsupported", 0)


def _counts(known: Mapping[str, Any], compared: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[str]:
    rows = [entry for found in compared.values() for entry in found]
    with_truth = {name: [entry for entry in found if _share(entry)[1]] for name, found in compared.items()}
    same = {name: [entry["same"] for entry in found] for name, found in with_truth.items() if found}
    statuses: Counter[str] = Counter()
    for entry in rows:
        statuses.update(entry["counts"])
    without = len(compared) - len(same)
    others = sum(verdict["status"] in ("unsupported", "unverified") for verdict in known["templates"].values())
    yield labels["count_known"].format(known=len(compared) + others, all=len(known["templates"]))
    yield labels["count_same"].format(
        every=sum(map(all, same.values())),
        some=sum(map(any, same.values())),
        base=sum(any(entry["base"] for entry in found) for found in with_truth.values()),
        names=cell(", ".join(known["base"])),
    )
    yield labels["count_differ"].format(count=sum(not any(found) for found in same.values()))
    if without + others:
        yield labels["count_without"].format(count=without + others)
    told = ", ".join(f"{statuses[status]} {labels[status]}" for status in sorted(statuses))
    yield labels["count_scenarios"].format(rows=len(rows), total=sum(statuses.values()), told=told)


def _causes(compared: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for cause in CAUSES:
        rows = [
            (name, entry["causes"][cause])
            for name, found in compared.items()
            for entry in found
            if cause in entry["causes"]
        ]
        if rows:
            yield {
                "name": cell(cause),
                "meaning": cell(labels[cause]),
                "templates": len({name for name, _ in rows}),
                "scenarios": sum(count for _, count in rows),
            }


def _row(
    name: str, entry: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]
) -> dict[str, str]:
    exact, total = _share(entry)
    differs = [f"{cause} {count}" for cause, count in entry["causes"].items()]
    if refused := entry["counts"].get("unsupported"):
        differs.append(f"{labels['refuses']} {refused}")
    if bos := entry.get("bos"):
        differs.append(labels[f"bos_{bos}"])
    without = {reason: len(names) for reason, names in entry.get("no upstream truth", {}).items()}
    return {
        "template": cell(name),
        "publishers": ", ".join(_source(sources[each]) for each in entry["publishers"]),
        "exact": f"{exact}/{total}" if total else "",
        "differs": cell("; ".join(differs)),
        "without": cell("; ".join(f"{count}: {reason}" for reason, count in without.items())),
        "first": _first(entry, labels),
    }


def _source(source: Mapping[str, Any]) -> str:
    copy = "" if source["verbatim"] else "\\*"
    return f"{link(source['repo'], address('huggingface', source['repo']))} {cell(source['sha256'][:_HASH])}{copy}"


def _first(entry: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    if not entry.get("first"):
        return ""
    first = entry["examples"][entry["first"]]
    sides = f"{labels['theirs']}: {first['publisher']} {labels['ours']}: {first['ours']}"
    return cell(f"{first['scenario']}: {first['before']} ‖ {sides}")
