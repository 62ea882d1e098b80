package serving

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/gowebpki/jcs"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

// The files that a prediction needs.
const (
	fileManifest = "manifest.json"
	fileParams   = "model.safetensors"
	fileSpec     = "spec.json"
	filePipeline = "pipeline.json"
	fileLabels   = "labels.json"
	fileExamples = "examples.json"
)

// format is the layout of a folder that this program reads.
const format = 1

// selfTestTolerance is how far an example may be off, relative to the larger of 1
// and its expected output.
const selfTestTolerance = 1e-6

type manifest struct {
	Format  int           `json:"format"`
	Model   string        `json:"model"`
	Project fed.ProjectID `json:"project"`
	Family  string        `json:"family"`
	Run     fed.RunID     `json:"run"`
	Files   []struct {
		Path   string     `json:"path"`
		SHA256 fed.Digest `json:"sha256"`
		Bytes  int64      `json:"bytes"`
	} `json:"files"`
}

type spec struct {
	Format   int           `json:"format"`
	Task     string        `json:"task"`
	Model    fed.ModelSpec `json:"model"`
	Features int           `json:"features"`
	Classes  int           `json:"classes"`
}

type labels struct {
	Target    string     `json:"target"`
	Classes   []string   `json:"classes"`
	Positive  string     `json:"positive"`
	Threshold fed.Number `json:"threshold"`
}

type examples struct {
	Rows    []map[string]any `json:"rows"`
	Outputs [][]float64      `json:"outputs"`
}

// Load opens a version folder: every digest of the manifest, the specification,
// the params, the preparation and the labels are checked and the self-test is
// run. A folder that does not verify is of kind Corrupt, one that this program is
// too old for Incompatible.
func Load(files Files, decode Decode) (*Predictor, error) {
	m, err := checkFolder(files)
	if err != nil {
		return nil, err
	}
	p, err := open(files, decode)
	if err != nil {
		return nil, err
	}
	p.info.Model, p.info.Project, p.info.Family = m.Model, m.Project, m.Family
	p.info.ContentID = "sha256:" + string(fed.DigestOf(files[fileManifest]))
	if err := p.selfTest(files[fileExamples]); err != nil {
		return nil, err
	}
	if m.Run != "" {
		if p.pipe, err = decode(files[filePipeline], m.Run); err != nil {
			return nil, fmt.Errorf("preparation of the version: %w", err)
		}
	}
	p.setOwn()
	return p, nil
}

func corrupt(formatText string, args ...any) error {
	return fed.Errorf(fed.Corrupt, "Verify the version, or fetch it again from another party.", formatText, args...)
}

// checkFolder compares the files with the manifest, which must be canonical JSON:
// its digest is the content id.
func checkFolder(files Files) (manifest, error) {
	var m manifest
	raw := files[fileManifest]
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, corrupt("the manifest of the version cannot be read: %w", err)
	}
	if same, err := jcs.Transform(raw); err != nil || string(same) != string(raw) {
		return m, corrupt("the manifest of the version is not in its canonical form")
	}
	if m.Format != format {
		return m, fed.Errorf(fed.Incompatible, "Update this program.", "the version has the format %d, this program reads %d", m.Format, format)
	}
	listed := map[string]bool{}
	for _, f := range m.Files {
		got, ok := files[f.Path]
		if !ok {
			return m, corrupt("the file %.80q of the version is missing", f.Path)
		}
		if int64(len(got)) != f.Bytes || fed.DigestOf(got) != f.SHA256 {
			return m, corrupt("the file %.80q of the version was changed", f.Path)
		}
		listed[f.Path] = true
	}
	for _, path := range []string{fileParams, fileSpec, filePipeline, fileLabels, fileExamples} {
		if !listed[path] {
			return m, corrupt("the manifest of the version does not name %s", path)
		}
	}
	return m, nil
}

