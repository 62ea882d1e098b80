import { describe, expect, it, vi } from 'vitest'
import { type Envelope, EventStream, type Replay, type Source, type Span, sseSource } from './transport'

const ev = (seq: number, kind = 'run', subject = 'r'): Envelope => ({ seq, at: '', kind, subject, data: null })
const flush = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

function rig(answers: Partial<Replay>[]) {
  let push: (b: Envelope[], s?: Span) => void = () => undefined
  let opened: () => void = () => undefined
  const asked: number[] = []
  const got: number[] = []
  const onReset = vi.fn()
  const onState = vi.fn()
  const source: Source = {
    start(_after, onBatch, onOpen) {
      push = onBatch
      opened = onOpen
      return () => undefined
    },
  }
  const stream = new EventStream({
    source,
    replay: async (after) => {
      asked.push(after)
      const a = answers.shift()
      if (!a) throw new Error('away')
      return { epoch: 'e1', first: 1, last: 0, truncated: false, items: [], ...a }
    },
    onBatch: (b) => got.push(...b.map((e) => e.seq)),
    onReset,
    onState,
  })
  stream.start()
  return { stream, asked, got, onReset, onState, push: (b: Envelope[], s?: Span) => push(b, s), reopen: () => opened() }
}

describe('EventStream', () => {
  it('starts from where the app is, without history', async () => {
    const r = rig([{ last: 7 }])
    await flush()
    r.push([ev(7), ev(8)])
    expect(r.got).toEqual([8])
    expect(r.onReset).not.toHaveBeenCalled()
  })

  it('keeps the order within a batch and drops what it has seen', async () => {
    const r = rig([{ last: 0 }])
    await flush()
    r.push([ev(2), ev(1)])
    r.push([ev(2), ev(3)])
    expect(r.got).toEqual([1, 2, 3])
  })

  it('replays a gap and then goes on in order', async () => {
    const r = rig([{ last: 3 }, { last: 6, items: [ev(4), ev(5), ev(6)] }])
    await flush()
    r.push([ev(6)])
    r.push([ev(7)])
    await flush()
    expect(r.asked).toEqual([Number.MAX_SAFE_INTEGER, 3])
    expect(r.got).toEqual([4, 5, 6, 7])
  })

  it('forgets everything when the app was started anew', async () => {
    const r = rig([{ last: 3 }, { epoch: 'e2', last: 1 }])
    await flush()
    r.reopen()
    await flush()
    expect(r.onReset).toHaveBeenCalledTimes(1)
    r.push([ev(2)])
    expect(r.got).toEqual([2])
  })

  it('forgets everything when too much was missed', async () => {
    const r = rig([{ last: 3 }, { last: 20_000, truncated: true }])
    await flush()
    r.push([ev(9000)])
    await flush()
    expect(r.onReset).toHaveBeenCalledTimes(1)
    expect(r.stream.last).toBe(20_000)
    expect(r.got).toEqual([])
  })

  it('tells that the app is away, and back', async () => {
    const r = rig([{ last: 3 }])
    await flush()
    r.reopen()
    await flush()
    expect(r.onState.mock.calls.map((c) => c[0])).toEqual([true, false])
  })

  it('takes a coalesced batch of the window by its span', async () => {
    const r = rig([{ last: 10 }, { last: 30, items: [ev(28), ev(29), ev(30)] }])
    await flush()
    r.push([ev(13), ev(15)], { epoch: 'e1', after: 10, last: 15 })
    expect(r.got).toEqual([13, 15])
    expect(r.asked).toHaveLength(1)
    r.push([ev(30)], { epoch: 'e1', after: 25, last: 30 })
    await flush()
    expect(r.asked[1]).toBe(15)
    expect(r.got).toEqual([13, 15, 28, 29, 30])
  })

  it('sees a new start of the app in a batch of the window', async () => {
    const r = rig([{ last: 10 }, { epoch: 'e2', last: 2 }])
    await flush()
    r.push([ev(2)], { epoch: 'e2', after: 0, last: 2 })
    await flush()
    expect(r.onReset).toHaveBeenCalledTimes(1)
  })
})

describe('sseSource', () => {
  it('opens again after a break, from the last event', () => {
    vi.useFakeTimers()
    const made: { url: string; es: Record<string, (m?: unknown) => void> & { close: () => void } }[] = []
    const source = sseSource('/events', (url) => {
      const es = { close: vi.fn() } as never
      made.push({ url, es })
      return es
    })
    let last = 4
    const batches: Envelope[][] = []
    const stop = source.start(
      () => last,
      (b) => batches.push(b),
      () => undefined,
    )
    made[0].es.onmessage({ data: JSON.stringify(ev(5)) })
    last = 5
    made[0].es.onerror()
    vi.advanceTimersByTime(500)
    expect(made.map((m) => m.url)).toEqual(['/events?after=4', '/events?after=5'])
    expect(batches[0][0].seq).toBe(5)
    stop()
    vi.useRealTimers()
  })
})
