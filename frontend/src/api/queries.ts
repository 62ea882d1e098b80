import { QueryClient, type QueryKey } from '@tanstack/react-query'
import { asProblem } from './problem'
import type { Envelope } from './transport'
import type { Operation, RunDetail, RunParty, Status } from './types'

// Keys of cached answers: the first word is the group that events invalidate.
export const k = {
  status: ['status'] as const,
  home: ['home'] as const,
  inbox: ['inbox'] as const,
  operations: ['operations'] as const,
  settings: ['settings'] as const,
  diagnostics: ['diagnostics'] as const,
  identity: ['identity'] as const,
  tutorial: ['tutorial'] as const,
  activity: (q: object) => ['activity', q] as const,
  peers: ['peers'] as const,
  datasets: ['datasets'] as const,
  dataset: (id: string) => ['datasets', id, 'one'] as const,
  profile: (id: string) => ['datasets', id, 'profile'] as const,
  cardPreview: (id: string) => ['datasets', id, 'card'] as const,
  catalog: (q: object) => ['catalog', q] as const,
  card: (id: string) => ['catalog', 'card', id] as const,
  access: ['access'] as const,
  projects: ['projects'] as const,
  project: (id: string) => ['projects', id] as const,
  consent: (id: string, dataset: string) => ['projects', id, 'consent', dataset] as const,
  alignment: (id: string) => ['alignment', id] as const,
  experiments: (project: string) => ['experiments', project] as const,
  experiment: (id: string) => ['experiments', 'one', id] as const,
  runs: (q: object) => ['runs', q] as const,
  run: (id: string) => ['run', id] as const,
  contribution: (id: string) => ['contribution', id] as const,
  comparison: (ids: string[]) => ['comparison', ...ids] as const,
  models: ['models'] as const,
  version: (model: string, n: number) => ['models', model, n] as const,
  stages: ['stages'] as const,
  servings: ['serving'] as const,
  serving: (model: string) => ['serving', model] as const,
  rewards: (project: string) => ['rewards', project] as const,
}

// stale says which cached answers an event makes old.
export function stale(kind: string, subject: string): QueryKey[] {
  switch (kind) {
    case 'status':
      return [['home']]
    case 'peer':
      return [['peers'], ['catalog'], ['projects']]
    case 'pairing':
      return [['peers'], ['inbox']]
    case 'inbox':
      return [['inbox'], ['home']]
    case 'operation':
      return [['operations']]
    case 'dataset':
      return [['datasets'], ['home'], ['tutorial']]
    case 'card':
      return [['catalog'], ['datasets'], ['home']]
    case 'access':
      return [['access'], ['catalog'], ['inbox']]
    case 'project':
      return [['projects'], ['home'], ['alignment', subject], ['tutorial']]
    case 'alignment':
      return [['alignment'], ['projects'], ['tutorial']]
    case 'experiment':
      return [['experiments'], ['runs'], ['home']]
    case 'run':
      return [['run', subject], ['runs'], ['experiments'], ['home'], ['comparison'], ['tutorial']]
    case 'run.live':
      return []
    case 'run.round':
      return [['run', subject], ['runs']]
    case 'contribution':
      return [['contribution'], ['rewards'], ['run', subject]]
    case 'model':
      return [['models'], ['serving'], ['run'], ['home'], ['tutorial']]
    case 'stage':
      return [['stages'], ['models'], ['serving'], ['inbox'], ['tutorial']]
    case 'serving':
      return [['serving'], ['models'], ['home'], ['tutorial']]
    case 'reward':
      return [['rewards'], ['contribution'], ['home']]
    case 'activity':
      return [['activity']]
    case 'settings':
      return [['settings']]
    default:
      return []
  }
}

// applyBatch puts a batch of events into the cache: some records are written in
// place, the rest makes answers old. Returns the keys made old.
export function applyBatch(qc: QueryClient, batch: Envelope[]): QueryKey[] {
  const keys = new Map<string, QueryKey>()
  for (const e of batch) {
    if (e.kind === 'status' && e.data) qc.setQueryData(k.status, e.data as Status)
    if (e.kind === 'operation' && e.data) mergeOperation(qc, e.data as Operation)
    if (e.kind === 'run.live' && Array.isArray(e.data)) setParties(qc, e.subject, e.data as RunParty[])
    for (const key of stale(e.kind, e.subject)) keys.set(JSON.stringify(key), key)
  }
  return [...keys.values()]
}

function mergeOperation(qc: QueryClient, op: Operation) {
  qc.setQueryData<Operation[]>(k.operations, (old) => {
    if (!old) return old
    const rest = old.filter((o) => o.id !== op.id)
    return [op, ...rest]
  })
}

function setParties(qc: QueryClient, run: string, parties: RunParty[]) {
  qc.setQueryData<RunDetail>(k.run(run), (old) => (old ? { ...old, parties } : old))
}

// makeQueryClient keeps old answers on the screen while it asks again, and asks
// once more only where a second try can help.
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        refetchOnWindowFocus: false,
        retry: (n, err) => n < 2 && [0, 502, 503, 504].includes(asProblem(err).status),
      },
    },
  })
}

// Invalidator gathers keys and makes them old at most four times a second.
export class Invalidator {
  private keys = new Map<string, QueryKey>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private qc: QueryClient
  private everyMs: number

  constructor(qc: QueryClient, everyMs = 250) {
    this.qc = qc
    this.everyMs = everyMs
  }

  add(keys: QueryKey[]) {
    for (const key of keys) this.keys.set(JSON.stringify(key), key)
    if (this.keys.size > 0) this.timer ??= setTimeout(() => this.flush(), this.everyMs)
  }

  flush() {
    clearTimeout(this.timer)
    this.timer = undefined
    const keys = [...this.keys.values()]
    this.keys.clear()
    for (const queryKey of keys) void this.qc.invalidateQueries({ queryKey })
  }
}
