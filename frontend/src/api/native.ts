import { apiAddress, download } from './client'

// The hand-written face of the one bound struct Desktop, each call with its own
// timeout and a way that works in a browser. methodNames is compared with Go.
export const methodNames = ['CopyText', 'OpenFile', 'Quit', 'Reveal', 'SaveFile'] as const

type Method = (typeof methodNames)[number]
type Bound = Record<Method, (...args: unknown[]) => Promise<unknown>>

declare global {
  interface Window {
    go?: { app?: { Desktop?: Bound } }
  }
}

const bound = () => window.go?.app?.Desktop

// inWindow tells whether native dialogs are at hand.
export const inWindow = () => bound() !== undefined

function within<T>(ms: number, p: Promise<T>): Promise<T> {
  return new Promise((ok, bad) => {
    const t = setTimeout(() => bad(new Error('timeout')), ms)
    p.then(ok, bad).finally(() => clearTimeout(t))
  })
}

// openFile asks for a file with the system's dialog and returns its path, '' when it
// was cancelled; a browser has none to give and answers null.
export async function openFile(): Promise<string | null> {
  const b = bound()
  if (!b) return null
  return ((await within(600_000, b.OpenFile())) as string | null) ?? ''
}

// saveFile keeps what the API offers under path. The window asks where, lets Go
// write the file and gives its path, '' when nothing was saved; a browser downloads
// it and does not tell where to: null.
export async function saveFile(name: string, path: string): Promise<string | null> {
  const b = bound()
  if (b) return ((await within(600_000, b.SaveFile(name, apiAddress(path)))) as string | null) ?? ''
  const bytes = await download(path)
  keep(name, name.endsWith('.json') ? indented(bytes) : bytes)
  return null
}

// indented is JSON as a person reads it.
function indented(bytes: ArrayBuffer): ArrayBuffer {
  const text = JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 2)
  return new TextEncoder().encode(text).buffer as ArrayBuffer
}

function keep(name: string, bytes: ArrayBuffer) {
  const url = URL.createObjectURL(new Blob([bytes])) // a download, never a request body
  const a = document.createElement('a')
  a.href = url
  a.download = name
  document.body.appendChild(a)
  a.click()
  a.remove()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

// copyText puts text on the clipboard and tells whether that went well.
export async function copyText(text: string): Promise<boolean> {
  const b = bound()
  try {
    if (b) await within(5_000, b.CopyText(text))
    else await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyBySelection(text)
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea')
  area.value = text
  area.style.position = 'fixed'
  area.style.opacity = '0'
  document.body.appendChild(area)
  area.select()
  let ok = false
  try {
    ok = document.execCommand('copy')
  } catch {
    // no clipboard at all
  }
  area.remove()
  return ok
}

// reveal shows a file in the system's file manager; false where that is not possible.
export async function reveal(path: string): Promise<boolean> {
  const b = bound()
  if (!b) return false
  await within(10_000, b.Reveal(path))
  return true
}

export async function quit(): Promise<void> {
  await within(10_000, bound()?.Quit() ?? Promise.resolve())
}

// whenClosing asks the page what to do when the window is closed while work goes
// on; what is going on comes as a sentence.
export function whenClosing(ask: (busy: string) => void): () => void {
  const rt = window.runtime
  if (!rt) return () => undefined
  return rt.EventsOn('close', (busy: string) => {
    rt.EventsEmit('close-shown')
    ask(busy)
  })
}

// hideWindow keeps the app running without its window.
export function hideWindow() {
  window.runtime?.WindowHide()
}

// setWindowTitle names the page and, in the window, its title bar.
export function setWindowTitle(title: string) {
  document.title = title
  window.runtime?.WindowSetTitle?.(title)
}
