"""Write the content of messages as text: typed parts, numbered media, and trimming."""

from __future__ import annotations

from ...catalogue.slots import MEDIUM_NUMBER
from ...meaning.jinja import literal
from .writer import JinjaWriter

_MEDIA = {
    "image": ("image", "image_url", "input_image"),
    "video": ("video", "video_url"),
    "audio": ("audio", "audio_url", "input_audio"),
}


def write_content(out: JinjaWriter, message: str, name: str = "text", *, ahead: bool = False) -> None:
    """Set ``name`` to the text of a message whose content is text, nothing, or a list of typed parts.

    With ``ahead`` the message is only inspected, and its media are not counted.
    """
    with out.block(f"set {name}"):
        out.write(f"""
            if {message}.content is string
                print {message}.content
        """)
        with out.block(f"elif {message}.content"), out.block(f"for part in {message}.content"):
            out.write("""
                if part.type == 'text'
                    print part.text
            """)
            for kind, types in _MEDIA.items():
                if (placeholder := getattr(out.slots, kind)) is not None:
                    with out.block(f"elif part.type in {list(types)}"):
                        _write_placeholder(out, kind, placeholder, ahead=ahead)
            out.write("""
                else
                    print raise_exception('this template has no place for content of type ' ~ part.type)
            """)


def numbered(out: JinjaWriter) -> list[str]:
    """The kinds of media whose placeholders contain their numbers."""
    return [kind for kind in _MEDIA if MEDIUM_NUMBER in (getattr(out.slots, kind) or "")]


def _write_placeholder(out: JinjaWriter, kind: str, text: str, *, ahead: bool) -> None:
    if MEDIUM_NUMBER in text and not ahead:
        out.statement(f"set state.{kind} = state.{kind} + 1")
    out.statement(f"print {f' ~ state.{kind} ~ '.join(map(literal, text.split(MEDIUM_NUMBER)))}")


def write_trimmers(out: JinjaWriter) -> None:
    """Write the macros that trim newlines; not every engine supports ``strip`` with an argument."""
    trims = {*out.template.trim.values()}
    if out.thinking:
        trims |= {out.thinking.history_trim, "leading_newlines" if out.thinking.rewrite else "none"}
    for how in sorted(trims & {"newlines", "leading_newlines"}):
        with out.block(f"macro without_{how}(text)"):
            out.write(r"""
                set scan = namespace(begun=false, held='')
                for line in text.split('\n')
                    if line
                        print (scan.held if scan.begun else '') ~ line
                        set scan.begun = true
                        set scan.held = ''
                    set scan.held = scan.held ~ '\n'
            """)
            if how == "leading_newlines":
                out.statement("print scan.held[1:] if scan.begun else ''")
