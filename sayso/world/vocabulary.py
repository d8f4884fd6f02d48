"""The words of a prompt that are not things to draw: grammar, colours, numbers, styles, backgrounds, places, relations.

`lexicon.py` uses them to tell an unknown content word from the small words around it.
"""

from __future__ import annotations

from sayso.world import colours, wording

_ENGLISH = """
a an the this that these those some any many few several much more most less other another each every both all no not none
and or but nor so yet as than then also too plus together only just very quite really please with without within of off in on onto into
at to from by for about over above below under beneath underneath between among amid beside besides behind before after front near next
inside outside upon across along around through toward towards against up down left right upper lower top bottom middle center centre
central side sides corner corners edge half part side-by-side away far close higher centered centred
i me my mine you your yours he him his she her hers it its we us our they them their one's who which what where when how why whose there
here is are was were be been being am do does did done doing have has had having can could will would shall should may might must let
lets let's i'd i'm don't doesn't it's there's
draw draws drawing drawn drawings paint painting painted make makes made making create creates created generate generated generating
show shows showing shown give gives want need like render rendered sketch illustrate illustrated illustration illustrations design designed
picture pictures image images photo photos photograph photographs pic pics icon icons emoji emojis art artwork clipart sticker stickers
scene scenes graphic graphics thing things object objects item items stuff nothing canvas blank empty
contain contains containing wear wears wearing worn hold holds holding held carry carries carrying put place placed placing sits say says
saying said read reads reading write writes written writing stand stands depict depicts depicting feature features featuring display
hand hands
word words text texts letter letters lettering font fonts written label labelled labeled typeface caption
background backgrounds backdrop backdrops gradient gradients pattern patterns patterned transparent transparency plain solid colour colours
color colors coloured colored tinted tint fade fades fading shade runs run
style styles styled look looks looking kind type version
small tiny little big large huge medium sized size sizes wide tall square long short
grid row rows column columns line lines cell cells order first second third fourth fifth sixth seventh eighth ninth tenth last
mirrored flipped rotated turned tilted upside clockwise counterclockwise anticlockwise degrees degree shadow shadows soft casting cast
scattered spread arranged aligned count number numbers exactly time same different whole everything everywhere else behind set
facing direction way isolated cutout cut-out
red-to x by vs per
pair pairs set sets group groups piece pieces bunch bunches
change replace remove add delete erase swap move turn recolour recolor resize bigger smaller larger restyle keep instead
see sees seen find name everything else anything something visible position paint erase shift enlarge shrink turn into redraw use
now leftmost rightmost topmost lowest take away get gets rid go goes going back previous undo undone extend continue outwards outward marked
describe description list caption plan changed different rotate rotated forward walk walking step steps picture's both
what's colored please thanks thank hello hi
"""
_PLAIN_EN = tuple(_ENGLISH.split())

_CHINESE = """
的 地 得 了 着 过 在 有 是 和 与 跟 及 以及 或 或者 但 但是 而 并 并且 也 还 还有 另 另外 另外还有 再 又 都 只 就 很 非常 请 帮 帮我 给 给我 我 你 他 她 它 我们 你们 他们
它们 想 想要 要 需要 一个 这 那 这个 那个 这些 那些 一些 几 几个 每 每个 每格 全 全是 都是 依次 依次是 分别 各 上 下 左 右 中 里 内 外 前 后 旁 边 面 侧 间 之间 中间 中央 正中间
里面 外面 上面 下面 左面 右面 前面 后面 上边 下边 左边 右边 旁边 上方 下方 左侧 右侧 左上 右上 左下 右下 左上角 右上角 左下角 右下角 左上方 右上方 左下方 右下方 顶部 底部
中部 位于 处于 从 到 由 向 往 把 被 让 使 用 以 为 对 将 成 变成 换成 改成 染成 涂成 画 画着 画的是 画一 画个 画出 绘制 生成 制作 做 创建 显示 展示 来 去 一张 一幅 图 图片 图画 图像
图中 照片 画面 画面里 画面中 整个 插画 插图 作品 场景 样子 风格 样式 背景 底 底色 渐变 渐变色 图案 透明 透明的 无 没有 没 不 不要 纯 空白 空白的 画布 颜色 色 字 文字 文本 字体
写着 写有 写 内容 标题 戴着 戴 穿着 穿 拿着 拿 手里 举着 举 抱着 大 小 大大 小小 大大的 小小的 大的 小的 巨大 巨大的 行 列 网格 宫格 排 排成 格 第 第一 第二 第三 第四 第五 第六 第七
第八 第九 第十 从左到右 从上到下 左右 上下 翻转 颠倒 顺时针 逆时针 转 度 倾斜 带 带有 带着 柔和 柔和的 阴影 散落 分布 各处 横版 竖版 横 竖 版 上面只有 只有 什么 什么也没有 多少 哪里 哪 吗
呢 吧 啊 呀 么 最 更 些 点 种 样 同 位置 看到 看见 一共 共 缩小 放大 变大 变小 大一点 小一点 擦掉 重画
哪张 哪张图 两张图 这两张图 更多 画进 放进 写出 列出 按 布局 所有 所有的 描述 描述一下 一句说明 说说 说明 扩展 补全 向外 周围 画出周围 标出 标出的 部分 撤销 刚才 修改 刚才的修改
回到 上一张 前一张 变化 有什么变化 有什么不同 向前走 往前走 往前走一步 一步 左转 右转 向左转 向右转
改为 替换为 移动到 变得 加上 写上 吧 一样 不同 其他 其中 放 放在 放着 站 站在 位 说 东西 物体 物品 画里 请问 几种 添加 加 加上 删除 去掉 移除 替换 移动 移到 变 改 换 染 调 保持
"""
_PLAIN_ZH = tuple(_CHINESE.split())


