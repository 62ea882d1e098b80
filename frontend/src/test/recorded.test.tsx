import { configure, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { absent, at, changed, places, problem, run, status, table } from './recorded'
import { fakeApi, open } from './render'

configure({ asyncUtilTimeout: 15_000 }) // a slow computer is no failure

const full = table('full')
const estimate = { runs: 1, parameters: 14, bytesPerRound: 900, secondsPerRound: null, totalBytes: 3600, totalSeconds: null, problems: [] } // biome-ignore format: one record
const more = (c: { path: string }) => (c.path === '/estimate' ? { body: estimate } : undefined)
const frame = ['/status', '/session', '/events/replay', '/client-errors']

let said: string[] = []
beforeEach(() => {
  said = []
  vi.spyOn(console, 'error').mockImplementation((...x) => void said.push(x.map(String).join(' ')))
})
afterEach(() => void vi.restoreAllMocks())
// what React complains of: keys, unknown properties, nesting; not that a test ended early
const complaints = () => said.filter((s) => !/act\(/.test(s))

const main = (c: HTMLElement) => c.querySelector('main') as HTMLElement
async function settled(c: HTMLElement) {
  await screen.findByRole('heading', { level: 1 })
  await waitFor(() => expect(c.querySelectorAll('main [aria-busy=true]')).toHaveLength(0))
}
const strange = (e: HTMLElement) => {
  const copy = e.cloneNode(true) as HTMLElement
  for (const style of copy.querySelectorAll('style')) style.remove()
  return copy.textContent?.match(figures) ?? []
}

// theirs tells which fields hold what another party chose: not what is mine, not
// the words of the app itself.
const theirs = (key: string, path: string) =>
  !/datasets|identity|status|session|settings|diagnostics|series|operations|strategy|params|tutorial|chain|checks/.test(
    path,
  ) &&
  /^(name|party|from|by|owner|coordinator|admin|asker|project|experiment|title|description|purpose|note|reason|contact|keywords|purposes|parties|to|model)$/.test(
    key,
  )

const figures = /.{0,30}(?:\bNaN\b|\bundefined\b|\bnull\b|Infinity|Invalid Date|\[object|\{\{|\}\}).{0,30}/g

describe.each(places)('%s', (name, address, ...words) => {
  it('full: shows what real parties answered', async () => {
    fakeApi(full, more)
    const { container } = open(address)
    await settled(container)
    for (const w of words) await waitFor(() => expect(main(container).textContent).toContain(w))
    expect(container.querySelectorAll('main [data-state=error]')).toHaveLength(0)
    expect(strange(main(container))).toEqual([])
    expect(document.title).toMatch(/Synergos/)
    expect(complaints()).toEqual([])
  })

  it('loading: is busy, in words', async () => {
    if (address.startsWith('/runs/compare?runs=,')) return
    fakeApi(full, (c) => (frame.includes(c.path) ? undefined : 'never'))
    const { container } = open(address)
    await waitFor(() => expect(main(container).querySelector('[aria-busy=true]')?.textContent).toMatch(/\w+/))
    expect(main(container).querySelector('[data-state=error]')).toBeNull()
    expect(screen.getByRole('heading', { level: 1 }).textContent).not.toBe('')
  })

  it('error: says what and what to do, and comes back', async () => {
    let broken = true
    const p = problem('notFound')
    fakeApi(full, (c) => (broken && !frame.includes(c.path) ? p : more(c)))
    const { container } = open(address)
    await waitFor(() => expect(main(container).querySelector('[data-state=error]')).not.toBeNull())
    const alert = main(container).querySelector('[data-state=error]') as HTMLElement
    expect(alert.textContent?.toLowerCase()).toContain(p.body.detail.toLowerCase())
    expect(alert.textContent).toContain(p.body.hint)
    expect(alert.getAttribute('role')).toBe('alert')
    broken = false
    await userEvent.click(within(alert).getByRole('button', { name: 'Try again' }))
    await waitFor(() => expect(container.contains(alert)).toBe(false))
    expect(complaints()).toEqual([])
  })

  it('partial: a figure that is missing is a dash', async () => {
    fakeApi(
      changed(full, (x) => (typeof x === 'number' && !Number.isInteger(x) ? null : x)),
      more,
    )
    const { container } = open(address)
    await settled(container)
    expect(container.querySelectorAll('main [data-state=error]')).toHaveLength(0)
    expect(strange(main(container))).toEqual([])
    expect(complaints()).toEqual([])
    if (['comparison', 'results', 'runs', 'experiment', 'contribution'].includes(name))
      expect(main(container).textContent).toContain('–')
  })

  it('hostile: what peers wrote is text, in its own direction', async () => {
    const evil = '\u202e\u2066<img src=x onerror=alert(1)>\u0007'
    fakeApi(
      changed(full, (x, key, path) => (typeof x === 'string' && x && theirs(key, path) ? x + evil : x)),
      more,
    )
    const { container } = open(address)
    await settled(container)
    expect(container.querySelector('img')).toBeNull()
    const bad = [...container.querySelectorAll<HTMLElement>('main *')].filter((e) =>
      [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && /[\u202e\u2066]/.test(n.textContent ?? '')),
    )
    expect([...new Set(bad.map((e) => e.textContent?.slice(0, 60)))]).toEqual([])
  })
})

describe('a party that has just been made', () => {
  const teaching: [string, string, RegExp][] = [
    ['home', '/', /Start the tutorial/],
    ['data', '/data', /Choose a file/],
    ['catalog', '/catalog', /Publish mine/],
    ['access requests', '/catalog?tab=requests', /Nobody has asked/],
    ['projects', '/projects', /New project/],
    ['new project', '/projects/new', /Add data/],
    ['runs', '/runs', /Go to|projects/i],
    ['models', '/models', /Go to runs/],
    ['serving', '/serving', /model/i],
    ['rewards', '/rewards', /project/i],
    ['activity', '/activity', /has sent no message/],
    ['peers', '/peers', /invite link/],
    ['comparison', '/runs/compare', /runs/],
  ]
  it.each(teaching)('%s: teaches instead of showing a hole', async (_name, address, words) => {
    fakeApi(table('empty'))
    const { container } = open(address)
    await settled(container)
    const hole = main(container).querySelector('[data-state=empty]') as HTMLElement
    expect(hole?.textContent).toMatch(words)
    expect(complaints()).toEqual([])
  })

  it.each(places.filter(([, a]) => !/\/(data|catalog|projects|experiments|runs|models|serving)\/./.test(a)))(
    '%s: has no strange figures in it',
    async (_name, address) => {
      fakeApi(table('empty'))
      const { container } = open(address)
      await settled(container)
      expect(strange(main(container))).toEqual([])
      expect(container.querySelectorAll('main [data-state=error]')).toHaveLength(0)
    },
  )
})

describe('a run in the middle of its rounds', () => {
  it('shows who does what, how far it is, and who leads and why', async () => {
    fakeApi(table('live', 'full'))
    const { container } = open(`/runs/${at.live}`)
    await settled(container)
    const text = main(container).textContent ?? ''
    expect(text).toMatch(/Round \d+ of 2,?000/)
    expect(text).toContain('number 1 of 4')
    expect(container.querySelectorAll('[data-lane]')).toHaveLength(4)
    expect(strange(main(container))).toEqual([])
  })

  it('names the party that is missed, from what was recorded', async () => {
    fakeApi(table('partial', 'live', 'full'))
    const gone = absent.parties.filter((p) => ['absent', 'late', 'offline'].includes(p.state))
    expect(gone.length).toBeGreaterThan(0)
    const { container } = open(`/runs/${at.live}`)
    await settled(container)
    for (const p of gone) expect(main(container).textContent).toContain(`Not answering: ${p.name}`)
  })

  it('stands in the frame of every screen', async () => {
    fakeApi(table('live', 'full'))
    open('/settings')
    await waitFor(() => expect(screen.getByTestId('status').textContent).toMatch(/Round \d+ of 2000/))
  })
})

describe('answers one by one', () => {
  it('a contribution that does not load leaves the rest of its run', async () => {
    const p = problem('notFound')
    fakeApi(full, (c) => (c.path.endsWith('/contribution') ? p : undefined))
    const { container } = open(`/runs/${at.run}?tab=contribution`)
    await waitFor(() => expect(main(container).querySelector('[data-state=error]')).not.toBeNull())
    expect(screen.getByRole('heading', { level: 1 }).textContent).toContain(run.run.experiment)
    await userEvent.click(screen.getByRole('tab', { name: 'Results' }))
    await waitFor(() => expect(main(container).textContent).toContain('Seaside Hospital'))
    expect(main(container).querySelector('[data-state=error]')).toBeNull()
  })

  it('a run without test results says why there are none', async () => {
    const bare = { ...run, results: [], pooled: { ...run.pooled, test: {} }, run: { ...run.run, metrics: {} } }
    fakeApi(full, (c) => (c.path === `/runs/${at.run}` ? { body: bare } : undefined))
    const { container } = open(`/runs/${at.run}?tab=results`)
    await settled(container)
    expect(main(container).textContent).toMatch(/\w+/)
    expect(strange(main(container))).toEqual([])
  })

  it('the sentence of the frame is the one the app gave', async () => {
    fakeApi(full)
    open('/settings')
    await waitFor(() => expect(screen.getByTestId('status').textContent).toBe(status.sentence))
  })
})
