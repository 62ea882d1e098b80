import { api } from './endpoints'

// takeToken reads "#t=..." from the address before the router starts, removes it
// from the address and the history, and returns it.
export function takeToken(loc: Location = window.location, history: History = window.history): string {
  const m = /^#t=([^&]+)$/.exec(loc.hash)
  if (!m) return ''
  history.replaceState(null, '', `${loc.pathname}${loc.search}#/`)
  return decodeURIComponent(m[1])
}

// openSession trades the token for the session cookie. In the window there is none.
export async function openSession(token: string): Promise<void> {
  if (token) await api.session(token)
}
