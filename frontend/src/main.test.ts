import { waitFor } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { problem, table } from './test/recorded'
import { fakeApi } from './test/render'

// The start of the page: the token is taken before anything else looks at the address.

// The roots that the page opened: each is closed after its test, or React works on when the
// window of the test is gone.
const roots = vi.hoisted(() => [] as { unmount: () => void }[])
vi.mock('react-dom/client', async (original) => {
  const real = await original<typeof import('react-dom/client')>()
  return {
    ...real,
    createRoot: (...args: Parameters<typeof real.createRoot>) => {
      const root = real.createRoot(...args)
      roots.push(root)
      return root
    },
  }
})

let listeners: [string, EventListener][] = []
beforeEach(() => {
  vi.resetModules()
  listeners = []
  const add = window.addEventListener.bind(window)
  vi.spyOn(window, 'addEventListener').mockImplementation((type: string, f: unknown, o?: unknown) => {
    listeners.push([type, f as EventListener])
    add(type, f as EventListener, o as AddEventListenerOptions)
  })
  document.body.innerHTML = '<div id="root"></div>'
})
afterEach(async () => {
  await vi.waitFor(() => expect(roots.length).toBeGreaterThan(0)) // the start always ends in a root
  for (const root of roots.splice(0)) root.unmount()
  for (let i = 0; i < 5; i++) await new Promise((r) => setTimeout(r)) // what React had planned
  vi.restoreAllMocks()
  for (const [type, f] of listeners) window.removeEventListener(type, f) // each start of the page adds its own
  document.body.innerHTML = ''
  window.history.replaceState(null, '', '/')
})

const page = () => document.getElementById('root')?.textContent ?? ''

describe('the start', () => {
  it('trades the token of the address for a session before it asks anything', async () => {
    window.history.replaceState(null, '', '/#t=to%2Bken')
    const calls = fakeApi(table('full'), (c) =>
      c.path === '/session' && c.method === 'POST' ? { body: {} } : undefined,
    )
    const steps = window.history.length
    await import('./main')
    expect(window.location.href).not.toContain('ken') // gone at once
    expect(window.location.hash).toBe('#/')
    expect(window.history.length).toBe(steps) // and not one step back either
    await waitFor(() => expect(page()).toContain('Heart disease'), { timeout: 15_000 })
    expect(calls[0]).toMatchObject({ method: 'POST', path: '/session', body: { token: 'to+ken' } })
    expect(calls.filter((c) => c.method === 'POST' && c.path === '/session')).toHaveLength(1)
    expect(JSON.stringify(calls.slice(1))).not.toContain('to+ken')
    expect(JSON.stringify({ ...localStorage, ...sessionStorage })).not.toContain('to+ken')
  })

  it('keeps an address without a token, and posts none', async () => {
    window.history.replaceState(null, '', '/#/models')
    const calls = fakeApi(table('full'))
    await import('./main')
    await waitFor(() => expect(page()).toContain('Models'), { timeout: 15_000 })
    expect(window.location.hash).toBe('#/models')
    expect(calls.some((c) => c.method === 'POST' && c.path === '/session')).toBe(false)
  })

  it('shows what to do when the token is refused', async () => {
    window.history.replaceState(null, '', '/#t=old')
    fakeApi(table('full'), () => problem('session'))
    await import('./main')
    await waitFor(() => expect(document.querySelector('h1')).not.toBeNull(), { timeout: 15_000 })
    expect(page()).not.toContain('Heart disease')
    expect(window.location.href).not.toContain('old')
  })

  it('reports faults of the page to the app, a few and not without end', async () => {
    const calls = fakeApi(table('full'))
    await import('./main')
    const reports = () => calls.filter((c) => c.path === '/client-errors')
    window.dispatchEvent(new ErrorEvent('error', { message: 'boom', error: new Error('boom') }))
    await waitFor(() => expect(reports()).toHaveLength(1))
    expect(reports()[0].body).toMatchObject({ message: 'boom', stack: expect.stringContaining('boom') })
    for (let i = 0; i < 100; i++) window.dispatchEvent(new ErrorEvent('error', { message: `boom ${i}` }))
    expect(reports().length).toBeLessThanOrEqual(20)
  })
})
