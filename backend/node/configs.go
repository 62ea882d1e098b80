package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// ReadConfig reads a configuration document for a new experiment of a project. What
// the parties agreed on stands as they agreed; where the document says otherwise, the
// answer tells.
func (n *Node) ReadConfig(_ context.Context, projectID, text string) (view.ImportedConfig, error) {
	p, err := n.project(projectID)
	if err != nil {
		return view.ImportedConfig{}, err
	}
	given, err := fed.ReadConfig(strings.NewReader(text))
	if err != nil {
		return view.ImportedConfig{}, err
	}
	out := view.ImportedConfig{Config: withAgreed(given, p.Config), Differences: differences(given, p.Config)}
	return out, experiment.Check(out.Config)
}

// withAgreed returns c with what an experiment cannot change taken from its project.
func withAgreed(c, project fed.RunConfig) fed.RunConfig {
	c.Task, c.Target, c.Labels, c.Drop, c.Categorical = project.Task, project.Target, project.Labels, project.Drop, project.Categorical
	c.Missing, c.Scaling, c.Test = project.Missing, project.Scaling, project.Test
	return c
}

// differences lists where a configuration says otherwise than its project about what
// the parties agreed on, by dotted names in order.
func differences(c, project fed.RunConfig) []view.ConfigDifference {
	given, agreed := flatConfig(spelled(withAgreed(project, c))), flatConfig(spelled(project))
	keys := maps.Clone(given)
	maps.Copy(keys, agreed)
	out := []view.ConfigDifference{}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if given[k] != agreed[k] {
			out = append(out, view.ConfigDifference{Key: k, Given: given[k], Agreed: agreed[k]})
		}
	}
	return out
}

// spelled writes out the defaults of what the parties agree on.
func spelled(c fed.RunConfig) fed.RunConfig {
	if c.Missing == "" {
		c.Missing = "impute"
	}
	if c.Scaling == "" {
		c.Scaling = "federated"
	}
	return c
}

// flatConfig lists the settings of a configuration by the dotted names of its
// document, "model.layers.1.out", lists of words in one line. What is left out of the
// document is left out here.
func flatConfig(c fed.RunConfig) map[string]string {
	out := map[string]string{}
	dec := json.NewDecoder(bytes.NewReader([]byte(toJSON(c))))
	dec.UseNumber() // a seed keeps its digits
	var v any
	if dec.Decode(&v) == nil {
		flatten(out, "", v)
	}
	return out
}

func flatten(out map[string]string, path string, v any) {
	at := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(out, at(k), x)
		}
	case []any:
		var words []string
		for i, x := range v {
			if s, ok := x.(string); ok {
				words = append(words, s)
			} else {
				flatten(out, at(strconv.Itoa(i+1)), x)
			}
		}
		if len(words) > 0 {
			out[path] = strings.Join(words, ", ")
		}
	default:
		out[path] = fmt.Sprint(v)
	}
}
