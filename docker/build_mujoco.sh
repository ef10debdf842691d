#!/usr/bin/env bash
# Build an image of OIGE on MuJoCo, its embedded engine:
#
#     docker/build_mujoco.sh cpu                     oige:cpu
#     docker/build_mujoco.sh cuda                    oige:cuda
#     docker/build_mujoco.sh cuda Ant,AnymalTerrain  oige:cuda with the kernels of these tasks, or of all; this machine
#                                                    must have the same kind of GPU as those that will run it
set -euo pipefail
checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
target="${1:-}" tasks="${2:-}"

if [[ "$target" != cpu && "$target" != cuda || "$target" == cpu && -n "$tasks" || $# -gt 2 ]]; then
    echo "error: build_mujoco.sh${*:+ $*}: expected cpu, cuda, or cuda and tasks, such as Ant,Humanoid." >&2
    exit 2
fi
command -v docker > /dev/null || { echo "error: docker: not found; install Docker." >&2; exit 2; }

build() {
    docker build --file "$checkout/docker/mujoco.dockerfile" --target "$1" --tag "oige:$target" "${@:2}" "$checkout"
}
build "$target"
if [[ -n "$tasks" ]]; then
    kernels="$(mktemp -d)"
    trap 'rm -rf "$kernels"' EXIT
    docker run --rm --gpus all --user "$(id -u):$(id -g)" --volume "$kernels:/opt/oige/kernels" oige:cuda \
        oige-warmup "task=$tasks"
    build cuda-warm --build-context "kernels=$kernels"
fi
