// The recorded answers of real parties as tables for fakeApi. e2e/record.mjs made
// them, app/api checks them against the OpenAPI document.
import type * as V from '../api/types'

export interface Recorded {
  operation: string
  method: string
  path: string
  target: string
  status: number
  body: unknown
}
type Set = 'full' | 'empty' | 'live' | 'partial' | 'new' | 'problem'

const files = import.meta.glob<Recorded>('./fixtures/*/*.json', { eager: true, import: 'default' })

// recorded gives one answer by its set and name.
export function recorded(set: Set, name: string): Recorded {
  const r = files[`./fixtures/${set}/${name}.json`]
  if (!r) throw new Error(`no fixture ${set}/${name}`)
  return r
}

const body = <T>(set: Set, name: string) => recorded(set, name).body as T

// table puts sets of answers together; the first that has an address wins.
export function table(...sets: Set[]): [RegExp, unknown][] {
  return sets.flatMap((set) =>
    Object.entries(files)
      .filter(([file, r]) => file.startsWith(`./fixtures/${set}/`) && r.method === 'get')
      .map(([, r]): [RegExp, unknown] => [new RegExp(`^${r.target.split('?')[0]}$`), r.body]),
  )
}

type Change = (value: unknown, key: string, path: string) => unknown

// changed is a copy of a table in which every leaf went through f; path says where
// it stands: the address, then the keys down to it.
export const changed = (t: [RegExp, unknown][], f: Change): [RegExp, unknown][] =>
  t.map(([re, b]) => [re, deep(b, '', re.source, f)])

function deep(x: unknown, key: string, path: string, f: Change): unknown {
  if (Array.isArray(x)) return x.map((y) => deep(y, key, path, f))
  if (x && typeof x === 'object')
    return Object.fromEntries(Object.entries(x).map(([k, y]) => [k, deep(y, k, `${path}/${k}`, f)]))
  return f(x, key, path)
}

const first = <T>(name: string) => body<{ items: T[] }>('full', name).items[0]

export const at = {
  dataset: first<V.Dataset>('datasets').id,
  project: first<V.Project>('projects').id,
  experiment: first<V.Experiment>('experiments').id,
  run: body<V.RunDetail>('full', 'run').run.id,
  live: body<V.RunDetail>('live', 'run').run.id,
  card: body<V.CatalogEntry>('full', 'catalogCard').card.id,
  model: first<V.Model>('models').id,
  runs: body<{ items: V.Run[] }>('full', 'runs').items.map((r) => r.id),
}

export const status = body<V.Status>('full', 'status')
export const run = body<V.RunDetail>('full', 'run')
export const absent = body<V.RunDetail>('partial', 'run')
export const problem = (name: string) => ({
  status: recorded('problem', name).status,
  body: body<V.ProblemBody>('problem', name),
})

// places are the addresses of all screens, with words that each must show when
// the full answers are there.
export const places: [name: string, address: string, ...words: string[]][] = [
  ['home', '/', 'Heart disease', 'Training'],
  ['peers', '/peers', 'Lakeview Clinic', 'Six-digit code'],
  ['data', '/data', 'Riverside heart data (synthetic)', '240'],
  ['dataset', `/data/${at.dataset}`, '240', 'Classes'],
  ['dataset columns', `/data/${at.dataset}?tab=columns`, 'chol'],
  ['dataset card', `/data/${at.dataset}?tab=card`, 'Exactly what others receive'],
  ['dataset rows', `/data/${at.dataset}?tab=rows`, 'thalach'],
  ['catalog', '/catalog', 'Seaside heart data (synthetic)'],
  ['access requests', '/catalog?tab=requests', 'Access requests', 'Lakeview'],
  ['card', `/catalog/${at.card}`, 'Terms of use'],
  ['projects', '/projects', 'Heart disease'],
  ['new project', '/projects/new', 'The question'],
  ['project', `/projects/${at.project}`, 'Hillcrest Medical Centre', '€1,000.00 per run'],
  ['consent', `/projects/${at.project}?tab=consent`, 'Leaves this computer', 'Stays here'],
  ['alignment', `/projects/${at.project}?tab=alignment`, 'Columns', 'Agreed'],
  ['experiments', `/projects/${at.project}?tab=experiments`, 'FedAvg against FedProx'],
  ['new experiment', `/projects/${at.project}/new-experiment`, 'Learning rate'],
  ['experiment', `/experiments/${at.experiment}`, 'FedAvg against FedProx'],
  ['runs', '/runs', 'FedAvg against FedProx'],
  ['run', `/runs/${at.run}?tab=live`, 'Riverside Hospital'],
  ['results', `/runs/${at.run}?tab=results`, 'Riverside Hospital', 'Seaside Hospital'],
  ['contribution', `/runs/${at.run}?tab=contribution`, 'Shapley'],
  ['history', `/runs/${at.run}?tab=history`, 'coordinates'],
  ['run settings', `/runs/${at.run}?tab=settings`, 'FedProx'],
  ['comparison', `/runs/compare?runs=${at.runs.join(',')}`, 'AUC'],
  ['models', '/models', 'heart', 'Production'],
  ['model', `/models/${at.model}`, 'Version 1'],
  ['version', `/models/${at.model}/1`, 'Where it comes from'],
  ['serving', '/serving', 'heart', 'On'],
  ['serving a model', `/serving/${at.model}`, 'Predict', 'thalach'],
  ['rewards', '/rewards', 'Seaside Hospital', '€608.84'],
  ['activity', '/activity', 'Lakeview Clinic', 'Messages sent'],
  ['settings', '/settings', 'Let others on this network find this app'],
  ['identity', '/settings?tab=identity', 'Fingerprint'],
  ['doctor', '/settings?tab=doctor', 'Port for peers'],
  ['about', '/settings?tab=about', '0.1.0'],
]
