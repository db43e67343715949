"""The dialect of models that only write text: no thoughts, no calls. Knows no marker."""

from mlx_responses.dialects.dialect import Dialect
from mlx_responses.parts import Said, TextDelta


class PlainReader:
    """Everything is the visible answer."""

    def __init__(self) -> None:
        self._at = 0

    def feed(self, text: str) -> list[Said]:
        """`text` as it is."""
        at = self._at
        self._at += len(text)
        return [TextDelta(text, at)] if text else []

    def finish(self) -> list[Said]:
        """Nothing: nothing was held back."""
        return []


PLAIN = Dialect(
    name="plain",
    reader=lambda _ear: PlainReader(),
    recognises=lambda _controls, _template, _model_type: True,
)
