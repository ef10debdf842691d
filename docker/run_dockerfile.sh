#!/usr/bin/env bash
# Start the image isaac-sim-oige, which dockerfile describes, and open a shell. Settings: common.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
run_container isaac-sim-oige
