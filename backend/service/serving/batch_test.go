package serving

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// testCSV has n seeded rows; every 50th has an unseen category, every 70th a text
// as age, every 30th no chest pain.
func testCSV(n int) string {
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("\ufeffid,vessels,age,chest_pain,disease\n")
	for i := range n {
		age, pain := strconv.FormatFloat(30+40*rng.Float64(), 'g', -1, 64), []string{"none", "typical", "atypical"}[rng.IntN(3)]
		switch {
		case i%50 == 49:
			pain = "other"
		case i%70 == 69:
			age = "old"
		case i%30 == 29:
			pain = ""
		}
		fmt.Fprintf(&b, "k%d,%d,%s,%s,1\n", i, rng.IntN(3), age, pain)
	}
	return b.String()
}

// Every row stands in one of the two files, in order, and the probabilities are
// those that the endpoint gives for the same row, bit for bit.
func TestBatchEqualsTheEndpoint(t *testing.T) {
	const n = 1300
	s := start(t, nil)
	var out, rejected bytes.Buffer
	var progress []int64
	res, err := Batch(t.Context(), strings.NewReader(testCSV(n)), &out, &rejected, s.Predictor(), BatchOptions{Number: 3, Key: "id", Progress: func(r int64) { progress = append(progress, r) }})
	must(t, err)
	lines, err := csv.NewReader(&out).ReadAll()
	must(t, err)
	bad, err := csv.NewReader(&rejected).ReadAll()
	must(t, err)
	if res.Rows != n || res.Written+res.Rejected != n || int(res.Written) != len(lines)-1 || res.Rejected < 40 || len(bad)-1 != int(res.Rejected) {
		t.Fatalf("%+v with %d and %d lines", res, len(lines), len(bad))
	}
	if got := strings.Join(lines[0], ","); got != "row,id,label,probability_healthy,probability_disease,model,version,warning" {
		t.Errorf("header %s", got)
	}
	if fmt.Sprint(progress) != "[512 1024 1300]" {
		t.Errorf("progress %v", progress)
	}
	source, _ := csv.NewReader(strings.NewReader(testCSV(n))).ReadAll()
	last := 0
	for k, line := range lines[1:] {
		row, _ := strconv.Atoi(line[0])
		if row <= last {
			t.Fatalf("row %d after %d", row, last)
		}
		last = row
		src := source[row]
		if line[1] != src[0] {
			t.Fatalf("row %d has the key %s, want %s", row, line[1], src[0])
		}
		if k%25 != 0 {
			continue
		}
		body, _ := json.Marshal(map[string]any{"rows": []any{map[string]any{"age": json.Number(src[2]), "vessels": src[1], "chest_pain": src[3]}}})
		status, answer, _ := ask(t, s, "POST", "/predict/heart", string(body))
		var a struct {
			Rows []struct {
				Label       string
				Probability map[string]float32
			}
		}
		must(t, json.Unmarshal([]byte(answer), &a))
		want, err := strconv.ParseFloat(line[4], 32)
		must(t, err)
		if status != 200 || a.Rows[0].Label != line[2] || a.Rows[0].Probability["disease"] != float32(want) {
			t.Fatalf("row %d: batch %v, endpoint %s", row, line, answer)
		}
	}
	if bad[1][0] != "50" || bad[1][1] != "chest_pain" || strings.Contains(bad[1][2], "other") {
		t.Errorf("first rejected %v", bad[1])
	}
}

func TestBatchRefusesFiles(t *testing.T) {
	p := heart(t)
	for name, c := range map[string]struct {
		in, want string
		opt      BatchOptions
	}{
		"empty":            {"", "header is missing", BatchOptions{}},
		"required column":  {"vessels\n1\n", `"age" is missing`, BatchOptions{}},
		"column twice":     {"age,age\n1,2\n", "twice", BatchOptions{}},
		"no key":           {"age\n1\n", "key column", BatchOptions{Key: "id"}},
		"longer row":       {"age\n1,2\n", "line 2", BatchOptions{}},
		"open quote":       {"age\n\"1\n2\n", "quotes", BatchOptions{}},
		"endless quote":    {"age\n\"" + strings.Repeat("x", 2<<20), "longer than", BatchOptions{}},
		"endless header":   {strings.Repeat("x", 2<<20), "longer than", BatchOptions{}},
		"too many columns": {strings.Repeat("c,", 5000) + "age\n", "4096 columns", BatchOptions{}},
	} {
		_, err := Batch(t.Context(), strings.NewReader(c.in), io.Discard, nil, p, c.opt)
		if err == nil || fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A batch whose answer overflows in one row rejects that row only.
func TestBatchRejectsExtremeRows(t *testing.T) {
	p, err := Load(folder(t, "price", heartFields()[:1], nil, 7), decodeTest)
	must(t, err)
	p.params[0].Data[0] = 1e38
	var out, rejected bytes.Buffer
	res, err := Batch(t.Context(), strings.NewReader("age\n50\n1e30\n51\nnan\n1e999\n"), &out, &rejected, p, BatchOptions{Number: 1})
	must(t, err)
	if res != (BatchResult{Rows: 5, Written: 2, Rejected: 3}) {
		t.Fatalf("%+v\n%s\n%s", res, out.String(), rejected.String())
	}
	if !strings.HasPrefix(out.String(), "row,value,model,version,warning\n1,") || !strings.Contains(out.String(), "\n3,") {
		t.Error(out.String())
	}
}

func TestBatchStopsAndReportsWriteErrors(t *testing.T) {
	p := heart(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	res, err := Batch(ctx, strings.NewReader(testCSV(2000)), &out, nil, p, BatchOptions{Progress: func(int64) { cancel() }})
	if !errors.Is(err, context.Canceled) || res.Rows != 512 {
		t.Errorf("%+v, %v", res, err)
	}
	if lines, err := csv.NewReader(&out).ReadAll(); err != nil || int64(len(lines)-1) != res.Written {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	_, err = Batch(t.Context(), strings.NewReader(testCSV(2000)), full{}, nil, p, BatchOptions{})
	wantKind(t, err, fed.Unavailable)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }
