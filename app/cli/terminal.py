"""Where a verb writes: answers to standard output, remarks to standard error."""

import sys


class Terminal:
    """Both streams. An answer can be piped; a remark is for whoever looks on."""

    def put(self, text: str) -> None:
        """A line or more of what was asked for."""
        print(text, flush=True)

    def say(self, line: str) -> None:
        """A remark."""
        print(line, file=sys.stderr, flush=True)

    def ask(self, question: str) -> bool:
        """Yes or no; no where nobody can answer."""
        self.say(f"{question} [y/N]")
        return sys.stdin.isatty() and sys.stdin.readline().strip().lower() in ("y", "yes")
