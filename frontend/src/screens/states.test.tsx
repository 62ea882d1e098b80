import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import { empty, full, screensToSee } from '../test/fixtures'
import { fakeApi, open, unavailable } from '../test/render'

const quiet = [
  '/status',
  '/session',
  '/events/replay',
  '/client-errors',
  '/identity',
  '/peers',
  '/inbox',
  '/operations',
]

// Each screen in its five states: full, empty, loading, error, partial.
describe('every screen', () => {
  it.each(screensToSee)('%s shows what there is', async (_name, path) => {
    fakeApi(full)
    const { container } = open(path)
    await screen.findByRole('heading', { level: 1 })
    await waitFor(() => expect(container.querySelectorAll('[aria-busy=true]')).toHaveLength(0))
    expect(container.querySelectorAll('[data-state=error]')).toHaveLength(0)
    expect(screen.queryByText('This screen stopped working')).toBeNull()
    expect(document.title).toContain('Synergos')
  })

  const lists = screensToSee.filter(([n]) =>
    [
      'home',
      'peers',
      'data',
      'catalog',
      'catalog-requests',
      'projects',
      'project-new',
      'project-alignment',
      'project-experiments',
      'runs',
      'models',
      'serving',
      'rewards',
      'activity',
    ].includes(n),
  )
  it.each(lists)('%s teaches when it is empty', async (name, path) => {
    fakeApi(empty)
    const { container } = open(path)
    await waitFor(() => expect(container.querySelector('main [data-state=empty]')).not.toBeNull())
    const hole = container.querySelector('main [data-state=empty]') as HTMLElement
    expect(hole.textContent?.length).toBeGreaterThan(20)
    if (!['peers', 'activity', 'catalog-requests'].includes(name))
      expect(
        within(hole).getAllByRole(
          name === 'home' || name === 'data' || name === 'project-alignment' ? 'button' : 'link',
        ).length,
      ).toBeGreaterThan(0)
  })

  it.each(screensToSee)('%s says what is wrong and tries again', async (_name, path) => {
    let broken = true
    const own = path.startsWith('/peers') ? '/peers' : path.includes('tab=identity') ? '/identity' : ''
    fakeApi(full, (c) => (broken && (c.path === own || !quiet.includes(c.path)) ? unavailable : undefined))
    const { container } = open(path)
    await waitFor(() => expect(container.querySelector('main [data-state=error]')).not.toBeNull())
    const alert = container.querySelector('main [data-state=error]') as HTMLElement
    expect(alert.textContent).toContain('Wait a moment.')
    broken = false
    await userEvent.click(within(alert).getByRole('button', { name: 'Try again' }))
    await waitFor(() => expect(container.contains(alert)).toBe(false))
  })

  it.each(screensToSee)('%s is busy, in words, while it waits', async (_name, path) => {
    fakeApi(full, (c) => (quiet.includes(c.path) ? undefined : 'never'))
    const { container } = open(path)
    if (path.startsWith('/peers') || path.includes('tab=identity')) return // answered by what the frame asks anyway
    await waitFor(() => expect(container.querySelector('[aria-busy=true]')).not.toBeNull())
    expect(container.querySelector('[aria-busy=true]')?.textContent).not.toBe('')
  })
})
