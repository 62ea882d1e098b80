import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import {
  activity,
  dataset,
  full,
  ids,
  invited,
  pairing,
  peers,
  running,
  runningDetail,
  serving,
  status,
  themeSetting,
} from '../test/fixtures'
import { fakeApi, open, unavailable } from '../test/render'

describe('partial answers', () => {
  it('names the party that does not answer', async () => {
    fakeApi(full)
    open(`/runs/${running.id}`)
    expect(await screen.findByText(/Not answering: VA Long Beach \(last heard 14s ago\)/)).toBeTruthy()
  })
  it('keeps old answers under an error, with their time', async () => {
    let broken = false
    fakeApi(full, (c) => (broken && c.path === '/models' ? unavailable : undefined))
    const { qc } = open('/models')
    await screen.findByText('Version 2')
    broken = true
    await qc.invalidateQueries({ queryKey: ['models'] })
    expect(await screen.findByText(/Shown as of/)).toBeTruthy()
    expect(screen.getByText('Version 2')).toBeTruthy()
  })
  it('shows a run before its first round', async () => {
    fakeApi(full, (c) =>
      c.path === `/runs/${running.id}`
        ? { body: { ...runningDetail, series: [], rounds: [], steps: [], parties: [] } }
        : undefined,
    )
    open(`/runs/${running.id}`)
    expect(await screen.findByText('Curves begin with the first closed round.')).toBeTruthy()
  })
  it('keeps an unreadable file apart from others', async () => {
    const failed = {
      ...dataset,
      state: 'failed' as const,
      problem: { kind: 'invalid', text: 'Row 17 has 12 cells instead of 14', hint: 'Correct the row.' },
    }
    fakeApi(full, (c) => (c.path === `/datasets/${ids.data}` ? { body: failed } : undefined))
    open(`/data/${ids.data}`)
    expect(await screen.findByText('Row 17 has 12 cells instead of 14')).toBeTruthy()
    expect(screen.getByRole('button', { name: 'Find the file' })).toBeTruthy()
  })
})

