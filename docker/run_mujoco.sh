#!/usr/bin/env bash
# Run a program of OIGE in the image that build_mujoco.sh made: oige:cuda, or oige:cpu with OIGE_IMAGE=oige:cpu.
#
#     docker/run_mujoco.sh oige-train task=Ant
#     OIGE_IMAGE=oige:cpu docker/run_mujoco.sh oige-train task=Cartpole headless=False
#
# Runs are written to the folder runs of the current folder. The page of the viewer is at the address that is printed.
# Compiled kernels stay in docker's volume oige-kernels-<user>-<image>, which begins with those of the image.
set -euo pipefail
image="${OIGE_IMAGE:-oige:cuda}"

if [[ $# -eq 0 || "$1" == -* ]]; then
    echo "error: run_mujoco.sh${*:+ $*}: expected a program and its arguments, such as oige-train task=Ant." >&2
    exit 2
fi
command -v docker > /dev/null || { echo "error: docker: not found; install Docker." >&2; exit 2; }

gpus=() terminal=()
[[ "$image" == *cpu* ]] || gpus=(--gpus all)
[[ ! -t 0 ]] || terminal=(--tty)
mkdir -p runs
exec docker run --rm --interactive ${terminal[@]+"${terminal[@]}"} ${gpus[@]+"${gpus[@]}"} --network host --shm-size 1g \
    --user "$(id -u):$(id -g)" --volume "$PWD/runs:/workspace/runs" \
    --volume "oige-kernels-$(id -u)-${image//[:\/]/-}:/opt/oige/kernels" "$image" "$@"
