#!/usr/bin/env bash
# The wheel carries every file of the reference project, and nothing that git does not know.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir "$out" .
git ls-files src/dbkit schemas migrations lua seeds tests/shop dbkit.toml \
    | sed -e 's#^src/##' -e 's#^\(schemas\|migrations\|lua\|seeds\|tests/shop\|dbkit.toml\)#dbkit/reference/\1#' \
    | sort > "$out/wanted"
"${PYTHON:-python3}" -m zipfile -l "$out"/*.whl | awk 'NR > 1 {print $1}' | grep -v '\.dist-info/' | sort > "$out/found"
diff "$out/wanted" "$out/found" || { echo "see ci/README.md#check-wheel"; exit 1; }
