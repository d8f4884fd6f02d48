#!/usr/bin/env bash
# The real thing: from a bare machine with one NVIDIA GPU to a model that draws and its score.
# Needs Python 3.11 or newer, make, a C compiler and a driver; about 4 GB of disk for the environment.
#
#   bash runs/speedrun.sh
#   OUT=/big/disk/pocket MINUTES=60 bash runs/speedrun.sh
#
# Interrupted, killed or out of MINUTES: run the same line again and it goes on from the last saved state (every two minutes).
#   OUT       folder of the run                       (runs/made/speedrun)
#   DEPTH     the one dial                            (12: 46 M parameters)
#   PICTURES  length of the run                       (9000000, about half an hour on an H200)
#   MINUTES   stop training after so long             (no limit)
#   SEED      of weights, scenes and noise            (0)
#   TASKS     what is trained, as in sayso train      (all)
#   PROMPTS   held-out prompts of each task           (100)
set -euo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-runs/made/speedrun}
depth=${DEPTH:-12}
pictures=${PICTURES:-9000000}
seed=${SEED:-0}
prompts=${PROMPTS:-100}
tasks=${TASKS:-all}
minutes=()
if [ -n "${MINUTES:-}" ]; then minutes=(--minutes "$MINUTES"); fi

say() { printf '\n== %s  (%d min so far)\n' "$1" "$((SECONDS / 60))"; }

say 'the environment, with all that training and scoring need'
make .venv/.dev tesseract
PATH=$PWD/.venv/bin:$PATH

if ! gpu=$(python -c 'import torch; print(torch.cuda.get_device_name(0))' 2>/dev/null); then
    echo 'torch sees no NVIDIA GPU here; runs/cpu.sh is the pipeline for a CPU' >&2
    exit 1
fi
cores=$(python -c 'import os; print(len(os.sched_getaffinity(0)))')
workers=$((cores > 2 ? cores - 2 : 1))
echo "$gpu, $cores cores of which $workers write scenes and captions"

state=$out/state.safetensors
if [ -s "$state" ]; then
    say "train: going on with $out"
    sayso train --out "$out" --device cuda --resume --pictures "$pictures" --workers "$workers" "${minutes[@]}"
else
    say "train: depth $depth, $pictures pictures of the whole world, 64 tokens and then 256"
    sayso train --out "$out" --device cuda --depth "$depth" --stages 64,256 --patch 16 --core 0 --batch 2048 --tasks "$tasks" \
        --pictures "$pictures" --seed "$seed" --workers "$workers" "${minutes[@]}"
fi

weights=$out/model.safetensors
reached=$(python -c 'import sys; from pathlib import Path; from sayso.engines.header import facts
print(facts(Path(sys.argv[1]))["history"]["pictures"])' "$weights")
if [ "$reached" -lt "$pictures" ]; then
    say "stopped at $reached of $pictures pictures; run the same line again to go on"
    exit 0
fi

say 'draw with it, and change what was drawn'
SAYSO_WEIGHTS=$weights sayso draw "a ladybug above a cactus, line style, yellow background" --seed 1 --force -o "$out/ladybug.png"
SAYSO_WEIGHTS=$weights sayso draw "一只红色的狐狸在蓝色汽车的左边，扁平风格" --seed 2 --force -o "$out/fox.png"
if [ "$tasks" = all ]; then
    SAYSO_WEIGHTS=$weights sayso edit "add a small red cup" "$out/ladybug.png" --seed 3 --force -o "$out/cup.png"
fi

say "score: $prompts held-out prompts of each task"
sayso eval world --weights "$weights" --n "$prompts" --out "$out/score-$reached" --resume

say "done: $weights, its score and contact sheet in $out/score-$reached"
