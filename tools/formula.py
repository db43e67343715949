"""Write the Homebrew formula for a wheel: app/launch/mlx-responses.rb, with what names that wheel.
python -m tools.formula WHEEL [--url URL] > mlx-responses.rb

Without `--url` it installs the file as it lies here; with it, the same wheel as a release has it.
"""

import argparse
import email
import hashlib
import json
import re
import sys
import zipfile
from email.message import Message
from pathlib import Path

FORMULA = Path(__file__).parent.parent / "app" / "launch" / "mlx-responses.rb"
FIELD = re.compile(r'^  (desc|homepage|url|version|sha256|license) "(?:[^"\\]|\\.)*"', re.MULTILINE)


def formula(wheel: Path, url: str | None = None, homepage: str | None = None) -> str:
    """The formula's text. `homepage` where the wheel names none. Raises `ValueError`."""
    url = url or wheel.absolute().as_uri()
    if not re.match(r"(https|file)://", url):
        raise ValueError(f"--url must begin with https:// or file://, not {url!r}.")
    if not url.endswith(f"/{wheel.name}"):
        raise ValueError(f"--url must end with /{wheel.name}: pip reads a wheel's name.")
    told = _metadata(wheel)
    fields = {
        "desc": told["Summary"],
        "homepage": homepage or _homepage(told),
        "url": url,
        "version": told["Version"],
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "license": told["License-Expression"],
    }

    def filled(line: re.Match[str]) -> str:
        value = fields[line[1]]
        return line[0] if value is None else f"  {line[1]} {_ruby(value)}"

    return FIELD.sub(filled, FORMULA.read_text("utf-8"))


def _metadata(wheel: Path) -> Message:
    try:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            return email.message_from_bytes(archive.read(name))
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{wheel} is no wheel: {error}.") from error


def _homepage(told: Message) -> str | None:
    for line in told.get_all("Project-URL", []):
        label, _, address = line.partition(", ")
        if label.lower() in ("homepage", "source", "repository"):
            return str(address)
    return None


def _ruby(text: str) -> str:
    """A Ruby string. JSON's are that, but for what Ruby would put in."""
    return json.dumps(str(text)).replace("#", "\\#")


def main() -> int:
    """Print it, or what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.formula", description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--url", help="where a release has this very wheel")
    parser.add_argument("--homepage", help="of the project; the server's own page unless given")
    arguments = parser.parse_args()
    try:
        print(formula(arguments.wheel, arguments.url, arguments.homepage), end="")
    except ValueError as error:
        print(f"tools.formula: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
