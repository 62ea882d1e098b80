package dataset

import (
	"maps"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// Follow returns nil when the preparation, or its draft, reads rows as the
// project's configuration says and asks of a party no more than it offered: a
// preparation comes from the project's admin, and a member does not take its word.
// offer is the party's own, rename maps its columns to the shared ones, and target
// is what it calls the label column, in case it is not the configuration's name. The
// error is of kind Permission and names the column.
func (p *Preparation) Follow(cfg fed.RunConfig, offer *Offer, rename map[string]string, target string) error {
	if err := p.followConfig(cfg); err != nil {
		return err
	}
	if err := p.followLabels(cfg, offer); err != nil {
		return err
	}
	from := make(map[string]string, len(rename))
	for own, shared := range rename {
		switch c := offer.column(own); {
		case c == nil:
			return notAgreed("column %q was not offered", clip(own, 40))
		case from[shared] != "":
			return notAgreed("two columns are renamed to %q", clip(shared, 40))
		case shared == p.Target && own != target, own == target && shared != p.Target:
			return notAgreed("the target would be read from column %q", clip(own, 40))
		case shared != p.Target && c.Role != RoleFeature && c.Role != RoleSplit:
			return notAgreed("column %q was offered as no feature", clip(own, 40))
		}
		from[shared] = own
	}
	for i := range p.Columns {
		if err := p.Columns[i].followOffer(offer, from); err != nil {
			return err
		}
	}
	return nil
}

// followConfig compares what the configuration fixes.
func (p *Preparation) followConfig(cfg fed.RunConfig) error {
	scaling, missing := cfg.Scaling, cfg.Missing
	if scaling == "" {
		scaling = ScaleFederated
	}
	if missing == "" {
		missing = "impute"
	}
	switch {
	case p.Task != cfg.Task, p.Target != cfg.Target:
		return notAgreed("the target is another")
	case p.Scaling != scaling:
		return notAgreed("the scaling is another")
	case p.Missing != missing:
		return notAgreed("missing values are treated in another way")
	case !maps.Equal(p.LabelMap, canonicalLabels(cfg.Labels)):
		return notAgreed("the values of the target have other classes")
	}
	for i := range p.Columns {
		c := &p.Columns[i]
		if slices.Contains(cfg.Drop, c.Name) || c.Name == cfg.Test.Column {
			return notAgreed("column %q is left out of the project", c.Name)
		}
		if slices.Contains(cfg.Categorical, c.Name) && c.Type != Category {
			return notAgreed("column %q is a category in the project", c.Name)
		}
	}
	return nil
}

// followLabels checks the classes: those of the label map in their order, or all
// that the party offered. Leaving classes out would choose rows.
func (p *Preparation) followLabels(cfg fed.RunConfig, offer *Offer) error {
	if cfg.Task != fed.TaskClassify {
		return nil
	}
	if len(cfg.Labels) > 0 {
		if !slices.Equal(p.Classes, Classes(cfg, nil)) {
			return notAgreed("the classes are others")
		}
		return nil
	}
	for _, s := range offer.Labels {
		if !slices.Contains(p.Classes, s) {
			return notAgreed("the class %q is left out", clip(s, 40))
		}
	}
	return nil
}

// followOffer checks that a shared column asks of the party's own what it offered.
func (c *PreparedColumn) followOffer(offer *Offer, from map[string]string) error {
	own := c.Name
	if s := from[c.Name]; s != "" {
		own = s
	}
	o := offer.column(own)
	switch {
	case o == nil:
		return nil // the party has no such column: it is filled
	case o.Role != RoleFeature:
		return notAgreed("column %q was offered as no feature", clip(own, 40))
	case !fits(o, c.Type):
		return notAgreed("column %q was offered as %s and is asked for as %s", clip(own, 40), o.Type, c.Type)
	}
	return nil
}

func notAgreed(format string, args ...any) error {
	return fed.Errorf(fed.Permission, "Align the columns of the project again.", "the columns are not what this party agreed to: "+format, args...)
}

// Offered returns the table without the columns that the offer does not name: what
// was not offered is asked for by nobody.
func (o *Offer) Offered(t *Table) *Table {
	var apart []string
	for _, c := range t.Columns {
		if o.column(c.Name) == nil {
			apart = append(apart, c.Name)
		}
	}
	return t.Without(apart...)
}
