import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type Envelope,
  EventStream,
  pickSource,
  type Replay,
  type Source,
  type Span,
  sharedSource,
  sseSource,
  windowSource,
} from './transport'

const ev = (seq: number): Envelope => ({ seq, at: '', kind: 'run', subject: 'r', data: null })
const settle = () => vi.advanceTimersByTimeAsync(0)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  window.runtime = undefined
})

// fakeSse is an EventSource whose other end the test holds.
class FakeSse {
  static all: FakeSse[] = []
  onopen?: () => void
  onmessage?: (m: { data: string }) => void
  onerror?: () => void
  closed = false
  constructor(readonly url: string) {
    FakeSse.all.push(this)
  }
  close() {
    this.closed = true
  }
}

describe('the browser carrier', () => {
  beforeEach(() => {
    FakeSse.all = []
  })
  const start = (after = () => 3) => {
    const got: number[] = []
    const onOpen = vi.fn()
    const source = sseSource('/events', (u) => new FakeSse(u) as unknown as EventSource)
    const stop = source.start(after, (b) => got.push(...b.map((e) => e.seq)), onOpen)
    return { got, onOpen, stop }
  }
  const last = () => FakeSse.all[FakeSse.all.length - 1]

  it('opens again later and later, at most every ten seconds', () => {
    start()
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      const n = FakeSse.all.length
      last().onerror?.()
      let waited = 0
      while (FakeSse.all.length === n) {
        vi.advanceTimersByTime(100)
        waited += 100
      }
      waits.push(waited)
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000])
    expect(FakeSse.all.slice(0, -1).every((s) => s.closed)).toBe(true)
  })

  it('begins with short waits again once it was open', () => {
    start()
    last().onerror?.()
    vi.advanceTimersByTime(500)
    last().onerror?.()
    vi.advanceTimersByTime(1000)
    last().onopen?.()
    last().onerror?.()
    const n = FakeSse.all.length
    vi.advanceTimersByTime(500)
    expect(FakeSse.all).toHaveLength(n + 1)
  })

  it('asks from the last event seen', () => {
    let seen = 3
    start(() => seen)
    seen = 40
    last().onerror?.()
    vi.advanceTimersByTime(500)
    expect(FakeSse.all.map((s) => s.url)).toEqual(['/events?after=3', '/events?after=40'])
  })

  it('asks for a message again that it cannot read', () => {
    const { got, onOpen } = start()
    last().onmessage?.({ data: '{"seq":' })
    expect(got).toEqual([])
    expect(onOpen).toHaveBeenCalledTimes(1)
  })

  it('ends for good: closed, and no timer left', () => {
    const { stop } = start()
    last().onerror?.()
    stop()
    expect(vi.getTimerCount()).toBe(0)
    vi.advanceTimersByTime(60_000)
    expect(FakeSse.all).toHaveLength(1)
  })
})

describe('the window carrier', () => {
  const runtime = () => {
    const on = new Map<string, (...a: never[]) => void>()
    const off = vi.fn()
    const rt = {
      EventsOn: vi.fn((name: string, f: (...a: never[]) => void) => {
        on.set(name, f)
        return off
      }),
      EventsEmit: vi.fn(),
      WindowHide: vi.fn(),
    }
    const push = on as unknown as Map<string, (b: Envelope[] | null, s: Span) => void>
    return { rt, off, evt: (b: Envelope[] | null, s: Span) => push.get('evt')?.(b, s) }
  }

  it('is chosen in the window', () => {
    const { rt } = runtime()
    window.runtime = rt
    pickSource().start(
      () => 0,
      () => undefined,
      () => undefined,
    )
    expect(rt.EventsOn).toHaveBeenCalledWith('evt', expect.any(Function))
  })

  it('hands over batches with what they stand for, an empty one too', () => {
    const { rt, evt, off } = runtime()
    const got: [number[], Span | undefined][] = []
    const onOpen = vi.fn()
    const stop = windowSource(rt).start(
      () => 0,
      (b, s) => got.push([b.map((e) => e.seq), s]),
      onOpen,
    )
    expect(onOpen).toHaveBeenCalledTimes(1) // what happened before it listened is asked for
    evt([ev(4), ev(6)], { epoch: 'e', after: 3, last: 6 })
    evt(null, { epoch: 'e', after: 6, last: 9 })
    expect(got).toEqual([
      [[4, 6], { epoch: 'e', after: 3, last: 6 }],
      [[], { epoch: 'e', after: 6, last: 9 }],
    ])
    stop()
    expect(off).toHaveBeenCalledTimes(1)
  })
})

