"""A tokenizer small enough to read: bytes, a few merged words, control tokens, jinja templates."""

import json
import re

import jinja2

from mlx_responses.errors import RequestError

CONTROLS = (
    *("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"),
    *("<tool_response>", "</tool_response>", "\n\n\n", "|"),
)
MERGES = ("user", "assistant", "system", "\n\n", "\nH", " the", "er", ">\n")

QWEN = """
{%- set ns = namespace(last=-1) -%}
{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- if tools -%}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}Tools:
{%- for tool in tools %}
{{ tool | tojson }}{% endfor %}<|im_end|>
{% endif -%}
{%- for m in messages -%}
{%- if m.role == 'system' -%}{%- if not tools -%}<|im_start|>system
{{ m.content }}<|im_end|>
{% endif -%}
{%- elif m.role == 'tool' -%}
{%- if messages[loop.index0 - 1].role != 'tool' -%}<|im_start|>user{%- endif %}
<tool_response>
{{ m.content }}
</tool_response>
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' -%}<|im_end|>
{% endif -%}
{%- else -%}<|im_start|>{{ m.role }}
{% if m.reasoning_content and loop.index0 > ns.last %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content }}
{%- for call in m.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor -%}<|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% if enable_thinking is false %}<think>

</think>

{% endif %}{% endif -%}
"""

STRICT = """
{%- for m in messages -%}
{%- if m.role == 'system' and not loop.first -%}{{ raise_exception('system first') }}{%- endif -%}
[{{ m.role }}]{{ m.content | trim }}
{%- for call in m.tool_calls or [] %} {{ call | tojson }}{% endfor -%}
{%- if not loop.last and messages[loop.index0 + 1].role == m.role and m.role != 'tool' -%}
{{ raise_exception('roles must alternate') }}{%- endif %}
{% endfor -%}
{%- if add_generation_prompt -%}[assistant]{%- endif -%}
"""


def refuse(reason: str) -> None:
    """What templates call when they cannot render a conversation."""
    raise jinja2.TemplateError(reason)


class ToyTokenizer:
    """Greedy longest match over bytes, merges and controls. Counts what it is asked."""

    def __init__(
        self,
        template: str = QWEN,
        *,
        ascii_json: bool = False,
        controls: tuple[str, ...] = CONTROLS,
    ) -> None:
        self.control_texts = controls
        self._texts = [*controls, *MERGES]
        self.vocab_size = 256 + len(self._texts)
        self._find = re.compile("|".join(map(re.escape, self._texts)))
        environment = jinja2.Environment()
        environment.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=ascii_json)
        environment.globals["raise_exception"] = refuse
        self._template = environment.from_string(template)
        self.renders = 0

    eos_ids = frozenset([257])

    def encode(self, text: str) -> list[int]:
        ids, last = [], 0
        for match in self._find.finditer(text):
            ids += text[last : match.start()].encode()
            ids.append(256 + self._texts.index(match[0]))
            last = match.end()
        return ids + list(text[last:].encode())

    def token_bytes(self, token_id: int) -> bytes:
        return bytes([token_id]) if token_id < 256 else self._texts[token_id - 256].encode()

    def apply_template(self, messages, *, tools, generation_prompt, options) -> str:
        self.renders += 1
        try:
            return self._template.render(
                messages=messages, tools=tools, add_generation_prompt=generation_prompt, **options
            )
        except jinja2.TemplateError as error:
            raise RequestError(f"The template refuses: {error}", param="input") from error

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`."""
        return b"".join(map(self.token_bytes, ids)).decode()

    def controls_in(self, ids: list[int]) -> int:
        """How many multi-character control tokens there are."""
        shielded = [text for text in self.control_texts if len(text) > 1 and not text.isspace()]
        return sum(self.token_bytes(i).decode() in shielded for i in ids if i >= 256)
