import { describe, expect, it } from 'vitest'
import { config, finished } from '../test/fixtures'
import { joinCurves } from '../ui/chart'
import { layout } from '../ui/star'
import { sorted } from '../ui/table'
import { upload } from './data/add'
import { modelOf, shapes, templateOf } from './projects/builder'
import { countOf, spaceOf } from './projects/new-experiment'
import { bestOf } from './runs/compare'
import { gain } from './runs/results'
import { proposedName } from './runs/run'
import { paramOf } from './runs/run-table'
import { flatSettings, settingValue, settingWord } from './runs/setting'
import { rowOf } from './serving/try-it'
import '../i18n'

describe('search space', () => {
  it('keeps numbers as numbers and words as words', () => {
    const vary = [
      { key: 'lr' as const, values: ['0,05', '0.2'] },
      { key: 'strategy' as const, values: ['FedAvg', 'fedprox'] },
      { key: 'batch' as const, values: [] },
    ]
    expect(spaceOf(vary)).toEqual({
      lr: { _type: 'choice', _value: [0.05, 0.2] },
      strategy: { _type: 'choice', _value: ['fedavg', 'fedprox'] },
    })
    expect(countOf(vary)).toBe(4)
  })
})

describe('model templates', () => {
  it('know themselves again', () => {
    for (const name of ['simple', 'small', 'large'] as const)
      expect(templateOf(modelOf(name, 'classify', config.model))).toBe(name)
    expect(modelOf('simple', 'regress', config.model).family).toBe('linear')
    expect(templateOf({ family: 'layers', layers: [{ type: 'Linear', out: 3 }] })).toBe('own')
  })
  it('write their widths', () => {
    expect(shapes([{ type: 'Linear', out: 16 }, { type: 'ReLU' }, { type: 'Linear' }], 18)).toEqual([
      '18 → 16',
      '16',
      '16 → ?',
    ])
  })
})

describe('results', () => {
  it('count a lower loss as a gain', () => {
    expect(gain('accuracy', 0.8, 0.7)).toBeCloseTo(0.1)
    expect(gain('logLoss', 0.4, 0.5)).toBeCloseTo(0.1)
    expect(gain('auc', null, 0.5)).toBeNull()
  })
  it('find the best of a row, or none', () => {
    expect(bestOf({ key: 'auc', values: ['0.8', '', '0.9'] })).toBe(2)
    expect(bestOf({ key: 'logLoss', values: ['0.8', '0.9'] })).toBe(0)
    expect(bestOf({ key: 'auc', values: ['0.8', '0.8'] })).toBe(-1)
  })
  it('find settings by their short name', () => {
    const r = { ...finished, params: { 'train.lr': '0.1', 'strategy.name': 'fedprox' } }
    expect([paramOf(r, 'lr'), paramOf(r, 'strategy'), paramOf(r, 'mu')]).toEqual(['0.1', 'fedprox', undefined])
    expect(settingWord('train.lr')).toBe('Learning rate')
  })
  it('name every setting, those they do not know by its key', () => {
    const layers = [{ type: 'Linear', out: 8 }, { type: 'ReLU' }, { type: 'Linear' }]
    const full = {
      ...config,
      labels: { '0.5': 'ill' },
      drop: ['id', 'date'],
      categorical: [],
      model: { family: 'layers', layers },
    }
    const said = Object.fromEntries(flatSettings(full).map(([key, v]) => [settingWord(key), settingValue(key, v)]))
    expect(said).toMatchObject({
      'Layer 1: units': '8',
      'Layer 2: kind': 'ReLU',
      'Name of class 0.5': 'ill',
      'Columns left out': 'id, date',
      'Rows kept for testing': '30%',
      'Seed of the split': '1',
      Seed: '42',
      'How updates are joined': 'Average (FedAvg)',
    })
    expect(flatSettings(full).some(([key]) => key === 'categorical')).toBe(false)
    expect(flatSettings(full).map(([key]) => settingWord(key))).not.toContain(expect.stringMatching(/\./))
    expect([settingWord('train.warmup'), settingValue('train.warmup', '3')]).toEqual(['train.warmup', '3'])
    expect(settingWord('model.layers.2.dilation')).toBe('Layer 2: dilation')
    expect([settingValue('train.momentum', ''), settingValue('validation.fraction', '0.125')]).toEqual([
      'not set',
      '12.5%',
    ])
  })
})

describe('rows, names, pictures', () => {
  it('a form gives numbers as numbers and leaves gaps out', () => {
    const f = (name: string, type: 'number' | 'category') => ({
      name,
      type,
      values: [],
      low: null,
      high: null,
      typical: '',
      required: false,
      unit: '',
    })
    expect(
      rowOf([f('age', 'number'), f('sex', 'category'), f('chol', 'number')], { age: '54,5', sex: '1', chol: ' ' }),
    ).toEqual({ age: 54.5, sex: '1' })
  })
  it('makes a model name', () => {
    expect(proposedName('Heart disease: Zürich & co')).toBe('heart-disease-zurich-co')
    expect(proposedName('!!!')).toBe('model')
  })
  it('sorts what has no figure last, both ways', () => {
    const cols = [{ key: 'v', head: '', cell: () => null, sort: (r: { v: number | null }) => r.v }]
    const rows = [{ v: null }, { v: 2 }, { v: 1 }]
    expect(sorted(rows, cols, { key: 'v', down: false }).map((r) => r.v)).toEqual([1, 2, null])
    expect(sorted(rows, cols, { key: 'v', down: true }).map((r) => r.v)).toEqual([2, 1, null])
  })
  it('joins curves with different rounds', () => {
    expect(
      joinCurves([
        { name: 'a', xs: [1, 2], ys: [5, 6] },
        { name: 'b', xs: [2, 3], ys: [7, null] },
      ]),
    ).toEqual([
      [1, 2, 3],
      [5, 6, null],
      [null, 7, null],
    ])
  })
  it('lays the star out the same way each time, nobody on top of another', () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    const one = [...layout(ids).values()]
    expect([...layout(ids).values()]).toEqual(one)
    for (let i = 0; i < one.length; i++)
      for (let j = 0; j < i; j++) expect(Math.hypot(one[i].x - one[j].x, one[i].y - one[j].y)).toBeGreaterThan(50)
  })
})

describe('upload', () => {
  it('sends parts of 4 MiB as ArrayBuffers and returns the path', async () => {
    const size = 4 * 1024 * 1024 + 7
    const file = new File([new Uint8Array(size)], 'a.csv')
    const sent: [number, number][] = []
    const api = {
      beginUpload: async (name: string, n: number) => ({ id: 'u', name, offset: 0, size: n }),
      writeUpload: async (_id: string, offset: number, bytes: ArrayBuffer) => {
        expect(bytes).toBeInstanceOf(ArrayBuffer)
        sent.push([offset, bytes.byteLength])
        const end = offset + bytes.byteLength
        return { id: 'u', name: 'a.csv', offset: end, size, path: end === size ? '/tmp/a.csv' : undefined }
      },
    }
    expect(await upload(file, () => undefined, api as never)).toBe('/tmp/a.csv')
    expect(sent).toEqual([
      [0, 4 * 1024 * 1024],
      [4 * 1024 * 1024, 7],
    ])
  })
})
