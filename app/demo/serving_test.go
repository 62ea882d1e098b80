package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// TestCurlSendsWhatHTTPSends runs the real program when there is one.
func TestCurlSendsWhatHTTPSends(t *testing.T) {
	s := &story{curl: findCurl()}
	if s.curl == "" {
		t.Skip("there is no curl on this computer")
	}
	type seen struct{ method, path, auth, kind, body string }
	var got []seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got = append(got, seen{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(raw)})
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	defer server.Close()
	body, err := json.Marshal(obj{"rows": []obj{{"na\"me": "a\\b\nc ü @x", "age": 63.5}}})
	if err != nil {
		t.Fatal(err)
	}
	e := endpoint{server.URL + "/predict/heart", "tok-en"}
	for _, send := range []func(context.Context, endpoint, []byte) ([]byte, error){askHTTP, s.askCurl} {
		answer, err := send(t.Context(), e, body)
		if err != nil || string(answer) != `{"ok":true}` {
			t.Fatalf("%q, %v", answer, err)
		}
	}
	if got[0] != got[1] || got[0].body != string(body) || got[0].auth != "Bearer tok-en" {
		t.Errorf("net/http sent %+v\ncurl sent %+v", got[0], got[1])
	}
}

func TestCurlFailureIsTold(t *testing.T) {
	s := &story{curl: findCurl()}
	if s.curl == "" {
		t.Skip("there is no curl on this computer")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the model is still warming up", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	_, err := s.askCurl(t.Context(), endpoint{server.URL, "tok-en"}, []byte("{}"))
	if err == nil || !strings.Contains(err.Error(), "warming up") || !strings.Contains(err.Error(), "503") || strings.Contains(err.Error(), "tok-en") {
		t.Errorf("the error is %v", err)
	}
}

func TestSampleRow(t *testing.T) {
	row, err := sampleRow([]view.InputField{
		{Name: "a", Type: "number", Typical: "4.5"}, {Name: "b", Type: "number", Low: 1, High: 2}, {Name: "c", Type: "category", Values: []string{"x", "y"}},
		{Name: "d", Type: "category", Typical: "y", Values: []string{"x", "y"}}, {Name: "e", Type: "category"},
	})
	if err != nil || row["a"] != 4.5 || row["b"] != 1.5 || row["c"] != "x" || row["d"] != "y" || len(row) != 4 {
		t.Errorf("%v, %v", row, err)
	}
	if _, err := sampleRow(nil); fed.HintOf(err) == "" {
		t.Errorf("a model without inputs gives %v", err)
	}
}

func TestCheckPrediction(t *testing.T) {
	p := &party{hospital: hospital{name: "A"}}
	for _, tc := range []struct {
		row view.PredictedRow
		ok  bool
	}{
		{view.PredictedRow{Label: "yes", Probability: map[string]fed.Number{"yes": .75, "no": .25}}, true},
		{view.PredictedRow{Label: "yes", Probability: map[string]fed.Number{"yes": .75, "no": .5}}, false},
		{view.PredictedRow{Label: "maybe", Probability: map[string]fed.Number{"yes": .75, "no": .25}}, false},
		{view.PredictedRow{}, false},
	} {
		if err := checkPrediction(p, tc.row); (err == nil) != tc.ok {
			t.Errorf("%+v: %v", tc.row, err)
		}
	}
}
