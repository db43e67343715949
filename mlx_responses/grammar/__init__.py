"""What may be said next, as token masks. Knows tokens, not models; touches no logit.

Vocabulary   a tokenizer, read out once for both mask engines
Grammars     schema, regex, Lark -> a Source, made once and kept
Source       starts a Guide for each answer
"""

from mlx_responses.grammar.grammars import Grammars, Written, write_regex, write_schema
from mlx_responses.grammar.guide import Guide, Source
from mlx_responses.grammar.vocabulary import Mask, Vocabulary

__all__ = [
    "Grammars",
    "Guide",
    "Mask",
    "Source",
    "Vocabulary",
    "Written",
    "write_regex",
    "write_schema",
]
