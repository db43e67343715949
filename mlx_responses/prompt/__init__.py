"""Items, instructions and tools -> the token ids that a model reads.

    build(ask, tokenizer, context_window) -> Prompt

Reads no store and knows no socket; what a chat template needs is asked of the `Tokenizer` alone.
"""

from mlx_responses.prompt.fit import Ask, build
from mlx_responses.prompt.render import Prompt

__all__ = ["Ask", "Prompt", "build"]