def _plain_english() -> frozenset[str]:
    words = set(_PLAIN_EN)
    words.update(wording.NUMBERS_EN, wording.ORDINALS_EN)
    words.update(("dozen", "couple", "once", "twice", "zero", "half", "double", "single", "hundred", "thousand"))
    phrases: list[str] = [w for c in colours.COLOURS for w in c.en]
    for style, names in wording.STYLE_PHRASES_EN.items():
        phrases += [style, *names, *wording.STYLE_EN[style]]
    phrases += ["line art", "line drawings", "outline", "cartoons", "cartoon", "3d"]
    for places, names in wording.BACKDROP_EN.values():
        phrases += [*places, *names]
    phrases += [*wording.BACKDROP_SHOWN_EN.values()]
    for marks, adjectives in wording.PATTERN_EN.values():
        phrases += [*marks, *adjectives]
    phrases += [p for place in wording.PLACE_EN for p in place]
    phrases += [p for font in wording.FONT_EN.values() for p in font]
    flat = {p.lower().replace("-", " ") for p in phrases}
    return frozenset(words | flat | {w for p in flat for w in p.split()})


def _plain_chinese() -> frozenset[str]:
    words = set(_PLAIN_ZH)
    words.update(wording.NUMBERS_ZH, "零一二三四五六七八九十百千两半双几")
    for c in colours.COLOURS:
        words.update(c.zh)
        words.update(w[:-1] + "底" for w in c.zh)
        words.update(w[:-1] for w in c.zh if w.endswith("色") and len(w) > 2)
        words.update(w[:-1] for w in c.zh if w.endswith("色") and w[:-1] in "红橙黄绿蓝紫粉棕褐黑白灰青金")
    words.update(w for names in wording.STYLE_ZH.values() for w in names)
    words.update(w.removesuffix("风格") for names in wording.STYLE_ZH.values() for w in names)
    for places, names in wording.BACKDROP_ZH.values():
        words.update(places, names)
    words.update(w for names in wording.PATTERN_ZH.values() for w in names)
    words.update(w for names in wording.PLACE_ZH for w in names)
    words.update(w for names in wording.FONT_ZH.values() for w in names)
    return frozenset(words)


PLAIN_EN: frozenset[str] = _plain_english()
"""English words and phrases (lower case, hyphens as blanks) that name no concept."""

PLAIN_ZH: frozenset[str] = _plain_chinese()
"""Chinese words that name no concept."""

GRAMMAR_EN: frozenset[str] = frozenset(_PLAIN_EN)
"""The part of PLAIN_EN that wins over a concept of the same name ("plus", "letters")."""

MARKS_EN: frozenset[str] = frozenset(m for marks, _ in wording.PATTERN_EN.values() for m in marks)
COLOUR_WORDS_ZH: frozenset[str] = frozenset(w for c in colours.COLOURS for w in c.zh)
COLOUR_WORDS_EN: frozenset[str] = frozenset(w.replace("-", " ") for c in colours.COLOURS for w in c.en)
BACKGROUND_WORDS_EN: frozenset[str] = frozenset(
    {"background", "backgrounds", "backdrop", "backdrops", "gradient", "letters", "lettering", "font", "text", "style", "ground", "stripes",
     "dots", "to"}
    | {w for marks, adjectives in wording.PATTERN_EN.values() for p in marks + adjectives for w in p.split("-")[0].split()})
NUMERALS_ZH = frozenset("0123456789一二两三四五六七八九十几另每第这那半")
