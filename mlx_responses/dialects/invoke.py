"""Families whose calls are markup with the names in quotes: MiniMax, MiniCPM5, Muse, Kimi K3."""

from mlx_responses.dialects.dialect import Brackets, Dialect, Parameters
from mlx_responses.dialects.markup import Markup
from mlx_responses.dialects.tagged import THINK, Tags


def _brackets(markup: Markup) -> Brackets:
    return Brackets(
        marker=markup.block[0] or markup.call[0],
        head=f'\n{markup.call[0]}"' if markup.block[0] else '"',
        middle='">\n' if markup.block[0] else '">',
        foot=f"{markup.call[1]}\n{markup.block[1]}" if markup.block[0] else markup.call[1],
        separator="\n",
        parameters=Parameters(
            before=f'{markup.parameter[0]}"',
            between='">',
            after=markup.parameter[1] + ("\n" if markup.block[0] else ""),
            unsaid=("<![CDATA[",) if markup.cdata else (),
        ),
    )


MINIMAX_TAGS = Markup(
    block=("<minimax:tool_call>", "</minimax:tool_call>"),
    call=("<invoke name=", "</invoke>"),
    parameter=("<parameter name=", "</parameter>"),
)
MINICPM_TAGS = Markup(
    block=("", ""),
    call=("<function name=", "</function>"),
    parameter=("<param name=", "</param>"),
    cdata=True,
)
MUSE_TAGS = Markup(
    block=("<atem:function_calls>", "</atem:function_calls>"),
    call=("<atem:invoke name=", "</atem:invoke>"),
    parameter=("<atem:parameter name=", "</atem:parameter>"),
)


def _dialect(name: str, markup: Markup, sign: str) -> Dialect:
    return Dialect(
        name=name,
        reader=Tags(markup.readers).reader,
        recognises=lambda controls, template, _model_type: sign in controls or sign in template,
        forms=(_brackets(markup),),
        thought=THINK,
    )


MINIMAX = _dialect("minimax", MINIMAX_TAGS, MINIMAX_TAGS.block[0])
MINICPM = _dialect("minicpm", MINICPM_TAGS, '<function name="')
MUSE_SPARK = _dialect("muse_spark", MUSE_TAGS, MUSE_TAGS.block[0])


KIMI_TAGS = Markup(
    block=("<|open|>tools<|sep|>", "<|close|>tools<|sep|>"),
    call=("<|open|>call tool=", "<|close|>call<|sep|>"),
    parameter=("<|open|>argument key=", "<|close|>argument<|sep|>"),
    close="<|sep|>",
)
KIMI_THINK = ("<|open|>think<|sep|>", "<|close|>think<|sep|>")
KIMI_ANSWER = "<|open|>response<|sep|>"

KIMI_K3 = Dialect(
    name="kimi_k3",
    reader=Tags(
        KIMI_TAGS.readers,
        thought=KIMI_THINK,
        frame=(KIMI_ANSWER, "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
    ).reader,
    recognises=lambda controls, template, _model_type: (
        KIMI_TAGS.block[0] in template or {"<|open|>", "<|close|>", "<|sep|>"} <= controls
    ),
    forms=(
        Brackets(
            marker=KIMI_TAGS.block[0],
            head=f'{KIMI_TAGS.call[0]}"',
            middle='" index="1"<|sep|>',
            foot=KIMI_TAGS.call[1] + KIMI_TAGS.block[1],
            parameters=Parameters(
                before=f'{KIMI_TAGS.parameter[0]}"',
                between='" type="{}"<|sep|>',
                after=KIMI_TAGS.parameter[1],
                kinds=("string", "object"),
            ),
        ),
    ),
    thought=KIMI_THINK,
    answer=KIMI_ANSWER,
)
