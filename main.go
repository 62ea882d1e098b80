// Synergos Desktop: federated learning between peers, on your own files.
package main

import "synergos.app/desktop/app"

func main() { app.Main() }
