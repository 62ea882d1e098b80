import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import { experiment, full, home, ids, peers, serving } from '../test/fixtures'
import { type Call, fakeApi, open } from '../test/render'

const steps = [{ id: 'start', title: 'Start', text: 'It runs.', done: true, href: '/' }]
const acts: [name: string, address: string, menu: string, button: string, ok: string, sent: (c: Call) => boolean][] = [
  ['stopping all runs of an experiment', `/experiments/${ids.exp}`, '', 'Stop all its runs', 'Stop all its runs', (c) => c.path === `/experiments/${experiment.id}/cancel`],
  ['ending a pairing', '/peers', `Actions for ${peers.items[0].name}`, 'End the pairing', 'End the pairing', (c) => c.method === 'DELETE' && c.path.startsWith('/peers/')],
  ['replacing a token', '/serving/heart-risk', '', 'New token', 'Replace the token', (c) => c.path.endsWith('/token')],
  ['ending the tutorial', '/', '', 'End the tutorial', 'End the tutorial', (c) => c.method === 'DELETE' && c.path === '/tutorial'],
] // biome-ignore format: a table

describe('an act that cannot be taken back', () => {
  it.each(acts)(
    '%s is asked about first; the focus is on the way out',
    async (_name, address, menu, button, ok, sent) => {
      const calls = fakeApi(full, (c) =>
        c.path === '/home' && c.method === 'GET'
          ? { body: { ...home, tutorial: { state: 'running', steps } } }
          : c.path === '/tutorial' || c.path.endsWith('/cancel')
            ? { body: {} }
            : c.path.endsWith('/token')
              ? { body: serving }
              : undefined,
      )
      open(address)
      const ask = async () => {
        if (menu) await userEvent.click(await screen.findByRole('button', { name: menu }))
        await userEvent.click(await screen.findByRole(menu ? 'menuitem' : 'button', { name: button }))
        return screen.findByRole('dialog')
      }
      const box = await ask()
      await waitFor(() => expect(document.activeElement).toBe(within(box).getByRole('button', { name: 'Cancel' })))
      await userEvent.keyboard('{Enter}')
      await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
      expect(calls.some(sent)).toBe(false)
      await userEvent.click(within(await ask()).getByRole('button', { name: ok }))
      await waitFor(() => expect(calls.some(sent)).toBe(true))
    },
  )
})
