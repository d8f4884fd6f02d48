// Styles as presets. An engine that knows one by name is told the name; one that takes any words is told the words; another cannot.

import { button, dialog, fill, h, icon, next, sheet } from "../dom.js";
import { language, t } from "../i18n.js";
import { ready } from "../state.js";

// id, English, Chinese: the name, which is also what is said to an engine that takes any words. The order is that of art/styles.webp.
const TABLE = `fluent|3D emoji|立体表情
flat|flat vector|扁平
line|line art|线条
noto|rounded cartoon|圆润卡通
twemoji|simple sticker|简洁贴纸
pixel|pixel art|像素画
sketch|pencil sketch|铅笔素描
watercolour|watercolour|水彩
neon|neon sign|霓虹灯
blueprint|blueprint|蓝图
papercut|paper cut|剪纸
glass|stained glass|彩色玻璃
mosaic|tile mosaic|马赛克
comic|comic print|漫画印刷
woodcut|woodcut|木刻版画
stitch|cross-stitch|十字绣
oil|oil painting|油画
chalk|chalk drawing|粉笔画
charcoal|charcoal drawing|炭笔画
pastel|soft pastel|粉彩
crayon|wax crayon|蜡笔画
gouache|gouache|水粉画
inkwash|ink wash painting|水墨画
gongbi|gongbi painting|工笔画
ukiyoe|ukiyo-e print|浮世绘
etching|copper etching|铜版画
screenprint|screen print|丝网印刷
risograph|two-colour risograph|双色孔版印刷
popart|pop art|波普艺术
pointillism|pointillism|点彩画
impressionist|impressionist painting|印象派
cubist|cubist painting|立体主义
fauvist|fauvist painting|野兽派
bauhaus|Bauhaus poster|包豪斯海报
artdeco|art deco poster|装饰艺术海报
constructivist|constructivist poster|构成主义海报
anime|anime still|动画剧照
cartoon|bold cartoon|粗线卡通
storybook|storybook illustration|绘本插画
isometric|isometric illustration|等距插画
lowpoly|low poly|低多边形
voxel|voxel art|体素
clay|clay model|黏土模型
felt|needle felt|羊毛毡
knit|knitted wool|针织
origami|origami|折纸
porcelain|blue-and-white porcelain|青花瓷
bronze|bronze relief|青铜浮雕
marble|marble statue|大理石雕像
gold|gold leaf|金箔
ice|ice sculpture|冰雕
hologram|hologram|全息影像
vaporwave|vaporwave|蒸汽波
synthwave|synthwave|合成器浪潮
cyberpunk|cyberpunk night|赛博朋克
sepia|sepia photograph|泛黄老照片
noir|film noir|黑色电影
polaroid|instant photograph|拍立得
film|35 mm film photograph|胶片照片
macro|macro photograph|微距照片
xray|X-ray|X 光片
thermal|thermal image|热成像
night|night vision|夜视
icon|app icon|应用图标`;

const COLUMNS = 8;
export const STYLES = TABLE.split("\n").map((row, place) => {
  const [id, en, zh] = row.split("|");
  return { id, en, zh, place };
});
const BY_ID = new Map(STYLES.map((style) => [style.id, style]));

export const styleName = (id) => BY_ID.get(id)?.[language()] || id;

/** How an engine is told a style: "name", "words" or null when it cannot. */
export function way(engine, id) {
  if (!engine) return null;
  if (engine.styles === null || engine.styles === undefined) return "words";
  return engine.styles.includes(id) ? "name" : null;
}

/** Puts a style into a wish and a text, each as the engine takes it. */
export function styled(engine, id, text, wish) {
  const how = id && way(engine, id);
  if (how === "name") return { text, wish: { ...wish, style: id } };
  const chinese = /[\u4e00-\u9fff]/.test(text);
  if (how === "words" && text) return { text: `${text}${chinese ? "，" : ", "}${BY_ID.get(id)?.[chinese ? "zh" : "en"] || id}${chinese ? "风格" : " style"}`, wish };
  return { text, wish };
}

export function thumb(id) {
  const place = BY_ID.get(id)?.place ?? 0;
  const rows = Math.ceil(STYLES.length / COLUMNS);
  return h("span", { class: "style-thumb", "aria-hidden": "true",
    vars: { "--x": `${(place % COLUMNS) / (COLUMNS - 1) * 100}%`, "--y": `${Math.floor(place / COLUMNS) / (rows - 1) * 100}%` } });
}

/** Lets a person pick: resolves with an id, "" for none, or null when nothing was chosen. */
export async function pick(engine, current) {
  await sheet("styles");
  return dialog(t("styles"), (close) => {
    const words = h("input", { type: "search", placeholder: t("styles.search"), "aria-label": t("styles.search"), on: { input: () => paint() } });
    const place = h("div", { class: "stack" });
    const card = (style, able) => h("li", {}, h("button", { type: "button", class: style.id === current ? "style current" : "style", "aria-disabled": able ? null : "true",
      "aria-pressed": String(style.id === current), on: { click: () => { if (able) close(style.id); } } }, thumb(style.id), h("span", {}, style[language()])));
    const paint = () => {
      const wanted = words.value.trim().toLowerCase();
      const known = [...STYLES, ...(engine?.styles || []).filter((id) => !BY_ID.has(id)).map((id) => ({ id, en: id, zh: id, place: 0 }))];
      const found = known.filter((style) => `${style.id} ${style.en} ${style.zh}`.toLowerCase().includes(wanted));
      const able = found.filter((style) => way(engine, style.id));
      const rest = found.filter((style) => !way(engine, style.id));
      const who = (id) => ready().filter((row) => way(row, id)).map((row) => row.name);
      const elsewhere = [...new Set(rest.flatMap((style) => who(style.id)))];
      const head = next();
      fill(place, able.length > 0 && h("ul", { class: "styles", "aria-label": t("styles") }, able.map((style) => card(style, true))),
        rest.length > 0 && h("section", { class: "stack", "aria-labelledby": `sty${head}` }, h("h3", { id: `sty${head}` }, t("styles.cannot", { engine: engine?.name || "" })),
          h("p", { class: "note" }, icon("info"), elsewhere.length ? t("styles.elsewhere", { engines: elsewhere.join(", ") }) : t("styles.nowhere")),
          h("ul", { class: "styles" }, rest.map((style) => card(style, false)))),
        found.length === 0 && h("p", {}, t("nothing")));
    };
    paint();
    return [h("div", { class: "row" }, h("div", { class: "grow" }, words), button({ text: t("styles.none"), press: () => close("") })), place];
  }, { wide: true, closeLabel: t("close") });
}
