#!/usr/bin/env bash
# Fails if what is generated from the Go types is not what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

same() {
  [ -f "$2" ] || { echo "check-gen: $2 is missing: run make gen" >&2; exit 1; }
  cmp -s "$1" "$2" || { diff -u "$2" "$1" | head -n 40 >&2; echo "check-gen: $2 is out of date: run make gen" >&2; exit 1; }
}

go run . openapi >"$fresh/openapi.json"
same "$fresh/openapi.json" frontend/openapi.json
(cd frontend && npx --no-install openapi-typescript openapi.json -o "$fresh/schema.gen.ts" >/dev/null)
same "$fresh/schema.gen.ts" frontend/src/api/schema.gen.ts
