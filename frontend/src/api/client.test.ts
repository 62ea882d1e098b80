import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { call, del, download, get, patch, post, put, putRaw, whenSessionIsLost } from './client'
import { api } from './endpoints'
import { ApiProblem, asProblem } from './problem'
import { openSession } from './session'

type Init = RequestInit & { headers: Record<string, string> }
let sent: [string, Init][] = []
let reply: () => Response | Promise<Response> = () => new Response('{}')

beforeEach(() => {
  sent = []
  reply = () => new Response('{}')
  vi.stubGlobal('fetch', async (url: string, init: Init) => {
    sent.push([url, init])
    return reply()
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
  whenSessionIsLost(() => undefined)
})

const problem = (status: number, body: object | string, type = 'application/problem+json') =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers: { 'Content-Type': type } })

const caught = async (p: Promise<unknown>) => {
  try {
    await p
  } catch (e) {
    return e as ApiProblem
  }
  throw new Error('nothing was thrown')
}

describe('requests', () => {
  it('go below /api/v1, with the cookie of this page only', async () => {
    await get('/runs', { limit: 5, after: undefined, q: '', to: 'a&b=c' })
    expect(sent[0][0]).toBe('/api/v1/runs?limit=5&to=a%26b%3Dc')
    expect(sent[0][1]).toMatchObject({ method: 'GET', credentials: 'same-origin' })
    expect(sent[0][1].headers['Idempotency-Key']).toBeUndefined()
    expect(sent[0][1].body).toBeUndefined()
  })

  it('that change something carry a key of their own, so that a repetition is known', async () => {
    await post('/a', { x: 1 })
    await put('/a', { x: 1 })
    await patch('/a', { x: 1 })
    await del('/a')
    expect(sent.map(([, i]) => i.method)).toEqual(['POST', 'PUT', 'PATCH', 'DELETE'])
    const keys = sent.map(([, i]) => i.headers['Idempotency-Key'])
    expect(new Set(keys).size).toBe(4)
    expect(keys.every((k) => k.length >= 16)).toBe(true)
    expect(sent[0][1].headers['Content-Type']).toBe('application/json')
    expect(sent[3][1].headers['Content-Type']).toBeUndefined()
  })

  it('send a part of a file as an ArrayBuffer, never as a Blob or form', async () => {
    const bytes = new Uint8Array([1, 2, 3]).buffer
    await putRaw('/uploads/u?offset=0', bytes)
    expect(sent[0][1].body).toBe(bytes)
    expect(sent[0][1].headers['Content-Type']).toBe('application/octet-stream')
  })

  it('escape what stands in a path', async () => {
    reply = () => new Response('{"items":[]}')
    await api.version('a/b ?#%', 2)
    await api.peers()
    await api.revoke('../settings')
    expect(sent.map(([u]) => u)).toEqual([
      '/api/v1/models/a%2Fb%20%3F%23%25/versions/2',
      '/api/v1/peers',
      '/api/v1/peers/..%2Fsettings',
    ])
  })

  it('read an empty answer as nothing', async () => {
    reply = () => new Response(null, { status: 204 })
    expect(await call('DELETE', '/a')).toBeUndefined()
  })

  it('give a file as bytes', async () => {
    reply = () => new Response(new Uint8Array([7, 8]))
    expect([...new Uint8Array(await download('/activity/export'))]).toEqual([7, 8])
  })

  it('end after half a minute', async () => {
    vi.useFakeTimers()
    const timeout = vi.spyOn(AbortSignal, 'timeout')
    await get('/a')
    expect(timeout).toHaveBeenCalledWith(30_000)
    timeout.mockRestore()
  })

  it('end when the caller gives up', async () => {
    vi.stubGlobal('fetch', (_u: string, init: Init) => {
      return new Promise((_, bad) => init.signal?.addEventListener('abort', () => bad(init.signal?.reason)))
    })
    const c = new AbortController()
    const p = caught(get('/a', undefined, c.signal))
    c.abort()
    expect((await p).kind).toBe('timeout')
  })
})

describe('what goes wrong', () => {
  it('is a problem with kind, sentence, hint, request id and fields', async () => {
    reply = () =>
      problem(422, {
        type: 'urn:synergos:problem:invalid',
        title: 'The request is not valid',
        detail: 'rounds must be at least 1',
        hint: 'Choose more rounds.',
        instance: 'r-17',
        fields: [{ path: 'body.rounds', message: 'at least 1' }],
      })
    const p = await caught(post('/experiments', {}))
    expect(p).toBeInstanceOf(ApiProblem)
    expect(p).toMatchObject({
      kind: 'invalid',
      status: 422,
      message: 'rounds must be at least 1',
      hint: 'Choose more rounds.',
      instance: 'r-17',
      fields: [{ path: 'body.rounds', message: 'at least 1' }],
    })
  })

  it.each([
    [401, 'unauthorized'],
    [403, 'permission'],
    [404, 'not_found'],
    [409, 'exists'],
    [413, 'too_large'],
    [422, 'invalid'],
    [423, 'busy'],
    [429, 'too_many'],
    [500, 'internal'],
    [502, 'internal'],
    [503, 'unavailable'],
    [504, 'timeout'],
  ])('%i without a problem in it is still one of kind %s', async (status, kind) => {
    reply = () => problem(status, '<html>Bad gateway</html>', 'text/html')
    const p = await caught(get('/a'))
    expect(p.kind).toBe(kind)
    expect(p.message).toBe('') // the words for the kind stand in common.json
  })

  it('an app that does not answer is offline', async () => {
    reply = () => Promise.reject(new TypeError('Failed to fetch'))
    expect(await caught(get('/a'))).toMatchObject({ kind: 'offline', status: 0 })
  })

  it('an answer that takes too long is a timeout, without the browser’s words', async () => {
    reply = () => Promise.reject(new DOMException('The operation timed out.', 'TimeoutError'))
    expect(await caught(get('/a'))).toMatchObject({ kind: 'timeout', status: 0, message: '' })
  })

  it('anything thrown becomes a problem, and a problem stays itself', () => {
    const p = new ApiProblem({ kind: 'busy', status: 423, text: 'x' })
    expect(asProblem(p)).toBe(p)
    expect(asProblem('text').message).toBe('text')
    expect(asProblem(undefined).kind).toBe('offline')
  })
})

describe('the session', () => {
  it('is lost with a 401, which the shell hears of', async () => {
    const lost = vi.fn()
    whenSessionIsLost(lost)
    reply = () => problem(401, { type: 'urn:synergos:problem:unauthorized', detail: 'not signed in' })
    await caught(get('/runs'))
    expect(lost).toHaveBeenCalledTimes(1)
  })

  it('was never there when the token itself is refused', async () => {
    const lost = vi.fn()
    whenSessionIsLost(lost)
    reply = () => problem(401, {})
    await caught(openSession('wrong'))
    expect(lost).not.toHaveBeenCalled()
  })

  it.each([403, 404, 503])('is not lost with a %i', async (status) => {
    const lost = vi.fn()
    whenSessionIsLost(lost)
    reply = () => problem(status, {})
    await caught(get('/runs'))
    expect(lost).not.toHaveBeenCalled()
  })

  it('begins by posting the token in the body, never in an address', async () => {
    await openSession('s3cret')
    expect(sent).toHaveLength(1)
    expect(sent[0][0]).toBe('/api/v1/session')
    expect(sent[0][1].method).toBe('POST')
    expect(JSON.parse(sent[0][1].body as string)).toEqual({ token: 's3cret' })
  })

  it('needs no token in the window', async () => {
    await openSession('')
    expect(sent).toEqual([])
  })
})
