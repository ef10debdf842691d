#!/usr/bin/env bash
# Start NVIDIA's image with this checkout in it, install OIGE there and open a shell. Settings: common.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
run_checkout
