package train

import (
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

// chunk is how many rows pass through a model at once outside training.
const chunk = 256

// Evaluate scores p on data and returns mergeable sums, always finite. It panics
// unless p passed [model.Model.Check] and data [Data.Check].
func Evaluate(m *model.Model, p tensor.Params, data Data) fed.Sums {
	s := metric.New(m.Classes())
	each(m, p, data, func(_ int, y float32, r model.Row) {
		if m.Task() == fed.TaskRegress {
			metric.AddValue(&s, float64(y), r.Value)
			return
		}
		metric.AddClass(&s, m.Classes(), int(y), r.Predicted, r.Loss, r.Positive)
	})
	return s
}

// RowLosses returns the loss of every row [n], in nats or as the squared error,
// each at most limit; a limit of 0 or less is none. Losses are finite. It
// panics like [Evaluate].
func RowLosses(m *model.Model, p tensor.Params, data Data, limit float64) []float64 {
	losses := make([]float64, data.N)
	each(m, p, data, func(i int, _ float32, r model.Row) {
		losses[i] = r.Loss
		if limit > 0 {
			losses[i] = min(r.Loss, limit)
		}
	})
	return losses
}

func each(m *model.Model, p tensor.Params, data Data, visit func(i int, y float32, r model.Row)) {
	w, k := m.NewWorkspace(), m.Outputs()
	for from := 0; from < data.N; from += chunk {
		n := min(chunk, data.N-from)
		z := w.Forward(p, data.X[from*data.D:(from+n)*data.D], n)
		for i := range n {
			y := data.Y[from+i]
			visit(from+i, y, m.Judge(z[i*k:(i+1)*k], y))
		}
	}
}
