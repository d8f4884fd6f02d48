"""Words of the drawn world: English grammar (articles, plurals, counts), Chinese measure words, styles, backgrounds, places.

Only tables and small pure functions; the sentences are made in `captions.py` and `captions_zh.py`, and `lexicon.py` reads the
same tables backwards.
"""

from __future__ import annotations

from functools import lru_cache

from sayso.world import colours

# --- numbers -------------------------------------------------------------------------------------------------------------

NUMBERS_EN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
              "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
NUMBERS_ZH = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二", "十三", "十四", "十五",
              "十六", "十七", "十八", "十九", "二十")  # 两 is the two that counts things
ORDINALS_EN = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
ORDINALS_ZH = ("第一", "第二", "第三", "第四", "第五", "第六", "第七", "第八", "第九", "第十")

# --- English nouns -------------------------------------------------------------------------------------------------------

_AN = ("hour", "honest", "honor", "honour", "heir", "x-ray", "mri", "8", "11", "18")
_A = ("uni", "use", "uk", "euro", "eu", "one", "once", "ufo", "uran", "uten", "ewe", "u-")


def article(phrase: str) -> str:
    """"a" or "an" for the phrase that follows, by sound rather than spelling."""
    word = phrase.lower()
    if word.startswith(_AN):
        return "an"
    if word.startswith(_A) and not word.startswith(("unin", "unim", "unid")):
        return "a"
    return "an" if word[:1] in "aeiou" else "a"


_IRREGULAR = {
    "mouse": "mice", "goose": "geese", "ox": "oxen", "foot": "feet", "tooth": "teeth", "man": "men", "woman": "women",
    "child": "children", "person": "people", "die": "dice", "knife": "knives", "wolf": "wolves", "leaf": "leaves",
    "loaf": "loaves", "scarf": "scarves", "elf": "elves", "shelf": "shelves", "wife": "wives", "thief": "thieves",
    "calf": "calves", "half": "halves", "cactus": "cacti", "sheep": "sheep", "deer": "deer", "fish": "fish",
    "blowfish": "blowfish", "pufferfish": "pufferfish", "jellyfish": "jellyfish", "goldfish": "goldfish",
    "starfish": "starfish", "moose": "moose", "bison": "bison", "shrimp": "shrimp", "prawn": "prawns", "squid": "squid",
    "potato": "potatoes", "tomato": "tomatoes", "mango": "mangoes", "volcano": "volcanoes", "mosquito": "mosquitoes",
    "tornado": "tornadoes", "buffalo": "buffaloes", "hero": "heroes", "superhero": "superheroes", "tuna": "tuna",
    "aircraft": "aircraft", "spacecraft": "spacecraft", "dice": "dice", "firefighter": "firefighters", "policeman": "policemen",
    "fireman": "firemen", "snowman": "snowmen", "mermaid": "mermaids", "salmon": "salmon", "trout": "trout", "domino": "dominoes",
    "swordfish": "swordfish", "kimono": "kimonos", "fisherman": "fishermen", "businessman": "businessmen", "quiz": "quizzes",
}
# Names that are plural already: how one picture of them is counted.
_UNITS = {
    "grapes": "bunch", "cherries": "pair", "peanuts": "handful", "beans": "handful", "blueberries": "handful",
    "french fries": "box", "fries": "box", "chips": "box", "pancakes": "stack", "books": "stack", "chopsticks": "pair",
    "scissors": "pair", "glasses": "pair", "eyeglasses": "pair", "spectacles": "pair", "sunglasses": "pair", "goggles": "pair",
    "jeans": "pair", "trousers": "pair", "pants": "pair", "shorts": "pair", "briefs": "pair", "gloves": "pair", "socks": "pair",
    "ballet shoes": "pair", "skis": "pair", "maracas": "pair", "headphones": "pair", "eyes": "pair", "lungs": "pair",
    "crossed swords": "pair", "dark glasses": "pair", "shades": "pair", "binoculars": "pair", "pliers": "pair", "boots": "pair",
    "sneakers": "pair", "sandals": "pair", "trainers": "pair", "noodles": "bowl", "ramen": "bowl", "chains": "set",
    "bowling pins": "set", "bricks": "pile", "bubbles": "cluster", "footprints": "pair", "paw prints": "pair", "shopping bags": "pair",
    "nesting dolls": "set",
    "musical notes": "group", "fireworks": "burst", "sparkles": "cluster", "houses": "group", "ice skates": "pair",
    "roller skates": "pair", "pearls": "string", "flowers": "bunch", "prayer beads": "string", "russian dolls": "set",
    "clothes": "set", "stars": "group", "waves": "group", "swim trunks": "pair", "trunks": "pair", "leaves": "group",
}
# Names of stuff: "bread", "a loaf of bread", "three loaves of bread".
_MASS = {
    "bread": "loaf", "bacon": "slice", "cheese": "piece", "rice": "bowl", "cooked rice": "bowl", "curry rice": "plate",
    "curry": "plate", "spaghetti": "plate", "pasta": "plate", "sushi": "piece", "popcorn": "box", "butter": "stick",
    "salt": "shaker", "broccoli": "head", "garlic": "bulb", "corn": "ear", "ginger": "piece", "ginger root": "piece",
    "milk": "glass", "sake": "bottle", "honey": "pot", "candy": "piece", "chocolate": "bar", "soap": "bar", "ice": "block",
    "wood": "piece", "yarn": "ball", "wool": "ball", "thread": "spool", "lettuce": "head", "leafy green": "bunch",
    "custard": "dish", "pudding": "dish", "shaved ice": "bowl", "ice cream": "scoop", "meat": "piece", "steak": "piece",
    "fondue": "pot", "oden": "skewer", "dango": "skewer", "falafel": "plate", "canned food": "can", "bubble tea": "cup",
    "mate": "cup", "luggage": "piece", "money": "bundle", "dna": "strand", "coral": "piece", "lipstick": "stick",
    "green salad": "bowl", "salad": "bowl", "kelp": "piece", "tea": "cup", "coffee": "cup", "green tea": "cup",
    "hot beverage": "cup", "beer": "mug", "wine": "glass", "juice": "carton", "champagne": "bottle", "fire": "patch",
    "rope": "piece", "toilet paper": "roll", "cabbage": "head", "water": "drop", "fog": "bank", "furniture": "piece",
    "toast": "slice", "fried shrimp": "piece", "tempura": "piece", "fried rice": "plate", "cotton candy": "stick",
}
_STOPS = (" of ", " with ", " in ", " on ", " without ", " for ", " at ", " behind ", " tilted ", " showing ", " over ", " holding ")


