"""Write the Homebrew formula for a wheel.
python -m tools.formula WHEEL --url URL > mlx-responses.rb

A formula names where its wheel lies, so it is written when there is such a place: for a release, or
for a tap of one's own. What the wheel says of itself is read from it.
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

PYTHON = "3.13"
"""The newest for which every dependency has a wheel; Homebrew keeps it for years."""

FORMULA = """class MlxResponses < Formula
  desc {desc}
  homepage {homepage}
  url {url}, using: :nounzip
  version {version}
  sha256 {sha256}
  license {license}

  depends_on arch: :arm64
  depends_on macos: :sonoma
  depends_on "python@{python}"

  def install
    system "python{python}", "-m", "venv", libexec
    system libexec/"bin/python", "-m", "pip", "install", "--no-cache-dir", Dir["*.whl"].first
    bin.install_symlink libexec/"bin/mlx-responses"
  end

  service do
    run [opt_bin/"mlx-responses", "serve", "--log-stderr", "off"]
    keep_alive successful_exit: false
    process_type :interactive
    log_path var/"log/mlx-responses.log"
    error_log_path var/"log/mlx-responses.log"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/mlx-responses --version")
    assert_match "Your name is Ada.", shell_output("#{{bin}}/mlx-responses demo")
  end
end
"""


def formula(wheel: Path, url: str, homepage: str | None = None) -> str:
    """The formula's text. `homepage` where the wheel names none. Raises `ValueError`."""
    if not re.match(r"(https|file)://", url):
        raise ValueError(f"--url must begin with https:// or file://, not {url!r}.")
    if not url.endswith(f"/{wheel.name}"):
        raise ValueError(f"--url must end with /{wheel.name}: pip reads a wheel's name.")
    told = _metadata(wheel)
    homepage = homepage or _homepage(told)
    if homepage is None:
        raise ValueError("The wheel names no homepage, and a formula needs one: --homepage URL")
    return FORMULA.format(
        desc=_ruby(told["Summary"]),
        homepage=_ruby(homepage),
        url=_ruby(url),
        version=_ruby(told["Version"]),
        sha256=_ruby(hashlib.sha256(wheel.read_bytes()).hexdigest()),
        license=_ruby(told["License-Expression"]),
        python=PYTHON,
    )


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
    parser.add_argument("--url", required=True, help="where this wheel can be fetched")
    parser.add_argument("--homepage", help="of the project, where the wheel names none")
    arguments = parser.parse_args()
    try:
        print(formula(arguments.wheel, arguments.url, arguments.homepage), end="")
    except ValueError as error:
        print(f"tools.formula: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
