// The push channel behind one face: Server-Sent Events in a browser, the Wails
// event "evt" in the window. EventStream keeps the order, finds gaps, replays
// what was missed and tells when everything cached is worth nothing any more.
import type { Envelope, Replay } from './types'

export type { Envelope, Replay }

// Span says which numbers a coalesced batch stands for: (after, last].
export interface Span {
  epoch: string
  after: number
  last: number
}

type OnBatch = (b: Envelope[], span?: Span) => void

// Source delivers batches as they come. onOpen is called after each (re)connect.
// Without a span, a jump in seq means loss.
export interface Source {
  start(after: () => number, onBatch: OnBatch, onOpen: () => void): () => void
}

export interface StreamOptions {
  source: Source
  replay: (after: number) => Promise<Replay>
  onBatch: (b: Envelope[]) => void
  onReset: () => void
  onState?: (live: boolean) => void
}

export class EventStream {
  last = 0
  epoch = ''
  private catching: Promise<void> | null = null
  private held: [Envelope[], Span | undefined][] = []
  private stopSource: (() => void) | null = null
  private stopped = false
  private again: ReturnType<typeof setTimeout> | undefined
  private failures = 0
  private o: StreamOptions

  constructor(o: StreamOptions) {
    this.o = o
  }

  start() {
    this.stopped = false
    // first where we stand, then listen from there: a new page needs no history
    void this.catchUp().then(() => {
      if (this.stopped) return
      this.stopSource = this.o.source.start(
        () => this.last,
        (b, span) => this.take(b, span),
        () => void this.catchUp(),
      )
    })
  }

  stop() {
    this.stopped = true
    this.held = []
    clearTimeout(this.again)
    this.stopSource?.()
  }

  // catchUp replays everything after the last event seen; calls are merged.
  catchUp(): Promise<void> {
    clearTimeout(this.again)
    this.catching ??= this.replayOnce().finally(() => {
      this.catching = null
      const held = this.held
      this.held = []
      for (const [b, span] of held) this.take(b, span, true)
    })
    return this.catching
  }

  // later asks again after a while that doubles: the window has no connection that
  // opens again, and a loss that is seen again at once would ask without end.
  private later() {
    clearTimeout(this.again)
    this.again = setTimeout(() => void this.catchUp(), Math.min(10_000, 500 * 2 ** this.failures++))
  }

  private async replayOnce() {
    let r: Replay
    try {
      r = await this.o.replay(this.epoch === '' ? Number.MAX_SAFE_INTEGER : this.last)
    } catch {
      if (this.stopped) return
      this.held = [] // the replay that works brings them
      this.later()
      this.o.onState?.(false)
      return
    }
    this.failures = 0
    if (this.stopped) return
    this.o.onState?.(true)
    const known = this.epoch !== ''
    if (known && r.epoch === this.epoch && !r.truncated && r.last >= this.last) {
      this.deliver(r.items)
      this.last = Math.max(this.last, r.last)
      return
    }
    this.epoch = r.epoch
    this.last = r.last
    this.held = [] // what came from before the new start has numbers that mean nothing now
    if (known) this.o.onReset()
  }

  // take delivers a batch. One that shows a loss waits for a replay; when the replay
  // did not mend it, the next one comes later, since it would mend no more at once.
  private take(batch: Envelope[], span?: Span, replayed = false) {
    if (this.stopped) return
    if (this.catching) {
      this.held.push([batch, span])
      return
    }
    if (span && span.last <= this.last && span.epoch === this.epoch) return
    const fresh = batch
      .filter((e) => e.seq > this.last || (span && span.epoch !== this.epoch))
      .sort((a, b) => a.seq - b.seq)
    if (fresh.length === 0 && !span) return
    if (this.epoch !== '' && this.lost(fresh, span)) {
      if (replayed) return this.later()
      this.held.push([batch, span])
      void this.catchUp()
      return
    }
    this.deliver(fresh)
    if (span) this.last = Math.max(this.last, span.last)
  }

  private lost(fresh: Envelope[], span?: Span): boolean {
    if (span) return span.epoch !== this.epoch || span.after > this.last
    return hasGap(this.last, fresh)
  }

  private deliver(items: Envelope[]) {
    const fresh = items.filter((e) => e.seq > this.last)
    if (fresh.length === 0) return
    this.last = fresh[fresh.length - 1].seq
    this.o.onBatch(fresh)
  }
}

function hasGap(last: number, batch: Envelope[]): boolean {
  let want = last + 1
  for (const e of batch) {
    if (e.seq !== want) return true
    want++
  }
  return false
}

interface WailsRuntime {
  EventsOn(name: string, f: (...args: never[]) => void): () => void
  EventsEmit(name: string, ...args: unknown[]): void
  WindowHide(): void
  WindowSetTitle?(title: string): void
}

declare global {
  interface Window {
    runtime?: WailsRuntime
  }
}

// windowSource listens to the one batched event of the desktop window.
export function windowSource(rt: WailsRuntime): Source {
  return {
    start(_after, onBatch, onOpen) {
      const off = rt.EventsOn('evt', (b: Envelope[], span: Span) => onBatch(b ?? [], span))
      onOpen()
      return off
    },
  }
}

// sseSource opens one EventSource and opens it again, later and later, when it breaks.
export function sseSource(url: string, make: (u: string) => EventSource = (u) => new EventSource(u)): Source {
  return {
    start(after, onBatch, onOpen) {
      let es: EventSource | null = null
      let timer: ReturnType<typeof setTimeout> | undefined
      let tries = 0
      const open = () => {
        es = make(`${url}?after=${after()}`)
        es.onopen = () => {
          tries = 0
          onOpen()
        }
        es.onmessage = (m) => {
          try {
            onBatch([JSON.parse(m.data as string) as Envelope])
          } catch {
            onOpen() // unreadable: ask for it again
          }
        }
        es.onerror = () => {
          es?.close()
          onOpen() // tells whether the app is still there
          timer = setTimeout(open, Math.min(10_000, 500 * 2 ** tries++))
        }
      }
      open()
      return () => {
        clearTimeout(timer)
        es?.close()
      }
    },
  }
}

// sharedSource lets the tabs of one browser share a single connection: the tab that
// holds the lock reads, the others listen (HTTP/1.1 allows six connections only).
export function sharedSource(inner: Source, name: string): Source {
  if (typeof navigator === 'undefined' || !navigator.locks || typeof BroadcastChannel === 'undefined') return inner
  return {
    start(after, onBatch, onOpen) {
      const channel = new BroadcastChannel(name)
      channel.onmessage = (m) => onBatch(m.data as Envelope[])
      const abort = new AbortController()
      let stopInner: (() => void) | null = null
      let release: (() => void) | null = null
      onOpen()
      navigator.locks
        .request(name, { signal: abort.signal }, () => {
          stopInner = inner.start(
            after,
            (b) => {
              channel.postMessage(b)
              onBatch(b)
            },
            onOpen,
          )
          return new Promise<void>((done) => {
            release = done
          })
        })
        .catch(() => undefined)
      return () => {
        stopInner?.()
        release?.()
        abort.abort()
        channel.close()
      }
    },
  }
}

// pickSource chooses the carrier of this page.
export function pickSource(): Source {
  if (window.runtime) return windowSource(window.runtime)
  return sharedSource(sseSource('/api/v1/events'), 'synergos-events')
}
