package node

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// knownSettings are all settings that a person may change, with defaults and bounds.
var knownSettings = []view.Setting{
	{Key: "network.discoverable", Group: "Network", Title: "Let others on this network find this computer", Help: "They see an address, no name. When off, you still find others, and they reach you by an invite link or your address.", Kind: "switch", Default: "true"},
	{Key: "compute.grids", Group: "Resources", Title: "Runs at once", Help: "How many runs this computer takes part in at the same time.", Kind: "number", Default: "2", Low: 1, High: 16},
	{Key: "privacy.floor", Group: "Privacy", Title: "Fewest rows for which a figure is shown", Help: "Figures about fewer rows are left out of what others receive, so that nobody is recognised in them.", Kind: "number", Default: "10", Low: 10, High: 1000},
	{Key: "activity.days", Group: "Privacy", Title: "Days that the record of what left is kept", Help: "Older entries are removed once a day; Activity says how many.", Kind: "number", Default: "400", Low: 30, High: 3650},
	{Key: "activity.megabytes", Group: "Privacy", Title: "Largest record of what left, in megabytes", Help: "When it is larger, the oldest entries are removed.", Kind: "number", Default: "200", Low: 10, High: 10_000},
	{Key: "look.theme", Group: "Appearance", Title: "Theme", Help: "Light, dark, or as the system says.", Kind: "choice", Default: "system", Choices: []string{"system", "light", "dark"}},
}

type settingBook struct {
	db *sqlite.DB
	mu sync.Mutex
	kv map[string]string
}

func openSettings(ctx context.Context, db *sqlite.DB) (*settingBook, error) {
	rows, err := db.ListSettings(ctx)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	b := &settingBook{db: db, kv: map[string]string{}}
	for _, r := range rows {
		b.kv[r.Key] = r.Value
	}
	return b, nil
}

// get returns a setting or its default; keys that no person sees default to "".
func (b *settingBook) get(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v, ok := b.kv[key]; ok {
		return v
	}
	for _, s := range knownSettings {
		if s.Key == key {
			return s.Default
		}
	}
	return ""
}

func (b *settingBook) number(key string) int {
	n, err := strconv.Atoi(b.get(key))
	if err != nil {
		return 0
	}
	return n
}

func (b *settingBook) put(ctx context.Context, key, value string) error {
	if err := b.db.PutSetting(ctx, query.PutSettingParams{Key: key, Value: value}); err != nil {
		return fmt.Errorf("save setting: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kv[key] = value
	return nil
}

// Settings returns all settings with their values.
func (n *Node) Settings(context.Context) ([]view.Setting, error) {
	out := slices.Clone(knownSettings)
	for i := range out {
		out[i].Value = n.settings.get(out[i].Key)
		if out[i].Choices == nil {
			out[i].Choices = []string{}
		}
	}
	return out, nil
}

// ChangeSettings changes some settings; a bad value names its bounds and changes
// nothing.
func (n *Node) ChangeSettings(ctx context.Context, values map[string]string) ([]view.Setting, error) {
	for key, v := range values {
		if err := checkSetting(key, v); err != nil {
			return nil, err
		}
	}
	for key, v := range values {
		if err := n.settings.put(ctx, key, v); err != nil {
			return nil, err
		}
	}
	n.applySettings()
	out, err := n.Settings(ctx)
	n.publish("settings", "", out)
	return out, err
}

func checkSetting(key, v string) error {
	i := slices.IndexFunc(knownSettings, func(s view.Setting) bool { return s.Key == key })
	if i < 0 {
		return fed.Errorf(fed.NotFound, "", "there is no setting %q", key)
	}
	s := knownSettings[i]
	switch s.Kind {
	case "number":
		x, err := strconv.Atoi(v)
		if err != nil || x < s.Low || x > s.High {
			return fed.Errorf(fed.Invalid, fmt.Sprintf("Use a whole number from %d to %d.", s.Low, s.High), "%s: %q is out of bounds", s.Title, v)
		}
	case "switch":
		if v != "true" && v != "false" {
			return fed.Errorf(fed.Invalid, "Use on or off.", "%s: %q is not on or off", s.Title, v)
		}
	case "choice":
		if !slices.Contains(s.Choices, v) {
			return fed.Errorf(fed.Invalid, fmt.Sprintf("Use one of %v.", s.Choices), "%s: %q is not a choice", s.Title, v)
		}
	}
	return nil
}

func (n *Node) gridLimit() int { return n.settings.number("compute.grids") }

func (n *Node) floor() int { return n.settings.number("privacy.floor") }
