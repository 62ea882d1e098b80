import { asProblem, problemOf } from './problem'

// The raw calls to the local API. Everything else in src goes through endpoints.ts.
const base = '/api/v1'
const timeoutMs = 30_000

type Query = Record<string, string | number | undefined>

interface Options {
  query?: Query
  body?: unknown
  signal?: AbortSignal
}

// Set when an answer was 401: the shell then asks for the link with the token.
let onSessionLost: () => void = () => undefined
export function whenSessionIsLost(f: () => void) {
  onSessionLost = f
}

function address(path: string, query?: Query): string {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(query ?? {})) if (v !== undefined && v !== '') q.set(k, String(v))
  const s = q.toString()
  return base + path + (s ? `?${s}` : '')
}

async function send(method: string, path: string, o: Options, raw?: ArrayBuffer): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  let body: BodyInit | undefined
  if (raw) {
    headers['Content-Type'] = 'application/octet-stream'
    body = raw
  } else if (o.body !== undefined) {
    headers['Content-Type'] = 'application/json'
    body = JSON.stringify(o.body)
  }
  if (method !== 'GET') headers['Idempotency-Key'] = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`
  const deadline = AbortSignal.timeout(timeoutMs)
  const signal = o.signal && 'any' in AbortSignal ? AbortSignal.any([o.signal, deadline]) : deadline
  let r: Response
  try {
    r = await fetch(address(path, o.query), { method, headers, body, signal, credentials: 'same-origin' })
  } catch (e) {
    throw asProblem(e)
  }
  if (r.ok) return r
  if (r.status === 401 && path !== '/session') onSessionLost()
  throw await problemOf(r)
}

// call sends JSON and reads JSON; an empty answer reads as undefined.
export async function call<T>(method: string, path: string, o: Options = {}): Promise<T> {
  const r = await send(method, path, o)
  const text = await r.text()
  return (text ? JSON.parse(text) : undefined) as T
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal) => call<T>('GET', path, { query, signal })
export const post = <T>(path: string, body?: unknown) => call<T>('POST', path, { body })
export const put = <T>(path: string, body?: unknown) => call<T>('PUT', path, { body })
export const patch = <T>(path: string, body?: unknown) => call<T>('PATCH', path, { body })
export const del = <T>(path: string) => call<T>('DELETE', path)

// putRaw sends bytes as an ArrayBuffer: never a Blob, which ends the window on Linux.
export async function putRaw<T>(path: string, bytes: ArrayBuffer): Promise<T> {
  const r = await send('PUT', path, {}, bytes)
  return (await r.json()) as T
}

// download fetches a file of the API as bytes.
export async function download(path: string): Promise<ArrayBuffer> {
  const r = await send('GET', path, {})
  return r.arrayBuffer()
}

// apiAddress is the absolute path of an endpoint, for links.
export const apiAddress = (path: string) => base + path
