import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import { full, identity, ids, peers, project, stageRequest } from '../../test/fixtures'
import { fakeApi, open } from '../../test/render'

describe('who approves models', () => {
  it('is chosen among the parties of the project only', async () => {
    const calls = fakeApi(full)
    open('/projects/new')
    await userEvent.type(await screen.findByLabelText('Name'), 'Risk')
    const other = peers.items.find((p) => p.state === 'paired' && p.partyId)
    const choose = async () => {
      await userEvent.click(screen.getByLabelText('Who approves models', { selector: 'input' }))
      return screen.getAllByRole('option', { hidden: true }).map((o) => o.textContent)
    }
    const mine = `${identity.party} (you)`
    await waitFor(async () => expect(await choose()).toContain(mine))
    expect(await choose()).not.toContain(other?.name)
    await userEvent.click(screen.getByRole('checkbox', { name: other?.name }))
    expect(await choose()).toContain(other?.name)
    await userEvent.click(screen.getByRole('option', { name: other?.name, hidden: true }))
    await userEvent.click(screen.getByRole('checkbox', { name: other?.name })) // not invited after all
    await userEvent.click(screen.getByRole('checkbox', { name: other?.name }))
    await userEvent.click(screen.getByRole('button', { name: /^Create/ }))
    const sent = () => calls.find((c) => c.method === 'POST' && c.path === '/projects')?.body
    await waitFor(() => expect(sent()).toBeTruthy())
    expect(sent()).toMatchObject({ invite: [other?.partyId], policy: { approvers: [other?.partyId] } })
  })

  it('stands with the rules, and their approvals with the request', async () => {
    const who = project.parties[1]
    const asked = { ...project, policy: { ...project.policy, approvers: [who.partyId] } }
    fakeApi(full, (c) => (c.path === `/projects/${ids.project}` ? { body: asked } : undefined))
    const { router } = open(`/projects/${ids.project}`)
    const term = await screen.findByText('Models are approved by')
    expect(term.nextElementSibling?.textContent).toBe(who.name)
    await router.navigate('/models')
    const yes = stageRequest.votes.filter((v) => v.yes).length
    expect(await screen.findByText(new RegExp(`${yes} of ${stageRequest.needed} approvals? · asked: `))).toBeTruthy()
  })
})
