package book

// Limit sets the bounds of a book to small ones.
func (b *Book) Limit(docs int, bytes, total int64) { b.limits = limits{docs, bytes, total} }

// Size is what a document counts.
var Size = size
