"""The words by which people ask: is it a change, a question, a greeting; which picture; and the plain form of an ask.

English and Chinese. Plain tables and pure functions, so that a wrong reading is one line to repair and one line to test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sayso.world import lexicon

LONGEST = 1000  # characters: a longer text is a description, and patterns are not let loose on it
POLITE = re.compile(
    r"^(?:(?:hi|hello|hey|ok|okay|great|nice|thanks|thank you|now|so|and|please|pls)\b[\s,.!]*|"
    r"(?:can|could|would|will) you (?:please )?|i(?:'d| would) like (?:you to )?|i want (?:you to )?|let'?s |"
    r"(?:请你?|麻烦你?|你能不能|能不能|可以|帮我|给我|我想要?|我要)[，,\s]*)",
    re.IGNORECASE,
)
DRAW = re.compile(
    r"^(?:(?:draw|paint|sketch|generate|create|make|show|render|imagine|produce|design)\s+(?:me\s+|us\s+)?"
    r"(?:(?:a|an|the)\s+)?(?:new\s+|another\s+)?"
    r"(?:picture|image|drawing|illustration|painting|photo|sketch|sticker|icon)s?\s+(?:of|with|showing)\s+|"
    r"(?:draw|paint|sketch|render|imagine)\s+(?:me\s+|us\s+)?|(?:生成|创建|制作)(?:一张|一幅|一个)?(?:图片|图像|画)?[:：，,]?|"
    r"画(?:一张|一幅|一个|出)?(?=[^成得面])|来一张|来一幅)",
    re.IGNORECASE,
)
NEW = re.compile(
    r"^(?:draw|paint|sketch|imagine|generate|render)\b|\b(?:a new|another|a different) (?:picture|image|drawing|one of)\b|"
    r"^(?:画|生成|来一张|来一幅|再画)",
    re.IGNORECASE,
)
CHANGE = re.compile(
    r"^(?:make|change|turn|remove|erase|delete|add|put|replace|move|recolou?r|rotate|flip|mirror|swap|give|keep|zoom|crop|extend|colou?r|"
    r"paint (?:it|the)|"
    r"set|use|let|shift|enlarge|shrink|brighten|darken|undo|fix|edit|take away|get rid|without|with|bigger|"
    r"smaller|more|less|instead|only|no,?)\b|"
    r"\b(?:it|its|it's|them|this|that|these|those|instead|same|the (?:background|picture|image|drawing|sky|colou?r))\b|"
    r"把|将|换成|改成|改为|变成|变为|去掉|删除|移除|删掉|加上|添加|加一|增加|放大|缩小|翻转|旋转|移动|背景|这张|这个|它|换个|换一",
    re.IGNORECASE,
)
SETTING = re.compile(  # where, when or in which manner alone: something is there already that it is said of
    r"^(?:(?:and|but|ok|okay|now|then|so|maybe)\b[\s,]*)*(?:at|in|on|by|under|during|after|before|from|as|like|inside|outside)\b|"
    r"^(?:(?:现在|然后|那么|不过)[，,\s]*)*(?:是|在|到)?(?:晚上|夜里|夜晚|半夜|白天|早上|早晨|黄昏|傍晚|日出|日落|春天|夏天|秋天|冬天|下雨|下雪)",
    re.IGNORECASE,
)
THEN = re.compile(r"^(?:and|but|now|then)\b|^(?:现在|然后|不过)", re.IGNORECASE)
QUESTION = re.compile(
    r"^(?:what|who|whom|whose|which|where|when|why|how|is|are|was|were|does|do|did|has|have|describe|caption|tell me|count|read|explain)\b|"
    r"(?:什么|多少|几个|几只|吗|哪|谁|为什么|怎么)[^，。]*[?？]?$|^(?:描述|数一数|说说|告诉我)",
    re.IGNORECASE,
)
FAVOUR = re.compile(r"^(?:can|could|would|will) you\b|^how about\b|^what about\b|能不能|可以.*吗", re.IGNORECASE)
CHAT = re.compile(
    r"^(?:hi|hello|hey|thanks|thank you|thx|ok|okay|great|nice|cool|good|perfect|wow|bye|goodbye|good (?:morning|evening|night)|"
    r"你好|您好|谢谢|多谢|好的|很好|不错|再见|哈喽)(?:[\s,.!。！~，]+(?:there|so much|a lot|very much|all|again|you|它)\b)*[\s,.!。！~，]*$",
    re.IGNORECASE,
)
AGAIN = re.compile(
    r"^(?:again|once more|one more(?: time)?|another(?: one)?|try again|redo(?: it)?|regenerate|do (?:it|that) again|same again|"
    r"再来(?:一张|一次|一幅)?|重来|重画|再画一(?:张|次)|换一张)[\s.!。！]*$",
    re.IGNORECASE,
)
ORDINAL = {
    "first": 0,
    "original": 0,
    "second": 1,
    "third": 2,
    "fourth": 3,
    "fifth": 4,
    "last": -1,
    "latest": -1,
    "newest": -1,
    "previous": -1,
    "第一": 0,
    "最初": 0,
    "原来": 0,
    "第二": 1,
    "第三": 2,
    "第四": 3,
    "第五": 4,
    "最后": -1,
    "上一": -1,
}
POINT = re.compile(
    r"\b(?:the )?(first|original|second|third|fourth|fifth|last|latest|newest|previous) (?:picture|image|drawing|one|version)\b|"
    r"(第一|最初|原来|第二|第三|第四|第五|最后|上一)(?:张|幅|个|版|的图)",
    re.IGNORECASE,
)
BEFORE_LAST = re.compile(r"\b(?:the )?(?:one|picture|image) before (?:that|the last|it)\b|前一张|倒数第二", re.IGNORECASE)
PRONOUN = re.compile(r"^(make|turn|paint|colou?r|move|rotate|flip|recolou?r|enlarge|shrink|put|give) (it|this|that)\b", re.IGNORECASE)
HAN = re.compile(r"[\u4e00-\u9fff]")


def plain(text: str) -> str:
    """Without what is said to a person rather than to a painter: greetings, please, can you; and no question mark after those."""
    out = text.strip()
    if len(out) > LONGEST:
        return out
    favour = FAVOUR.search(out) is not None
    while (found := POLITE.match(out)) is not None and found.end() > 0 and out[found.end() :].strip(" ,.!?，。！？"):
        out = out[found.end() :].strip()
        favour = favour or FAVOUR.search(out) is not None
    out = re.sub(r"(?:[,，]?\s*(?:please|pls|thanks|thank you|谢谢|吧))[.!。！\s]*$", "", out, flags=re.IGNORECASE).strip() or out
    if favour:
        out = re.sub(r"(?:吗|嘛)?[?？]+$", "", out).strip() or out
    return out


def asks(text: str) -> bool:
    """Whether it is a question to be answered, not a favour to be done."""
    if len(text) > LONGEST or FAVOUR.search(text.strip()):
        return False
    bare = plain(text)
    return QUESTION.search(bare) is not None or (bare.endswith(("?", "？")) and DRAW.match(bare) is None and CHANGE.search(bare) is None)


def chats(text: str) -> bool:
    """Whether it only greets or thanks."""
    return len(text) <= LONGEST and CHAT.match(text.strip()) is not None


def again(text: str) -> bool:
    """Whether it asks for the last thing once more."""
    return AGAIN.match(plain(text)) is not None


def changes(text: str) -> bool:
    """Whether it speaks of changing a picture that is there, rather than of a new one."""
    bare = plain(text)[:LONGEST]
    if again(text) or NEW.search(bare) is not None:
        return False
    return (CHANGE.search(bare) or POINT.search(bare) or BEFORE_LAST.search(bare)) is not None or _only_a_setting(text)


def _only_a_setting(text: str) -> bool:
    """ "now at night", "in winter", "under a rainbow"; not "in a forest, a fox", which names what is to be seen."""
    text = text.strip()[:LONGEST]
    if SETTING.search(text) is None:
        return False
    return THEN.search(text) is not None or not re.search(r"[,，:：]", text.rstrip(" ,，.。!！"))


def pointed(text: str, count: int) -> int | None:
    """The place among `count` pictures that the words name, 0 the oldest; None when they name none that is there."""
    text = text[:LONGEST]
    if BEFORE_LAST.search(text):
        return count - 2 if count >= 2 else None
    found = POINT.search(text)
    if found is None:
        return None
    place = ORDINAL[(found[1] or found[2]).lower()]
    return place % count if -count <= place < count else None


def named(text: str, prompts: Sequence[str]) -> int | None:
    """The newest picture whose prompt alone names a thing that the words name too; None when that tells nothing."""
    things = {mention.slug for mention in lexicon.mentions(text)}
    hits = [i for i, prompt in enumerate(prompts) if things & {mention.slug for mention in lexicon.mentions(prompt)}]
    return hits[-1] if hits and len(hits) < len(prompts) else None


def refined(text: str, about: str, edit: bool) -> str:
    """The ask in plain form. `about`: what the picture meant was drawn from; "again" repeats it, "it" gets its name from it."""
    bare = plain(text)
    if again(text) and about:
        return about
    if edit:
        return _with_name(bare, about)
    return DRAW.sub("", bare, count=1).strip() or bare


def _with_name(text: str, about: str) -> str:
    """ "make it blue" about "a red fox on grass" → "make the fox blue", when exactly one thing was drawn."""
    found = PRONOUN.match(text)
    things = lexicon.mentions(about)
    if found is None or len({thing.slug for thing in things}) != 1 or HAN.search(about):
        return text
    return f"{found[1]} the {about[things[0].start : things[0].end]}{text[found.end() :]}"


def cannot_answer(text: str) -> str:
    """What is said when words are wanted and no engine here has any."""
    if HAN.search(text):
        return "我会画图和改图；这里没有能用文字回答的引擎。请告诉我想画什么。"
    return "I draw and change pictures; no engine here answers in words. Say what you would like to see."
