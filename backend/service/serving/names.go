package serving

// setOwn notes by which names of this party's own the model's columns go, too, and which
// of them it does not have.
func (p *Predictor) setOwn() {
	own := p.pipe.Own()
	p.renames = own.Renames
	for mine, name := range own.Renames {
		if c := p.fields[name]; c != nil && p.fields[mine] == nil {
			c.own = mine
		}
	}
	for _, name := range own.Filled {
		if c := p.fields[name]; c != nil {
			c.filled = true
		}
	}
}

// shared returns what the model calls a column of a file of this party.
func (p *Predictor) shared(own string) string {
	if name, ok := p.renames[own]; ok {
		return name
	}
	return own
}

// in returns what a row holds for a column: under the model's name or, without that,
// under this party's own.
func (c *column) in(row map[string]any) any {
	v, given := row[c.Name]
	if !given && c.own != "" {
		v = row[c.own]
	}
	return v
}

// uses reports whether the model takes a value of a row, or knows what it is.
func (p *Predictor) uses(row map[string]any, name string) bool {
	if p.fields[name] != nil || name == p.target {
		return true
	}
	shared := p.shared(name)
	_, twice := row[shared]
	return shared == p.target || p.fields[shared] != nil && !twice
}
