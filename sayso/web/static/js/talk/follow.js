// Listens to a turn until it ends, through lost connections and restarts of the server: each reading goes on after the last number.

import * as api from "../api.js";
import { pair } from "./tree.js";

const PAUSES = [300, 700, 1500, 3000, 5000];
const ENDS = new Set(["done", "failed", "cancelled"]);
const FINAL = new Set(["done", "failed", "cancelled"]);

/**
 * `turn`: {conversation, id, job}. `heard(event)`: each event once, in order. `lost(away)`: whether the connection is gone. `ended(turn)`: the turn as the server has it.
 * Returns the way to stop listening; the work goes on without us.
 */
export function follow(turn, { heard, lost, ended }) {
  const stop = new AbortController();
  (async () => {
    let seen = 0;
    let over = false;
    let failures = 0;
    while (!stop.signal.aborted) {
      try {
        if (!over) {
          for await (const event of api.events(turn.job, seen, stop.signal)) {
            failures = 0;
            lost(false);
            if (event.seq <= seen && event.seq !== 0) continue;
            seen = event.seq || seen;
            heard(event);
            if (ENDS.has(event.kind)) over = true;
          }
        }
        const now = await api.turn(turn.conversation, turn.id);
        lost(false);
        if (!now.job || FINAL.has(now.job.state)) { ended(pair(null, now)); return; }
        if (over) over = false;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof api.ApiError && error.status < 500 && error.status !== 429) { ended(null, error); return; }
        lost(true);
      }
      await new Promise((wake) => { setTimeout(wake, PAUSES[Math.min(failures++, PAUSES.length - 1)]); });
    }
  })();
  return () => stop.abort();
}
