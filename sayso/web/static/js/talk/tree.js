// The server keeps one turn for each speaker; the page shows pairs of what was said and what came of it. A pair bears the answer's id.

const STATUS = { queued: "queued", running: "running", done: "completed", failed: "failed", cancelled: "cancelled" };

/** The pair of an answer's turn and the turn it answers (null when it answers none). */
export function pair(said, answer) {
  const { job } = answer;
  return {
    id: answer.id, conversation: answer.conversation, parent: said ? said.parent : answer.parent, asked: said?.id || null, created_at: answer.created_at,
    said: said?.parts || [], answer: answer.parts, job: job?.id || null, status: job ? STATUS[job.state] : "completed", error: job?.error || null,
    engine: job?.engine || null, wish: wishOf(job?.wish), position: job?.position ?? null, siblings: [answer.id], children: [],
  };
}

/** What was asked, as a wish that can be sent again. */
function wishOf(asked) {
  if (!asked) return {};
  const wish = { count: asked.count, seed: asked.seed, steps: asked.steps, guidance: asked.guidance, style: asked.style, think: asked.think || null, plan_only: asked.plan_only || null, engine: asked.engine };
  if (asked.size) wish.size = asked.size.join("x");
  if (asked.want === "text") wish.action = "answer";
  else if (asked.action !== "auto") wish.action = asked.action;
  if (asked.mask) wish.mask = asked.mask;
  if (/^#/.test(asked.background || "")) Object.assign(wish, { background: "opaque", background_color: asked.background });
  else if (asked.background && asked.background !== "auto") wish.background = asked.background;
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== null && value !== undefined));
}

/** A conversation whose `tree` and `path` are pairs, each with its siblings and children. */
export function joined(told) {
  const by = new Map(told.tree.map((turn) => [turn.id, turn]));
  const pairs = [];
  for (const turn of told.tree) {
    if (turn.role === "assistant") pairs.push(pair(by.get(turn.parent)?.role === "user" ? by.get(turn.parent) : null, turn));
    else if (!turn.children.some((id) => by.get(id)?.role === "assistant")) pairs.push({ ...pair(turn, { ...turn, parts: [], job: null }), unanswered: true });
  }
  const under = new Map();
  for (const one of pairs) under.set(one.parent, [...(under.get(one.parent) || []), one.id]);
  for (const one of pairs) {
    one.siblings = under.get(one.parent);
    one.children = under.get(one.id) || [];
  }
  const known = new Set(pairs.map((one) => one.id));
  return { ...told, tree: pairs, path: told.path.filter((id) => known.has(id)) };
}
