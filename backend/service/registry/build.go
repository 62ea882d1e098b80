package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebpki/jcs"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

// specFile is spec.json: all that is needed to compute with the params.
type specFile struct {
	Format   int           `json:"format"`
	Task     string        `json:"task"`
	Model    fed.ModelSpec `json:"model"` // every size filled in
	Features int           `json:"features"`
	Classes  int           `json:"classes"`
}

// labelsFile is labels.json: what the outputs mean.
type labelsFile struct {
	Task      string     `json:"task"`
	Target    string     `json:"target"`
	Classes   []string   `json:"classes"`
	Positive  string     `json:"positive"`  // of two classes, else ""
	Threshold fed.Number `json:"threshold"` // of the positive class; null unless there are two
	Rule      string     `json:"rule"`      // how a label follows from the outputs
}

// Threshold is the probability of the positive class above which a row of a
// two-class model has that label.
const Threshold = 0.5

// Build makes the folder of a version: its manifest and its files by path,
// manifest.json included. It is pure: the same input gives the same content id
// on every machine. Errors are of kind Invalid, Incompatible or Corrupt and say
// what does not fit.
func Build(in BuildInput) (Manifest, map[string][]byte, error) {
	spec, err := checkBuild(in)
	if err != nil {
		return Manifest{}, nil, err
	}
	files := map[string][]byte{FileParams: in.Params, FilePipeline: in.Pipeline}
	sign := signatureOf(in)
	lineage := lineageOf(in)
	for path, v := range map[string]any{
		FileSpec: spec, FileLabels: labelsOf(in), FileSignature: sign, FileMetrics: in.Metrics, FileLineage: lineage,
	} {
		if files[path], err = canonical(v); err != nil {
			return Manifest{}, nil, fmt.Errorf("write %s: %w", path, err)
		}
	}
	if files[FileExamples], err = examplesOf(in, files); err != nil {
		return Manifest{}, nil, err
	}
	files[FileCard] = []byte(cardOf(in, lineage))
	m := manifestOf(in, files)
	if files[FileManifest], err = canonical(m); err != nil {
		return Manifest{}, nil, fmt.Errorf("write the manifest: %w", err)
	}
	return m, files, nil
}

// checkBuild refuses an input whose parts do not fit each other.
func checkBuild(in BuildInput) (specFile, error) {
	bad := func(format string, args ...any) (specFile, error) {
		return specFile{}, fed.Errorf(fed.Invalid, "Register the result of a finished run under a name of letters, digits, '_', '.' and '-'.", format, args...)
	}
	switch {
	case !ValidModelName(in.Model):
		return bad("%.40q cannot name a model", in.Model)
	case in.End.Run != in.Run.ID || in.End.State != "finished":
		return bad("run %s has not finished", in.Run.ID)
	case fed.DigestOf(in.Params) != in.End.Params && fed.DigestOf(in.Params) != in.End.ParamsRef.Digest:
		return specFile{}, fed.Errorf(fed.Corrupt, "Fetch the params again.", "the params are not those of the run's best round")
	case !json.Valid(in.Pipeline):
		return bad("the preparation is not JSON")
	case in.Run.Config.Task == fed.TaskRegress && len(in.Classes) > 0:
		return bad("a regression has no classes")
	case len(in.Parties) == 0 || len(in.Parties) > maxParties || len(in.Parents) > maxParents:
		return bad("a version needs 1 to %d parties in its lineage and at most %d parents", maxParties, maxParents)
	}
	mod, err := model.New(in.Run.Config.Model, in.Run.Config.Task, in.Features, len(in.Classes))
	if err != nil {
		return specFile{}, fmt.Errorf("model of the version: %w", err)
	}
	params, _, err := tensor.DecodeSafetensors(in.Params)
	if err != nil {
		return specFile{}, fmt.Errorf("params of the version: %w", err)
	}
	if err := mod.Check(params); err != nil {
		return specFile{}, fmt.Errorf("params of the version: %w", err)
	}
	if !params.Finite() {
		return bad("the params hold numbers that are not finite")
	}
	return specFile{Format: Format, Task: mod.Task(), Model: mod.Spec(), Features: mod.Features(), Classes: mod.Classes()}, nil
}