// rig is a stream whose source and replay the test holds.
function rig(replay: (after: number) => Promise<Partial<Replay>>) {
  let push: (b: Envelope[], s?: Span) => void = () => undefined
  const stopSource = vi.fn()
  const source: Source = {
    start(_after, onBatch) {
      push = onBatch
      return stopSource
    },
  }
  const asked: number[] = []
  const got: number[] = []
  const states: boolean[] = []
  const onReset = vi.fn()
  const stream = new EventStream({
    source,
    replay: async (after) => {
      asked.push(after)
      return { epoch: 'e', first: 1, last: 0, truncated: false, items: [], ...(await replay(after)) }
    },
    onBatch: (b) => got.push(...b.map((e) => e.seq)),
    onReset,
    onState: (live) => states.push(live),
  })
  stream.start()
  return { stream, asked, got, states, onReset, stopSource, push: (b: Envelope[], s?: Span) => push(b, s) }
}

describe('EventStream in bad weather', () => {
  it('asks slower and slower while a loss cannot be replayed, and then goes on', async () => {
    let away = false
    const r = rig(async (after) => {
      if (away) throw new Error('away')
      return after === 3 ? { last: 9, items: [4, 5, 6, 7, 8, 9].map(ev) } : { last: 3 }
    })
    await settle()
    away = true
    r.push([ev(7)])
    await settle()
    expect(r.asked).toHaveLength(2) // not again at once
    await vi.advanceTimersByTimeAsync(500)
    expect(r.asked).toHaveLength(3)
    await vi.advanceTimersByTimeAsync(999)
    expect(r.asked).toHaveLength(3)
    await vi.advanceTimersByTimeAsync(1)
    expect(r.asked).toHaveLength(4)
    expect(r.states.slice(-1)).toEqual([false])
    away = false
    await vi.advanceTimersByTimeAsync(2000)
    expect(r.got).toEqual([4, 5, 6, 7, 8, 9])
    expect(r.states.slice(-1)).toEqual([true])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('asks once, not without end, when a lost message is of an app that has ended', async () => {
    let n = 0
    const r = rig(async () => (n++ === 0 ? { last: 100 } : { epoch: 'e2', last: 3 }))
    await settle()
    r.push([ev(201)])
    for (let i = 0; i < 50; i++) await settle()
    expect(r.asked).toHaveLength(2)
    expect(r.onReset).toHaveBeenCalledTimes(1)
    r.push([ev(4)]) // the new one counts from where it is
    expect(r.got).toEqual([4])
  })

  it('asks later when a replay does not reach up to what it has seen', async () => {
    const r = rig(async () => ({ last: 3 }))
    await settle()
    r.push([ev(9)])
    for (let i = 0; i < 50; i++) await settle()
    expect(r.asked).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(500)
    expect(r.asked).toHaveLength(3)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(r.asked).toHaveLength(3)
  })

  it('holds what comes during a replay and delivers it once, in order', async () => {
    let answer: (r: Partial<Replay>) => void = () => undefined
    const r = rig((after) =>
      after === Number.MAX_SAFE_INTEGER
        ? Promise.resolve({ last: 3 })
        : new Promise((ok) => {
            answer = ok
          }),
    )
    await settle()
    r.push([ev(6)]) // 4 and 5 are missing
    await settle()
    r.push([ev(7)])
    r.push([ev(8)])
    expect(r.got).toEqual([])
    answer({ last: 7, items: [ev(4), ev(5), ev(6), ev(7)] })
    await settle()
    expect(r.got).toEqual([4, 5, 6, 7, 8])
    expect(r.asked).toEqual([Number.MAX_SAFE_INTEGER, 3])
  })

  it('asks once for many calls at a time', async () => {
    const r = rig(async () => ({ last: 3 }))
    await settle()
    const before = r.asked.length
    void r.stream.catchUp()
    void r.stream.catchUp()
    await r.stream.catchUp()
    expect(r.asked).toHaveLength(before + 1)
  })

  it('takes an answer with a smaller last number for a new start', async () => {
    let n = 0
    const r = rig(async () => ({ last: n++ === 0 ? 50 : 2 }))
    await settle()
    await r.stream.catchUp()
    expect(r.onReset).toHaveBeenCalledTimes(1)
    expect(r.stream.last).toBe(2)
  })

  it('an empty batch of the window moves on without a word', async () => {
    const r = rig(async () => ({ last: 10 }))
    await settle()
    r.push([], { epoch: 'e', after: 10, last: 14 })
    r.push([ev(15)], { epoch: 'e', after: 14, last: 15 })
    expect(r.got).toEqual([15])
    expect(r.asked).toHaveLength(1)
  })

  it('drops a batch of the window that a replay has brought already', async () => {
    const r = rig(async () => ({ last: 10 }))
    await settle()
    r.push([ev(8), ev(10)], { epoch: 'e', after: 7, last: 10 })
    expect(r.got).toEqual([])
  })

  it('is silent once it is stopped, whatever is on its way', async () => {
    let fail: () => void = () => undefined
    const r = rig((after) =>
      after === Number.MAX_SAFE_INTEGER
        ? Promise.resolve({ last: 3 })
        : new Promise((_, bad) => {
            fail = () => bad(new Error('away'))
          }),
    )
    await settle()
    r.push([ev(9)])
    await settle()
    r.push([ev(10)])
    const states = [...r.states]
    r.stream.stop()
    fail()
    await settle()
    r.push([ev(4)])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(r.got).toEqual([])
    expect(r.states).toEqual(states)
    expect(r.stopSource).toHaveBeenCalledTimes(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('never listens when it is stopped before the first answer', async () => {
    const r = rig(async () => ({ last: 3 }))
    r.stream.stop()
    await settle()
    r.push([ev(4)])
    expect(r.got).toEqual([])
    expect(r.stopSource).not.toHaveBeenCalled()
  })
})

describe('tabs of one browser', () => {
  const channels: { name: string; onmessage?: (m: { data: unknown }) => void; closed?: boolean }[] = []
  const waiting: (() => Promise<void>)[] = []
  let held = false

  beforeEach(() => {
    channels.length = 0
    waiting.length = 0
    held = false
    vi.stubGlobal(
      'BroadcastChannel',
      class {
        onmessage?: (m: { data: unknown }) => void
        closed = false
        constructor(readonly name: string) {
          channels.push(this)
        }
        postMessage(data: unknown) {
          for (const c of channels) if (c !== this && c.name === this.name && !c.closed) c.onmessage?.({ data })
        }
        close() {
          this.closed = true
        }
      },
    )
    // one holder at a time; the next in line gets the lock when it is released
    const request = (_name: string, o: { signal: AbortSignal }, f: () => Promise<void>) => {
      const run = async () => {
        if (o.signal.aborted) return
        held = true
        await f()
        held = false
        void waiting.shift()?.()
      }
      if (held) waiting.push(run)
      else void run()
      return Promise.resolve()
    }
    vi.stubGlobal('navigator', { ...navigator, locks: { request } })
  })

  const tab = () => {
    const got: number[] = []
    let push: ((b: Envelope[]) => void) | undefined
    const inner: Source = {
      start(_after, onBatch) {
        push = onBatch
        return () => {
          push = undefined
        }
      },
    }
    const onOpen = vi.fn()
    const stop = sharedSource(inner, 'events').start(
      () => 0,
      (b) => got.push(...b.map((e) => e.seq)),
      onOpen,
    )
    return { got, onOpen, stop, reads: () => push !== undefined, push: (b: Envelope[]) => push?.(b) }
  }

  it('share one connection, and the next takes over when the reader closes', async () => {
    const a = tab()
    const b = tab()
    expect([a.reads(), b.reads()]).toEqual([true, false])
    a.push([ev(1), ev(2)])
    expect([a.got, b.got]).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(b.onOpen).toHaveBeenCalledTimes(1)
    a.stop()
    await settle()
    expect([a.reads(), b.reads()]).toEqual([false, true])
    b.push([ev(3)])
    expect([a.got, b.got]).toEqual([
      [1, 2],
      [1, 2, 3],
    ])
  })

  it('do without where the browser has no locks', () => {
    vi.stubGlobal('navigator', {})
    const inner: Source = { start: () => () => undefined }
    expect(sharedSource(inner, 'events')).toBe(inner)
  })
})
