package train_test

import (
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/learning/train"
)

var hospitals = []string{"cleveland", "hungarian", "switzerland", "va"}

// hospital is one party of the published Fed-Heart-Disease split (du Terrail et
// al., FLamby, NeurIPS 2022).
type hospital struct {
	name        string
	train, test train.Data
}

// dataDir finds the folder of public data, or skips the test.
func dataDir(t *testing.T) string {
	dir := os.Getenv("SYNERGOS_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "fed-heart")); err != nil {
		t.Skip("the public data are absent: set SYNERGOS_DATA to their folder")
	}
	return dir
}

func loadHeart(t *testing.T) []hospital {
	dir := dataDir(t)
	var all []hospital
	for _, name := range hospitals {
		all = append(all, loadHospital(t, name, filepath.Join(dir, "fed-heart", name+".csv")))
	}
	return all
}

func loadHospital(t *testing.T, name, path string) hospital {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, c := range records[0] {
		column[c] = i
	}
	h := hospital{name: name}
	for _, r := range records[1:] {
		d := &h.train
		if r[column["split"]] == "test" {
			d = &h.test
		}
		x := features(t, r, column)
		d.X, d.D, d.N = append(d.X, x...), len(x), d.N+1
		d.Y = append(d.Y, number(t, r[column["target"]]))
	}
	return h
}

// features returns the 13 columns: eight numbers, chest pain without type 1 and
// resting ECG without 0.
func features(t *testing.T, r []string, column map[string]int) []float32 {
	var x []float32
	for _, c := range []string{"age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak"} {
		x = append(x, number(t, r[column[c]]))
	}
	for _, v := range []struct {
		column string
		level  float32
	}{{"cp", 2}, {"cp", 3}, {"cp", 4}, {"restecg", 1}, {"restecg", 2}} {
		var hot float32
		if number(t, r[column[v.column]]) == v.level {
			hot = 1
		}
		x = append(x, hot)
	}
	return x
}

func number(t *testing.T, s string) float32 {
	v, err := strconv.ParseFloat(s, 32)
	if err != nil {
		t.Fatal(err)
	}
	return float32(v)
}

func union(parts ...train.Data) train.Data {
	u := train.Data{D: parts[0].D}
	for _, p := range parts {
		u.X, u.Y, u.N = append(u.X, p.X...), append(u.Y, p.Y...), u.N+p.N
	}
	return u
}

// scaled returns data z-scored with the mean and the unbiased standard deviation
// of the rows of by; a constant column becomes 0.
func scaled(data, by train.Data) train.Data {
	out := train.Data{X: make([]float32, len(data.X)), Y: data.Y, N: data.N, D: data.D}
	for j := range data.D {
		var mean, ss float64
		for i := range by.N {
			mean += float64(by.X[i*by.D+j]) / float64(by.N)
		}
		for i := range by.N {
			d := float64(by.X[i*by.D+j]) - mean
			ss += d * d
		}
		sd := math.Sqrt(ss / float64(by.N-1))
		for i := range data.N {
			if sd > 0 {
				out.X[i*data.D+j] = float32((float64(data.X[i*data.D+j]) - mean) / sd)
			}
		}
	}
	return out
}

// README of the data: a pooled logistic regression scores .795 on the union of
// the test sets, 202 of 254.
func TestHeartPooledMaximumLikelihood(t *testing.T) {
	var trains, tests []train.Data
	for _, h := range loadHeart(t) {
		trains, tests = append(trains, h.train), append(tests, h.test)
	}
	pooled := union(trains...)
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 13, 2)
	p := fit(t, m, scaled(pooled, pooled), 1)
	s := train.Evaluate(m, p, scaled(union(tests...), pooled))
	if s.Examples != 254 || s.Correct != 202 {
		t.Errorf("%d of %d correct, want 202 of 254", s.Correct, s.Examples)
	}
	f := metric.Finish(fed.TaskClassify, 2, s)
	if f["auc"] < 0.85 || f["accuracy"] < 0.795 {
		t.Errorf("figures %v", f)
	}
}

// FLamby's setting for Fed-Heart-Disease: logistic regression, batch 4, learning
// rate .005, 15 rounds of 100 steps, columns scaled per hospital. Its FedAvg row is
// .6850; a pooled model .7353, mean over hospitals of test accuracy.
func TestHeartFedAvg(t *testing.T) {
	parties := loadHeart(t)
	var all float64
	for i := range parties {
		h := &parties[i]
		h.test, h.train = scaled(h.test, h.train), scaled(h.train, h.train)
		all += float64(h.train.N)
	}
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 13, 2)
	global := m.Init(fed.Rand(42, 0, "", "init"))
	spec := fed.TrainSpec{Optimizer: "sgd", LR: 0.005, Batch: 4, Steps: 100}
	for round := 1; round <= 15; round++ {
		next := global.Clone()
		for _, h := range parties {
			r, err := train.Local(context.Background(), m, global, h.train, spec, train.Prox{}, fed.Rand(42, round, h.name, "train"), nil)
			if err != nil {
				t.Fatal(err)
			}
			next.Axpy(float64(h.train.N)/all, r.Delta)
		}
		global = next
	}
	if got := meanAccuracy(t, m, global, parties); got < 0.72 {
		t.Errorf("mean accuracy over the hospitals %.4f, want at least .72", got)
	}
}

func meanAccuracy(t *testing.T, m *model.Model, p tensor.Params, parties []hospital) float64 {
	var sum float64
	for _, h := range parties {
		s := train.Evaluate(m, p, h.test)
		t.Logf("%-12s %3d of %3d correct", h.name, s.Correct, s.Examples)
		sum += float64(s.Correct) / float64(s.Examples)
	}
	return sum / float64(len(parties))
}
