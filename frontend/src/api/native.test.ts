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
    expect(await native.openFiles()).toBeNull()
    expect(await native.openFolder()).toBeNull()
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

  it('opens an address without handing over this page', async () => {
    const open = vi.spyOn(window, 'open').mockReturnValue(null)
    await native.openURL('https://example.org')
    expect(open).toHaveBeenCalledWith('https://example.org', '_blank', 'noopener')
  })

  it('does nothing where nothing can be done', async () => {
    await native.notify('a', 'b')
    await native.showWindow()
    await native.quit()
    native.hideWindow()
    expect(native.whenClosing(() => undefined)()).toBeUndefined()
  })
})

describe('in the window', () => {
  it('takes the paths of the dialog; none when it was cancelled', async () => {
    bind({ OpenFiles: answer(['/a.csv', '/b.csv']), OpenFolder: answer('/data') })
    expect(native.inWindow()).toBe(true)
    expect(await native.openFiles()).toEqual(['/a.csv', '/b.csv'])
    expect(await native.openFolder()).toBe('/data')
    bind()
    expect(await native.openFiles()).toEqual([])
    expect(await native.openFolder()).toBe('')
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

  it('copies, notifies, reveals and opens by Go', async () => {
    const d = bind()
    expect(await native.copyText('x')).toBe(true)
    await native.notify('title', 'text')
    expect(await native.reveal('/a')).toBe(true)
    await native.openURL('https://example.org')
    await native.showWindow()
    await native.quit()
    expect(d.CopyText).toHaveBeenCalledWith('x')
    expect(d.Notify).toHaveBeenCalledWith('title', 'text')
    expect(d.Reveal).toHaveBeenCalledWith('/a')
    expect(d.OpenURL).toHaveBeenCalledWith('https://example.org')
    expect(d.ShowWindow).toHaveBeenCalled()
    expect(d.Quit).toHaveBeenCalled()
    expect(clipboard.writeText).not.toHaveBeenCalled()
  })

  const never = () => new Promise<unknown>(() => undefined)
  it.each([
    ['openFiles', () => native.openFiles(), 600_000],
    ['openFolder', () => native.openFolder(), 600_000],
    ['saveFile', () => native.saveFile('a', '/b'), 600_000],
    ['reveal', () => native.reveal('/a'), 10_000],
    ['openURL', () => native.openURL('https://example.org'), 10_000],
    ['showWindow', () => native.showWindow(), 5_000],
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

  it('a notice that does not come through is no failure, nor is a clipboard that hangs', async () => {
    vi.useFakeTimers()
    bind({ Notify: never, CopyText: never })
    const told = native.notify('a', 'b')
    const copied = native.copyText('x')
    await vi.advanceTimersByTimeAsync(5_000)
    await expect(told).resolves.toBeUndefined()
    await expect(copied).resolves.toBe(true) // by selection
  })

  it('leaves no timer behind once Go has answered', async () => {
    vi.useFakeTimers()
    bind({ OpenFiles: answer(['/a']) })
    await native.openFiles()
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
