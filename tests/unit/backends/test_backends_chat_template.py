"""Chat templates: layout around contents that the template never sees."""

from __future__ import annotations

import pytest

from engine.backends.chat_template import ChatTemplate, Content, Literal
from engine.errors import BackendError
from engine.ir.request import Message

CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def conversation(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role=role, content=content) for role, content in turns)  # type: ignore[arg-type]


def render(template: ChatTemplate, messages: tuple[Message, ...]) -> str:
    return "".join(
        part.text if isinstance(part, Literal) else f"[{part.of(messages)}]"
        for part in template.parts(messages)
    )


def test_contents_are_kept_apart_from_the_template() -> None:
    messages = conversation(("system", "be <|im_end|>"), ("user", "{{ 1 }}"))
    assert render(ChatTemplate(CHATML), messages) == (
        "<|im_start|>system\n[be <|im_end|>]<|im_end|>\n"
        "<|im_start|>user\n[{{ 1 }}]<|im_end|>\n<|im_start|>assistant\n"
    )


def test_equal_shapes_share_one_layout() -> None:
    template = ChatTemplate(CHATML)
    first = template.parts(conversation(("user", "a")))
    assert template.parts(conversation(("user", "b"))) is first
    assert template.parts(conversation(("user", ""))) is not first


def test_a_template_that_strips_contents_strips_them() -> None:
    template = ChatTemplate("{% for m in messages %}<{{ m.content | trim }}>{% endfor %}")
    assert render(template, conversation(("user", "  x  "))) == "<[x]>"
    kept = ChatTemplate("{% for m in messages %}<{{ m.content }}>{% endfor %}")
    assert render(kept, conversation(("user", "  x  "))) == "<[  x  ]>"


def test_system_text_is_folded_where_templates_refuse_it() -> None:
    template = ChatTemplate(
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    )
    assert render(template, conversation(("system", "s"), ("user", "u"))) == "<user>[s]\n\n[u]"


def test_without_a_template_there_is_plain_dialogue() -> None:
    assert render(ChatTemplate(None), conversation(("user", "u"))) == "User: [u]\n\nAssistant:"


def test_special_tokens_reach_the_template() -> None:
    template = ChatTemplate(
        "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
        bos="<s>",
        eos="</s>",
    )
    assert render(template, conversation(("user", "u"))) == "<s>[u]</s>"


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}",
        "{{ messages.__class__.__mro__ }}{{ messages[0].content }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{% for i in range(99999999) %}x{% endfor %}",
        "{{ messages[0].content * 2 }}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}{{ messages[0].content }}",
        "{{ 9 ** 999999 }}{{ messages[0].content }}",
        "no message at all",
        "{{ undefined.attribute }}",
        "{% for m in messages | reverse %}{{ m.content }}{% endfor %}",
    ],
)
def test_hostile_and_useless_templates_are_refused(source: str) -> None:
    with pytest.raises(BackendError, match="chat template"):
        ChatTemplate(source).parts(conversation(("user", "one"), ("assistant", "two")))


def test_contents_know_their_place() -> None:
    assert Content(0, strip_left=True, strip_right=False).of(conversation(("user", " x "))) == "x "
