import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import * as native from './native'

type Bound = NonNullable<NonNullable<NonNullable<Window['go']>['app']>['Desktop']>
const clicked: { name: string; href: string }[] = []
const clipboard = { writeText: vi.fn(async (_: string) => undefined) }

beforeEach(() => {
  clicked.length = 0
  vi.stubGlobal('URL', Object.assign(URL, { createObjectURL: () => 'blob:x', revokeObjectURL: vi.fn() }))
  HTMLAnchorElement.prototype.click = function (this: HTMLAnchorElement) {
    clicked.push({ name: this.download, href: this.href })
  }
  Object.defineProperty(navigator, 'clipboard', { configurable: true, value: clipboard })
  document.execCommand = vi.fn(() => true)
})
afterEach(() => {
  window.go = undefined
  window.runtime = undefined
  vi.useRealTimers()
  vi.unstubAllGlobals()
  clipboard.writeText.mockReset()
})

function bind(over: Partial<Bound> = {}): Record<keyof Bound, ReturnType<typeof vi.fn>> {
  const all = Object.fromEntries(native.methodNames.map((m) => [m, vi.fn(async () => over[m]?.())]))
  window.go = { app: { Desktop: all as unknown as Bound } }
  return all as never
}

const answer = (x: unknown) => () => Promise.resolve(x)

describe('in a browser', () => {
  it('has no native dialog, and says so', async () => {
    expect(native.inWindow()).toBe(false)
    expect(await native.openFile()).toBeNull()
    expect(await native.reveal('/a')).toBe(false)
  })

  it('downloads what the API offers', async () => {
    const asked: string[] = []
    vi.stubGlobal('fetch', async (u: string) => {
      asked.push(u)
      return new Response('a;b')
    })
    expect(await native.saveFile('list.csv', '/activity/export')).toBeNull()
    expect(asked).toEqual(['/api/v1/activity/export'])
    expect(clicked).toEqual([{ name: 'list.csv', href: 'blob:x' }])
    expect(document.querySelector('a[download]')).toBeNull() // leaves nothing behind
  })

  it('gives back what it lent for a download, and indents JSON', async () => {
    vi.useFakeTimers()
    vi.stubGlobal('fetch', async () => new Response('{"a":[1]}'))
    const made = vi.spyOn(globalThis, 'Blob')
    await native.saveFile('a.json', '/experiments/e/config')
    const parts = made.mock.calls[0][0] as ArrayBuffer[]
    expect(new TextDecoder().decode(parts[0])).toBe('{\n  "a": [\n    1\n  ]\n}')
    expect(URL.revokeObjectURL).not.toHaveBeenCalled()
    vi.advanceTimersByTime(10_000)
    expect(URL.revokeObjectURL).toHaveBeenCalledWith('blob:x')
  })

  it('copies, by selection where the clipboard is closed', async () => {
    expect(await native.copyText('words')).toBe(true)
    expect(clipboard.writeText).toHaveBeenCalledWith('words')
    clipboard.writeText.mockRejectedValue(new Error('not allowed'))
    expect(await native.copyText('words')).toBe(true)
    expect(document.execCommand).toHaveBeenCalledWith('copy')
    document.execCommand = vi.fn(() => false)
    expect(await native.copyText('words')).toBe(false)
    expect(document.querySelector('textarea')).toBeNull()
  })

  it('does nothing where nothing can be done', async () => {
    await native.quit()
    native.hideWindow()
    expect(native.whenClosing(() => undefined)()).toBeUndefined()
  })
})

describe('in the window', () => {
  it('takes the path of the dialog; none when it was cancelled', async () => {
    bind({ OpenFile: answer('/a.csv') })
    expect(native.inWindow()).toBe(true)
    expect(await native.openFile()).toBe('/a.csv')
    bind()
    expect(await native.openFile()).toBe('')
  })

  it('lets Go write the file', async () => {
    const d = bind()
    const fetch = vi.fn()
    vi.stubGlobal('fetch', fetch)
    expect(await native.saveFile('m.zip', '/models/a/versions/1/export')).toBe('')
    expect(d.SaveFile).toHaveBeenCalledWith('m.zip', '/api/v1/models/a/versions/1/export')
    expect(fetch).not.toHaveBeenCalled()
    expect(clicked).toEqual([])
    bind({ SaveFile: answer('/home/anna/m.zip') })
    expect(await native.saveFile('m.zip', '/models/a/versions/1/export')).toBe('/home/anna/m.zip')
  })

  it('copies, reveals and quits by Go', async () => {
    const d = bind()
    expect(await native.copyText('x')).toBe(true)
    expect(await native.reveal('/a')).toBe(true)
    await native.quit()
    expect(d.CopyText).toHaveBeenCalledWith('x')
    expect(d.Reveal).toHaveBeenCalledWith('/a')
    expect(d.Quit).toHaveBeenCalled()
    expect(clipboard.writeText).not.toHaveBeenCalled()
  })

  const never = () => new Promise<unknown>(() => undefined)
  it.each([
    ['openFile', () => native.openFile(), 600_000],
    ['saveFile', () => native.saveFile('a', '/b'), 600_000],
    ['reveal', () => native.reveal('/a'), 10_000],
    ['quit', () => native.quit(), 10_000],
  ] as const)('%s gives up by itself', async (_name, act, ms) => {
    vi.useFakeTimers()
    bind(Object.fromEntries(native.methodNames.map((m) => [m, never])) as Partial<Bound>)
    const failed = vi.fn()
    void act().catch(failed)
    await vi.advanceTimersByTimeAsync(ms - 1)
    expect(failed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(failed).toHaveBeenCalledTimes(1)
  })

  it('a clipboard that hangs is no failure', async () => {
    vi.useFakeTimers()
    bind({ CopyText: never })
    const copied = native.copyText('x')
    await vi.advanceTimersByTimeAsync(5_000)
    await expect(copied).resolves.toBe(true) // by selection
  })

  it('leaves no timer behind once Go has answered', async () => {
    vi.useFakeTimers()
    bind({ OpenFile: answer('/a') })
    await native.openFile()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is asked before it closes, and says that it heard', () => {
    const on = new Map<string, (s: string) => void>()
    const off = vi.fn()
    const rt = {
      EventsOn: vi.fn((name: string, f: (...a: never[]) => void) => {
        on.set(name, f as (s: string) => void)
        return off
      }),
      EventsEmit: vi.fn(),
      WindowHide: vi.fn(),
    }
    window.runtime = rt
    const ask = vi.fn()
    const stop = native.whenClosing(ask)
    on.get('close')?.('a run is in round 3')
    expect(ask).toHaveBeenCalledWith('a run is in round 3')
    expect(rt.EventsEmit).toHaveBeenCalledWith('close-shown')
    native.hideWindow()
    expect(rt.WindowHide).toHaveBeenCalledTimes(1)
    stop()
    expect(off).toHaveBeenCalledTimes(1)
  })
})
