import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import type { Comparison } from '../../api/types'
import { comparison, finished, full, ids } from '../../test/fixtures'
import { fakeApi, open } from '../../test/render'

const address = `/runs/compare?runs=${ids.run},${ids.run2}`
const show = (c: Comparison) => {
  fakeApi(full, (x) => (x.path === '/comparison' ? { body: c } : undefined))
  open(address)
}
const rows = async () =>
  within(await screen.findByRole('region', { name: 'Compare runs' }))
    .getAllByRole('row')
    .map((r) => [...r.children].map((c) => c.textContent))

describe('runs side by side', () => {
  const odd: Comparison = {
    ...comparison,
    differs: [
      { key: 'model.layers.2.slope', values: ['', '0.2'] },
      { key: 'train.momentum', values: ['', '0.9'] },
      { key: 'train.warmupRounds', values: ['3', '5'] },
      { key: 'validation.fraction', values: ['0.2', '0.1'] },
    ],
    same: [{ key: 'strategy.name', values: ['fedprox', 'fedprox'] }],
  }

  it('show every setting that differs, known by its words and unknown by its key', async () => {
    show(odd)
    expect((await rows()).slice(1, 5)).toEqual([
      ['Layer 2: slope below zero', 'not set', '0.2'],
      ['Momentum', 'not set', '0.9'],
      ['train.warmupRounds', '3', '5'],
      ['Rows kept for checking', '20%', '10%'],
    ])
  })

  it('show all settings on demand', async () => {
    show(odd)
    const all = ['How updates are joined', 'Held close (FedProx)', 'Held close (FedProx)']
    expect(await rows()).not.toContainEqual(all)
    await userEvent.click(screen.getByRole('switch', { name: 'Show all settings' }))
    expect(await rows()).toContainEqual(all)
  })

  it('that measure different things say so, figure by figure', async () => {
    const curve = (name: string) => ({ name, rounds: [1, 2], values: [0.5, 0.6] })
    show({
      ...comparison,
      metrics: [
        { key: 'auc', values: ['0.9', ''] },
        { key: 'r2', values: ['', '0.4'] },
      ],
      series: [
        { runId: comparison.runs[0].id, series: [curve('valid.auc')] },
        { runId: comparison.runs[1].id, series: [curve('valid.r2')] },
      ],
    })
    expect((await rows()).slice(-2).map((r) => r.slice(1))).toEqual([
      ['0.900', '–'],
      ['–', '0.400'],
    ])
    expect(screen.getByText(/Not every run has every figure/)).toBeTruthy()
    const second = `${finished.experiment}, run ${comparison.runs[1].number}`
    expect(screen.getByText(`Without a curve of this figure: ${second}.`)).toBeTruthy()
  })

  it('of two questions with one name keep their curves apart', async () => {
    const twin = { ...comparison.runs[1], number: comparison.runs[0].number }
    show({ ...comparison, runs: [comparison.runs[0], twin] })
    const names = (await rows())[0].slice(1)
    expect(new Set(names).size).toBe(2)
    expect(names[1]).toContain(twin.id.slice(0, 6))
  })
})