def _plural_word(word: str) -> str:
    low = word.lower()
    if low in _IRREGULAR:
        made = _IRREGULAR[low]
    elif low.endswith(("man",)) and len(low) > 5 and low not in ("human", "german", "caiman", "talisman"):
        made = low[:-2] + "en"
    elif low.endswith("y") and low[-2:-1] not in tuple("aeiou"):
        made = word[:-1] + "ies"
    elif low.endswith(("s", "x", "z", "ch", "sh")) and not low.endswith("loch"):
        made = word + "es"
    else:
        made = word + "s"
    return made if word == low or low not in _IRREGULAR else made.capitalize()


@lru_cache(8192)
def plural_of_countable(name: str) -> str:
    """The plural of a countable name: "fox" → "foxes", "glass of milk" → "glasses of milk", "bow and arrow" → "bows and arrows"."""
    stops = [at for stop in _STOPS if (at := name.find(stop)) > 0]
    if stops:
        head, tail = name[: min(stops)], name[min(stops):]
        return plural_of_countable(head) + tail
    if " and " in name:
        return " and ".join(plural_of_countable(part) for part in name.split(" and "))
    before, gap, last = name.rpartition(" ")
    if before and last.isdigit():
        return name
    stem, dash, end = last.rpartition("-")
    return before + gap + stem + dash + _plural_word(end)


def plural(name: str) -> str:
    """As `plural_of_countable`, but names of stuff and names that are plural already stay as they are."""
    return name if unit_of(name) else plural_of_countable(name)


def unit_of(name: str) -> str | None:
    """The word that counts this noun ("pair" for scissors, "loaf" for bread), or None for an ordinary countable noun."""
    low = name.lower()
    found = _UNITS.get(low) or _MASS.get(low)
    if found is None and " " in low:  # "blue jeans", "garlic bread" count like their last word
        last = low.rpartition(" ")[2]
        found = _UNITS.get(last) or (_MASS.get(last) if not any(s in low for s in _STOPS) else None)
    return found


