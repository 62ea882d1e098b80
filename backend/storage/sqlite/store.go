package sqlite

import (
	"context"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// Docs is the book's store.
type Docs struct{ DB *DB }

// Insert saves documents in one transaction.
func (s Docs) Insert(ctx context.Context, docs ...fed.Doc) error {
	return s.DB.Tx(ctx, func(q *query.Queries) error {
		for _, d := range docs {
			err := q.InsertDoc(ctx, query.InsertDocParams{
				Scope: d.Scope, Author: string(d.Author), Seq: int64(d.Seq), Kind: d.Kind, Subject: d.Subject, Prev: string(d.Prev),
				TimeMs: d.TimeMs, Body: d.Body, Sig: d.Sig, Key: d.Key, Hash: string(d.Hash()),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// All returns every document in order of arrival.
func (s Docs) All(ctx context.Context) ([]fed.Doc, error) {
	rows, err := s.DB.AllDocs(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]fed.Doc, len(rows))
	for i, r := range rows {
		out[i] = fed.Doc{
			Scope: r.Scope, Author: fed.PartyID(r.Author), Seq: uint64(r.Seq), Kind: r.Kind, Subject: r.Subject, Prev: fed.Digest(r.Prev),
			TimeMs: r.TimeMs, Body: r.Body, Sig: r.Sig, Key: r.Key,
		}
	}
	return out, nil
}

// InsertFork saves the document that proves a fork; the first one of a chain stays.
func (s Docs) InsertFork(ctx context.Context, d fed.Doc) error {
	return s.DB.Queries.InsertFork(ctx, query.InsertForkParams{
		Scope: d.Scope, Author: string(d.Author), Seq: int64(d.Seq), Kind: d.Kind, Subject: d.Subject, Prev: string(d.Prev),
		TimeMs: d.TimeMs, Body: d.Body, Sig: d.Sig, Key: d.Key,
	})
}

// Forks returns what InsertFork has saved.
func (s Docs) Forks(ctx context.Context) ([]fed.Doc, error) {
	rows, err := s.DB.ListForks(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]fed.Doc, len(rows))
	for i, r := range rows {
		out[i] = fed.Doc{
			Scope: r.Scope, Author: fed.PartyID(r.Author), Seq: uint64(r.Seq), Kind: r.Kind, Subject: r.Subject, Prev: fed.Digest(r.Prev),
			TimeMs: r.TimeMs, Body: r.Body, Sig: r.Sig, Key: r.Key,
		}
	}
	return out, nil
}
