import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { configure, render, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import '../i18n'
import { api } from '../api/endpoints'
import { ApiProblem } from '../api/problem'
import type { Status } from '../api/types'
import { problem, recorded, status, table } from '../test/recorded'
import { fakeApi } from '../test/render'
import { Gate } from './gate'

configure({ asyncUtilTimeout: 15_000 })

function show(refused?: unknown) {
  const qc = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={qc}>
        <Gate refused={refused}>
          <p>the screens</p>
        </Gate>
      </QueryClientProvider>
    </MantineProvider>,
  )
  return qc
}

const unnamed = recorded('new', 'status').body as Status
const inside = () => screen.findByText('the screens')

describe('the gate', () => {
  it('opens with a session, a name and an app that is ready', async () => {
    fakeApi(table('full'))
    show()
    expect(screen.getByRole('status').textContent).toMatch(/\w/) // words while it opens
    await inside()
  })

  it('asks for the link when there is no session', async () => {
    fakeApi(table('full'), () => problem('session'))
    show()
    const h1 = await screen.findByRole('heading', { level: 1 })
    expect(h1.parentElement?.textContent).toMatch(/link|address/i)
    expect(screen.queryByText('the screens')).toBeNull()
  })

  it('asks for the link when the token was refused', async () => {
    fakeApi(table('full'), () => problem('session'))
    show(new ApiProblem({ kind: 'unauthorized', status: 401, text: 'wrong token' }))
    expect(await screen.findByRole('heading', { level: 1 })).toBeTruthy()
    expect(screen.queryByText('the screens')).toBeNull()
  })

  it('lets in whom an old cookie knows, although the token of the address was refused', async () => {
    fakeApi(table('full'))
    show(new ApiProblem({ kind: 'unauthorized', status: 401, text: 'used before' }))
    await inside()
  })

  it('says that the app does not answer, and tries again', async () => {
    let away = true
    fakeApi(table('full'))
    const answer = globalThis.fetch
    vi.stubGlobal('fetch', (u: string, i: RequestInit) => (away ? Promise.reject(new TypeError('x')) : answer(u, i)))
    show()
    const alert = await screen.findByRole('alert')
    expect(alert.textContent).toContain('It may have been closed')
    away = false
    await userEvent.click(within(alert).getByRole('button', { name: 'Try again' }))
    await inside()
  })

  it('waits, in words, until the app has read what it stored', async () => {
    let ready = false
    fakeApi(table('full'), (c) => (c.path === '/status' ? { body: { ...status, ready } } : undefined))
    show()
    expect((await screen.findByRole('status')).textContent).toMatch(/\w/)
    await waitFor(() => expect(screen.queryByText('the screens')).toBeNull())
    ready = true
    await inside()
  })

  it('closes again when the session ends in the middle', async () => {
    let ended = false
    fakeApi(table('full'), () => (ended ? problem('session') : undefined))
    const qc = show()
    await inside()
    ended = true
    await api.runs().catch(() => undefined)
    await qc.invalidateQueries()
    await screen.findByRole('heading', { level: 1 })
    expect(screen.queryByText('the screens')).toBeNull()
  })

  it('stays open when one thing is not allowed', async () => {
    fakeApi(table('full'), (c) => (c.path === '/runs' ? { status: 403, body: {} } : undefined))
    show()
    await inside()
    await api.runs().catch(() => undefined)
    expect(screen.getByText('the screens')).toBeTruthy()
  })
})

describe('the welcome', () => {
  it('asks a new party for its name, shows its key, then goes on', async () => {
    let named = false
    const identity = recorded('empty', 'identity').body as { fingerprint: string; party: string }
    const calls = fakeApi(table('empty'), (c) => {
      if (c.path === '/status') return { body: { ...unnamed, named } }
      if (c.path !== '/identity' || c.method !== 'POST') return undefined
      named = true
      return { body: identity }
    })
    show()
    const name = await screen.findByLabelText('Name of your organisation')
    const next = screen.getByRole('button', { name: 'Next' })
    expect(next).toHaveProperty('disabled', true)
    await userEvent.type(name, '  ')
    expect(next).toHaveProperty('disabled', true) // blanks are no name
    await userEvent.type(name, 'New Hospital{Enter}')
    await screen.findByText(identity.fingerprint)
    expect(calls.filter((c) => c.method === 'POST').map((c) => c.body)).toEqual([{ name: 'New Hospital' }])
    expect(screen.queryByText('the screens')).toBeNull() // the key is seen first
    await userEvent.click(screen.getByRole('button', { name: 'Go to Synergos' }))
    await inside()
  })

  it('keeps what was typed when the name is refused', async () => {
    const refusal = { ...problem('invalid').body, detail: 'the name is too long', hint: 'Choose a shorter one.' }
    fakeApi(table('empty'), (c) =>
      c.path === '/status'
        ? { body: unnamed }
        : c.path === '/identity' && c.method === 'POST'
          ? { status: 422, body: refusal }
          : undefined,
    )
    show()
    await userEvent.type(await screen.findByLabelText('Name of your organisation'), 'Ward 7{Enter}')
    expect((await screen.findByRole('alert')).textContent).toContain('Choose a shorter one.')
    expect(screen.getByLabelText('Name of your organisation')).toHaveProperty('value', 'Ward 7')
  })

  it('brings a party back from its backup instead, and keeps what was chosen when the passphrase is wrong', async () => {
    const refusal = { ...problem('invalid').body, hint: 'Type the passphrase that the backup was made with.' }
    let tries = 0
    const calls = fakeApi(table('empty'), (c) => {
      if (c.path === '/status') return { body: unnamed }
      if (c.path !== '/restore') return undefined
      tries++
      return tries === 1 ? { status: 403, body: refusal } : { body: { party: 'St. Anna', restart: true } }
    })
    show()
    await userEvent.click(await screen.findByRole('button', { name: 'I have a backup' }))
    const input = document.querySelector('input[type=file]') as HTMLInputElement
    await userEvent.upload(input, new File([new Uint8Array([0, 1, 255])], 'b.age'))
    await userEvent.type(screen.getByLabelText('Passphrase'), 'four words of a ward')
    await userEvent.click(screen.getByRole('button', { name: 'Open the backup' }))
    expect((await screen.findByRole('alert')).textContent).toContain('Type the passphrase')
    await userEvent.click(screen.getByRole('button', { name: 'Open the backup' }))
    await screen.findByText('St. Anna is back')
    const sent = { passphrase: 'four words of a ward', file: 'AAH/' }
    expect(calls.filter((c) => c.path === '/restore').map((c) => c.body)).toEqual([sent, sent])
    expect(screen.queryByText('the screens')).toBeNull() // until the next start
  })
})
