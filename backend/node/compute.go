package node

import (
	"encoding/json"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/node/view"
)

// computeKey keeps the measurement among the settings that no person sees.
const computeKey = "compute.measured"

type measured struct {
	SamplesPerS fed.Number `json:"samplesPerSecond"`
	Date        string     `json:"date"`
	Cores       int        `json:"cores"`
}

// declaredCompute is the capacity that this party declares. The speed is measured
// once, at first use, and again when the number of cores changes.
func (n *Node) declaredCompute() view.Compute {
	m := n.data.measuredSpeed()
	return view.Compute{Cores: m.Cores, MemoryMB: memoryMB(), Accelerator: "", SamplesPerS: m.SamplesPerS, MeasuredDate: m.Date, Grids: n.gridLimit()}
}

func (b *dataBook) measuredSpeed() measured {
	b.measuring.Lock()
	defer b.measuring.Unlock()
	var m measured
	if json.Unmarshal([]byte(b.n.settings.get(computeKey)), &m) == nil && m.Cores == runtime.NumCPU() {
		return m
	}
	m = measured{SamplesPerS: benchmark(100 * time.Millisecond), Date: b.n.opts.Now().UTC().Format(time.DateOnly), Cores: runtime.NumCPU()}
	body, err := stored(m)
	if err == nil {
		err = b.n.settings.put(b.n.ctx, computeKey, body)
	}
	if err != nil {
		b.n.opts.Log.Warn("measurement not saved", "error", err.Error())
	}
	return m
}

// benchmark trains a fixed small network (32 inputs, 64 hidden units, 2 classes,
// batches of 64) on one core for about d, and returns rows per second to two digits.
func benchmark(d time.Duration) fed.Number {
	const features, batch = 32, 64
	spec := fed.ModelSpec{Family: "layers", Layers: []fed.LayerSpec{{Type: "Linear", Out: 64}, {Type: "ReLU"}, {Type: "Linear"}}}
	m, err := model.New(spec, fed.TaskClassify, features, 2)
	if err != nil {
		return nan
	}
	rng := rand.New(rand.NewPCG(1, 1))
	x, y := make([]float32, batch*features), make([]float32, batch)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for i := range y {
		y[i] = float32(i % 2)
	}
	w, p, g := m.NewWorkspace(), m.Init(rng), m.Zeros()
	w.Gradient(p, x, y, batch, rng, g) // warm up
	rows, start := 0, time.Now()
	for time.Since(start) < d {
		w.Gradient(p, x, y, batch, rng, g)
		rows += batch
	}
	v, err := strconv.ParseFloat(strconv.FormatFloat(float64(rows)/time.Since(start).Seconds(), 'g', 2, 64), 64)
	if err != nil {
		return nan
	}
	return fed.Number(v)
}
