#!/usr/bin/env bash
# Everything that CI runs, in order. The first failure ends it; a missing tool is
# a failure that names the tool. STEPS="go vet,lint" runs only some of the steps.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS

# step NAME COMMAND...: runs the command under a heading with its time.
step() {
  local name=$1 begin=$SECONDS
  shift
  case ",${STEPS:-$name}," in
    *",$name,"*) ;;
    *) return 0 ;;
  esac
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %d s\n' "$name" $((SECONDS - begin))
}

in_frontend() { (cd frontend && "$@"); }

playwright() { (cd frontend && SYNERGOS_BIN="$PWD/../build/bin/synergos-headless" node "e2e/$1.mjs"); }

step "prerequisites" make deps
step "page: packages" make frontend/node_modules/.stamp
step "page: generated files" make check-gen
step "page: types and style" in_frontend npm run check
step "page: tests" in_frontend npm test
step "page: build" make page
step "go vet" go vet ./...
step "go vet of the window" go vet -tags desktop,production,webkit2_41,e2e . ./app/... ./frontend/...
step "lint" make lint
step "go test" go test -race -shuffle=on ./...
step "headless build" make headless
step "window build" make window
step "browser" playwright run
step "browser: tutorial" playwright tutorial
step "window" go test -count=1 -tags e2e ./frontend/e2e/webdriver

printf '\n== all passed in %d s\n' $((SECONDS - started))
