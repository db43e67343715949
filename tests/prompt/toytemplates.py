"""Chat templates in the shape of each family's: what they demand, drop and refuse."""

HARMONY = """
{%- set ns = namespace(talk=messages, name='') -%}
<|start|>system<|message|>Reasoning: {{ reasoning_effort or 'medium' }}<|end|>
{%- set told = messages and messages[0].role in ('system', 'developer') -%}
{%- if told %}{% set ns.talk = messages[1:] %}{% endif -%}
{%- if told or tools -%}<|start|>developer<|message|>{{ messages[0].content if told else '' }}
{%- for tool in tools or [] %}
type {{ tool.function.name }} = {{ tool.function.parameters | tojson }};{% endfor %}<|end|>
{%- endif -%}
{%- for m in ns.talk -%}
{%- if m.role == 'assistant' and 'tool_calls' in m -%}
{%- if m.content and m.thinking %}{{ raise_exception('not both') }}{% endif -%}
{%- if m.content or m.thinking -%}
<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking or m.content }}<|end|>
{%- endif -%}
{%- set ns.name = m.tool_calls[0].function.name -%}
<|start|>assistant to=functions.{{ ns.name }}<|channel|>commentary json<|message|>
{{- m.tool_calls[0].function.arguments | tojson }}<|call|>
{%- elif m.role == 'assistant' -%}
<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>
{%- elif m.role == 'tool' -%}
<|start|>functions.{{ ns.name }} to=assistant<|channel|>commentary<|message|>
{{- m.content | tojson }}<|end|>
{%- elif m.role == 'user' -%}<|start|>user<|message|>{{ m.content }}<|end|>{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|start|>assistant{% endif -%}
"""

MISTRAL = """
{%- set ns = namespace(last=0, turn=0) -%}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif -%}
{%- endfor -%}
{%- for m in messages -%}
{%- if m.role == 'system' -%}
{%- if not loop.first %}{{ raise_exception('system first') }}{% endif -%}
[SYSTEM_PROMPT]{{ m.content }}[/SYSTEM_PROMPT]
{%- elif m.role == 'user' -%}
{%- if ns.turn % 2 %}{{ raise_exception('alternate') }}{% endif %}{% set ns.turn = ns.turn + 1 -%}
{%- if tools and loop.index0 == ns.last %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]
{%- endif -%}
[INST]{{ m.content }}[/INST]
{%- elif m.tool_calls -%}
{%- if m.content is string %}{{ m.content }}{% else -%}
{%- for part in m.content -%}
{{ '[THINK]' + part.thinking + '[/THINK]' if part.type == 'thinking' else part.text }}
{%- endfor -%}
{%- endif -%}
{%- for call in m.tool_calls -%}
{%- if call.id | length != 9 %}{{ raise_exception('nine characters') }}{% endif -%}
[TOOL_CALLS]{{ call.function.name }}[ARGS]{{ call.function.arguments | tojson }}
{%- endfor -%}</s>
{%- elif m.role == 'assistant' -%}
{%- if ns.turn % 2 == 0 %}{{ raise_exception('alternate') }}{% endif %}
{%- set ns.turn = ns.turn + 1 -%}
{{ m.content }}</s>
{%- elif m.role == 'tool' -%}
{%- if m.tool_call_id | length != 9 %}{{ raise_exception('nine characters') }}{% endif -%}
[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]
{%- endif -%}
{%- endfor -%}
"""

LLAMA = """
{%- for m in messages -%}
{%- if m.tool_calls -%}
{%- if m.tool_calls | length != 1 %}{{ raise_exception('one call') }}{% endif -%}
<|start_header_id|>assistant<|end_header_id|>{"name": "{{ m.tool_calls[0].function.name }}", {# -#}
"parameters": {{ m.tool_calls[0].function.arguments | tojson }}}<|eot_id|>
{%- else -%}
<|start_header_id|>{{ 'ipython' if m.role == 'tool' else m.role }}<|end_header_id|>
{%- if tools and loop.first %}{{ tools | tojson }}
{% endif %}{{ m.content }}<|eot_id|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>{% endif -%}
"""

GLM = """
{%- if tools %}<|system|>{{ tools | tojson }}{% endif -%}
{%- for m in messages -%}
<|{{ m.role }}|>
{%- if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif -%}
{{ m.content }}
{%- for call in m.tool_calls or [] -%}
<tool_call>{{ call.function.name }}
{%- for key, value in call.function.arguments.items() -%}
<arg_key>{{ key }}</arg_key><arg_value>{{ value }}</arg_value>
{%- endfor -%}</tool_call>
{%- endfor -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|assistant|>{% endif -%}
"""

DEEPSEEK = """
{%- if tools %}{{ tools | tojson }}{% endif -%}
{%- for m in messages -%}
<|{{ m.role }}|>{{ m.content }}
{%- for call in m.tool_calls or [] -%}
{{ '<call>' + call.function.name + '<sep>' + call.function.arguments + '</call>' }}
{%- endfor -%}
{%- endfor -%}
"""

KIMI = """
{%- if tools %}<|im_system|>{{ tools | tojson }}{% endif -%}
{%- for m in messages -%}
<|im_{{ m.role }}|>{{ m.content }}
{%- for call in m.tool_calls or [] -%}
<|tool_call_begin|>{{ call.id }}<|tool_call_argument_begin|>{{ call.function.arguments | tojson }}
{%- endfor -%}
{%- if m.role == 'tool' %} of {{ m.tool_call_id }}{% endif -%}
{%- endfor -%}
"""

NO_SYSTEM = """
{%- for m in messages -%}
{%- if m.role not in ('user', 'assistant') %}{{ raise_exception('no such role') }}{% endif -%}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif -%}
<start_of_turn>{{ m.role }}
{{ m.content | trim }}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt %}<start_of_turn>model
{% endif -%}
"""

EVERY = {
    "harmony": HARMONY,
    "mistral": MISTRAL,
    "llama": LLAMA,
    "glm": GLM,
    "deepseek": DEEPSEEK,
    "kimi": KIMI,
    "no_system": NO_SYSTEM,
}

FAMILY_CONTROLS = (
    *("<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|call|>", "<|constrain|>"),
    *("[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"),
    *("<start_of_turn>", "<end_of_turn>", "<arg_key>", "</arg_key>", "<|tool_call_begin|>"),
    *("<tool_call>", "</tool_call>", "</s>", "<think>", "</think>"),
)
