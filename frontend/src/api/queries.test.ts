import { describe, expect, it, vi } from 'vitest'
import { operations, runningDetail } from '../test/fixtures'
import { applyBatch, Invalidator, k, makeQueryClient, stale } from './queries'
import type { RunParty } from './types'

const ev = (kind: string, subject: string, data: unknown = null) => ({ seq: 1, at: '', kind, subject, data })

describe('events and the cache', () => {
  it('writes the live parties in place', () => {
    const qc = makeQueryClient()
    const id = runningDetail.run.id
    qc.setQueryData(k.run(id), runningDetail)
    const parties: RunParty[] = [{ ...runningDetail.parties[0], progress: 1 }]
    expect(applyBatch(qc, [ev('run.live', id, parties)])).toEqual([])
    expect(qc.getQueryData(k.run(id))).toEqual({ ...runningDetail, parties })
  })

  it('puts a fresh operation first and only once', () => {
    const qc = makeQueryClient()
    qc.setQueryData(k.operations, operations)
    applyBatch(qc, [ev('operation', 'o2', { ...operations[1], state: 'failed' })])
    expect(qc.getQueryData<typeof operations>(k.operations)?.map((o) => [o.id, o.state])).toEqual([
      ['o2', 'failed'],
      ['o1', 'running'],
    ])
  })

  it('names every key once per batch', () => {
    const keys = applyBatch(makeQueryClient(), [ev('run', 'a'), ev('run', 'a'), ev('run', 'b')])
    expect(keys.filter((x) => x[0] === 'runs')).toHaveLength(1)
    expect(keys.filter((x) => x[0] === 'run')).toEqual([
      ['run', 'a'],
      ['run', 'b'],
    ])
  })

  it.each([
    'peer',
    'pairing',
    'inbox',
    'operation',
    'dataset',
    'card',
    'access',
    'project',
    'alignment',
    'experiment',
    'run',
    'run.round',
    'contribution',
    'model',
    'stage',
    'serving',
    'reward',
    'activity',
    'settings',
  ])('%s makes something old', (kind) => {
    expect(stale(kind, 's').length).toBeGreaterThan(0)
  })

  it('gathers before it asks again', () => {
    vi.useFakeTimers()
    const qc = makeQueryClient()
    const spy = vi.spyOn(qc, 'invalidateQueries')
    const inv = new Invalidator(qc)
    for (let i = 0; i < 50; i++) inv.add([['runs']])
    expect(spy).not.toHaveBeenCalled()
    vi.advanceTimersByTime(250)
    expect(spy).toHaveBeenCalledTimes(1)
    vi.useRealTimers()
  })
})
