#!/usr/bin/env bash
# As run_docker.sh, and windows open on this machine's screen. Settings: common.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
open_window
run_checkout
