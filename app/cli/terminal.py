"""Where a verb writes: answers to standard output, remarks to standard error."""

import sys


class Terminal:
    """Both streams. An answer can be piped; a remark is for whoever looks on."""

    @property
    def rich(self) -> bool:
        """Whether a person reads the answers, and not a pipe or a file."""
        return sys.stdout.isatty()

    def put(self, text: str) -> None:
        """A line or more of what was asked for."""
        print(text, flush=True)

    def write(self, text: str) -> None:
        """A piece of an answer, as it is made. A model's text must not steer the terminal."""
        sys.stdout.write(visible(text) if self.rich else text)
        sys.stdout.flush()

    def dim(self, text: str) -> None:
        """A piece that is less than the answer, like a thought: for people, and to them alone."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\x1b[2m{visible(text)}\x1b[0m")
            sys.stderr.flush()

    def say(self, line: str) -> None:
        """A remark."""
        print(line, file=sys.stderr, flush=True)

    def ask(self, question: str) -> bool:
        """Yes or no; no where nobody can answer."""
        self.say(f"{question} [y/N]")
        return sys.stdin.isatty() and sys.stdin.readline().strip().lower() in ("y", "yes")

    def read(self) -> str:
        """What was piped in; nothing where a person sits at the keyboard."""
        return "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()


def visible(text: str) -> str:
    """`text` without the control characters that move a cursor or set a window's title."""
    return "".join(c for c in text if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f"))