describe('what a person does', () => {
  it('consents to exactly the sheet that was read, with limits', async () => {
    const calls = fakeApi(full)
    open(`/projects/${invited.id}`)
    const runs = await screen.findByLabelText('Most runs')
    await userEvent.clear(runs)
    await userEvent.type(runs, '3')
    const accept = screen.getByRole('button', { name: 'I consent, take part' })
    await waitFor(() => expect(accept).toHaveProperty('disabled', false))
    await userEvent.click(accept)
    const sent = calls.find((c) => c.method === 'POST' && c.path.endsWith('/accept'))
    expect(sent?.body).toEqual({
      datasetId: ids.data,
      digest: '9'.repeat(64),
      limits: { maxRuns: 3, maxRounds: 0, minParties: 2, days: 365 },
    })
  })

  it('confirms the likely matches and leaves the unlikely', async () => {
    const calls = fakeApi(full)
    open(`/projects/${ids.project}?tab=alignment`)
    await userEvent.click(await screen.findByRole('button', { name: 'Confirm 1 match' }))
    const body = calls.find((c) => c.path.endsWith('/alignment/confirm'))?.body as {
      matches: { from: string; confirmed: boolean }[]
    }
    expect(body.matches.map((m) => [m.from, m.confirmed])).toEqual([
      ['cholesterol', true],
      ['hr_max', false],
    ])
  })

  it('starts an experiment with two learning rates', async () => {
    const calls = fakeApi(full)
    open(`/projects/${ids.project}/new-experiment`)
    await userEvent.type(await screen.findByLabelText('Name'), 'Rates')
    await userEvent.click(screen.getByRole('button', { name: 'Vary a setting' }))
    await userEvent.type(screen.getAllByLabelText('Values of Learning rate')[0], '0.05{Enter}0.2{Enter}')
    await userEvent.click(screen.getByRole('button', { name: 'Start training' }))
    await waitFor(() => expect(calls.some((c) => c.method === 'POST' && c.path === '/experiments')).toBe(true))
    const body = calls.find((c) => c.method === 'POST' && c.path === '/experiments')?.body
    expect(body).toMatchObject({
      projectId: ids.project,
      name: 'Rates',
      method: 'grid',
      space: { lr: { _type: 'choice', _value: [0.05, 0.2] } },
    })
  })

  it('compares six digits and says that they are the same', async () => {
    const asked = { ...pairing, incoming: true, name: 'Clinic B' }
    const calls = fakeApi(full, (c) =>
      c.path === '/peers'
        ? { body: { ...peers, pairings: [asked] } }
        : c.path.startsWith('/pairings/')
          ? { body: asked }
          : undefined,
    )
    open('/')
    const box = await screen.findByRole('dialog')
    expect(within(box).getByTestId('pairing-code').textContent).toBe('482 913')
    await userEvent.click(within(box).getByRole('button', { name: 'The same' }))
    expect(calls.find((c) => c.path.endsWith('/confirm'))?.body).toEqual({ same: true })
  })

  it('gets a prediction with the words for it', async () => {
    const calls = fakeApi(full)
    open(`/serving/${serving.id}`)
    await userEvent.click(await screen.findByRole('button', { name: 'Predict' }))
    expect((await screen.findByTestId('prediction')).textContent).toContain('ill')
    expect(calls.find((c) => c.path.endsWith('/predict'))?.body).toEqual({
      rows: [{ age: 54, sex: '1', chol: 246, thalach: 150 }],
    })
  })

  it('goes over to a version that others moved to production only when told', async () => {
    const calls = fakeApi(full, (c) =>
      c.method === 'GET' && c.path === `/serving/${encodeURIComponent(serving.id)}`
        ? { body: { ...serving, number: 1, offered: 2, allow: ['10.1.0.0/16'] } }
        : undefined,
    )
    open(`/serving/${serving.id}`)
    await userEvent.click(await screen.findByRole('button', { name: 'Answer with version 2' }))
    expect(calls.find((c) => c.method === 'PUT')?.body).toEqual({
      on: true,
      port: serving.port,
      allow: ['10.1.0.0/16'],
      accept: true,
    })
  })

  it('sees a new token once, and only here', async () => {
    fakeApi(full, (c) => (c.path.endsWith('/token') ? { body: { ...serving, token: 'secret-token' } } : undefined))
    const { qc } = open(`/serving/${serving.id}`)
    await userEvent.click(await screen.findByRole('button', { name: 'New token' }))
    await userEvent.click(await screen.findByRole('button', { name: 'Replace the token' }))
    expect(await screen.findByText('secret-token')).toBeTruthy()
    expect(
      JSON.stringify(
        qc
          .getQueryCache()
          .getAll()
          .map((q) => q.state.data),
      ),
    ).not.toContain('secret-token')
  })

  it('asks for the messages of a receiver by its id, not its name', async () => {
    const calls = fakeApi(full)
    open('/activity')
    await userEvent.click(await screen.findByRole('combobox', { name: 'To' }))
    await userEvent.click(await screen.findByRole('option', { name: activity.totals[0].to }))
    await waitFor(() => expect(calls.some((c) => c.query.includes(`to=${activity.totals[0].toId}`))).toBe(true))
  })

  it('turns a chart into its table', async () => {
    fakeApi(full)
    open(`/runs/${running.id}`)
    const [button] = await screen.findAllByRole('button', { name: 'Table' })
    await userEvent.click(button)
    const table = (await screen.findAllByRole('region', { name: 'Training loss' }))[0]
    expect(within(table).getAllByRole('row').length).toBe(8)
  })

  it('moves through screens by keyboard, the focus going to the heading', async () => {
    fakeApi(full)
    open('/')
    await screen.findByRole('heading', { level: 1, name: 'Home' })
    await userEvent.keyboard('{Control>}7{/Control}')
    const h1 = await screen.findByRole('heading', { level: 1, name: 'Models' })
    await waitFor(() => expect(document.activeElement).toBe(h1))
    await userEvent.keyboard('?')
    expect(await screen.findByRole('dialog', { name: 'Keyboard shortcuts' })).toBeTruthy()
  })

  it('names what stands in the status bar on every screen', async () => {
    fakeApi(full)
    open('/settings')
    await waitFor(() => expect(screen.getByTestId('status').textContent).toContain(status.sentence))
  })
})

describe('theme', () => {
  it('chosen in the menu is kept by the app, and the other way round', async () => {
    const calls = fakeApi(full, (c) =>
      c.method === 'PATCH' ? { body: { items: [{ ...themeSetting, value: 'dark' }] } } : undefined,
    )
    const { qc } = open('/settings')
    await screen.findByText('Appearance')
    const scheme = () => document.documentElement.getAttribute('data-mantine-color-scheme')
    await userEvent.click(screen.getByRole('button', { name: 'Theme and shortcuts' }))
    await userEvent.click(await screen.findByRole('menuitemradio', { name: 'Dark', hidden: true }))
    expect(scheme()).toBe('dark')
    expect(calls.find((c) => c.method === 'PATCH')?.body).toEqual({ values: { 'look.theme': 'dark' } })
    qc.setQueryData(['settings'], [{ ...themeSetting, value: 'light' }])
    await waitFor(() => expect(scheme()).toBe('light'))
  })
})

describe('many rows', () => {
  it('draws only those in sight', async () => {
    vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(560)
    const many = Array.from({ length: 5000 }, (_, i) => ({ ...running, id: `r${i}`, number: i }))
    fakeApi(full, (c) => (c.path === '/runs' ? { body: { items: many } } : undefined))
    const { container } = open('/runs')
    await screen.findByRole('region', { name: 'Runs' })
    expect(container.querySelectorAll('tbody tr').length).toBeLessThan(100)
  })
})
