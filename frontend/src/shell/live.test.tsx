import { configure, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Envelope } from '../api/types'
import { absent, at, status, table } from '../test/recorded'
import { fakeApi, open } from '../test/render'

configure({ asyncUtilTimeout: 15_000 })

// What an event of the app does to a screen that is open, from the carrier to the page.

class FakeSse {
  static last: FakeSse
  onopen?: () => void
  onmessage?: (m: { data: string }) => void
  onerror?: () => void
  close = vi.fn()
  constructor(readonly url: string) {
    FakeSse.last = this
  }
}
let seq = 0
const tell = (kind: string, subject: string, data: unknown = null) =>
  FakeSse.last.onmessage?.({
    data: JSON.stringify({ seq: ++seq, at: '2026-11-25T10:00:00Z', kind, subject, data } satisfies Envelope),
  })

beforeEach(() => {
  seq = 100
  vi.stubGlobal('EventSource', FakeSse)
})
afterEach(() => {
  vi.useRealTimers()
  window.runtime = undefined
})

async function start(address: string) {
  const replay = { epoch: 'e', first: 1, last: 100, truncated: false, items: [] as Envelope[] }
  const calls = fakeApi(table('full'), (c) => (c.path === '/events/replay' ? { body: replay } : undefined))
  const shown = open(address)
  await screen.findByRole('heading', { level: 1 })
  await waitFor(() => expect(FakeSse.last?.url).toContain('after=100'))
  const asked = (path: string) => calls.filter((c) => c.path === path && c.method === 'GET').length
  return { ...shown, asked, replay }
}

describe('an event', () => {
  it('puts a new sentence into the frame without asking', async () => {
    const { asked } = await start('/settings')
    await waitFor(() => expect(screen.getByTestId('status').textContent).toBe(status.sentence))
    const before = asked('/status')
    tell('status', '', { ...status, sentence: 'Everything is calm.' })
    await waitFor(() => expect(screen.getByTestId('status').textContent).toBe('Everything is calm.'))
    expect(asked('/status')).toBe(before)
  })

  it('asks once for what many events made old', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true })
    const { asked } = await start('/models')
    await waitFor(() => expect(asked('/models')).toBe(1))
    for (let i = 0; i < 30; i++) tell('model', 'heart')
    await waitFor(() => expect(asked('/models')).toBe(2))
    await vi.advanceTimersByTimeAsync(300) // longer than the gathering: nothing more may come
    expect(asked('/models')).toBe(2)
  })

  it('of another run leaves this one alone', async () => {
    const { asked } = await start(`/runs/${at.run}`)
    const path = `/runs/${at.run}`
    await waitFor(() => expect(asked(path)).toBe(1))
    tell('run.round', 'f'.repeat(32))
    tell('run.round', at.run)
    await waitFor(() => expect(asked(path)).toBe(2))
  })

  it('moves the lanes of a run in place', async () => {
    const { asked, container } = await start(`/runs/${at.run}?tab=live`)
    await waitFor(() => expect(container.querySelectorAll('[data-lane]').length).toBe(4))
    const before = asked(`/runs/${at.run}`)
    tell('run.live', at.run, absent.parties)
    await waitFor(() => expect(container.querySelector('[data-state-word=absent]')).not.toBeNull())
    expect(asked(`/runs/${at.run}`)).toBe(before)
  })

  it('that is missing is asked for, and a new start of the app makes all old', async () => {
    const { asked, replay } = await start('/models')
    await waitFor(() => expect(asked('/models')).toBe(1))
    Object.assign(replay, { epoch: 'e2', last: 3 })
    seq = 200 // 101 to 200 got lost
    tell('settings', '')
    await waitFor(() => expect(asked('/events/replay')).toBeGreaterThan(1))
    await waitFor(() => expect(asked('/models')).toBe(2))
  })

  it('leads to the invite that the app was opened with', async () => {
    const { router } = await start('/settings')
    tell('app.open', 'synergos://invite/abc')
    await waitFor(() => expect(router.state.location.pathname).toBe('/peers'))
    expect(router.state.location.search).toContain(encodeURIComponent('synergos://invite/abc'))
    tell('app.open', 'https://example.org')
    await screen.findByRole('dialog')
    expect(router.state.location.pathname).toBe('/peers')
  })
})

describe('the connection', () => {
  it('is closed with the page', async () => {
    const { unmount } = await start('/settings')
    unmount()
    expect(FakeSse.last.close).toHaveBeenCalled()
  })

  it('that is lost shows in the frame, and its return too', async () => {
    await start('/settings')
    const fetch = globalThis.fetch
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('away')))
    FakeSse.last.onerror?.()
    await waitFor(() => expect(screen.getByTestId('status').textContent).toMatch(/not answer|away|lost/i))
    vi.stubGlobal('fetch', fetch)
    await waitFor(() => expect(screen.getByTestId('status').textContent).toBe(status.sentence))
  })

  it('of the window is the runtime', async () => {
    const on = new Map<string, (...x: never[]) => void>()
    window.runtime = {
      EventsOn: (name: string, f: (...x: never[]) => void) => {
        on.set(name, f)
        return () => on.delete(name)
      },
      EventsEmit: vi.fn(),
      WindowHide: vi.fn(),
    }
    const replay = { epoch: 'e', first: 1, last: 100, truncated: false, items: [] }
    const calls = fakeApi(table('full'), (c) => (c.path === '/events/replay' ? { body: replay } : undefined))
    const { unmount } = open('/models')
    await waitFor(() => expect(on.has('evt')).toBe(true))
    await waitFor(() => expect(calls.some((c) => c.path === '/models')).toBe(true))
    const asked = () => calls.filter((c) => c.path === '/models').length
    const before = asked()
    const evt = on.get('evt') as unknown as (b: Envelope[], s: object) => void
    await waitFor(() => expect(calls.filter((c) => c.path === '/events/replay').length).toBeGreaterThan(1))
    evt([{ seq: 104, at: '', kind: 'model', subject: 'heart', data: null }], { epoch: 'e', after: 100, last: 104 })
    await waitFor(() => expect(asked()).toBe(before + 1))
    unmount()
    expect(on.has('evt')).toBe(false)
  })
})
