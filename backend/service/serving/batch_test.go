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

// Every row of the file stands in the output as it was, in order, and the
// probabilities are those that the endpoint gives for the same row, bit for bit.
func TestBatchEqualsTheEndpoint(t *testing.T) {
	const n = 1300
	s := start(t, nil)
	var out bytes.Buffer
	var progress []string
	res, err := score(t.Context(), testCSV(n), &out, s.Predictor(), BatchOptions{Number: 3, Progress: func(r, b int64) { progress = append(progress, fmt.Sprint(r, " ", b)) }})
	must(t, err)
	if want := fmt.Sprintf("[512 %d 1024 %d 1300 %d]", offset(testCSV(n), 513), offset(testCSV(n), 1025), len(testCSV(n))); fmt.Sprint(progress) != want {
		t.Errorf("progress %v, want %s", progress, want)
	}
	source := strings.Split(testCSV(n), "\n")
	for i, line := range strings.Split(out.String(), "\n") {
		if !strings.HasPrefix(line, source[i]) {
			t.Fatalf("line %d is %q, was %q", i+1, line, source[i])
		}
	}
	lines, err := csv.NewReader(&out).ReadAll()
	must(t, err)
	if got := strings.Join(lines[0][5:], ","); got != "prediction,probability_healthy,probability_disease,model,version,warning,error" {
		t.Errorf("added %s", got)
	}
	refused := 0
	for k, line := range lines[1:] {
		if bad := line[11] != ""; bad {
			refused++
			if line[5]+line[6]+line[7] != "" || line[8] != "heart" || line[9] != "3" {
				t.Fatalf("refused row %v", line)
			}
			continue
		}
		if k%25 != 0 {
			continue
		}
		body, _ := json.Marshal(map[string]any{"rows": []any{map[string]any{"age": json.Number(line[2]), "vessels": line[1], "chest_pain": line[3]}}})
		status, answer, _ := ask(t, s, "POST", "/predict/heart", string(body))
		var a struct {
			Rows []struct {
				Label       string
				Probability map[string]float32
			}
		}
		must(t, json.Unmarshal([]byte(answer), &a))
		want, err := strconv.ParseFloat(line[7], 32)
		must(t, err)
		if status != 200 || a.Rows[0].Label != line[5] || a.Rows[0].Probability["disease"] != float32(want) {
			t.Fatalf("row %d: batch %v, endpoint %s", k+1, line, answer)
		}
	}
	if res != (BatchResult{Rows: n, Rejected: int64(refused)}) || refused < 40 || len(lines) != n+1 {
		t.Errorf("%+v with %d lines, %d refused", res, len(lines), refused)
	}
	if why := lines[50][11]; !strings.HasPrefix(why, "chest_pain: ") || strings.Contains(why, "other;") {
		t.Errorf("first refused: %s", why)
	}
}

