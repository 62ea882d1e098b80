package fed

import (
	"context"
	"errors"
	"fmt"
)

// Kind is the closed list of what can go wrong. The numbers cross the wire.
type Kind int

// The kinds, in wire order.
const (
	Internal Kind = iota
	Invalid
	NotFound
	Exists
	Permission
	Unavailable
	Timeout
	Incompatible
	Corrupt
	Busy
)

var kindNames = [...]string{"internal", "invalid", "not_found", "exists", "permission", "unavailable", "timeout", "incompatible", "corrupt", "busy"}

// String returns the snake_case name used in problems and logs.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "internal"
	}
	return kindNames[k]
}

// Error is an error that a person may read: a sentence and what to do about it.
type Error struct {
	Kind  Kind
	Text  string // what happened and where, one sentence without a full stop
	Hint  string // what to do
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	return e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf builds an *Error. What a %w verb in format wraps becomes its Cause and
// stands in its Text.
func Errorf(k Kind, hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: err.Error(), Hint: hint, Cause: errors.Unwrap(err)}
}

// KindOf classifies any error; unknown ones are Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Unavailable
	}
	return Internal
}

// HintOf returns the hint of the outermost *Error in err, or "".
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
