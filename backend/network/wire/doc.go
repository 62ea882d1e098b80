// Package wire is the contract of what two parties say to each other: one Go
// struct per message, with every length and identifier checked in both
// directions. The schema is wire.proto; package pb is generated from it and used
// nowhere else.
//
// It is not about sockets, order or trust: a decoded message is well formed, and
// nothing more. Start with [Envelope], [Encode] and [Decode]. Everything is a
// value; the package keeps no state and starts no goroutine.
package wire
