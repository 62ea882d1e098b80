package discover

import (
	"context"
	"fmt"
	"io"
	"log"
	"runtime"
	"strings"
	"time"

	"github.com/hashicorp/mdns"
)

// entriesPerQuery bounds the answers of one query; the library drops the rest.
const entriesPerQuery = MaxPeers

// radio is the network as discovery needs it; tests replace it.
type radio interface {
	interfaces() ([]iface, error)
	// serve answers queries on an interface until stop is called.
	serve(i iface, z mdns.Zone) (stop func(), err error)
	// query asks once and returns the answers of a whole window. It may go on
	// until the window ends after ctx has.
	query(ctx context.Context, i iface, f family, name string, window time.Duration) ([]*mdns.ServiceEntry, error)
	// hearsItself reports whether own queries come back where multicast works.
	hearsItself() bool
}

// lan is the real network through hashicorp/mdns v1.0.7.
//
// The library's listeners bind the wildcard address with SO_REUSEADDR (and
// SO_REUSEPORT on macOS and the BSDs) and the answers go to the asker's own
// port, so any number of processes on one computer find each other and live
// beside a system responder. On Windows they do not hear their own computer, so
// there two programs on one computer need another finder. The library logs every
// malformed packet of the network, hence the discarded log.
type lan struct {
	loopback bool
	log      *log.Logger
}

func newLAN(loopback bool) *lan { return &lan{loopback: loopback, log: log.New(io.Discard, "", 0)} }

func (l *lan) interfaces() ([]iface, error) { return systemInterfaces(l.loopback) }

// serve opens the library's server, which has no switch for families: one
// server listens for both of the interface.
func (l *lan) serve(i iface, z mdns.Zone) (func(), error) {
	s, err := mdns.NewServer(&mdns.Config{Zone: z, Iface: &i.Interface, Logger: l.log})
	if err != nil {
		return nil, err
	}
	return func() { _ = s.Shutdown() }, nil
}

// query reads the entries only after QueryContext has returned: until then the
// library still writes to the ones it has sent.
func (l *lan) query(ctx context.Context, i iface, f family, name string, window time.Duration) (out []*mdns.ServiceEntry, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("mdns query panicked: %v", r)
		}
	}()
	svc, dom := splitQuestion(name)
	entries := make(chan *mdns.ServiceEntry, entriesPerQuery)
	err = mdns.QueryContext(ctx, &mdns.QueryParam{
		Service: svc, Domain: dom, Timeout: window, Interface: &i.Interface, Entries: entries,
		DisableIPv4: f != 4, DisableIPv6: f != 6, Logger: l.log,
	})
	for len(entries) > 0 {
		out = append(out, <-entries)
	}
	return out, err
}

// hearsItself is false on Windows: there the switch that the library's
// listeners turn off (multicast loopback) governs receiving.
func (l *lan) hearsItself() bool { return runtime.GOOS != "windows" }

// splitQuestion returns the service and the domain of a stamped question.
func splitQuestion(name string) (svc, dom string) {
	return name[:len(service)], strings.TrimSuffix(name[len(service)+1:], ".")
}
