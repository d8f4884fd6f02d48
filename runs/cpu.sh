#!/usr/bin/env bash
# The whole pipeline at toy size on a CPU, in about two minutes: train, resume, draw, edit, ask, score. CI runs it (make toy).
# What comes out knows a dozen things and paints blurs where plans say; few of the plans that it writes can be read.
# runs/speedrun.sh is the real thing.
#
#   bash runs/cpu.sh [FOLDER]     (default: runs/made/toy; made anew each time)
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v sayso >/dev/null; then
    echo 'sayso is not on the PATH; run: make toy' >&2
    exit 1
fi

out=${1:-runs/made/toy}
marker=$out/.made-by-runs-cpu
if [ -e "$out" ] && [ ! -e "$marker" ]; then
    echo "$out was not made by this script; give a folder that may be replaced" >&2
    exit 2
fi
rm -rf "$out"
mkdir -p "$out"
touch "$marker"
export SAYSO_HOME=$out/home  # keys and logs of this run stay in its folder

say() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

# All tasks but views and walks, which would be drawn ahead for longer than the rest takes.
tasks=paint=0.5,look=0.04,think=0.14,think\ look=0.04,rethink=0.08,remask=0.04,combine=0.04,glance=0.12,answer=0.08,compare=0.04

say '1/5  train a toy that thinks in plans, depth 4 on 12 concepts, for a few seconds'
sayso train --out "$out/run" --device cpu --depth 4 --core 12 --tasks "$tasks" --batch 32 --pictures 4096 --workers 1 --no-compile \
    --minutes 0.1
say '2/5  the rest of its 4,096 pictures, from the state on disk'
sayso train --out "$out/run" --device cpu --resume --workers 1 --no-compile

export SAYSO_WEIGHTS=$out/run/model.safetensors
say '3/5  draw with it, from words and from a plan'
sayso draw "a red apple to the left of a dog, flat style, yellow background" --seed 1 -o "$out/apple.png"
sayso draw "一只狗，扁平风格，白色背景" --seed 2 -o "$out/dog.png"
canvas='canvas 64x64 solid #f7d020'
sayso draw "a dog" --seed 3 --option plan="$canvas"$'\n''dog flat 0 0 50 50' -o "$out/planned.png"

say '4/5  change a picture and ask about it'
sayso edit "put an apple beside it" "$out/planned.png" --seed 3 --force -o "$out/edited.png" \
    --option plan="$canvas"$'\n''dog flat 0 0 50 50'$'\n''apple flat 50 50 100 100'
sayso ask "how many things are there?" "$out/edited.png"

say '5/5  score it on held-out prompts: one of each task'
sayso eval world --weights "$SAYSO_WEIGHTS" --n 1 --out "$out/score"

for file in run/state.safetensors run/model.safetensors run/log.csv apple.png dog.png planned.png edited.png score/scores.json \
    score/sheet.webp; do
    if [ ! -s "$out/$file" ]; then
        echo "$out/$file is missing" >&2
        exit 1
    fi
done
say "done; all of it lies in $out"
