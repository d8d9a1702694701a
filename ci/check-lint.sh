#!/usr/bin/env bash
# ruff with every rule on; each exception has its reason in pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m ruff check --quiet . || { echo "see ci/README.md#check-lint"; exit 1; }
