package serving

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// answers are the predictions of a file, its probabilities and what was said of rows.
func answers(t testing.TB, p *Predictor, text string) (out [][]string) {
	t.Helper()
	var buf bytes.Buffer
	_, err := score(t.Context(), text, &buf, p, BatchOptions{})
	must(t, err)
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(buf.String(), "\ufeff")))
	r.Comma = []rune(text[strings.IndexAny(text, ",;\t"):])[0]
	lines, err := r.ReadAll()
	must(t, err)
	from := slices.Index(lines[0], "prediction")
	for _, line := range lines[1:] {
		out = append(out, append(slices.Clone(line[from:from+3]), line[len(line)-2:]...))
	}
	return out
}

// A file that training reads is read in the same way, however it is written.
func TestBatchReadsFilesAsTrainingDoes(t *testing.T) {
	fields := heartFields()
	fields[0].Name = "Größe"
	p, err := Load(folder(t, "heart", fields, []string{"healthy", "disease"}, 7), decodeTest)
	must(t, err)
	plain := "Größe,chest_pain,vessels\n63,typical,2\n41,none,1\n"
	want := answers(t, p, plain)
	if want[0][3]+want[0][4] != "" || slices.Equal(want[0], want[1]) {
		t.Fatalf("%q", want)
	}
	for name, text := range map[string]string{
		"Windows-1252":           strings.NewReplacer("ö", "\xf6", "ß", "\xdf").Replace(plain),
		"UTF-16":                 utf16(plain),
		"single quotes":          "'Größe','chest_pain','vessels'\n'63','typical','2'\n'41','none','1'\n",
		"a mark, and quotes":     "\ufeff\"Größe\",\"chest_pain\",\"vessels\"\n63,typical,2\n41,none,1\n",
		"semicolons, with words": "note;Größe;chest_pain;vessels\na,b;63,0;typical;2\nc,d;41,0;none;1\n",
	} {
		if got := answers(t, p, text); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A file without a header is read by the names that training gives its columns.
func TestBatchOfAFileWithoutHeader(t *testing.T) {
	fields := heartFields()[:1]
	fields[0].Name = "column_2"
	p, err := Load(folder(t, "price", fields, nil, 7), decodeTest)
	must(t, err)
	var out bytes.Buffer
	_, err = score(t.Context(), "1,50\n2,60\n", &out, p, BatchOptions{Number: 3})
	must(t, err)
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || lines[0] != "column_1,column_2,prediction,model,version,warning,error" || !strings.HasPrefix(lines[1], "1,50,") || !strings.HasPrefix(lines[2], "2,60,") {
		t.Errorf("%q", lines)
	}
}

// A request may leave columns out, but not all of them, which would be answered with
// what fills them.
func TestRequestWithoutAnyColumn(t *testing.T) {
	s := start(t, nil)
	fields := heartFields()
	fields[0].Required = false
	must(t, s.Switch(t.Context(), Version{Number: 4, Files: folder(t, "heart", fields, []string{"healthy", "disease"}, 7)}))
	if status, got, _ := ask(t, s, "POST", "/invocations", "age\n63\n", "Content-Type", "text/csv"); status != http.StatusOK {
		t.Errorf("%d %s", status, got)
	}
	status, got, _ := ask(t, s, "POST", "/invocations", "'age';'vessels'\n63;2\n", "Content-Type", "text/csv")
	if status != http.StatusBadRequest || !strings.Contains(got, "3 columns of the model are missing") {
		t.Errorf("%d %s", status, got)
	}
}

// A category is written in a file with decimal commas as training has read it there.
func TestCategoriesWithDecimalCommas(t *testing.T) {
	fields := heartFields()
	fields[2] = Field{Name: "dose", Kind: Category, Type: "category", Values: []string{"0.5", "1.5", "7.5", "a,b"}, Low: nan, High: nan}
	p, err := Load(folder(t, "heart", fields, []string{"healthy", "disease"}, 7), decodeTest)
	must(t, err)
	want := answers(t, p, "age,chest_pain,dose\n63.5,none,0.5\n63.5,none,1.5\n63.5,none,\"a,b\"\n")
	got := answers(t, p, "age;chest_pain;dose\n63,5;none;0,5\n63,5;none; 1,50\n63,5;none;a,b\n63,5;none;007,5\n")
	if fmt.Sprint(got[:3]) != fmt.Sprint(want) || slices.Equal(want[0], want[1]) {
		t.Errorf("%q, want %q", got, want)
	}
	if !strings.HasPrefix(got[3][4], "dose: ") {
		t.Errorf("a code with leading zeros, which training takes as a text: %q", got[3])
	}
}
