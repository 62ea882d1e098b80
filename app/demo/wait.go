package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
)

// partyError is an error that concerns one party.
type partyError struct {
	party *party
	err   error
}

// Error implements error.
func (e *partyError) Error() string { return e.party.name + ": " + e.err.Error() }

// Unwrap returns the error without the party.
func (e *partyError) Unwrap() error { return e.err }

// at says which party an error concerns; nil stays nil.
func at(p *party, err error) error {
	var known *partyError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &partyError{p, err}
}

// wrong is the error of a step that saw something else than it expected.
func wrong(p *party, hint, format string, args ...any) error {
	return at(p, fed.Errorf(fed.Internal, hint, format, args...))
}

// still is why a wait goes on: what was seen instead.
type still string

// Error implements error.
func (s still) Error() string { return string(s) }

// notYet makes a still.
func notYet(format string, args ...any) error { return still(fmt.Sprintf(format, args...)) }

// await looks at a party again and again until look returns nil or an error that
// waiting does not cure. A still, and a record that has not arrived, are cured by
// waiting, up to the story's limit; then the error says what was awaited and
// what was last seen.
func (s *story) await(ctx context.Context, p *party, what string, look func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	seen := "nothing"
	for looks := 1; ; looks++ {
		err := look(limited)
		if err != nil && fed.KindOf(err) == fed.Unavailable {
			err = cmp.Or(s.procs.ended(p), err)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return at(p, fmt.Errorf("interrupted while waiting for %s: %w", what, context.Cause(ctx)))
		case limited.Err() == nil && !curable(err):
			return at(p, err)
		case limited.Err() == nil:
			seen = err.Error()
		}
		if limited.Err() != nil || looks == s.looks {
			return at(p, fed.Errorf(fed.Timeout, "the log below may tell why it does not come", "expected %s within %s; last seen: %s", what, s.limit, seen))
		}
		select {
		case <-limited.Done(): // one last look, which fails and ends the wait
		case <-ticker.C:
		}
	}
}

// curable reports whether a later look may succeed.
func curable(err error) bool {
	var s still
	if errors.As(err, &s) {
		return true
	}
	switch fed.KindOf(err) {
	case fed.NotFound, fed.Unavailable, fed.Busy, fed.Timeout:
		return true
	}
	return false
}

// each does something with every party and stops at the first error.
func each(parties []*party, do func(p *party) error) error {
	for _, p := range parties {
		if err := do(p); err != nil {
			return at(p, err)
		}
	}
	return nil
}

// joined writes a list as a person would: "a, b and c".
func joined(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