def units() -> frozenset[str]:
    """The words that count names of stuff and names that are plural already."""
    return frozenset(_UNITS.values()) | frozenset(_MASS.values()) | {"piece", "set"}


def is_mass(name: str) -> bool:
    low = name.lower()
    return low in _MASS or (low not in _UNITS and unit_of(low) is not None and low.rpartition(" ")[2] in _MASS)


@lru_cache(4096)
def has_colour_word(name: str) -> bool:
    """Whether the name itself says a colour ("green apple", "红灯笼"), so that a tint needs another wording."""
    words = set(name.lower().split())
    return any(w in words for c in colours.COLOURS for w in c.en) or any(c.zh[0][:-1] in name for c in colours.COLOURS if c.item)


# --- styles --------------------------------------------------------------------------------------------------------------

# What may stand before "style", and whole phrases that may follow a comma.
STYLE_EN: dict[str, tuple[str, ...]] = {
    "fluent": ("fluent", "glossy"), "flat": ("flat",), "line": ("line",), "noto": ("noto", "soft"), "twemoji": ("twemoji", "cartoon"),
}
STYLE_PHRASES_EN: dict[str, tuple[str, ...]] = {
    "fluent": ("fluent style", "glossy style"), "flat": ("flat style",), "line": ("line style", "line drawing"),
    "noto": ("noto style", "soft style"), "twemoji": ("twemoji style", "cartoon style"),
}
STYLE_ZH: dict[str, tuple[str, ...]] = {
    "fluent": ("立体风格",), "flat": ("扁平风格",), "line": ("线条风格",), "noto": ("柔和风格",), "twemoji": ("卡通风格",),
}

# --- fonts ---------------------------------------------------------------------------------------------------------------

FONT_EN: dict[str, tuple[str, ...]] = {
    "sans": ("sans", "sans-serif"), "slab": ("slab", "slab serif"), "script": ("script", "cursive"), "mono": ("mono", "monospace"),
    "hei": ("hei",), "kuaile": ("playful", "kuaile"), "brush": ("brush", "calligraphy"),
}
FONT_ZH: dict[str, tuple[str, ...]] = {
    "sans": ("无衬线体",), "slab": ("粗衬线体",), "script": ("花体",), "mono": ("等宽体",), "hei": ("黑体",), "kuaile": ("快乐体",),
    "brush": ("毛笔体", "书法体"),
}

# --- backgrounds ---------------------------------------------------------------------------------------------------------

# Adverbial ("in the snow") and noun ("snow background") wordings of every drawn backdrop.
BACKDROP_EN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sky": (("in the sky", "against a blue sky", "under a cloudy sky"), ("sky",)),
    "sea": (("by the sea", "at sea", "in front of the sea"), ("sea", "ocean")),
    "meadow": (("in a meadow", "on a green meadow", "in the grass"), ("meadow", "grass field")),
    "night": (("under a night sky", "at night", "in the night"), ("night sky", "night")),
    "snow": (("in the snow", "in a snowy landscape"), ("snow", "snowy")),
    "room": (("in a room", "inside a room", "indoors"), ("room", "indoor")),
    "street": (("on the street", "in a street", "on a city street"), ("street", "city street")),
    "space": (("in space", "in outer space", "out in space"), ("space", "outer space")),
}
BACKDROP_SHOWN_EN: dict[str, str] = {
    "sky": "the sky", "sea": "the sea", "meadow": "a meadow", "night": "a night sky", "snow": "a snowy landscape", "room": "a room",
    "street": "a street", "space": "outer space",
}
BACKDROP_ZH: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sky": (("天空中", "蓝天下"), ("天空", "蓝天")),
    "sea": (("海边", "大海前"), ("大海", "海洋")),
    "meadow": (("草地上", "绿色的草地上"), ("草地",)),
    "night": (("夜空下", "夜晚", "夜里"), ("夜空", "夜晚")),
    "snow": (("雪地里", "雪中"), ("雪地", "雪景")),
    "room": (("房间里", "室内"), ("房间", "室内")),
    "street": (("街道上", "街上"), ("街道", "城市街道")),
    "space": (("太空中", "太空里"), ("太空", "宇宙")),
}
# Marks in the plural, and the adjective that goes before "background".
PATTERN_EN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "stripes": (("stripes",), ("striped",)), "dots": (("dots", "polka dots"), ("dotted", "polka-dot")),
    "checks": (("checks", "squares"), ("checked", "checkerboard")), "grid": (("grid lines",), ("grid",)),
    "zigzag": (("zigzags", "zigzag lines"), ("zigzag",)), "waves": (("waves", "wavy lines"), ("wavy",)),
}
PATTERN_ZH: dict[str, tuple[str, ...]] = {
    "stripes": ("条纹",), "dots": ("圆点", "波点"), "checks": ("方格", "棋盘格"), "grid": ("网格线", "网格"), "zigzag": ("锯齿纹", "折线"),
    "waves": ("波浪纹", "波浪线"),
}

