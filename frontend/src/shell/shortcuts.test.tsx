import { spotlight } from '@mantine/spotlight'
import { configure, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, describe, expect, it } from 'vitest'
import { en } from '../i18n'
import { at, table } from '../test/recorded'
import { fakeApi, open } from '../test/render'
import { active, screens } from './nav'
import { shortcuts, typing } from './shortcuts'

configure({ asyncUtilTimeout: 15_000 })

afterEach(() => spotlight.close()) // its state is one for all pages

const press = (keys: readonly string[]) => {
  const names: Record<string, string> = { mod: 'Control', Esc: 'Escape' }
  const [last, ...held] = [...keys].reverse().map((k) => names[k] ?? (/^[A-Z]$/.test(k) ? k.toLowerCase() : k))
  const key = last === '/' || last === '?' ? last : `{${last}}`
  return userEvent.keyboard(held.map((h) => `{${h}>}`).join('') + key + held.map((h) => `{/${h}}`).join(''))
}
const start = async (address = '/settings') => {
  fakeApi(table('full'))
  const shown = open(address)
  await screen.findByRole('heading', { level: 1 })
  return shown
}

describe('the table of shortcuts', () => {
  it('holds every key once, and words for each', () => {
    const keys = shortcuts.map((s) => s.keys.join('+'))
    expect(new Set(keys).size).toBe(keys.length)
    const words = { ...en.shell.keys, ...en.shell.nav } as Record<string, string>
    expect(shortcuts.filter((s) => !words[s.id]).map((s) => s.id)).toEqual([])
  })

  const go = shortcuts.filter((s) => screens.some((x) => x.id === s.id))
  it.each(go.map((s) => [s.keys.join('+'), s] as const))('%s leads to its screen', async (_name, s) => {
    const { router } = await start(s.id === 'settings' ? '/' : '/settings')
    await press(s.keys)
    await waitFor(() => expect(router.state.location.pathname).toBe(screens.find((x) => x.id === s.id)?.to))
    expect(document.querySelector('nav [aria-current=page]')?.textContent).toBe(en.shell.nav[s.id as 'home'])
  })

  const dialogs = [
    ['I', 'inbox', en.shell.inbox.title],
    ['O', 'operations', en.shell.operations.title],
    ['?', 'help', en.shell.keys.title],
  ] as const
  it.each(dialogs)('%s opens, and Esc closes', async (_key, id, title) => {
    await start()
    await press(shortcuts.find((s) => s.id === id)?.keys ?? [])
    await screen.findByRole('dialog', { name: title })
    await press(['Esc'])
    await waitFor(() => expect(screen.queryByRole('dialog', { name: title })).toBeNull())
  })

  it('an open dialog has the keys: nothing opens over it', async () => {
    await start('/activity')
    await press(['?'])
    await screen.findByRole('dialog', { name: en.shell.keys.title })
    await press(['/'])
    await press(['I'])
    expect(screen.getAllByRole('dialog')).toHaveLength(1)
    expect(screen.queryByPlaceholderText(en.shell.palette.placeholder)).toBeNull()
  })

  it('the sheet shows the whole table', async () => {
    await start()
    await press(['?'])
    const sheet = await screen.findByRole('dialog', { name: en.shell.keys.title })
    expect(sheet.querySelectorAll('tr')).toHaveLength(shortcuts.length)
  })

  it('mod+K opens the palette', async () => {
    await start()
    await press(['mod', 'K'])
    await screen.findByPlaceholderText(en.shell.palette.placeholder)
  })

  it('/ goes to the search field of a screen', async () => {
    await start('/settings')
    const field = await screen.findByLabelText(en.settings.search)
    await press(['/'])
    expect(document.activeElement).toBe(field)
    expect(field).toHaveProperty('value', '') // the key itself is not typed
  })

  it('/ opens the palette on a screen without a search field', async () => {
    await start('/activity')
    await press(['/'])
    await screen.findByPlaceholderText(en.shell.palette.placeholder)
  })

  it('T turns a chart into its table and back', async () => {
    await start(`/runs/${at.run}?tab=live`)
    const chart = (await screen.findAllByRole('img')).find((e) => e.tabIndex === 0) as HTMLElement
    chart.focus()
    const before = document.querySelectorAll('main table').length
    await press(['T'])
    await waitFor(() => expect(document.querySelectorAll('main table').length).toBe(before + 1))
  })
})

describe('keys that belong to a field', () => {
  it('are typed, not obeyed', async () => {
    await start('/settings')
    const field = await screen.findByLabelText(en.settings.search)
    await userEvent.type(field, 'io?/t')
    expect(field).toHaveProperty('value', 'io?/t')
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  it.each([
    ['input', true],
    ['textarea', true],
    ['select', true],
    ['button', false],
    ['div', false],
  ])('%s: %s', (tag, want) => expect(typing(document.createElement(tag))).toBe(want))

  it('are those of an editable text too', () => {
    const div = document.createElement('div')
    Object.defineProperty(div, 'isContentEditable', { value: true })
    expect(typing(div)).toBe(true)
    expect(typing(null)).toBe(false)
    expect(typing(window)).toBe(false)
  })

  it('with Alt or Shift and mod they stay with the browser', async () => {
    const { router } = await start('/settings')
    await userEvent.keyboard('{Control>}{Shift>}3{/Shift}{/Control}')
    await userEvent.keyboard('{Alt>}i{/Alt}')
    expect(router.state.location.pathname).toBe('/settings')
    expect(screen.queryByRole('dialog')).toBeNull()
  })
})

describe('where an address belongs', () => {
  it.each([
    ['/', 'home'],
    ['/peers', 'peers'],
    ['/data/abc', 'data'],
    ['/experiments/abc', 'projects'],
    ['/runs/compare', 'runs'],
    ['/models/a%2Fb/2', 'models'],
    ['/nowhere', 'home'],
  ])('%s is %s', (path, want) => expect(active(path)).toBe(want))
})
