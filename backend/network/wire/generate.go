package wire

// Needs protoc 3.21 or newer and protoc-gen-go v1.36.12 on the path.
//
//go:generate protoc --go_out=pb --go_opt=paths=source_relative wire.proto