// offset is where line k (from 1) of a text begins.
func offset(text string, k int) int {
	at := 0
	for range k {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	return at
}

// added is what a batch adds to a header.
func added(divider string) string {
	return divider + strings.Join([]string{"prediction", "probability_healthy", "probability_disease", "model", "version", "warning", "error"}, divider)
}

func utf16(text string) string {
	out := []byte{0xff, 0xfe}
	for _, r := range text {
		out = append(out, byte(r), byte(r>>8))
	}
	return string(out)
}

// Files of other programs keep their form: divider, quotes, blanks, formulas, line
// ends, other columns, and numbers with a decimal comma.
func TestBatchKeepsTheFile(t *testing.T) {
	p := heart(t)
	for name, c := range map[string]struct{ in, want string }{
		"quotes, formulas, blanks": {
			"id, age ,chest_pain,vessels,note\r\n001, 50 ,\"none\",0,\"=1+1, \"\"x\"\"\"\r\n-2,50.0,none,0,\"two\nlines\"",
			"id, age ,chest_pain,vessels,note" + added(",") + "\r\n" +
				"001, 50 ,\"none\",0,\"=1+1, \"\"x\"\"\",#\r\n-2,50.0,none,0,\"two\nlines\",#\r\n",
		},
		"semicolons": {
			"age;chest_pain;vessels;dose\n50,5;none;0;1,25\n50,5;none;0;0,5\n",
			"age;chest_pain;vessels;dose" + added(";") + "\n50,5;none;0;1,25;#\n50,5;none;0;0,5;#\n",
		},
		"tabs":           {"age\tchest_pain\tvessels\n50\tnone\t0\n", "age\tchest_pain\tvessels" + added("\t") + "\n50\tnone\t0\t#\n"},
		"short row":      {"age,chest_pain,vessels,x\n50\n", "age,chest_pain,vessels,x" + added(",") + "\n50,,,,#\n"},
		"divider at end": {"age,chest_pain,vessels\n50,none,1,\n", "age,chest_pain,vessels" + added(",") + "\n50,none,1,#\n"},
		"no row":         {"age,chest_pain,vessels", "age,chest_pain,vessels" + added(",") + "\n"},
		"blank lines":    {"age,chest_pain,vessels\n\n50,none,1\n\n", "age,chest_pain,vessels" + added(",") + "\n\n50,none,1,#\n"},
		"an old Mac":     {"age,chest_pain,vessels\r50,none,1\r", "age,chest_pain,vessels" + added(",") + "\r50,none,1,#\r"},
		"names in use": {
			"age,chest_pain,vessels,error,prediction,prediction_2\n50,none,0,e,p,q\n",
			"age,chest_pain,vessels,error,prediction,prediction_2,prediction_3,probability_healthy,probability_disease,model,version,warning,error_2\n50,none,0,e,p,q,#\n",
		},
		"single quotes": {
			"'age','chest_pain','vessels','note'\n'50','none','0','a pipe, ''x'' '\n'51','none','1',''\n",
			"'age','chest_pain','vessels','note'" + added(",") + "\n'50','none','0','a pipe, ''x'' ',#\n'51','none','1','',#\n",
		},
		"Windows-1252": {"age,chest_pain,vessels,stra\xdfe\n50,none,0,\"M\xfcller, Z.\"\n", "age,chest_pain,vessels,straße" + added(",") + "\n50,none,0,\"Müller, Z.\",#\n"},
		"UTF-16":       {utf16("age;chest_pain;vessels;ß\r\n50;none;0;ü\r\n"), "\ufeffage;chest_pain;vessels;ß" + added(";") + "\r\n50;none;0;ü;#\r\n"},
		"a mark before quotes": {
			"\ufeff\"age\",\"chest_pain\",\"vessels\"\n50,none,0\n",
			"\ufeff\"age\",\"chest_pain\",\"vessels\"" + added(",") + "\n50,none,0,#\n",
		},
	} {
		var out bytes.Buffer
		_, err := score(t.Context(), c.in, &out, p, BatchOptions{Number: 3})
		must(t, err)
		parts := strings.Split(c.want, "#")
		rest := out.String()
		for i, part := range parts {
			at := strings.Index(rest, part)
			if at < 0 || i == 0 && at != 0 {
				t.Errorf("%s:\n%s\ndoes not go on with %q", name, out.String(), part)
				break
			}
			if i > 0 && (!strings.Contains(rest[:at], "heart") || strings.Contains(rest[:at], ": ")) {
				t.Errorf("%s: %q is no answer", name, rest[:at])
			}
			rest = rest[at+len(part):]
		}
		if rest != "" {
			t.Errorf("%s ends with %q", name, rest)
		}
	}
}

// What stands beyond the header is named, and the row keeps its width.
func TestBatchNamesCellsBeyondTheHeader(t *testing.T) {
	var out bytes.Buffer
	res, err := score(t.Context(), "age,chest_pain,vessels\n50,none,1,2,\n50,none,1\n", &out, heart(t), BatchOptions{})
	must(t, err)
	lines, err := csv.NewReader(&out).ReadAll()
	must(t, err)
	if res != (BatchResult{Rows: 2, Rejected: 1}) || lines[1][9] != "more values than the header has columns: 2 | " || lines[2][9] != "" {
		t.Errorf("%+v: %q", res, lines)
	}
}

func TestBatchRefusesFiles(t *testing.T) {
	p := heart(t)
	for name, c := range map[string]struct{ in, want string }{
		"empty":            {"", "empty"},
		"no column":        {"sex\n1\n", `3 columns of the model are missing: "age", "chest_pain", "vessels"`},
		"two columns":      {"vessels,x\n1,1\n", `2 columns of the model are missing: "age", "chest_pain"`},
		"one column":       {"vessels,age\n1,1\n", `the column "chest_pain" of the model is missing`},
		"no header":        {"50,none,1\n51,none,2\n", `"age", "chest_pain", "vessels"`},
		"only numbers":     {"50,1\n51,2\n", "looks like data"},
		"column twice":     {"age,age,chest_pain,vessels\n1,2,none,0\n", "twice"},
		"open quote":       {"age,chest_pain,vessels\n\"1\n2\n", "line 2, column 1 is never closed"},
		"stray text":       {"age,chest_pain,vessels\n\"1\"x,none,0\n", "closing quote in line 2"},
		"endless quote":    {"age,chest_pain,vessels\n\"" + strings.Repeat("x", 2<<20), "never closed"},
		"endless header":   {strings.Repeat("x", 2<<20), "longer than"},
		"too many columns": {strings.Repeat("c,", 10_000) + "age\n", "10000 columns"},
		"Parquet":          {"PAR1....", "Parquet"},
		"workbook":         {"PK\x03\x04....", "Excel workbook"},
	} {
		_, err := score(t.Context(), c.in, io.Discard, p, BatchOptions{})
		if err == nil || fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A batch whose answer overflows in one row rejects that row only.
func TestBatchRejectsExtremeRows(t *testing.T) {
	p, err := Load(folder(t, "price", heartFields()[:1], nil, 7), decodeTest)
	must(t, err)
	p.params[0].Data[0] = 1e38
	var out bytes.Buffer
	res, err := score(t.Context(), "age\n50\n1e30\n51\nnan\n1e999\n", &out, p, BatchOptions{Number: 1})
	must(t, err)
	if res != (BatchResult{Rows: 5, Rejected: 3}) {
		t.Fatalf("%+v\n%s", res, out.String())
	}
	lines, err := csv.NewReader(&out).ReadAll()
	must(t, err)
	for i, answered := range []bool{true, false, true, false, false} {
		if line := lines[1+i]; (line[1] != "") != answered || (line[5] == "") != answered {
			t.Errorf("row %d: %v", i+1, line)
		}
	}
}

func TestBatchStopsAndReportsWriteErrors(t *testing.T) {
	p := heart(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	res, err := score(ctx, testCSV(2000), &out, p, BatchOptions{Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) || res.Rows != 512 {
		t.Errorf("%+v, %v", res, err)
	}
	if lines, err := csv.NewReader(&out).ReadAll(); err != nil || int64(len(lines)-1) != res.Rows {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	_, err = score(t.Context(), testCSV(2000), full{}, p, BatchOptions{})
	wantKind(t, err, fed.Unavailable)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }
