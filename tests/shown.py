"""Every command that README and docs/ show: in fences, in indented lines, in words of text."""

import re

from tools.docs import PAGES, ROOT

FENCE = re.compile(r"(<!-- \w+ -->\n)?```(\w*)\n(.*?)```", re.DOTALL)
RUN_AS_EXAMPLES = ("<!-- run -->", "<!-- tour -->")
SHELL = ("sh", "console", "")
PROGRAMS = (
    *("mlx-responses", "mlx.launch", "make", "python", "pip", "brew", "codex", "curl", "hf", "git"),
    *("sqlite3", "systemctl", "launchctl", "journalctl", "loginctl", "uname", ".venv/bin/"),
)
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(rf"({'|'.join(map(re.escape, PROGRAMS))})\S*\s")
TEXTS = {page.name: page.read_text("utf-8") for page in [*PAGES, ROOT / "SECURITY.md"]}


def all_fences():
    """Page, mark, language and code of each."""
    for name, text in TEXTS.items():
        for mark, language, code in FENCE.findall(text):
            yield name, mark.strip(), language, code


def fences(*languages):
    """Page, mark and code of each fence in one of `languages`."""
    for name, mark, language, code in all_fences():
        if language in languages:
            yield name, mark, code


def shown():
    """Each command line that is no marked example, as it stands there, with the pages it is on."""
    found = {}
    for name, text in TEXTS.items():
        lines = [
            line
            for page, mark, code in fences(*SHELL)
            if page == name and mark not in RUN_AS_EXAMPLES
            for line in code.splitlines()
        ]
        prose = FENCE.sub("", text)
        lines += re.findall(r"^ {4}(\S.*)$", prose, re.MULTILINE)
        lines += [" ".join(s.split()) for s in SPAN.findall(prose) if COMMAND.match(s)]
        for line in lines:
            found.setdefault(re.sub(r"\s+#.*", "", line), set()).add(name)
    return found
