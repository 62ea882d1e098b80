package node

import "testing"

// A connection that ends while a member is asked for its columns comes back, and the
// question is put again: nobody has to press twice.
func TestColumnsAreComparedOverALostConnection(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	project := l.Project(CohortConfig(1), nil)
	lead := l.Hospital[0]
	for range 3 {
		for _, h := range l.Hospital[1:] {
			lead.peers.dialer.Disconnect(h.identity().Device(), "lost")
		}
		l.align(project)
	}
}
