package discover

import (
	"math/rand/v2"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Config is what [MDNS] is told.
type Config struct {
	Self            fed.DeviceID // our device
	Port            uint16       // where our transport listens
	Discoverable    bool         // answer queries; may be changed later by SetDiscoverable
	IncludeLoopback bool         // for tests: also the loopback interface

	Burst      []time.Duration // when to ask after an interface came up
	Period     time.Duration   // then how often
	SlowPeriod time.Duration   // the same on battery
	Jitter     float64         // share by which periods vary to both sides, 0 to 0.5
	Window     time.Duration   // how long answers are awaited, and so at most how long Run takes to end
	Missed     int             // periods without an answer after which a peer is gone
	MaxAge     time.Duration   // age at which it is gone in any case
	Relist     time.Duration   // how often interfaces are listed
	Retry      time.Duration   // how long an interface and family with an error rests
	ReactGap   time.Duration   // least time between queries in answer to newcomers

	Now    func() time.Time
	Random func() float64 // in [0,1), for jitter and stamps
}

// Default returns the timers of the product: queries at 0, 0.4, 1, 3 and 7 s,
// then every 15 s ± 20 % (60 s on battery); a peer is gone after 3 missed
// periods or 120 s.
func Default(self fed.DeviceID, port uint16) Config {
	return Config{
		Self: self, Port: port, Discoverable: true,
		Burst:  []time.Duration{0, 400 * time.Millisecond, time.Second, 3 * time.Second, 7 * time.Second},
		Period: 15 * time.Second, SlowPeriod: time.Minute, Jitter: 0.2, Window: 500 * time.Millisecond,
		Missed: 3, MaxAge: 2 * time.Minute, Relist: 10 * time.Second, Retry: time.Minute, ReactGap: 2 * time.Second,
		Now: time.Now, Random: rand.Float64,
	}
}

// Validate returns fed.Invalid naming what cannot be.
func (c Config) Validate() error {
	const hint = "Use the default settings of discovery."
	switch {
	case !fed.ValidKeyID(string(c.Self)):
		return fed.Errorf(fed.Invalid, hint, "discovery needs a device id")
	case c.Port == 0:
		return fed.Errorf(fed.Invalid, hint, "discovery needs the port of this computer")
	case len(c.Burst) == 0 || c.Period <= 0 || c.SlowPeriod <= 0 || c.Window <= 0 || c.Relist <= 0 || c.Retry <= 0 || c.MaxAge <= 0:
		return fed.Errorf(fed.Invalid, hint, "a timer of discovery is not positive")
	case c.Jitter < 0 || c.Jitter > 0.5 || c.Missed < 1 || c.ReactGap < 0:
		return fed.Errorf(fed.Invalid, hint, "jitter, missed periods or reaction gap of discovery is out of bounds")
	case c.Now == nil || c.Random == nil:
		return fed.Errorf(fed.Invalid, hint, "discovery has no clock or no randomness")
	}
	return nil
}

func (c Config) period(slow bool) time.Duration {
	if slow {
		return c.SlowPeriod
	}
	return c.Period
}

// jittered returns d varied by the jitter.
func (c Config) jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + c.Jitter*(2*c.Random()-1)))
}

// ttl returns the age at which a peer is gone.
func (c Config) ttl(slow bool) time.Duration {
	missed := time.Duration(float64(c.Missed) * float64(c.period(slow)) * (1 + c.Jitter))
	return min(missed+c.Window, c.MaxAge)
}
