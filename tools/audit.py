"""`make audit`: what this project needs, and what that needs, is installed as constraints.txt pins
it, and under licences that may be used. Needs no network; pip-audit, which does, runs if it is
here.
"""

import importlib.metadata as metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
OUR_OWN = "mlx-responses"
EXTRAS = ("", "dev")
ELSEWHERE = {
    "mlx-metal": "a part of mlx on macOS, of the version that mlx names",
    "pip": "comes with the environment",
}
"""Not pinned, and why."""
ALLOWED = re.compile(
    r"MIT(-0| License)?|((3|2)-Clause )?BSD([ -][023]-Clause)?( License)?"
    r"|0BSD|Apache( Software)?[ -]?(License)?,?( Version)? ?(2\.0)?( License)?|MPL-2\.0"
    r"|Mozilla Public License 2\.0 \(MPL 2\.0\)|ISC License( \(ISCL\))?|PSF-2\.0|Zlib|CC0-1\.0"
    r"|CNRI-Python|Public Domain|DFSG approved",
    re.IGNORECASE,
)
"""Licences that ask no more of who passes this project on than to name them."""


class Installed(NamedTuple):
    """One distribution, its name as an index spells it, and all licences that it names."""

    name: str
    version: str
    licences: tuple[str, ...]


def needed() -> Iterator[Installed]:
    """What this project and its development need here, once each. Raises `PackageNotFoundError`
    for what is missing."""
    seen = {OUR_OWN}
    waiting = list(_needs(OUR_OWN, EXTRAS))
    while waiting:
        one = waiting.pop()
        if one.name not in seen:
            seen.add(one.name)
            found = metadata.distribution(one.name)
            yield Installed(canonical(one.name), found.version, licences(found.metadata))
            waiting += _needs(one.name, ("", *one.extras))


def _needs(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    for text in metadata.requires(name) or []:
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            yield one


def canonical(name: str) -> str:
    """One spelling for a name, as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licences(said: metadata.PackageMetadata) -> tuple[str, ...]:
    """What a distribution says of its licence: as an expression, in classifiers, or in words."""
    expression = said.get("License-Expression") or ""
    if expression:
        return _terms(expression)
    kinds = [one for one in said.get_all("Classifier") or [] if one.startswith("License ::")]
    if kinds:
        return tuple(one.rpartition("::")[2].strip() for one in kinds)
    words = (said.get("License") or "").strip().splitlines()
    return _terms(words[0]) if words else ()


def _terms(expression: str) -> tuple[str, ...]:
    return tuple(term.strip("() ") for term in re.split(r" AND | OR ", expression))


def pins(text: str) -> dict[str, str]:
    """Names and versions of constraints.txt."""
    found = re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    return {canonical(name): version for name, version in found}


def problems(found: Iterable[Installed], pinned: dict[str, str]) -> Iterator[str]:
    """A line for each distribution that is not as it should be."""
    for one in found:
        version = pinned.get(one.name)
        if version is None and one.name not in ELSEWHERE:
            yield f"{one.name} {one.version} is installed, and constraints.txt does not pin it"
        elif version not in (None, one.version):
            yield f"{one.name} {one.version} is installed, and constraints.txt pins {version}"
        wrong = [term for term in one.licences if not ALLOWED.fullmatch(term)]
        if wrong or not one.licences:
            yield f"{one.name} is under {', '.join(wrong) or 'no licence that it names'}"


def main() -> int:
    """Say what is wrong; 1 if anything is."""
    wrong = list(problems(needed(), pins(CONSTRAINTS.read_text("utf-8"))))
    if shutil.which("pip-audit"):
        command = ["pip-audit", "--strict", "--no-deps", "--requirement", str(CONSTRAINTS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wrong += [done.stdout + done.stderr] if done.returncode else []
    sys.stdout.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
