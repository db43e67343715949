"""Chat completions over the Responses API: requests one way, answers and chunks the other.

Translates values; runs no turn and knows no transport.
"""

from mlx_responses.chat.answer import completion
from mlx_responses.chat.chunks import Chunks
from mlx_responses.chat.request import as_response, in_chat_words

__all__ = ["Chunks", "as_response", "completion", "in_chat_words"]
