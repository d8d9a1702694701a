#!/usr/bin/env bash
# Our own lint and our own tests, on our own shop.
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" cli.py lint || { echo "see ci/README.md#check-shop"; exit 1; }
"${PYTHON:-python3}" cli.py test || { echo "see ci/README.md#check-shop"; exit 1; }
