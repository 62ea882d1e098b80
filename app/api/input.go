package api

// Inputs shared by the screens. huma fills them from the request and refuses
// what does not fit before a handler runs; embedded structs must be exported for
// it to see their fields.

// ByID is an endpoint about one record.
type ByID struct {
	ID string `path:"id" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9][A-Za-z0-9._:@-]*$" doc:"id of the record"`
}

// ByDevice is an endpoint about one peer's computer.
type ByDevice struct {
	DeviceID string `path:"deviceId" minLength:"52" maxLength:"52" pattern:"^[A-Z2-7]{52}$" doc:"device id, 52 base32 characters"`
}

// ByCard is an endpoint about one dataset card.
type ByCard struct {
	CardID string `path:"cardId" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9][A-Za-z0-9._:@-]*$" doc:"id of the card"`
}

// ByRun is an endpoint about the reward of one run.
type ByRun struct {
	RunID string `path:"runId" minLength:"32" maxLength:"32" pattern:"^[0-9a-f]{32}$" doc:"id of the run, 32 hexadecimal characters"`
}

// ByModel is an endpoint about one model.
type ByModel struct {
	Model string `path:"model" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f/\\\\]+$" doc:"id of the model, name~project; or its name, where only one project has it"`
}

// ByVersion is an endpoint about one version of a model.
type ByVersion struct {
	ByModel
	Number int `path:"number" minimum:"0" maximum:"1000000" doc:"number of the version"`
}

// OfProject filters by project.
type OfProject struct {
	Project string `query:"project" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]*$" doc:"only of this project"`
}

// Reason says why somebody does something.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"why, in your words"`
}

// ByIDWithReason is an act on one record that may say why.
type ByIDWithReason struct {
	ByID
	Body *Reason `required:"false"`
}

// reason returns what was said, or "".
func (in *ByIDWithReason) reason() string {
	if in.Body == nil {
		return ""
	}
	return in.Body.Reason
}
