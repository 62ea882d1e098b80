package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// sessionEngine is what the first screen and the frame around all screens ask.
type sessionEngine interface {
	Status(ctx context.Context) (view.Status, error)
	Home(ctx context.Context) (view.Home, error)
	Inbox(ctx context.Context) ([]view.InboxEntry, error)
	DismissInbox(ctx context.Context, id string) error
	Identity(ctx context.Context) (view.Identity, error)
	NameParty(ctx context.Context, name string) (view.Identity, error)
	Backup(ctx context.Context, passphrase string) (view.Backup, error)
	BackupFile(ctx context.Context, id string) ([]byte, error)
	Restore(ctx context.Context, passphrase string, file []byte) (view.Identity, error)
	StartTutorial(ctx context.Context) (view.Tutorial, error)
	Tutorial(ctx context.Context) (view.Tutorial, error)
	EndTutorial(ctx context.Context) error
}

type nameParty struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"120" doc:"what others call this organisation"`
	}
}

type makeBackup struct {
	Body struct {
		Passphrase string `json:"passphrase" minLength:"1" maxLength:"1024"`
	}
}

type restore struct {
	Body struct {
		Passphrase string `json:"passphrase" minLength:"1" maxLength:"1024"`
		File       []byte `json:"file" minLength:"1" maxLength:"750000" doc:"the backup, in base64"`
	}
}

func sessionScreen(n sessionEngine) Screen {
	return func(api huma.API) {
		serve(api, at(get, "/status", "status", "The one sentence about everything", "session"),
			func(ctx context.Context, _ *none) (view.Status, error) { return n.Status(ctx) })
		serve(api, at(get, "/home", "home", "What the first screen shows", "session"),
			func(ctx context.Context, _ *none) (view.Home, error) { return n.Home(ctx) })
		serve(api, at(get, "/inbox", "inbox", "What waits for a person", "session"),
			func(ctx context.Context, _ *none) (List[view.InboxEntry], error) { return items(n.Inbox(ctx)) })
		act(api, at(post, "/inbox/{id}/dismiss", "dismissInbox", "Put an inbox entry away", "session"),
			func(ctx context.Context, in *ByID) error { return n.DismissInbox(ctx, in.ID) })
		serve(api, at(get, "/identity", "identity", "Who this party is", "session"),
			func(ctx context.Context, _ *none) (view.Identity, error) { return n.Identity(ctx) })
		serve(api, at(post, "/identity", "nameParty", "Name this party", "session"),
			func(ctx context.Context, in *nameParty) (view.Identity, error) { return n.NameParty(ctx, in.Body.Name) })
		serve(api, at(post, "/backup", "backup", "Seal this party's key and peers with a passphrase", "session").gives(201),
			func(ctx context.Context, in *makeBackup) (view.Backup, error) {
				return n.Backup(ctx, in.Body.Passphrase)
			})
		download(api, at(get, "/backup/{id}", "backupFile", "The sealed backup, a file of age", "session"),
			"application/octet-stream", fixed[ByID]("synergos-backup.age"),
			func(ctx context.Context, in *ByID) ([]byte, error) { return n.BackupFile(ctx, in.ID) })
		serve(api, at(post, "/restore", "restore", "Bring a party back from its backup, before this one is named", "session").takes(largeBody),
			func(ctx context.Context, in *restore) (view.Identity, error) {
				return n.Restore(ctx, in.Body.Passphrase, in.Body.File)
			})
		serve(api, at(post, "/tutorial", "startTutorial", "Start the tutorial federation", "session").gives(201),
			func(ctx context.Context, _ *none) (view.Tutorial, error) { return n.StartTutorial(ctx) })
		serve(api, at(get, "/tutorial", "tutorial", "How far the tutorial is", "session"),
			func(ctx context.Context, _ *none) (view.Tutorial, error) { return n.Tutorial(ctx) })
		act(api, at(del, "/tutorial", "endTutorial", "End the tutorial and remove its parties", "session"),
			func(ctx context.Context, _ *none) error { return n.EndTutorial(ctx) })
	}
}
