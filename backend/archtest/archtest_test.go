package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestHouse(t *testing.T) {
	m, err := Load(root, "synergos.app/desktop")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) < 20 {
		t.Fatalf("only %d files were read", len(m.Files))
	}
	for _, found := range Check(m) {
		t.Error(found)
	}
}

func TestText(t *testing.T) {
	found, err := CheckText(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range found {
		t.Error(line)
	}
}

// A module that breaks each rule once: every break is found, and nothing else.
func TestBrokenHouse(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"main.go":                            `package main; import "m/backend/fed"`,
		"backend/fed/fed.go":                 `package fed; import ("os"; "net/netip"; "example.com/x")`,
		"backend/learning/tensor/a.go":       `package tensor; import "m/backend/learning/model"`,
		"backend/learning/model/a.go":        `package model; import ("m/backend/learning/tensor"; "gonum.org/v1/gonum/mat"; "log/slog")`,
		"backend/learning/train/a.go":        "package train\nimport (\"math/rand/v2\"; \"time\")\nvar _ = rand.N(3)\nvar _ = rand.New(rand.NewPCG(1, 2))\nvar _ time.Duration\nfunc f() { go f(); _ = time.Now() }",
		"backend/federation/round/a.go":      `package round; import "m/backend/federation/strategy"`,
		"backend/federation/round/a_test.go": `package round; import "os"`,
		"backend/network/wire/a.go":          `package wire; import "m/backend/network/transport"`,
		"backend/network/transport/mem/a.go": `package mem; import ("m/backend/network/transport"; "m/backend/storage/blob")`,
		"backend/storage/blob/a.go":          `package blob; import "m/backend/storage/sqlite"`,
		"backend/service/party/a.go":         `package party; import ("m/backend/learning/train"; "m/backend/network/wire"; "m/backend/service/reward")`,
		"backend/node/a.go":                  `package node; import ("m/app/api"; "m/backend/service/party"; "m/backend/storage/blob")`,
		"backend/attic/a.go":                 `package attic`,
		"app/api/a.go":                       `package api; import ("m/backend/storage/blob"; "m/backend/node"; "m/app")`,
		"app/app.go":                         `package app; import ("m/app/api"; "m/backend/learning/train"; "github.com/wailsapp/wails/v2/pkg/runtime")`,
		"app/window.go":                      "//go:build desktop\n\npackage app; import \"github.com/wailsapp/wails/v2\"",
		"frontend/node_modules/x/a.go":       `package x; import "m/backend/node"`,
	} {
		write(t, dir, file, text)
	}
	m, err := Load(dir, "m")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"app/api/a.go: imports m/app:", "app/api/a.go: imports m/backend/storage/blob:",
		"app/app.go: imports github.com/wailsapp/wails/v2/pkg/runtime:", "app/app.go: imports m/backend/learning/train:",
		"backend/attic/a.go: this folder is no room",
		"backend/fed/fed.go: imports example.com/x:", "backend/fed/fed.go: imports os:",
		"backend/federation/round/a.go: imports m/backend/federation/strategy:",
		"backend/learning/model/a.go: imports log/slog:",
		"backend/learning/tensor/a.go: imports m/backend/learning/model:",
		"backend/learning/train/a.go:3: math/rand/v2.N", "backend/learning/train/a.go:6: a go statement", "backend/learning/train/a.go:6: time.Now",
		"backend/network/transport/mem/a.go: imports m/backend/storage/blob:",
		"backend/network/wire/a.go: imports m/backend/network/transport:",
		"backend/node/a.go: imports m/app/api:",
		"backend/service/party/a.go: imports m/backend/network/wire:", "backend/service/party/a.go: imports m/backend/service/reward:",
		"backend/storage/blob/a.go: imports m/backend/storage/sqlite:",
		"main.go: imports m/backend/fed:",
	}
	compare(t, Check(m), want)
}

func TestBrokenText(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "Makefile", "x:\n\tgo install a.example/b@"+"latest\n")
	write(t, dir, "docs/a.md", "see /"+"work/x and /"+"root/y, not https://a.example/work/x nor ./work/x\n")
	write(t, dir, "frontend/src/a.ts", "send(new Form"+"Data())\nkeep(new Bl"+"ob([x])) // a download, never a request body\n")
	write(t, dir, "frontend/src/a.test.ts", "new Bl"+"ob([])\n")
	write(t, dir, "frontend/node_modules/a.js", "b@"+"latest\n")
	found, err := CheckText(dir)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, found, []string{"Makefile:2: floating version", "docs/a.md:1: machine path", "frontend/src/a.ts:1: blob body"})
}

// Every folder of the tree that the house names has its room.
func TestEveryRoomIsKnown(t *testing.T) {
	for _, dir := range []string{"", "app", "app/api", "app/demo", "frontend", "backend/fed", "backend/learning/tensor", "backend/federation/round",
		"backend/network/transport/memnet", "backend/storage/sqlite/query", "backend/service/party", "backend/node", "backend/node/view", "backend/sim"} {
		if roomOf(dir) == nil {
			t.Errorf("%q has no room", dir)
		}
	}
	if r := roomOf("backend/node/view"); r.prefix != "backend/node/view" {
		t.Error("the more specific room must come first")
	}
}

func write(t *testing.T, dir, file, text string) {
	t.Helper()
	p := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, found, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, w) }) {
			t.Errorf("not found: %s", w)
		}
	}
	for _, f := range found {
		if !slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(f, w) }) {
			t.Errorf("found, but it is allowed: %s", f)
		}
	}
}
