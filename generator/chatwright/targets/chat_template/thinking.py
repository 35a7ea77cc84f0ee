"""Write the parts about thinking before the turns and at the end of the prompt."""

from __future__ import annotations

from ...catalogue.model import Levels, SystemMark, Thinking
from ...meaning.jinja import literal
from .writer import JinjaWriter, listed


def write_head(out: JinjaWriter) -> None:
    """Write the variables for the thinking mode of a request, and the macro that removes thoughts."""
    if (thinking := out.thinking) is None:
        return
    default = "true" if thinking.default else "false"
    out.statement(f"set thinks = {thinking.switch} if {thinking.switch} is defined else {default}")
    if thinking.levels:
        _write_levels(out, thinking.levels)
    if thinking.system_mark:
        _write_mark(out, thinking, thinking.system_mark)
    if out.plan.dropped and out.plan.dropped.way == "between":
        _write_remover(out, *thinking.words)


def _write_levels(out: JinjaWriter, levels: Levels) -> None:
    """Set ``level`` to the name of the active level, empty if there is none, and ``thinks`` to the level's mode."""
    counts = f"{levels.variable} is defined" if levels.decide else f"thinks and {levels.variable} is defined"
    out.statement(f"set level = ({levels.variable} or '') if {counts} else ''")
    refused = "refuse the format has no level of thinking of that name"
    out.write(f"""
        if level and level not in {listed(levels.names)}
            {refused if levels.unknown == "refuse" else "set level = ''"}
    """)
    if levels.default_on or levels.default_off:
        out.write(f"""
            if not level
                set level = {literal(levels.default_on or "")} if thinks else {literal(levels.default_off or "")}
        """)
    ways: dict[bool | None, list[str]] = {}
    for name, level in levels.names.items():
        ways.setdefault(level.thinking, []).append(name)
    for value, names in ways.items():
        if value is not None:
            out.write(f"""
                if level in {listed(names)}
                    set thinks = {"true" if value else "false"}
            """)
    if None in ways and levels.count == "on":
        out.write(f"""
            if not thinks and level in {listed(ways[None])}
                set level = ''
        """)


def _write_mark(out: JinjaWriter, thinking: Thinking, mark: SystemMark) -> None:
    """Set ``mark`` to the mark on thinking in the system text."""
    out.statement(f"set mark = {literal(mark.on)} if thinks else {literal(mark.off)}")
    for name, level in (thinking.levels.names if thinking.levels else {}).items():
        if level.mark is not None:
            out.write(f"""
                if level == {literal(name)}
                    set mark = {literal(level.mark)}
            """)


def _write_remover(out: JinjaWriter, start: str, end: str) -> None:
    """Write a macro that removes thoughts: each begins with the start word and ends with the next end word."""
    if start in end or any(start.startswith(end[i:]) for i in range(1, len(end))):
        overlap = f"the thought words {start!r} and {end!r} overlap, and Jinja cannot tell them apart"
        out.refuse(f"thinking.words: {overlap}")
    out.write(f"""
        macro without_thoughts(text)
            set scan = namespace(open=false, held='')
            for piece in text.split({literal(start)})
                if loop.first
                    print piece
                else
                    set rest = {literal(start)} ~ piece if scan.open else piece
                    if {literal(end)} in rest
                        print rest.split({literal(end)})[1:]|join({literal(end)})
                        set scan.open = false
                        set scan.held = ''
                    else
                        set scan.open = true
                        set scan.held = scan.held ~ {literal(start)} ~ piece
            print scan.held
    """)


def write_prompt_end(out: JinjaWriter) -> None:
    """Write the end of the prompt for the mode and level of the request."""
    if (thinking := out.thinking) is None:
        return
    names = thinking.levels.names if thinking.levels else {}
    own = [(f"level == {literal(name)}", level.prompt) for name, level in names.items() if level.prompt is not None]
    for prompt in out.branches([*own, ("", None)]):
        if prompt is None:
            out.print_either("thinks", thinking.when_on, thinking.when_off)
        else:
            out.print_text(prompt)