# --- places --------------------------------------------------------------------------------------------------------------

# Ninths of the canvas in reading order; the first wording is the plain one.
PLACE_EN: tuple[tuple[str, ...], ...] = (
    ("in the top left", "in the top left corner", "at the top left", "in the upper left", "in the upper left corner"),
    ("at the top", "near the top", "at the top of the picture", "in the upper part"),
    ("in the top right", "in the top right corner", "at the top right", "in the upper right", "in the upper right corner"),
    ("on the left", "on the left side", "at the left", "at the left edge"),
    ("in the middle", "in the center", "in the centre", "at the center"),
    ("on the right", "on the right side", "at the right", "at the right edge"),
    ("in the bottom left", "in the bottom left corner", "at the bottom left", "in the lower left", "in the lower left corner"),
    ("at the bottom", "near the bottom", "at the bottom of the picture", "in the lower part"),
    ("in the bottom right", "in the bottom right corner", "at the bottom right", "in the lower right", "in the lower right corner"),
)
PLACE_ZH: tuple[tuple[str, ...], ...] = (
    ("左上角", "左上方"), ("上方", "顶部", "上面"), ("右上角", "右上方"), ("左侧", "左边"), ("中间", "中央", "正中间"),
    ("右侧", "右边"), ("左下角", "左下方"), ("下方", "底部", "下面"), ("右下角", "右下方"),
)


def ninth(x: float, y: float) -> int:
    """Which of the nine places the point (fractions of the canvas) lies in, in reading order."""
    column = 0 if x < 0.37 else 1 if x <= 0.63 else 2
    row = 0 if y < 0.37 else 1 if y <= 0.63 else 2
    return 3 * row + column


# --- Chinese measure words -----------------------------------------------------------------------------------------------

