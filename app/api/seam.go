package api

func refusal(err error) error { return err }
