# Synergos Desktop. Everything that a target needs is installed by it, where
# apt-get is allowed to; build/deps.sh says what is missing where it is not.
#
#   make run       build and open the window (without a display: serve, print the address)
#   make demo      four parties on this computer, from pairing to a served prediction
#   make sim       the same learning in one process, from a configuration file
#   make test      everything that CI runs, in order
#   make headless  the binary without a window: static, any Linux
#   make window    the binary with the window
#   make lint, bench, e2e, gen, sql, package, deps, clean

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := run
MAKEFLAGS += --no-print-directory

VERSION ?= 0.1.0
LDFLAGS := -s -w -X synergos.app/desktop/app.Version=$(VERSION)
WINDOW_TAGS := desktop,production,webkit2_41

TOOLS := $(CURDIR)/.tools
BIN := build/bin
GOLANGCI_VERSION := v2.12.2
NFPM_VERSION := v2.41.3
SQLC_VERSION := v1.31.1

PAGE := frontend/dist/index.html
PAGE_SOURCES := $(shell find frontend/src frontend/public -type f 2>/dev/null) $(wildcard frontend/*.ts frontend/*.json frontend/*.cjs frontend/index.html)
MODULES := frontend/node_modules/.stamp

.PHONY: run demo sim test headless window lint bench e2e gen sql check-gen package deps clean distclean page tools

run: $(TOOLS)/deps-web.stamp
	@if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; then $(MAKE) window && exec $(BIN)/synergos $(ARGS); \
	else $(MAKE) headless && exec $(BIN)/synergos-headless $(ARGS); fi

demo: headless
	$(BIN)/synergos-headless demo $(ARGS)

sim: headless
	$(BIN)/synergos-headless simulate $(ARGS)

test:
	@build/test.sh

headless: $(PAGE)
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $(BIN)/synergos-headless .

window: $(PAGE) $(TOOLS)/deps-window.stamp
	go build -tags $(WINDOW_TAGS) -trimpath -ldflags "$(LDFLAGS)" -o $(BIN)/synergos .

# A cache of its own: findings that it keeps name files by their path.
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) $(TOOLS)/deps-window.stamp
	GOLANGCI_LINT_CACHE=$(TOOLS)/lint-cache $(TOOLS)/golangci-lint run --allow-parallel-runners ./...

bench: $(TOOLS)/deps-go.stamp
	go test -run '^$$' -bench . -benchmem ./backend/...

e2e: headless window $(TOOLS)/deps-test.stamp
	cd frontend && export SYNERGOS_BIN=$(CURDIR)/$(BIN)/synergos-headless && node e2e/run.mjs && node e2e/tutorial.mjs
	go test -count=1 -tags e2e ./frontend/e2e/webdriver

page: $(PAGE)

$(PAGE): $(MODULES) $(PAGE_SOURCES)
	cd frontend && npm run build
	@touch $@

$(MODULES): frontend/package-lock.json $(TOOLS)/deps-web.stamp
	cd frontend && npm ci --no-audit --no-fund
	@touch $@

# The API description and the types of the page come from the Go types.
gen: $(MODULES)
	go run . openapi > build/out.openapi.json && mv build/out.openapi.json frontend/openapi.json
	cd frontend && npm run gen

# The code of the queries comes from backend/storage/sqlite/queries and migrations.
sql: $(TOOLS)/sqlc-$(SQLC_VERSION)
	go generate ./backend/storage/sqlite

check-gen: $(MODULES)
	@build/check-gen.sh

package: window $(TOOLS)/nfpm-$(NFPM_VERSION)
	@mkdir -p build/out
	VERSION=$(VERSION) $(TOOLS)/nfpm pkg -f build/nfpm.yaml -p deb -t build/out/
	VERSION=$(VERSION) $(TOOLS)/nfpm pkg -f build/nfpm.yaml -p rpm -t build/out/

deps: $(TOOLS)/deps-test.stamp tools

tools: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)

$(TOOLS)/deps-%.stamp: build/deps.sh
	@build/deps.sh $*
	@mkdir -p $(TOOLS) && touch $@

$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION): $(TOOLS)/deps-go.stamp
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@touch $@

$(TOOLS)/nfpm-$(NFPM_VERSION): $(TOOLS)/deps-go.stamp
	GOBIN=$(TOOLS) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	@touch $@

$(TOOLS)/sqlc-$(SQLC_VERSION): $(TOOLS)/deps-go.stamp
	GOBIN=$(TOOLS) go install github.com/sqlc-dev/sqlc/cmd/sqlc@$(SQLC_VERSION)
	@touch $@

clean:
	rm -rf $(BIN) build/out frontend/e2e/out
	find frontend/dist -mindepth 1 ! -name .gitkeep -delete

distclean: clean
	rm -rf $(TOOLS) frontend/node_modules