# measure → endings of names it counts; the longest ending that fits wins.
_MEASURES: dict[str, str] = {
    "个": "蛋糕 奶油蛋糕 盆栽 花束 卷轴 信封 热狗 老虎头 生日蛋糕 纸杯蛋糕 生日 皮纳塔 指南针 旋转木马 头 脸盆 土豆 西瓜 气球 球 机器人 表情 卷饼 手柄",
    "只": "鞋 鞋子 靴 靴子 拳击手套 猫 狗 狐狸 兔子 老鼠 鸡 鸭 鸭子 鹅 鸟 虫 蜜蜂 蝴蝶 蚂蚁 青蛙 乌龟 龟 羊 猴子 熊 熊猫 老虎 虎 狮子 豹 豹子 鹿 企鹅 猫头鹰 螃蟹 蟹 虾 龙虾 蜗牛"
          " 松鼠 刺猬 蝙蝠 章鱼 水母 海豹 手 眼睛 耳朵 脚 碗 盘子 篮子 手表 表 泰迪熊 鞋 靴 火烈鸟 天鹅 蜘蛛 瓢虫 恐龙 霸王龙 狐 鼠 鲸 鲸鱼 海豚 贝 蚊子 苍蝇"
          " 风筝 哨子 袋鼠 骡 鸽 鸽子 孔雀 鹦鹉 鹰 蜥蜴 鳄鱼 考拉 狼 羊驼 树懒 浣熊 獾 臭鼬 水獭 海狸 河马 长颈鹿 甲虫 蝎子 蟋蟀 鱿鱼 乌贼",
    "条": "鱼 蛇 龙 裤 裤子 裙 连衣裙 裙子 围巾 领带 毛巾 短裤 牛仔裤 河豚 热带鱼 虫子 毛毛虫 蠕虫 鲨鱼 项链 毯子 丝带 绳子 泳裤 鲸鱼 纱丽 彩带 路 三角裤",
    "匹": "马 骆驼 斑马 狼 独角兽",
    "头": "牛 奶牛 水牛 公牛 野牛 猪 大象 象 驴 犀牛 猛犸 猛犸象 野猪 蒜 大蒜",
    "辆": "车 汽车 卡车 公交车 巴士 出租车 自行车 摩托车 拖拉机 坦克 救护车 警车 消防车 轮椅 滑板车 货车 皮卡 小汽车 吉普车 巴 坦克车 购物车 有轨电车",
    "列": "火车 列车 地铁 高铁 动车 蒸汽火车 轻轨 单轨",
    "艘": "独木舟 船 帆船 轮船 飞船 渡轮 快艇 游艇 潜艇 客轮 摩托艇 艇",
    "架": "飞机 直升机 钢琴 无人机 望远镜 梯子 天平 手风琴 竖琴 秋千 航天飞机 显微镜",
    "枚": "火箭 戒指 硬币 奖牌 金牌 银牌 铜牌 邮票 勋章 徽章 导弹 图钉 别针 军功章 回形针",
    "本": "书 笔记本 日历 账本 词典 书本 杂志 字典",
    "朵": "花 云 玫瑰 向日葵 郁金香 樱花 莲花 芙蓉 荷花 蘑菇 菊花 乌云 浪花 云朵",
    "束": "鲜花",
    "棵": "树 仙人掌 松树 棕榈树 圣诞树 白菜 草 幼苗 树苗 西兰花 竹子 三叶草 四叶草 药草 青菜 椰子树",
    "盆": "盆栽植物 绿植",
    "座": "过山车 山 桥 塔 城堡 房屋 教堂 寺庙 清真寺 火山 雪山 雕像 岛 喷泉 工厂 神社 楼 大楼 摩天轮 宫殿 荒岛 体育馆 自由女神像 墓碑 别墅",
    "栋": "房子 楼房 别墅 办公楼 小屋",
    "家": "医院 银行 酒店 便利店 商店 商场 邮局 宾馆 旅馆 百货商店",
    "所": "学校",
    "把": "花生 弓箭 伞 雨伞 刀 菜刀 剪刀 椅子 钥匙 锁 锤子 斧头 锯 锯子 扳手 螺丝刀 吉他 小提琴 梳子 扇子 折扇 尺 直尺 扫帚 勺子 匙 叉子 刷子 牙刷 匕首 剑 弓 铲 铲子"
          " 镐 铁镐 水枪 手枪 班卓琴 遮阳伞 阳伞 沙滩伞 剃须刀 三角尺 汤匙 雨伞 木工锯",
    "双": " 袜子 袜 筷子 手套 芭蕾舞鞋 拖鞋 滑雪板 ",
    "副": "眼镜 墨镜 太阳镜 手套 护目镜 耳机 太阳眼镜",
    "件": "衣服 外套 大衣 衬衫 T恤 毛衣 和服 上衣 女装 白大褂 泳衣 比基尼 礼物 背心 救生衣 雨衣 连体泳衣 行李 T恤衫 礼服",
    "顶": "帽 帽子 皇冠 王冠 帐篷 头盔 降落伞 女帽 礼帽 鸭舌帽 毕业帽 草帽",
    "盏": "灯 台灯 灯笼 路灯 油灯 红灯笼 交通灯 红绿灯",
    "张": "床 桌子 纸 照片 票 地图 脸 唱片 信用卡 入场券 沙发 报纸 弓 卡片 嘴 毯子 光盘 世界地图 图表 名片 身份证",
    "幅": "画 油画 带框的画",
    "杯": "茶 咖啡 奶茶 珍珠奶茶 啤酒 牛奶 热茶 葡萄酒 鸡尾酒 果汁 热饮 水 一杯奶 奶 饮料 红酒 绿茶",
    "瓶": "清酒 香槟 酒 水 牛奶瓶 盐 醋",
    "碗": "米饭 面条 饭 汤 拉面 面 沙拉 刨冰 咖喱饭",
    "盘": "意粉 意大利面 咖喱",
    "块": "披萨 比萨 拼图 面包 奶酪 芝士 饼干 巧克力 石头 岩石 肉 蛋糕 冰块 砖 肉块 牛排 糖 姜 木头 冰 皂 肥皂 海绵 月饼 黄油 橡皮 豆腐 磁铁 滑板 排骨 拼图块 砖头 骨头",
    "片": "叶 叶子 枫叶 雪花 面包片 培根 药片 落叶  ",
    "根": "羽毛 玉米 香蕉 胡萝卜 黄瓜 蜡烛 香肠 羽毛 骨头 火柴 绳 棒棒糖 法棍 缝合针 辣椒 红辣椒 茄子 手杖 拐杖 鱼竿 钓鱼竿 香烟 丝瓜 法式长棍面包 棒 魔棒 魔杖",
    "支": "萨克斯管 萨克斯 铅笔 笔 钢笔 画笔 蜡笔 牙膏 温度计 体温计 话筒 麦克风 试管 口红 唇膏 长笛 手电筒 箭 注射器 毛笔 圆珠笔 小号 长号 冰淇淋 笛子",
    "颗": "水滴 星 星星 心 草莓 牙齿 钻石 宝石 糖果 栗子 珠子 蓝莓 药丸 炸弹 橄榄 坚果 行星 卫星 花生 纽扣 葡萄柚 彗星 流星 爱心     ",
    "串": "葡萄 樱桃 念珠 烤串 团子 钥匙串 珠子 关东煮 鞭炮",
    "扇": "门 窗户 窗",
    "面": "镜子 鼓 旗 旗帜 盾牌 锣 墙",
    "部": "手机 电话 电影 电梯 寻呼机",
    "台": "电子琴 电脑 电视 电视机 收音机 相机 冰箱 洗衣机 打印机 笔记本电脑 台式电脑 摄像机 缝纫机 老虎机 电影摄影机 望远镜 显微镜 照相机 传真机 电影放映机 起重机",
    "封": "信 情书 红包 电子邮件",
    "团": "火 火焰 毛线 线 线团",
    "道": "彩虹 闪电",
    "滴": "水 血 血滴",
    "轮": " 弯月 满月",
    "包": " 零食",
    "桶": "爆米花",
    "份": "薯条",
    "摞": "煎饼 松饼",
    "堵": "墙 砖墙",
    "盒": "牛奶盒 便当 盒饭 外卖盒 蜡笔盒",
    "粒": "米",
    "卷": "纸 卷纸 胶卷 胶带 录像带",
    "节": "电池",
    "尊": "摩埃 雕塑 石像 佛像",
    "位": "警察 公主 王子 宇航员 医生 老师 侦探 圣诞老人 法师 建筑工人 老爷爷 老奶奶 消防员 厨师 农民 老人 国王 王后 护士 歌手",
    "名": "卫兵 忍者 士兵 骑士 滑雪者",
    "股": "龙卷风",
}
_ENDINGS: dict[str, str] = {}
for _measure, _names in _MEASURES.items():
    for _name in _names.split():
        _ENDINGS.setdefault(_name, _measure)
MEASURE_WORDS: frozenset[str] = frozenset(_MEASURES) | {"个", "双", "张"}
_ANIMAL_GROUPS = ("animal-mammal", "animal-bird", "animal-amphibian", "animal-reptile", "animal-marine", "animal-bug")


@lru_cache(4096)
def measure(name: str, subgroup: str = "") -> str:
    """The Chinese measure word for a name: its longest known ending, else 只 for animals, else 个."""
    if subgroup.startswith("face") or name.endswith(("脸", "表情")):
        return "个" if not name.endswith("脸") else "张"
    for start in range(len(name)):
        if found := _ENDINGS.get(name[start:]):
            return found
    if subgroup in _ANIMAL_GROUPS:
        return "只"
    if subgroup == "plant-flower":
        return "朵"
    return "个"
