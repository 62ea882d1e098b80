package train

import (
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

const (
	newtonLimit = 512  // unknowns above which the Hessian is not formed
	newtonSteps = 100  // iterations before the fit is given up
	newtonEnd   = 1e-9 // largest step, relative to the largest unknown, that ends it
)

// MaximumLikelihood returns the ridge maximum likelihood params of a logistic or
// linear model on all rows at once, in float64 and rounded at the end:
//
//	argmin  Σ loss + (l2/2)|w|²
//
// over weights w and an intercept that is not penalised. The loss of a row is
// the log-loss (so l2 is 1/C of scikit-learn's LogisticRegression) or, for
// linear, half the squared error (so l2 is alpha of its Ridge). Logistic models
// are fitted by damped Newton steps (iteratively reweighted least squares), with
// very many unknowns by L-BFGS; linear ones by their normal equations.
//
// Errors of kind Invalid: a family without such a fit, data that do not fit, a
// negative l2, a class without rows, and, for a very small l2, classes that some
// columns separate perfectly or columns that are combinations of others.
func MaximumLikelihood(m *model.Model, data Data, l2 float64) (tensor.Params, error) {
	if !(l2 >= 0) || math.IsInf(l2, 0) {
		return nil, fed.Errorf(fed.Invalid, "use 0 or a positive number", "a ridge penalty of %v", l2)
	}
	if err := data.Check(m); err != nil {
		return nil, err
	}
	if data.N == 0 {
		return nil, fed.Errorf(fed.Invalid, "choose a dataset with training rows", "fitting on no rows")
	}
	switch m.Spec().Family {
	case model.Linear:
		return fitLinear(m, data, l2)
	case model.Logistic:
		return fitLogistic(m, data, l2)
	}
	return nil, fed.Errorf(fed.Invalid, "choose a logistic or linear model", "a %s model has no exact fit", m.Spec().Family)
}

// fitLinear solves (XᵀX + l2 I) w = Xᵀy on centred columns; the intercept
// follows from the means.
func fitLinear(m *model.Model, data Data, l2 float64) (tensor.Params, error) {
	n, d := data.N, data.D
	mean := make([]float64, d+1) // of the columns, then of the target
	eachRow(data, func(x []float32, y float64) {
		for j, v := range x {
			mean[j] += float64(v) / float64(n)
		}
		mean[d] += y / float64(n)
	})
	a, b, c := mat.NewSymDense(d, nil), mat.NewVecDense(d, nil), make([]float64, d)
	raw := a.RawSymmetric()
	eachRow(data, func(x []float32, y float64) {
		for j, v := range x {
			c[j] = float64(v) - mean[j]
		}
		addOuter(raw.Data, raw.Stride, 1, c)
		b.AddScaledVec(b, y-mean[d], mat.NewVecDense(d, c))
	})
	for j := range d {
		a.SetSym(j, j, a.At(j, j)+l2)
	}
	var w mat.VecDense
	if err := solve(&w, a, b); err != nil {
		return nil, err
	}
	intercept := mean[d]
	for j := range d {
		intercept -= mean[j] * w.AtVec(j)
	}
	return toParams(m, append(w.RawVector().Data, intercept)), nil
}

// addOuter adds s*v*vᵀ to the upper triangle of a row-major matrix.
func addOuter(a []float64, stride int, s float64, v []float64) {
	for i, x := range v {
		if x *= s; x != 0 {
			row := a[i*stride:]
			for j := i; j < len(v); j++ {
				row[j] += x * v[j]
			}
		}
	}
}

func eachRow(data Data, visit func(x []float32, y float64)) {
	for i := range data.N {
		visit(data.X[i*data.D:(i+1)*data.D], float64(data.Y[i]))
	}
}

// solve solves the positive definite system a x = b.
func solve(x *mat.VecDense, a *mat.SymDense, b *mat.VecDense) error {
	var chol mat.Cholesky
	if !chol.Factorize(a) || chol.Cond() > 1e14 {
		return fed.Errorf(fed.Invalid, "remove repeated or constant columns, or use a larger l2", "the columns do not determine the fit")
	}
	return chol.SolveVecTo(x, b)
}

// toParams rounds k rows of d weights and an intercept into the model's params.
func toParams(m *model.Model, theta []float64) tensor.Params {
	p, d := m.Zeros(), m.Features()
	for k := range m.Outputs() {
		row := theta[k*(d+1) : (k+1)*(d+1)]
		for j := range d {
			p[0].Data[k*d+j] = float32(row[j])
		}
		p[1].Data[k] = float32(row[d])
	}
	return p
}

func fitLogistic(m *model.Model, data Data, l2 float64) (tensor.Params, error) {
	if err := everyClass(m, data); err != nil {
		return nil, err
	}
	g := &glm{data: data, l2: l2, k: m.Outputs()}
	theta := make([]float64, g.k*(data.D+1))
	var err error
	if len(theta) <= newtonLimit {
		theta, err = g.newton(theta)
	} else {
		theta, err = g.lbfgs(theta)
	}
	if err != nil {
		return nil, err
	}
	p := toParams(m, theta)
	if !p.Finite() {
		return nil, separated()
	}
	return p, nil
}

func everyClass(m *model.Model, data Data) error {
	seen := make([]bool, m.Classes())
	for _, y := range data.Y {
		seen[int(y)] = true
	}
	for c, ok := range seen {
		if !ok {
			return fed.Errorf(fed.Invalid, "use rows of every class", "no row has class %d, so the fit has no finite solution", c)
		}
	}
	return nil
}

func separated() error {
	return fed.Errorf(fed.Invalid, "use a larger l2", "the fit does not settle: some columns separate the classes perfectly")
}

// glm is the penalised log-likelihood of a logistic model with k outputs. Its
// unknowns are k rows of d weights and an intercept. With k classes of softmax
// the likelihood does not change when every row moves alike; the fit stays where
// the rows add up to zero, which is where the penalty puts it.
type glm struct {
	data Data
	l2   float64
	k    int
}

// newton minimises by Newton steps, each halved until the value falls.
func (g *glm) newton(theta []float64) ([]float64, error) {
	n := len(theta)
	grad, trial := make([]float64, n), make([]float64, n)
	hess := mat.NewSymDense(n, nil)
	value := g.eval(theta, grad, hess)
	for i := range newtonSteps {
		var step mat.VecDense
		err := solve(&step, hess, mat.NewVecDense(n, grad))
		switch {
		case err != nil && i == 0:
			return nil, err
		case err != nil: // the Hessian was regular where the fit began
			return nil, separated()
		}
		size := g.search(theta, trial, step.RawVector().Data, value)
		if size == 0 {
			return theta, nil // the value cannot fall any further
		}
		theta, trial = trial, theta
		if size <= newtonEnd*(1+absMax(theta)) {
			return theta, nil
		}
		value = g.eval(theta, grad, hess)
	}
	return nil, separated()
}

// search writes theta - t*step to trial for the first t of 1, 1/2, 1/4 ... at
// which the value does not rise. It returns the largest move, 0 when no t helps.
func (g *glm) search(theta, trial, step []float64, value float64) float64 {
	for t := 1.0; t > 1e-10; t /= 2 {
		for i := range theta {
			trial[i] = theta[i] - t*step[i]
		}
		if g.eval(trial, nil, nil) <= value {
			return t * absMax(step)
		}
	}
	return 0
}

func absMax(v []float64) float64 {
	var m float64
	for _, x := range v {
		m = max(m, math.Abs(x))
	}
	return m
}

func (g *glm) lbfgs(theta []float64) ([]float64, error) {
	problem := optimize.Problem{
		Func: func(x []float64) float64 { return g.eval(x, nil, nil) },
		Grad: func(grad, x []float64) { g.eval(x, grad, nil) },
	}
	settings := &optimize.Settings{
		GradientThreshold: 1e-6 * float64(g.data.N), MajorIterations: 2000,
		Converger: &optimize.FunctionConverge{Relative: 1e-10, Iterations: 20},
	}
	result, err := optimize.Minimize(problem, theta, settings, &optimize.LBFGS{})
	if result == nil || err != nil && !settled(result.Status) {
		return nil, separated()
	}
	return result.X, nil
}

// settled accepts a line search that ended at the precision of the value.
func settled(s optimize.Status) bool { return s == optimize.Failure }

// eval returns the penalised summed loss at theta and, unless nil, its gradient
// and Hessian.
func (g *glm) eval(theta, grad []float64, hess *mat.SymDense) float64 {
	w := g.data.D + 1
	clear(grad)
	if hess != nil {
		hess.Zero()
	}
	r := glmRow{z: make([]float64, g.k), p: make([]float64, g.k), x: make([]float64, w), k: g.k}
	r.x[w-1] = 1
	var value float64
	eachRow(g.data, func(x []float32, y float64) {
		value += r.load(theta, x, int(y))
		if grad != nil {
			r.addGradient(grad, int(y))
		}
		if hess != nil {
			r.addHessian(hess.RawSymmetric().Data, g.k*w)
		}
	})
	return value + g.penalise(theta, grad, hess)
}

// penalise adds the ridge penalty, and to a softmax Hessian the rows' common
// direction, which the likelihood leaves flat.
func (g *glm) penalise(theta, grad []float64, hess *mat.SymDense) float64 {
	w := g.data.D + 1
	var value float64
	for i, t := range theta {
		if i%w == w-1 {
			continue
		}
		value += g.l2 / 2 * t * t
		if grad != nil {
			grad[i] += g.l2 * t
		}
		if hess != nil {
			hess.SetSym(i, i, hess.At(i, i)+g.l2)
		}
	}
	if hess == nil || g.k == 1 {
		return value
	}
	for a := range g.k {
		for b := a; b < g.k; b++ {
			for j := range w {
				hess.SetSym(a*w+j, b*w+j, hess.At(a*w+j, b*w+j)+1)
			}
		}
	}
	return value
}

// glmRow is one row in float64: its columns x and a 1, its logits z and their
// probabilities p (for one output, of class 1).
type glmRow struct {
	x, z, p []float64
	k       int
}

// load reads a row and returns its log-loss.
func (r *glmRow) load(theta []float64, x []float32, y int) float64 {
	w := len(r.x)
	for j, v := range x {
		r.x[j] = float64(v)
	}
	for a := range r.k {
		r.z[a] = 0
		for j, v := range r.x {
			r.z[a] += theta[a*w+j] * v
		}
	}
	if r.k == 1 {
		z := r.z[0]
		r.p[0] = 1 / (1 + math.Exp(-z))
		return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - float64(y)*z
	}
	top, sum := r.z[0], 0.0
	for _, z := range r.z {
		top = max(top, z)
	}
	for a, z := range r.z {
		r.p[a] = math.Exp(z - top)
		sum += r.p[a]
	}
	for a := range r.p {
		r.p[a] /= sum
	}
	return top + math.Log(sum) - r.z[y]
}

func (r *glmRow) addGradient(grad []float64, y int) {
	w := len(r.x)
	for a, p := range r.p {
		if r.k == 1 {
			p -= float64(y)
		} else if a == y {
			p--
		}
		for j, v := range r.x {
			grad[a*w+j] += p * v
		}
	}
}

func (r *glmRow) addHessian(h []float64, stride int) {
	w := len(r.x)
	if r.k == 1 {
		addOuter(h, stride, r.p[0]*(1-r.p[0]), r.x)
		return
	}
	for a, p := range r.p {
		addOuter(h[a*w*stride+a*w:], stride, p*(1-p), r.x)
		for b := a + 1; b < r.k; b++ {
			s := -p * r.p[b]
			for i, v := range r.x {
				row := h[(a*w+i)*stride+b*w:]
				for j, u := range r.x {
					row[j] += s * v * u
				}
			}
		}
	}
}
