package registry

import "synergos.app/desktop/backend/fed"

type shelf struct{ project fed.ProjectID }

func newShelf(p fed.ProjectID) *shelf { return &shelf{project: p} }

func (s *shelf) keep(d fed.Doc) (string, bool) { panic("todo") }

type state struct{}

func (r *Registry) shelves() []*shelf { panic("todo") }

func (r *Registry) reduce(s *shelf) *state { panic("todo") }

func (st *state) numbersDue() []Action { panic("todo") }

func (st *state) transitionsDue(now int64) []Action { panic("todo") }
