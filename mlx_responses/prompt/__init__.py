"""Items, instructions and tools -> the token ids that a model reads.

    build(ask, tokenizer, context_window) -> Prompt
    with_known_ids(prompt, known, tokenizer) -> Prompt

Reads no store and knows no socket; what a chat template needs is asked of the `Tokenizer` alone.
"""

from mlx_responses.prompt.fit import Ask, build
from mlx_responses.prompt.known import with_known_ids
from mlx_responses.prompt.render import Prompt

__all__ = ["Ask", "Prompt", "build", "with_known_ids"]
