package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// What was told is kept, so that a difference of two answers tells no more than each
// of them: a column is asked for once under a consent, and no two selections of rows
// of one file that anything was told of differ by fewer rows than the floor.

// otherQuestion is the counted reason for refusing a second question about a column,
// or about nearly the same rows.
const otherQuestion = "answers: another question"

// maxTold bounds how many selections of one file's rows anything is told of.
const maxTold = 200

// tells notes selections of rows that something is about to be told of, or refuses
// with an error of kind Permission. What was told before is told again.
func (n *Node) tells(ctx context.Context, c project.Consent, floor int, selections ...[]int) error {
	n.tellMu.Lock()
	defer n.tellMu.Unlock()
	rows, err := n.db.ListToldRows(ctx, query.ListToldRowsParams{Dataset: string(c.Dataset), Fingerprint: string(c.File)})
	if err != nil {
		return fmt.Errorf("read what was told: %w", err)
	}
	known, told := map[string]bool{}, [][]int{}
	for _, r := range rows {
		list, err := unpackRows(r.Rows)
		if err != nil {
			return fmt.Errorf("read what was told: %w", err)
		}
		known[r.Digest], told = true, append(told, list)
	}
	for _, s := range selections {
		raw := packRows(s)
		digest := string(fed.DigestOf(raw))
		if len(s) == 0 || known[digest] {
			continue
		}
		for _, t := range told {
			if !dataset.Apart(s, t, floor) {
				n.counts.refuse(otherQuestion)
				return fed.Errorf(fed.Permission, "Use the shares of an earlier run, or shares that are further away from them.", "it has answered for nearly the same rows before, and the difference would speak of fewer than %d rows", floor)
			}
		}
		if len(told) >= maxTold {
			n.counts.refuse(otherQuestion)
			return fed.Errorf(fed.Permission, "Use the shares of an earlier run.", "it has answered for %d different selections of its rows, which is the limit", maxTold)
		}
		err := n.db.PutToldRows(context.WithoutCancel(ctx), query.PutToldRowsParams{Dataset: string(c.Dataset), Fingerprint: string(c.File), Digest: digest, Rows: raw, TimeMs: ms(n.opts.Now())})
		if err != nil {
			return fmt.Errorf("save what is told: %w", err)
		}
		known[digest], told = true, append(told, s)
	}
	return nil
}

// packRows writes ascending row numbers as differences.
func packRows(rows []int) []byte {
	out, last := []byte{}, -1
	for _, r := range rows {
		out = binary.AppendUvarint(out, uint64(r-last))
		last = r
	}
	return out
}

func unpackRows(b []byte) ([]int, error) {
	var out []int
	for last := -1; len(b) > 0; {
		d, n := binary.Uvarint(b)
		if n <= 0 || d == 0 || d > 1<<40 {
			return nil, fed.Errorf(fed.Corrupt, "Restore the folder of the app from a backup.", "a saved list of rows cannot be read")
		}
		last += int(d)
		out, b = append(out, last), b[n:]
	}
	return out, nil
}

// columnSums answers for the columns of a draft over the training rows: each column
// once under a consent, the same again from what was kept.
func (n *Node) columnSums(ctx context.Context, c project.Consent, own ownColumns, draft *dataset.Preparation, rows []int, local dataset.Local, floor int) (*dataset.Stats, error) {
	n.tellMu.Lock()
	defer n.tellMu.Unlock()
	question := string(fed.DigestOf(packRows(rows)))
	out := &dataset.Stats{}
	for _, pc := range draft.Columns {
		full, err := own.fullQuestion(pc, draft, local)
		if err != nil {
			return nil, err
		}
		st, err := n.columnSum(ctx, c, own, full, question, rows, local, floor)
		if err != nil {
			return nil, err
		}
		out.Columns = append(out.Columns, st.Of(full.Columns[0], pc))
	}
	return out, out.Valid(draft)
}

// columnSum answers for one column from what was kept, or works it out and keeps it.
func (n *Node) columnSum(ctx context.Context, c project.Consent, own ownColumns, one *dataset.Preparation, rowsDigest string, rows []int, local dataset.Local, floor int) (dataset.ColumnStats, error) {
	var st dataset.ColumnStats
	name := local.OwnName(own.table, one.Columns[0].Name)
	if name == "" { // the party has no such column
		all, err := dataset.LocalStats(own.table, one, rows, local, floor)
		if err != nil {
			return st, n.withheld(err)
		}
		return all.Columns[0], nil
	}
	kind := "number"
	if !one.Columns[0].Type.Numeric() {
		kind = "category"
	}
	question := kind + " " + rowsDigest
	kept, err := n.db.ColumnAnswers(ctx, query.ColumnAnswersParams{Sheet: string(c.Digest), ColumnName: name})
	if err != nil {
		return st, fmt.Errorf("read what was told: %w", err)
	}
	if len(kept) > 0 { // one answer per column of a sheet
		k := kept[0]
		if k.Question != question {
			n.counts.refuse(otherQuestion)
			return st, fed.Errorf(fed.Permission, "Change the project, so that every party reads a new sheet.", "its column %q was asked for in another way before", name)
		}
		if err := json.Unmarshal(k.Body, &st); err != nil {
			return st, fmt.Errorf("read what was told: %w", err)
		}
		return st, nil
	}
	all, err := dataset.LocalStats(own.table, one, rows, local, floor)
	if err != nil {
		return st, n.withheld(err)
	}
	st = all.Columns[0]
	err = n.db.PutColumnAnswer(context.WithoutCancel(ctx), query.PutColumnAnswerParams{Sheet: string(c.Digest), ColumnName: name, Question: question, Body: []byte(toJSON(st)), TimeMs: ms(n.opts.Now())})
	if err != nil {
		return st, fmt.Errorf("save what is told: %w", err)
	}
	return st, nil
}

// fullQuestion is a draft of one column, a category with all the values that the
// party offered, so that other lists of values are no other question.
func (o ownColumns) fullQuestion(pc dataset.PreparedColumn, draft *dataset.Preparation, local dataset.Local) (*dataset.Preparation, error) {
	one := *draft
	if name := local.OwnName(o.table, pc.Name); name != "" && !pc.Type.Numeric() {
		pc.Categories = o.offer.Values(name)
	}
	one.Columns, one.Features = []dataset.PreparedColumn{pc}, one.FeaturesOf(pc)
	return &one, one.Validate()
}
