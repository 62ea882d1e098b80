package demo

import (
	"os"
	"path/filepath"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// hospital is one party of the cast with the data it brings.
type hospital struct {
	key    string // its folder and file
	name   string // what the others call it
	file   string // path of its file; "" for built-in data
	sample string // name of its built-in data
}

// cohort is the cast with where its data come from.
type cohort struct {
	source    string // in words, for the report
	folder    string // of the files; "" for built-in data
	hospitals [4]hospital
}

// heartCast is the UCI Heart Disease collection by the hospital that recorded it.
var heartCast = [4]hospital{
	{key: "cleveland", name: "Cleveland Clinic"},
	{key: "hungarian", name: "Budapest (Hungarian Institute)"},
	{key: "switzerland", name: "Zurich and Basel"},
	{key: "va", name: "Long Beach VA"},
}

// syntheticCast is the built-in cohort.
var syntheticCast = [4]hospital{
	{key: "riverside", name: "Riverside Hospital", sample: "riverside"},
	{key: "lakeview", name: "Lakeview Clinic", sample: "lakeview"},
	{key: "hillcrest", name: "Hillcrest Medical Centre", sample: "hillcrest"},
	{key: "seaside", name: "Seaside Hospital", sample: "seaside"},
}

// findCohort picks the data: the folder asked for, else the heart files where
// they are usually kept, else the built-in cohort. A folder that was asked for
// and lacks a file is an error of kind NotFound.
func findCohort(dir string) (cohort, error) {
	builtIn := cohort{source: "the built-in synthetic cohort of four hospitals, drawn from a documented model with a fixed seed; no patient is in it", hospitals: syntheticCast}
	if dir == synthetic {
		return builtIn, nil
	}
	candidates := []string{dir}
	if dir == "" {
		candidates = []string{filepath.Join("..", "shared", "data", "heart")}
		if root := os.Getenv("SYNERGOS_DATA"); root != "" {
			candidates = slices.Insert(candidates, 0, filepath.Join(root, "heart"))
		}
	}
	for _, folder := range candidates {
		if c, ok := heartIn(folder); ok {
			return c, nil
		}
	}
	if dir != "" {
		return cohort{}, fed.Errorf(fed.NotFound, "name the folder with processed.{cleveland,hungarian,switzerland,va}.data, or use --data synthetic",
			"the folder %s does not hold the four heart files", dir)
	}
	return builtIn, nil
}

func heartIn(folder string) (cohort, bool) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return cohort{}, false
	}
	c := cohort{source: "UCI Heart Disease, four hospitals (Janosi, Steinbrunn, Pfisterer, Detrano; CC BY 4.0)", folder: abs, hospitals: heartCast}
	for i := range c.hospitals {
		h := &c.hospitals[i]
		h.file = filepath.Join(abs, "processed."+h.key+".data")
		if info, err := os.Stat(h.file); err != nil || !info.Mode().IsRegular() {
			return cohort{}, false
		}
	}
	return c, true
}