func labelsOf(in BuildInput) labelsFile {
	l := labelsFile{Task: in.Run.Config.Task, Target: in.Run.Config.Target, Classes: orEmpty(in.Classes), Threshold: nan, Rule: "the most probable class"}
	switch {
	case len(in.Classes) == 2:
		l.Positive, l.Threshold, l.Rule = in.Classes[1], Threshold, "the positive class when its probability is above the threshold"
	case len(in.Classes) == 0:
		l.Rule = "the value"
	}
	return l
}

func signatureOf(in BuildInput) Signature {
	s := Signature{Inputs: orEmpty(in.Fields), Outputs: []string{"value"}, Classes: orEmpty(in.Classes)}
	if len(in.Classes) > 0 {
		s.Outputs = []string{"probability", "label"}
	}
	return s
}

func lineageOf(in BuildInput) Lineage {
	parties := slices.SortedFunc(slices.Values(in.Parties), func(a, b LineageParty) int { return cmp.Compare(a.Name, b.Name) })
	contribution := in.Contribution
	if contribution == nil {
		contribution = map[string]fed.Number{}
	}
	return Lineage{
		Project: in.Run.Project, Experiment: in.Run.Experiment, Run: in.Run.ID, Rounds: in.End.Rounds, Round: in.End.Best, Params: in.End.Params,
		Alignment: in.Run.Preparation, ConfigHash: in.Run.ConfigHash, Seed: strconv.FormatUint(in.Run.Config.Seed, 10),
		Strategy: in.Run.Config.Strategy.Name, Privacy: cmp.Or(in.Privacy, "none"), Parties: parties, Contribution: contribution,
	}
}

func manifestOf(in BuildInput, files map[string][]byte) Manifest {
	m := Manifest{
		Format: Format, Model: in.Model, Project: in.Run.Project, Task: in.Run.Config.Task, Family: in.Run.Config.Model.Family, CreatedMs: in.CreatedMs,
		Run: in.Run.ID, Round: in.End.Best, ConfigHash: in.Run.ConfigHash, Parents: slices.Sorted(slices.Values(in.Parents)), Metrics: in.Metrics.Pooled,
	}
	for _, p := range in.Parties {
		m.Parties = append(m.Parties, p.Party)
	}
	slices.Sort(m.Parties)
	m.Parents = orEmpty(m.Parents)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		m.Files = append(m.Files, File{Path: path, SHA256: fed.DigestOf(files[path]), Bytes: int64(len(files[path]))})
	}
	return m
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}

const contentPrefix = "sha256:"

// ContentID names a manifest: "sha256:" and the digest of its canonical JSON
// (RFC 8785).
func ContentID(m Manifest) (string, error) {
	raw, err := canonical(m)
	if err != nil {
		return "", fmt.Errorf("name a version: %w", err)
	}
	return contentPrefix + string(fed.DigestOf(raw)), nil
}

// ValidContentID reports whether s has the form of a content id.
func ValidContentID(s string) bool {
	d, ok := strings.CutPrefix(s, contentPrefix)
	return ok && fed.Digest(d).Valid()
}

// valid checks the form of a manifest that came from a peer, before anything is
// indexed by it.
func (m Manifest) valid() bool {
	if m.Format != Format || !ValidModelName(m.Model) || !fed.ValidHexID(string(m.Project)) || !fed.ValidHexID(string(m.Run)) || m.CreatedMs < 0 || m.CreatedMs > 1<<52 ||
		len(m.Files) == 0 || len(m.Files) > maxFiles || len(m.Parents) > maxParents || len(m.Metrics) > maxMetrics || len(m.Task) > 40 || len(m.Family) > 40 || !validVoters(m.Parties) {
		return false
	}
	for i, f := range m.Files {
		if i > 0 && m.Files[i-1].Path >= f.Path || !validPath(f.Path) || !f.SHA256.Valid() || f.Bytes < 0 || f.Bytes > maxFileSize {
			return false
		}
	}
	return true
}

// validPath accepts a plain file name: the folder has no subfolders yet.
func validPath(p string) bool {
	return p != "" && len(p) <= maxPath && p != FileManifest && !strings.ContainsAny(p, "/\\:") && !strings.HasPrefix(p, ".")
}