// open builds the function of a folder, which need not have a manifest.
func open(files Files, decode Decode) (*Predictor, error) {
	var (
		s spec
		l labels
	)
	if err := json.Unmarshal(files[fileSpec], &s); err != nil {
		return nil, corrupt("the specification of the version cannot be read: %w", err)
	}
	if s.Format != format {
		return nil, fed.Errorf(fed.Incompatible, "Update this program.", "the version's specification has the format %d, this program reads %d", s.Format, format)
	}
	if err := json.Unmarshal(files[fileLabels], &l); err != nil {
		return nil, corrupt("the labels of the version cannot be read: %w", err)
	}
	params, _, err := tensor.DecodeSafetensors(files[fileParams])
	if err != nil {
		return nil, fmt.Errorf("params of the version: %w", err)
	}
	m, err := model.New(s.Model, s.Task, s.Features, s.Classes)
	if err != nil {
		return nil, fmt.Errorf("specification of the version: %w", err)
	}
	if err := m.Check(params); err != nil {
		return nil, fmt.Errorf("params of the version: %w", err)
	}
	if !params.Finite() {
		return nil, corrupt("the params of the version hold numbers that are not finite")
	}
	pipe, err := decode(files[filePipeline], "")
	if err != nil {
		return nil, fmt.Errorf("preparation of the version: %w", err)
	}
	p := &Predictor{model: m, params: aligned(params), pipe: pipe, target: l.Target}
	p.info = Info{Task: s.Task, Classes: l.Classes, Positive: l.Positive, Threshold: float64(l.Threshold), Params: params.Len(), Bytes: 4 * int64(params.Len())}
	if err := p.setLabels(); err != nil {
		return nil, err
	}
	return p, p.setFields()
}

// aligned moves small tensors to where a vector register can load them: the
// product of two vectors adds up in another order, and so may differ in its last
// bit, when the params begin elsewhere. Slices of at least 32 bytes begin at a
// multiple of 16 anyway.
func aligned(params tensor.Params) tensor.Params {
	const floats = 8 // 32 bytes
	for i, t := range params {
		if len(t.Data) < floats {
			params[i].Data = append(make([]float32, 0, floats), t.Data...)
		}
	}
	return params
}

func (p *Predictor) setLabels() error {
	i := &p.info
	if len(i.Classes) != p.model.Classes() {
		return corrupt("the version has %d class names for %d classes", len(i.Classes), p.model.Classes())
	}
	if c := p.pipe.Classes(); c != nil && strings.Join(c, "\x00") != strings.Join(i.Classes, "\x00") {
		return corrupt("the classes of the version's labels are not those of its preparation")
	}
	if len(i.Classes) != 2 {
		i.Positive, i.Threshold = "", math.NaN()
		return nil
	}
	if !(i.Threshold >= 0 && i.Threshold <= 1) || i.Positive != i.Classes[1] {
		return corrupt("the version's threshold or positive class is impossible")
	}
	return nil
}

func (p *Predictor) setFields() error {
	p.info.Fields = p.pipe.Fields()
	p.fields = make(map[string]*column, len(p.info.Fields))
	for _, f := range p.info.Fields {
		if f.Kind != Number && f.Kind != Category || p.fields[f.Name] != nil {
			return corrupt("the version's column %.80q is of an unknown kind or stands twice", f.Name)
		}
		c := newColumn(f)
		p.fields[f.Name] = c
		p.order = append(p.order, c)
	}
	if len(p.order) == 0 {
		return corrupt("the version has no columns")
	}
	return nil
}

// selfTest answers the examples and compares.
func (p *Predictor) selfTest(raw []byte) error {
	var e examples
	if err := json.Unmarshal(raw, &e); err != nil {
		return corrupt("the example rows of the version cannot be read: %w", err)
	}
	if len(e.Rows) == 0 || len(e.Rows) > 1000 || len(e.Rows) != len(e.Outputs) {
		return corrupt("the version has no example rows with outputs, or too many")
	}
	got, err := p.outputs(e.Rows)
	if err != nil {
		return corrupt("self-test of the version: %w", err)
	}
	for i, want := range e.Outputs {
		if !near(got[i], want) {
			return corrupt("self-test of the version: example row %d is not answered as when it was made", i+1)
		}
	}
	p.info.Examples = len(e.Rows)
	return nil
}

func near(got, want []float64) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= selfTestTolerance*math.Max(1, math.Abs(want[i]))) {
			return false
		}
	}
	return true
}
