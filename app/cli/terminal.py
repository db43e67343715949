"""Where a verb writes: answers to standard output, remarks to standard error."""

import sys


class Terminal:
    """Both streams. An answer can be piped; a remark is for whoever looks on."""

    def __init__(self) -> None:
        self._mid_line = False  # whether `write` left the cursor inside a line

    @property
    def rich(self) -> bool:
        """Whether a person reads the answers, and not a pipe or a file."""
        return sys.stdout.isatty()

    def put(self, text: str) -> None:
        """A line or more of what was asked for."""
        print(text, flush=True)

    def head(self, text: str) -> None:
        """A line that what follows belongs to; bold on a terminal."""
        self.put(f"\x1b[1m{text}\x1b[0m" if self.rich else text)

    def write(self, text: str) -> None:
        """A piece of an answer, as it is made. A model's text must not steer the terminal."""
        if text:
            sys.stdout.write(visible(text) if self.rich else text)
            sys.stdout.flush()
            self._mid_line = not text.endswith("\n")

    def end_line(self) -> None:
        """What is written next begins a line."""
        if self._mid_line:
            self.write("\n")

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

    def line(self, prompt: str) -> str | None:
        """The next line that somebody types or pipes in; None at the end."""
        if not (sys.stdin.isatty() and self.rich):
            line = sys.stdin.readline()
            return line.rstrip("\n") if line else None
        try:
            return input(prompt)
        except EOFError:
            return None

    def read(self) -> str:
        """What was piped in; nothing where a person sits at the keyboard."""
        return "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()


def visible(text: str) -> str:
    """`text` without the control characters that move a cursor or set a window's title."""
    return "".join(c for c in text if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f"))
