#!/usr/bin/env bash
# The whole pipeline at toy size on a CPU, in about two minutes: train, resume, draw, score. CI runs it (make toy).
# What comes out knows a few dozen things and draws blurs; runs/speedrun.sh is the real thing.
#
#   bash runs/cpu.sh [FOLDER]     (default: runs/work/toy; made anew each time)
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v sayso >/dev/null; then
    echo 'sayso is not on the PATH; run: make toy' >&2
    exit 1
fi

out=${1:-runs/work/toy}
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

say '1/4  train a toy, depth 4 on 48 concepts, for a few seconds'
sayso train --out "$out/run" --device cpu --depth 4 --core 48 --batch 64 --pictures 2048 --workers 1 --no-compile --minutes 0.1
say '2/4  the rest of its 2,048 pictures, from the state on disk'
sayso train --out "$out/run" --device cpu --resume --workers 1 --no-compile

export SAYSO_WEIGHTS=$out/run/model.safetensors
say '3/4  draw with it'
sayso draw "a red apple to the left of a dog, flat style, yellow background" --seed 1 -o "$out/apple.png"
sayso draw "一只狗，扁平风格，白色背景" --seed 2 -o "$out/dog.png"

say '4/4  score it on held-out prompts: one of each task'
sayso eval world --weights "$SAYSO_WEIGHTS" --n 1 --steps 8 --out "$out/score"

for file in run/state.safetensors run/model.safetensors run/log.csv apple.png dog.png score/scores.json score/sheet.webp; do
    if [ ! -s "$out/$file" ]; then
        echo "$out/$file is missing" >&2
        exit 1
    fi
done
say "done; all of it lies in $out"
