"""What the schema cannot say: rules between the fields of a spec, and between specs.

The checks read the plain data of all documents, so that one run finds every problem even where a file also breaks the
schema: a value that is not what its field should hold is skipped here, since the schema has already refused it. This
module has the rules about names, references and models; :mod:`.slot_checks` those about texts, :mod:`.template_checks`
those about the other fields of a template.

*Sorted* means: ``model_types`` by name, and a template after the one it extends. All other orders are the author's,
because they say something: checkpoints as their publisher lists them, stop words with the end of turn first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from ..errors import Problem
from ..files import is_reserved
from . import template_checks
from .build import FRAMEWORKS, HUBS
from .found import ANY, Found, Source
from .schema import suggest
from .slot_checks import check_default_system, check_pair, check_plain_texts, check_slots
from .yaml_reader import quote

_PARTS_OF_MODELS = ("language_model", "projector", "vision_tower")


def check(sources: list[Source], tool_formats: Collection[str] | None) -> list[Problem]:
    """Every problem in and between the specs; tool formats are not checked where the known ones are not given."""
    specs = [source.spec for source in sources]
    problems = [problem for source in sources for problem in _check_file(source)]
    problems += [problem for spec in specs for rule in _RULES for problem in rule(spec)]
    problems += _check_unique(specs)
    if all(source.document.root is not None for source in sources):  # else an unreadable file may hold what is missing
        problems += _check_references(specs)
    if tool_formats is not None:
        problems += (problem for spec in specs for problem in _check_known_tool_formats(spec, tool_formats))
    return [*problems, *_check_multimodal(specs)]


# -- one spec ------------------------------------------------------------------------------------------------------


def _check_file(source: Source) -> Iterator[Problem]:
    stem, spec = PurePosixPath(source.source).stem, source.spec
    for found in spec.texts("name"):
        if found.value != stem:
            yield found.on_value(f"the file is named {quote(stem + '.yaml')}, so this must be {quote(stem)}")
    if isinstance(spec.value, dict) and {"name", "title", "publisher", "model_types"}.issuperset(spec.value):
        yield spec.on_key("this spec has neither 'templates' nor 'models'; give it one of them or both, or remove it")


def _check_file_names(spec: Found) -> Iterator[Problem]:
    """Names that become names of files must be ones on every system: Windows keeps some for devices."""
    wrong = "{} cannot be the name of a file on every system; choose another name"
    yield from (f.on_value(wrong.format(quote(f.value))) for f in spec.texts("name") if is_reserved(f.value))
    yield from (f.on_key(wrong.format(quote(f.name))) for f in spec.find("templates", ANY) if is_reserved(f.name))


def _check_extends(spec: Found) -> Iterator[Problem]:
    bases = {str(found.path[1]): found for found in spec.texts("templates", ANY, "extends")}
    names = [found.name for found in spec.find("templates", ANY)]
    for name, found in bases.items():
        base = found.value
        if base == name:
            yield found.on_value("a template cannot extend itself")
        elif base not in names:
            others = suggest(base, (other for other in names if other != name))
            yield found.on_value(f"this spec has no template {quote(base)} {others}; 'extends' stays within one spec")
        elif base in bases:
            further = bases[base].value
            if circle := _circle(name, bases):
                if name == min(circle, key=names.index):  # one report per circle
                    yield found.on_value(f"'extends' goes round in a circle: {' → '.join((*circle, name))}")
            else:
                yield found.on_value(
                    f"{quote(base)} itself extends {quote(further)}, and 'extends' is one level deep; "
                    f"extend {quote(further)} and repeat what {quote(base)} adds"
                )


def _circle(start: str, bases: Mapping[str, Found]) -> list[str]:
    """The templates on the way from one back to itself, empty where there is no such way of reasonable length."""
    circle = [start]
    while len(circle) < 20 and circle[-1] in bases:
        following: str = bases[circle[-1]].value
        if following == start:
            return circle
        circle.append(following)
    return []


def _check_sorted(spec: Found) -> Iterator[Problem]:
    for before, found in pairwise(spec.find("model_types", ANY)):
        if found.name < before.name:
            yield found.on_key(f"model types are sorted by name; move this above {quote(before.name)}")
    places = {found.path[1]: place for place, found in enumerate(spec.find("templates", ANY))}
    bases = {found.path[1]: found for found in spec.texts("templates", ANY, "extends")}
    for name, found in bases.items():
        if places.get(found.value, -1) > places[name] and found.value not in bases:
            yield found.on_value(f"a template stands below the one it extends; move {quote(found.value)} up")


def _check_checkpoints(spec: Found) -> Iterator[Problem]:
    for found in spec.find("models", ANY, "checkpoints", ANY):
        own = [target.mapping.get(hub) for target in found.find("targets", ANY) for hub in HUBS]
        if found.mapping and not {*HUBS, "path"}.intersection(found.mapping) and not any(own):
            hubs = ", ".join(HUBS)
            yield found.on_key(f"this checkpoint can be had nowhere; give its id on a hub ({hubs}) or its 'path'")


def _check_modules(spec: Found) -> Iterator[Problem]:
    for modules in spec.find("model_types", ANY, "modules"):
        names = [(part, name) for part in _PARTS_OF_MODELS for name in modules.texts(part, ANY)]
        for part, name in names:
            inside = [(other, each.value) for other, each in names if other != part and name.value in each.value]
            for other, value in inside[:1]:
                yield name.on_value(
                    f"LLaMA-Factory would freeze {quote(value)} of the {other} with it, since that holds this name; "
                    "name the parts beside it instead"
                )


_RULES: tuple[Callable[[Found], Iterator[Problem]], ...] = (
    *(_check_file_names, _check_extends, _check_sorted, _check_checkpoints, _check_modules),
    *(check_slots, check_pair, check_plain_texts, check_default_system),
    *template_checks.RULES,
)


# -- all specs -----------------------------------------------------------------------------------------------------


def _check_unique(specs: Sequence[Found]) -> Iterator[Problem]:
    def keys(*pattern: Any) -> Iterator[tuple[str, Found]]:
        return ((found.name, found) for spec in specs for found in spec.find(*pattern))

    def values(*pattern: Any) -> Iterator[tuple[str, Found]]:
        return ((found.value, found) for spec in specs for found in spec.texts(*pattern))

    yield from _repeated("the family name {}", values("name"), key=str.casefold)
    yield from _repeated("the template name {}", keys("templates", ANY), key=str.casefold)
    yield from _repeated("the model type {}", keys("model_types", ANY))
    yield from _repeated("the checkpoint name {}", values("models", ANY, "checkpoints", ANY, "name"))
    for hub in HUBS:
        ids = values("models", ANY, "checkpoints", ANY, hub)
        yield from _repeated(f"the {hub} id {{}}", ids, key=str.casefold, ignoring="hubs")
    for framework in FRAMEWORKS:
        yield from _repeated(f"the name {{}} registered in {framework}", _registered(specs, framework))


def _registered(specs: Sequence[Found], framework: str) -> Iterator[tuple[str, Found]]:
    """The names under which a framework registers templates; a template's own name where nothing is said."""
    seen: set[str] = set()  # a template name that is taken is reported as such, and not again as a registered name
    for template in (found for spec in specs for found in spec.find("templates", ANY)):
        given = list(template.find("registered", framework))
        if not given and template.name.casefold() not in seen:
            yield template.name, template
        yield from ((found.value, found) for found in given if isinstance(found.value, str))
        seen.add(template.name.casefold())


