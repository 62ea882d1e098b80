import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import type { Project, RunDetail } from '../api/types'
import {
  activity,
  alignment,
  contribution,
  full,
  ids,
  peers,
  project,
  rewards,
  running,
  runningDetail,
  serving,
} from '../test/fixtures'
import { fakeApi, open } from '../test/render'
import { mayTakeOver } from './runs/run'

// What a screen offers, and to whom: nothing that the app would refuse, and nothing
// that it did not find out.

const at = (path: string, body: unknown) => (c: { method: string; path: string }) =>
  c.method === 'GET' && c.path === path ? { body } : undefined
const member: Project = { ...project, mine: false, adminId: ids.b }

describe('a project', () => {
  const path = `/projects/${ids.project}`

  it('lets who takes part consent anew, with the dataset it takes part with', async () => {
    const calls = fakeApi(full, at(path, member))
    open(`${path}?tab=consent`)
    const days = await screen.findByLabelText('Consent ends after, in days')
    await userEvent.clear(days)
    await userEvent.type(days, '30')
    const change = screen.getByRole('button', { name: 'Change my consent' })
    await waitFor(() => expect(change).toHaveProperty('disabled', false))
    expect(screen.queryByRole('button', { name: 'Decline' })).toBeNull()
    expect(screen.queryByText(/invites you/)).toBeNull()
    await userEvent.click(change)
    expect(calls.find((c) => c.method === 'POST' && c.path.endsWith('/accept'))?.body).toMatchObject({
      datasetId: ids.data,
      limits: { days: 30 },
    })
  })

  it('asks nothing more of who has left it', async () => {
    const left = member.parties.map((x) => (x.me ? { ...x, state: 'left' as const } : x))
    fakeApi(full, at(path, { ...member, state: 'left', parties: left }))
    open(`${path}?tab=consent`)
    await screen.findByText('Leaves this computer')
    expect(screen.queryByLabelText('Most runs')).toBeNull()
  })

  it('whose sheet has changed invites nobody: its admin reads it again and cannot decline', async () => {
    fakeApi(full, at(path, { ...project, state: 'invited' }))
    open(path)
    await screen.findByRole('button', { name: 'I consent, take part' })
    expect(screen.queryByText(/invites you/)).toBeNull()
    expect(screen.queryByRole('button', { name: 'Decline' })).toBeNull()
  })

  it('is left by its members, not by its admin', async () => {
    fakeApi(full, at(path, member))
    const { unmount } = open(path)
    await userEvent.click(await screen.findByRole('button', { name: 'More' }))
    expect(await screen.findByRole('menuitem', { name: 'Leave the project', hidden: true })).toBeTruthy()
    unmount()
    fakeApi(full)
    open(path)
    await screen.findByRole('button', { name: 'Invite parties' })
    expect(screen.queryByRole('button', { name: 'More' })).toBeNull()
  })

  it('compares again when there is nothing to confirm', async () => {
    const calls = fakeApi(full, at(`${path}/alignment`, { ...alignment, matches: [] }))
    open(`${path}?tab=alignment`)
    await userEvent.click(await screen.findByRole('button', { name: 'Compare again' }))
    expect(calls.some((c) => c.method === 'POST' && c.path === `${path}/alignment`)).toBe(true)
  })

  it('lets all proposals be refused, in words', async () => {
    const unlikely = alignment.matches.map((m) => ({ ...m, confirmed: false, score: 0.1 }))
    fakeApi(full, at(`${path}/alignment`, { ...alignment, matches: unlikely }))
    open(`${path}?tab=alignment`)
    expect(await screen.findByRole('button', { name: 'None of them is the same' })).toBeTruthy()
  })
})

describe('a run', () => {
  const led = (over: Partial<RunDetail['run']>, me = true): RunDetail => ({
    ...runningDetail,
    run: { ...runningDetail.run, coordinatorId: ids.b, ...over },
    parties: runningDetail.parties.map((p) => ({ ...p, me: me && p.partyId === ids.me })),
  })

  it('can be taken over by a member that does not coordinate it, while it is on', () => {
    expect(mayTakeOver(led({}))).toBe(true)
    expect(mayTakeOver(led({ state: 'preparing', coordinatorId: '' }))).toBe(true)
    expect(mayTakeOver(led({ coordinatorId: ids.me }))).toBe(false)
    expect(mayTakeOver(led({}, false))).toBe(false)
    for (const state of ['queued', 'paused', 'finished'] as const) expect(mayTakeOver(led({ state }))).toBe(false)
  })

  it('is stopped by who may, taken over by who may', async () => {
    fakeApi(full, at(`/runs/${running.id}`, { ...led({}), canCancel: false }))
    open(`/runs/${running.id}`)
    await userEvent.click(await screen.findByRole('button', { name: 'More' }))
    expect(await screen.findByRole('menuitem', { name: 'Coordinate it myself', hidden: true })).toBeTruthy()
    expect(screen.queryByRole('menuitem', { name: 'Stop', hidden: true })).toBeNull()
  })

  it('says in the frame that nobody coordinates it yet', async () => {
    fakeApi(full, at('/runs', { items: [{ ...running, coordinator: '', coordinatorId: '', round: 0 }] }))
    open('/settings')
    expect(await screen.findByRole('link', { name: /^Open the run: no coordinator yet, round 0 of/ })).toBeTruthy()
  })
})

