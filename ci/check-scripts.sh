#!/usr/bin/env bash
# Every check is run by .ci/run and explained in ci/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
for script in ci/check-*.sh; do
    name=$(basename "$script" .sh)
    grep -q "$name" .ci/run || { echo "$script is not run by .ci/run; see ci/README.md#check-scripts"; exit 1; }
    grep -q "^## $name\$" ci/README.md || { echo "$script has no section in ci/README.md"; exit 1; }
done