def _repeated(
    what: str,
    names: Iterable[tuple[str, Found]],
    *,
    key: Callable[[str], str] = str,
    ignoring: str = "file names",
) -> Iterator[Problem]:
    first: dict[str, tuple[str, Found]] = {}
    for name, found in names:
        earlier, before = first.setdefault(key(name), (name, found))
        if before is not found:
            like = "" if earlier == name else f" as {quote(earlier)}, and {ignoring} ignore case"
            taken = f"{what.format(quote(name))} is taken at {before.key_place}{like}"
            yield found.on_key(f"{taken}; each stands once in the catalogue")


def _check_references(specs: Sequence[Found]) -> Iterator[Problem]:
    def unknown(what: str, known: set[str], *pattern: Any) -> Iterator[Problem]:
        for found in (found for spec in specs for found in spec.texts(*pattern)):
            if found.value not in known:
                yield found.on_value(f"unknown {what} {quote(found.value)} {suggest(found.value, known)}")

    templates, model_types = (
        {found.name for spec in specs for found in spec.find(section, ANY)} for section in ("templates", "model_types")
    )
    template_types = {name for name, _ in _registered(specs, "swift")}
    yield from unknown("template", templates, "models", ANY, "template")
    for framework in FRAMEWORKS:
        yield from unknown("template", templates, "models", ANY, "targets", framework, "template")
        named = ("checkpoints", ANY, "targets", framework, "template")
        yield from unknown("template", templates, "models", ANY, *named)
    yield from unknown("model type", model_types, "models", ANY, "model_type")
    yield from unknown("swift template", template_types, "model_types", ANY, "targets", "swift", "template")


def _check_known_tool_formats(spec: Found, tool_formats: Collection[str]) -> Iterator[Problem]:
    own = {found.name: found for found in spec.find("tool_formats", ANY)}
    known = {*tool_formats, *own}
    for found in spec.texts("templates", ANY, "tool_format"):
        if found.value not in known:
            yield found.on_value(f"unknown tool format {quote(found.value)} {suggest(found.value, known)}")
    for name in sorted(own.keys() & set(tool_formats)):
        yield own[name].on_key(f"the tool format {quote(name)} is known already, and this would hide it")


def _check_multimodal(specs: Sequence[Found]) -> Iterator[Problem]:
    first: dict[str, tuple[Found, bool]] = {}
    for group in (group for spec in specs for group in spec.find("models", ANY)):
        multimodal = group.mapping.get("multimodal", False)
        for found in group.texts("model_type") if isinstance(multimodal, bool) else ():
            before, expected = first.setdefault(found.value, (found, multimodal))
            if multimodal != expected:
                yield found.on_value(
                    f"model type {quote(found.value)} is {'' if multimodal else 'not '}multimodal here, but "
                    f"{'is' if expected else 'is not'} at {before.value_place}; all its groups must say the same"
                )