describe('a reward', () => {
  it('that was acknowledged before is not asked for again', async () => {
    const exists = { status: 409, body: { kind: 'exists', title: 'Somebody was faster', detail: 'signed already' } }
    fakeApi(full, (c) => (c.path.endsWith('/receipt') ? exists : undefined))
    open('/rewards')
    const [button] = await screen.findAllByRole('button', { name: 'Acknowledge my reward' })
    await userEvent.click(button)
    await waitFor(() => expect(button.textContent).toBe('Acknowledged'))
    expect(button).toHaveProperty('disabled', true)
    expect(screen.queryByText(/signed already/)).toBeNull()
  })

  it('of an early run can be acknowledged too', async () => {
    const runs = Array.from({ length: 7 }, (_, i) => ({ ...contribution, rounds: [], runId: `r${i}` }))
    const calls = fakeApi(full, at('/rewards', { ...rewards, runs }))
    open('/rewards')
    const table = await screen.findByRole('region', { name: 'Earlier runs' })
    const buttons = await within(table).findAllByRole('button', { name: 'Acknowledge my reward' })
    expect(buttons).toHaveLength(2)
    await userEvent.click(buttons[1])
    await waitFor(() => expect(calls.some((c) => c.path === '/rewards/r6/receipt')).toBe(true))
  })

  it('ledgers of several projects are exported one by one', async () => {
    const two = [...rewards.totals, { ...rewards.totals[0], projectId: 'p2' }]
    fakeApi(full, at('/rewards', { ...rewards, totals: two }))
    open('/rewards')
    expect(await screen.findByRole('button', { name: 'Export' })).toHaveProperty('disabled', true)
    expect(screen.getByText(/choose a project above/)).toBeTruthy()
  })
})

describe('the record of what left', () => {
  it('is unchanged only once it was verified', async () => {
    fakeApi(full, (c) =>
      c.path === '/activity/verify'
        ? { body: { ...activity.chain, ok: false, text: 'Entry 3 was changed.' } }
        : undefined,
    )
    open('/activity')
    expect(await screen.findByText('Not checked yet: press Verify')).toBeTruthy()
    expect(screen.queryByText('Complete and unchanged')).toBeNull()
    await userEvent.click(screen.getByRole('button', { name: 'Verify' }))
    expect(await screen.findByText('Changed or incomplete')).toBeTruthy()
  })
})

describe('serving', () => {
  it('switched in the list keeps who may call it', async () => {
    const s = { ...serving, exposed: true, allow: ['10.1.0.0/16'], follow: false, number: 2 }
    const calls = fakeApi(full, at('/serving', { items: [s] }))
    open('/serving')
    await userEvent.click(await screen.findByRole('switch', { name: /heart-risk/ }))
    expect(calls.find((c) => c.method === 'PUT')?.body).toEqual({
      on: false,
      port: s.port,
      number: 2,
      expose: true,
      allow: ['10.1.0.0/16'],
    })
  })
})

describe('peers', () => {
  it('are counted by party, without those that are not paired any more', async () => {
    const [a, b] = peers.items
    const items = [a, { ...b, partyId: a.partyId }, { ...peers.items[2], state: 'revoked' as const }]
    fakeApi(full, at('/peers', { ...peers, items }))
    open('/peers')
    expect(await screen.findByText('1 paired party')).toBeTruthy()
  })

  it('says that the network hides the others, not that looking is off', async () => {
    const discovery = { ...peers.discovery, state: 'blocked' as const, sentence: 'Blocked.', hint: 'Ask.' }
    fakeApi(full, at('/peers', { ...peers, items: [], discovery }))
    open('/peers')
    expect(await screen.findByText(/This network does not let computers find each other/)).toBeTruthy()
    expect(screen.queryByText(/switched off/)).toBeNull()
  })
})

describe('a link', () => {
  it('to a request for access shows the requests', async () => {
    fakeApi(full)
    open('/catalog?request=r1')
    const tab = await screen.findByRole('tab', { name: /Access requests/ })
    expect(tab.getAttribute('aria-selected')).toBe('true')
  })
})
