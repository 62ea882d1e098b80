package dataset

import (
	"sort"

	"synergos.app/desktop/backend/fed"
)

// labelMap gives raw label values their class. Keys are canonical.
type labelMap struct {
	raw     map[string]string // empty: values are their own class
	classes []string          // in order; the last is the positive class of two
	index   map[string]int
}

// newLabelMap builds the map; values are the raw values seen, which are the
// classes when labels is empty. Classes are ordered by the smallest raw value
// that has them, numbers by value.
func newLabelMap(labels map[string]string, values []string) *labelMap {
	m := &labelMap{raw: make(map[string]string, len(labels)), index: make(map[string]int)}
	keys := make([]string, 0, len(labels))
	for k, v := range labels {
		k = canonical(k)
		if _, ok := m.raw[k]; !ok {
			keys = append(keys, k)
		}
		m.raw[k] = v
	}
	if len(labels) == 0 {
		for _, v := range values {
			keys = append(keys, canonical(v))
		}
	}
	sortValues(keys)
	for _, k := range keys {
		name := k
		if len(labels) > 0 {
			name = m.raw[k]
		}
		if _, ok := m.index[name]; !ok {
			m.index[name] = len(m.classes)
			m.classes = append(m.classes, name)
		}
	}
	return m
}

// code returns the class of a canonical raw value, or -1. A value that is itself
// a class name has that class.
func (m *labelMap) code(s string) int {
	if len(m.raw) > 0 {
		if name, ok := m.raw[s]; ok {
			s = name
		}
	}
	if i, ok := m.index[s]; ok {
		return i
	}
	return -1
}

// Classes returns the class names of a configuration in order: those of
// cfg.Labels, or the raw values themselves. Nil for regression.
func Classes(cfg fed.RunConfig, values []string) []string {
	if cfg.Task != fed.TaskClassify {
		return nil
	}
	return newLabelMap(cfg.Labels, values).classes
}

// canonicalLabels returns labels with canonical keys, nil when empty.
func canonicalLabels(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := make(map[string]string, len(labels))
	for _, k := range keys {
		out[canonical(k)] = labels[k]
	}
	return out
}
