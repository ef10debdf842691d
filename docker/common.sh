# shellcheck shell=bash
# Settings of the containers, for the scripts of this folder.
#
#     ISAAC_SIM     release of Isaac Sim, as the tags of nvcr.io/nvidia/isaac-sim are; default: 5.1.0
#     ACCEPT_EULA   must be Y: NVIDIA's licence of Isaac Sim is accepted

ISAAC_SIM="${ISAAC_SIM:-5.1.0}"
CHECKOUT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

if [[ "${ACCEPT_EULA:-}" != Y ]]; then
    echo "error: ACCEPT_EULA='${ACCEPT_EULA:-}': expected Y; set it if you accept NVIDIA's licence of Isaac Sim." >&2
    exit 2
fi

# Images before 5.1 run as root, later ones as the user isaac-sim.
case "$ISAAC_SIM" in
    20* | 4.* | 5.0*) container_home=/root ;;
    *) container_home=/isaac-sim ;;
esac

# Caches, logs and data outlive the container.
folders=()
keep_folder() {
    local folder="$HOME/docker/isaac-sim/$1"
    mkdir -p "$folder"
    chmod a+rwx "$folder"
    folders+=(--volume "$folder:$2:rw")
}
keep_folder cache/kit /isaac-sim/kit/cache
keep_folder cache/ov "$container_home/.cache/ov"
keep_folder cache/pip "$container_home/.cache/pip"
keep_folder cache/glcache "$container_home/.cache/nvidia/GLCache"
keep_folder cache/computecache "$container_home/.nv/ComputeCache"
keep_folder logs "$container_home/.nvidia-omniverse/logs"
keep_folder data "$container_home/.local/share/ov/data"
keep_folder documents "$container_home/Documents"

window=()
# Show windows on this machine's screen.
open_window() {
    : "${DISPLAY:?is not set: a viewer needs a screen}"
    xhost +local: > /dev/null
    trap 'xhost -local: > /dev/null' EXIT
    window=(
        --env DISPLAY
        --volume /tmp/.X11-unix:/tmp/.X11-unix:ro
        --volume "${XAUTHORITY:-$HOME/.Xauthority}:$container_home/.Xauthority:ro"
    )
}

# run_container [docker's options] IMAGE [arguments of bash]
run_container() {
    docker run --name isaac-sim-oige --interactive --tty --rm --gpus all --network host --entrypoint bash \
        --env ACCEPT_EULA=Y --env "PRIVACY_CONSENT=${PRIVACY_CONSENT:-N}" \
        "${folders[@]}" ${window[@]+"${window[@]}"} "$@"
}

# NVIDIA's image with this checkout in it: OIGE is installed each time the container starts.
run_checkout() {
    mkdir -p "$CHECKOUT/exts"
    chmod a+rwx "$CHECKOUT/exts"
    run_container --volume "$CHECKOUT:/workspace/oige:rw" --workdir /workspace/oige \
        "nvcr.io/nvidia/isaac-sim:$ISAAC_SIM" -c '/isaac-sim/python.sh docker/install.py && exec bash'
}
