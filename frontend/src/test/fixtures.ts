import type * as V from '../api/types'

// Answers of a party in the middle of its work, typed by openapi.json. Tests and
// the look at every screen use them; no screen imports them.

const now = Date.parse('2026-11-25T10:00:00Z')
const back = (minutes: number) => new Date(now - minutes * 60_000).toISOString()
const key = (c: string) => c.repeat(52).slice(0, 52)
const print = (c: string) => (key(c).match(/.{4}/g) ?? []).join(' ')
const hex = (c: string, n = 64) => c.repeat(n).slice(0, n)

export const ids = {
  me: key('ANNA'),
  b: key('BUDA'),
  c: key('CHUR'),
  d: key('DAVE'),
  project: hex('a1', 32),
  run: hex('b1', 32),
  run2: hex('b2', 32),
  exp: hex('e1', 32),
  data: hex('d1', 32),
  card: hex('c1', 32),
  model: `heart-risk~${hex('a1', 32)}`,
}
const names = ['St. Anna, Cleveland', 'Országos, Budapest', 'Kantonsspital Zürich', 'VA Long Beach']
const keys = [ids.me, ids.b, ids.c, ids.d]

const metrics = {
  accuracy: 0.821,
  auc: 0.893,
  logLoss: 0.417,
  balancedAccuracy: 0.809,
  f1: 0.79,
  precision: 0.81,
  recall: 0.772,
}

export const config: V.RunConfig = {
  version: 1,
  task: 'classify',
  target: 'num',
  test: { fraction: 0.3, seed: 1 },
  validation: { fraction: 0.2 },
  model: { family: 'logistic' },
  train: { optimizer: 'sgd', lr: 0.05, batch: 16, epochs: 2 },
  strategy: { name: 'fedavg' },
  rounds: 20,
  seed: 42,
  contribution: 'shapley',
}

export const status: V.Status = {
  epoch: 'e1',
  version: '0.1.0',
  ready: true,
  named: true,
  party: names[0],
  partyId: ids.me,
  sentence: 'Round 7 of 20 · 3 of 4 parties in · about 12 min left',
  state: 'working',
  online: 2,
  paired: 3,
  inbox: 2,
  running: 1,
  serving: 1,
  window: false,
}

export const identity: V.Identity = {
  party: names[0],
  partyId: ids.me,
  deviceId: ids.me,
  fingerprint: print('ANNA'),
  addresses: ['192.168.1.20:7443', '[fd00::20]:7443'],
  home: '/home/anna/.local/share/synergos',
  discovery: 'on',
  keyStore: 'in a file of this folder that only you can read',
}

export const inbox: V.InboxEntry[] = [
  {
    id: 'i1',
    kind: 'stage',
    title: 'Vote: heart-risk, version 2, to production',
    text: 'Better on every hospital than version 1.',
    from: names[1],
    at: back(12),
    subject: 's1',
    href: `#/models/${ids.model}/2`,
    done: false,
  },
  {
    id: 'i2',
    kind: 'access',
    title: 'Országos, Budapest asks for “Cleveland heart 1988”',
    text: 'External validation of a risk score.',
    from: names[1],
    at: back(95),
    subject: 'a1',
    href: '#/catalog?tab=requests',
    done: false,
  },
]

const peer = (i: number, state: V.Peer['state'], online: boolean): V.Peer => ({
  deviceId: keys[i],
  partyId: state === 'seen' ? undefined : keys[i],
  name: state === 'seen' ? '' : names[i],
  state,
  online,
  role: i === 1 ? 'coordinator' : 'participant',
  fingerprint: print(['ANNA', 'BUDA', 'CHUR', 'DAVE'][i]),
  addresses: [`192.168.1.2${i}:7443`],
  source: 'mdns',
  lastSeen: back(online ? 0 : 180),
  rttMs: online ? 2.4 * i : null,
  version: '0.1.0',
  bytesIn: 1_240_000 * i,
  bytesOut: 980_000 * i,
  how: i === 1 ? 'by six digits' : 'by invite',
})

export const peers: V.PeerList = {
  items: [
    peer(1, 'paired', true),
    peer(2, 'paired', true),
    peer(3, 'paired', false),
    { ...peer(3, 'seen', true), deviceId: key('EVEX'), fingerprint: print('EVEX') },
  ],
  pairings: [],
  invites: [{ id: 'v1', expires: new Date(now + 3_600_000).toISOString(), used: false, tries: 0 }],
  discovery: { state: 'on', sentence: 'Looking on two networks.', hint: '', interfaces: ['eth0', 'wlan0'] },
  identity,
}

export const pairing: V.Pairing = {
  id: 'p1',
  mode: 'code',
  incoming: false,
  state: 'compare',
  code: '482913',
  name: '',
  deviceId: key('EVEX'),
  fingerprint: print('EVEX'),
  confirmed: false,
  at: back(0),
}

export const dataset: V.Dataset = {
  id: ids.data,
  name: 'Cleveland heart 1988',
  file: 'cleveland.csv',
  path: '/data/cleveland.csv',
  rows: 303,
  columns: 14,
  bytes: 11_400,
  target: 'num',
  task: 'classify',
  state: 'ready',
  badRows: 0,
  cardVersion: 2,
  cardStale: true,
  usedIn: ['Heart disease risk'],
  addedAt: back(3000),
  revision: 4,
  sample: false,
}

const column = (
  name: string,
  type: V.Column['type'],
  role: V.Column['role'],
  description: string,
  unit: string,
  mean: number | null,
  missing = 0,
): V.Column => ({
  name,
  type,
  role,
  level: 'coarse',
  description,
  unit,
  missing,
  distinct: mean === null ? 4 : 41,
  mean,
  sd: mean === null ? null : mean * 0.17,
  min: mean === null ? null : mean * 0.5,
  q25: mean === null ? null : mean * 0.87,
  median: mean,
  q75: mean === null ? null : mean * 1.1,
  max: mean === null ? null : mean * 1.5,
  histogram: Array.from({ length: mean === null ? 4 : 12 }, (_, i) => ({
    label: String(i),
    low: i,
    high: i + 1,
    counts: [Math.round(24 * Math.exp(-((i - 5) ** 2) / 9)) + 2, Math.round(20 * Math.exp(-((i - 7) ** 2) / 8)) + 1],
  })),
})

export const profile: V.Profile = {
  dataset,
  columns: [
    column('age', 'int', 'feature', 'Age at examination', 'years', 54.4),
    column('sex', 'category', 'feature', 'Sex', '', null),
    column('cp', 'category', 'feature', 'Type of chest pain', '', null),
    column('trestbps', 'int', 'feature', 'Resting blood pressure', 'mmHg', 131.7),
    column('chol', 'int', 'feature', 'Serum cholesterol', 'mg/dl', 246.7, 4),
    column('thalach', 'int', 'feature', 'Highest heart rate reached', '1/min', 149.6),
    column('patient', 'int', 'id', '', '', 152),
    column('num', 'category', 'label', 'Narrowing above 50 %', '', null),
  ],
  classes: ['healthy', 'ill'],
  classCount: [164, 139],
  duplicates: 1,
  findings: [
    {
      severity: 'warning',
      column: 'patient',
      row: 0,
      text: 'Every row has another value.',
      why: 'It looks like an identifier.',
      remedy: 'It is left out of training.',
    },
    {
      severity: 'info',
      column: 'chol',
      row: 0,
      text: '4 values are missing.',
      why: '',
      remedy: 'The common mean stands in.',
    },
  ],
  proposal: config,
  preview: [
    ['63', '1', '1', '145', '233', '150', '1', 'healthy'],
    ['67', '1', '4', '160', '', '108', '2', 'ill'],
    ['41', '0', '2', '130', '204', '172', '3', 'healthy'],
  ],
}

const cardColumn = (name: string, mean: number | null): V.CardColumn => ({
  name,
  type: mean === null ? 'category' : 'int',
  role: name === 'num' ? 'label' : 'feature',
  unit: name === 'age' ? 'years' : '',
  description: '',
  level: 'full',
  missingBand: '0 %',
  mean,
  sd: mean === null ? null : 9.1,
  p01: mean === null ? null : 35,
  median: mean,
  p99: mean === null ? null : 71,
  categories:
    mean === null
      ? [
          { name: 'yes', count: '140' },
          { name: 'no', count: '160' },
        ]
      : [],
  histogram: [],
})

const card = (i: number, title: string): V.Card => ({
  id: i === 0 ? ids.card : hex(`c${i + 1}`, 32),
  version: 2,
  partyId: keys[i],
  party: names[i],
  title,
  description: 'Consecutive patients referred for coronary angiography, angiographic narrowing above 50 % as outcome.',
  keywords: ['cardiology', 'angiography'],
  task: 'classify',
  target: 'num',
  modality: 'table',
  rowBand: '250 to 500',
  rows: i === 1 ? 261 : 0,
  columns: ['age', 'chol', 'thalach'].map((c) => cardColumn(c, 54.4)).concat(cardColumn('num', null)),
  terms: {
    licence: 'research-only',
    purposes: ['research'],
    minParties: 2,
    families: [],
    expiresDays: 365,
    contact: 'data@hospital.example',
  },
  compute: {
    cores: 8,
    memoryMb: 16_000,
    accelerator: '',
    samplesPerSecond: 184_000,
    measuredDate: '2026-11-20',
    grids: 1,
  },
  fingerprint: hex('f', 32),
  published: back(800 * (i + 1)),
  withdrawn: false,
})

export const cardPreview: V.CardPreview = {
  card: card(0, 'Cleveland heart 1988'),
  body: '{"title":"Cleveland heart 1988","rowBand":"250 to 500"}',
  bytes: 3120,
  changed: ['The description of chol has changed.'],
  hidden: ['Exact number of rows: only the band is told.', 'Categories seen fewer than 10 times.'],
}

export const catalog: V.Catalog = {
  items: [
    {
      card: card(1, 'Hungarian heart 1988'),
      mine: false,
      online: true,
      asOf: back(30),
      matched: 9,
      of: 11,
      access: 'none',
      score: 0.9,
    },
    {
      card: card(2, 'Zürich and Basel heart'),
      mine: false,
      online: true,
      asOf: back(30),
      matched: 11,
      of: 11,
      access: 'approved',
      score: 0.8,
    },
    {
      card: card(3, 'Long Beach heart'),
      mine: false,
      online: false,
      asOf: back(4000),
      matched: 10,
      of: 11,
      access: 'asked',
      score: 0.7,
    },
    {
      card: card(0, 'Cleveland heart 1988'),
      mine: true,
      online: true,
      asOf: back(30),
      matched: 11,
      of: 11,
      access: 'own',
      score: 1,
    },
  ],
  facets: {
    task: [{ value: 'classify', count: 4 }],
    party: names.map((value) => ({ value, count: 1 })),
    rowBand: [{ value: '250 to 500', count: 4 }],
    licence: [{ value: 'research-only', count: 4 }],
  },
  total: 4,
}

export const access: V.AccessRequest[] = [
  {
    id: 'a1',
    cardId: ids.card,
    title: 'Cleveland heart 1988',
    from: names[1],
    fromId: keys[1],
    owner: names[0],
    ownerId: keys[0],
    incoming: true,
    purpose: 'External validation of a risk score.',
    days: 180,
    state: 'submitted',
    reason: '',
    at: back(95),
  },
  {
    id: 'a2',
    cardId: hex('c4', 32),
    title: 'Long Beach heart',
    from: names[0],
    fromId: keys[0],
    owner: names[3],
    ownerId: keys[3],
    incoming: false,
    purpose: 'Training a shared model.',
    days: 365,
    state: 'submitted',
    reason: '',
    at: back(900),
  },
]

export const project: V.Project = {
  id: ids.project,
  name: 'Heart disease risk',
  purpose: 'Predict narrowing of the coronary arteries from routine findings, across four hospitals.',
  task: 'classify',
  target: 'num',
  admin: names[0],
  adminId: keys[0],
  mine: true,
  state: 'ready',
  sentence: 'Four parties agree on 18 inputs. Ready to train.',
  parties: names.map((name, i) => ({
    partyId: keys[i],
    name,
    state: i === 3 ? 'invited' : 'accepted',
    online: i < 3,
    me: i === 0,
    dataset: ['Cleveland heart 1988', 'Hungarian heart 1988', 'Zürich and Basel heart', ''][i],
    rowBand: '250 to 500',
    fingerprint: '',
    rank: i + 1,
  })),
  policy: {
    poolCents: 100_000,
    currency: 'EUR',
    approvers: [],
    production: 'majority',
    mode: 'open',
    basis: 'pooled',
    floor: 10,
  },
  datasetId: ids.data,
  config,
  createdAt: back(2800),
  runs: 2,
  tutorial: false,
}

export const invited: V.Project = {
  ...project,
  id: hex('a2', 32),
  name: 'Stroke outcome',
  state: 'invited',
  mine: false,
  admin: names[2],
  adminId: keys[2],
  datasetId: undefined,
  sentence: 'Kantonsspital Zürich invites you.',
  runs: 0,
}

export const consent: V.ConsentSheet = {
  projectId: invited.id,
  digest: hex('9'),
  asker: names[2],
  purpose: 'Predict outcome 90 days after stroke.',
  leaves: [
    { what: 'Description of 13 columns', how: 'once', who: 'Kantonsspital Zürich', bytes: 2400 },
    { what: 'Count, sum and sum of squares of 10 columns', how: 'once', who: 'the coordinator', bytes: 380 },
    {
      what: 'Model update (19 numbers)',
      how: 'each round, about 20 times a run',
      who: 'the coordinator and the scorers',
      bytes: 312,
    },
    { what: 'Test figures as sums', how: 'after each round', who: 'the coordinator', bytes: 960 },
  ],
  stays: ['Every row of the file', 'Labels and identifiers', 'Predictions for single rows'],
  sees: ['The coordinator sees each update.', 'All parties see the joined model and the test figures of each party.'],
  privacy: 'Updates are clipped; counts below 10 are hidden. Updates are not masked.',
  reward: 'No money is shared.',
  expires: 'After 365 days, or when you leave.',
  datasets: [
    {
      id: ids.data,
      name: 'Cleveland heart 1988',
      matched: 11,
      of: 13,
      note: 'ca and thal are missing and would be filled in.',
    },
  ],
  columns: ['age', 'sex', 'cp', 'trestbps', 'chol'],
}

const cell = (state: V.AlignmentCell['state'], name: string, note = ''): V.AlignmentCell => ({ state, name, note })

export const alignment: V.Alignment = {
  projectId: ids.project,
  state: 'confirm',
  sentence: 'Two columns have other names at a party. Please confirm.',
  parties: names.slice(0, 3),
  columns: [
    {
      name: 'age',
      type: 'int',
      role: 'feature',
      cells: [cell('same', 'age'), cell('same', 'age'), cell('same', 'age')],
    },
    {
      name: 'chol',
      type: 'int',
      role: 'feature',
      cells: [cell('same', 'chol'), cell('matched', 'cholesterol'), cell('same', 'chol')],
    },
    {
      name: 'ca',
      type: 'int',
      role: 'feature',
      cells: [cell('same', 'ca'), cell('filled', '', '96 % are missing'), cell('filled', '')],
    },
    {
      name: 'thal',
      type: 'category',
      role: 'feature',
      cells: [
        cell('same', 'thal'),
        cell('conflict', 'thal', 'a number here, a category elsewhere'),
        cell('same', 'thal'),
      ],
    },
  ],
  matches: [
    {
      party: names[1],
      from: 'cholesterol',
      to: 'chol',
      score: 0.91,
      why: 'the names are alike, both are numbers',
      confirmed: false,
    },
    { party: names[2], from: 'hr_max', to: 'thalach', score: 0.44, why: 'the spreads are alike', confirmed: false },
  ],
  digest: hex('7'),
  features: ['age', 'sex=1', 'cp=1', 'cp=2', 'chol'],
  scaling: [{ column: 'age', mean: 53.1, sd: 9.2, fill: 53.1 }],
  issues: [
    {
      severity: 'warning',
      column: 'thal',
      row: 0,
      text: 'Országos, Budapest has a number, the others a category.',
      why: '',
      remedy: 'Change its type under My data, then compare again.',
    },
  ],
  canConfirm: true,
}

const run = (n: number, state: V.Run['state']): V.Run => ({
  id: n === 1 ? ids.run : ids.run2,
  experimentId: ids.exp,
  experiment: 'Learning rate',
  projectId: ids.project,
  project: project.name,
  number: n,
  state,
  endReason: '',
  sentence:
    state === 'running'
      ? 'Round 7 of 20 · 3 of 4 parties in · about 12 min left'
      : 'Finished after 20 rounds. The model is that of round 17.',
  configHash: hex('5'),
  params: { lr: n === 1 ? '0.05' : '0.2', batch: '16', rounds: '20' },
  round: state === 'running' ? 7 : 20,
  rounds: 20,
  coordinator: names[1],
  coordinatorId: keys[1],
  why: 'Its computer is the fastest that all parties reach.',
  term: '3',
  bestRound: 17,
  metrics: state === 'running' ? { accuracy: 0.781, auc: 0.85 } : metrics,
  startedAt: back(n === 1 ? 60 : 8),
  endedAt: state === 'running' ? undefined : back(52),
  etaMs: state === 'running' ? 720_000 : 0,
  mine: true,
  version: state === 'running' ? undefined : 'heart-risk@2',
  versionHref: state === 'running' ? undefined : `/models/${ids.model}/2`,
  paramsHash: hex('4'),
  tutorial: false,
})

export const finished = run(1, 'finished')
export const running = run(2, 'running')

const rounds = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const curve = (name: string, party: string | undefined, n: number, from: number, to: number): V.Series => ({
  name,
  party,
  rounds: rounds(n),
  values: rounds(n).map((i) => to + (from - to) * Math.exp(-i / 5) + Math.sin(i * 3 + from * 9) * 0.008),
})

const results: V.PartyResult[] = names.map((party, i) => ({
  partyId: keys[i],
  party,
  trainExamples: [212, 183, 86, 140][i],
  testExamples: [91, 78, 37, 60][i],
  test: { accuracy: [0.835, 0.821, 0.784, 0.767][i], auc: [0.91, 0.89, 0.71, 0.74][i] },
  alone: { accuracy: [0.824, 0.795, 0.811, 0.7][i], auc: [0.9, 0.87, 0.66, 0.69][i] },
  central: {},
  bytesIn: 412_000,
  bytesOut: 398_000,
}))

const runDetail = (r: V.Run): V.RunDetail => {
  const n = r.round
  const live = r.state === 'running'
  return {
    run: r,
    config,
    parties: names.map((name, i) => ({
      partyId: keys[i],
      name,
      me: i === 0,
      role: i === 1 ? 'coordinator' : 'party',
      state: live ? (['train', 'score', 'upload', 'late'] as const)[i] : 'done',
      progress: [0.62, 1, 0.9, 0.2][i],
      lastHeardMs: [0, 300, 900, 14_000][i],
      bytesIn: 310_000,
      bytesOut: 290_000,
      examples: results[i].trainExamples,
      rounds: i === 3 ? n - 2 : n,
    })),
    series: [
      curve('valid.loss', undefined, n, 0.69, 0.42),
      ...names.map((p, i) => curve('valid.loss', p, n, 0.7, 0.38 + i * 0.05)),
      curve('valid.accuracy', undefined, n, 0.52, 0.82),
      ...names.map((p, i) => curve('valid.accuracy', p, n, 0.5, 0.84 - i * 0.03)),
    ],
    rounds: rounds(n).map((i) => ({
      n: i,
      digest: hex(String(i % 10)),
      term: i > 4 ? '3' : '2',
      coordinator: names[i > 4 ? 1 : 0],
      durationMs: 2400 + i * 37,
      parties: names.slice(0, i === 6 ? 3 : 4),
      absent: i === 6 ? [`${names[3]} (no answer within 60 s)`] : [],
      loss: 0.42 + 0.27 * Math.exp(-i / 5),
      metrics: {},
      result: i === 6 ? 'short' : 'closed',
    })),
    results: live ? [] : results,
    failed: [],
    pooled: {
      partyId: '',
      party: '',
      trainExamples: 621,
      testExamples: live ? 0 : 266,
      test: live ? {} : { accuracy: 0.812, auc: 0.88 },
      alone: live ? {} : { accuracy: 0.78, auc: 0.84 },
      central: {},
      bytesIn: 0,
      bytesOut: 0,
    },
    clientMean: live ? {} : { accuracy: 0.802, auc: 0.813 },
    steps: [
      { at: back(60), kind: 'start', text: 'Started by St. Anna, Cleveland.' },
      { at: back(59), kind: 'elected', text: 'St. Anna, Cleveland leads term 2.' },
      { at: back(57), kind: 'absent', text: 'St. Anna, Cleveland was not heard for 4 s.' },
      { at: back(57), kind: 'elected', text: 'Országos, Budapest leads term 3, from round 4 on.' },
      { at: back(56), kind: 'round', text: 'Round 6 closed without VA Long Beach.' },
    ],
    canPause: live,
    canResume: false,
    canCancel: live,
    canRegister: !live,
  }
}

export const finishedDetail = runDetail(finished)
export const runningDetail = runDetail(running)

export const contribution: V.Contribution = {
  runId: ids.run,
  state: 'done',
  method: 'Exact Shapley value of each round, summed',
  basis: 'pooled',
  through: 20,
  scored: 20,
  unscored: 0,
  unsigned: 0,
  disputes: [],
  poolCents: 100_000,
  currency: 'EUR',
  why: 'contribution',
  rows: 'On the validation rows of all parties, 124 in all.',
  coarse: false,
  honesty:
    'Every party can work these figures out again from the signed updates. A party that makes up its updates is not detected by this alone.',
  parties: names.map((party, i) => ({
    partyId: keys[i],
    party,
    value: [0.118, 0.096, 0.021, -0.008][i],
    se: 0.01,
    low: [0.098, 0.078, -0.002, -0.03][i],
    high: [0.138, 0.114, 0.044, 0.014][i],
    share: [0.502, 0.409, 0.089, 0][i],
    rank: [1, 1, 3, 3][i],
    tied: [[names[1]], [names[0]], [names[3]], [names[2]]][i],
    peers: [0.112, 0.097, 0.004, -0.011][i],
    present: i === 3 ? 18 : 20,
    of: 20,
    cents: [50_213, 40_851, 8936, 0][i],
    withoutIt: [0.11, 0.13, 0.2, 0.23][i],
  })),
  rounds: rounds(20).map((round) => ({
    round,
    values: [0.03, 0.024, 0.006, -0.002].map((v) => v * Math.exp(-round / 6)),
    se: [0.002, 0.002, 0.002, 0.002],
    excluded: round === 6 ? [`${names[3]} (absent)`] : [],
  })),
  remainder: 0.00004,
  total: 0.2271,
}

export const comparison: V.Comparison = {
  runs: [finished, { ...running, state: 'finished' }],
  differs: [{ key: 'lr', values: ['0.05', '0.2'] }],
  same: [
    { key: 'batch', values: ['16', '16'] },
    { key: 'rounds', values: ['20', '20'] },
  ],
  metrics: [
    { key: 'accuracy', values: ['0.821', '0.796'] },
    { key: 'auc', values: ['0.893', '0.871'] },
    { key: 'logLoss', values: ['0.417', '0.455'] },
  ],
  series: [
    { runId: ids.run, series: [curve('valid.loss', undefined, 20, 0.69, 0.42)] },
    { runId: ids.run2, series: [curve('valid.loss', undefined, 20, 0.69, 0.46)] },
  ],
}

export const experiment: V.Experiment = {
  id: ids.exp,
  projectId: ids.project,
  project: project.name,
  name: 'Learning rate',
  note: 'Does a larger step help?',
  config,
  space: { lr: { _type: 'choice', _value: [0.05, 0.2] } },
  method: 'grid',
  trials: 0,
  objective: 'auc',
  mine: true,
  state: 'running',
  runs: [finished, running],
  createdAt: back(61),
}

export const estimate: V.Estimate = {
  runs: 1,
  parameters: 19,
  bytesPerRound: 1640,
  secondsPerRound: 0.6,
  totalBytes: 32_800,
  totalSeconds: 12.4,
  problems: [],
}

const version = (number: number, stage: V.ModelVersion['stage']): V.ModelVersion => ({
  model: 'heart-risk',
  modelId: ids.model,
  number,
  contentId: hex(String(number)),
  stage,
  runId: ids.run,
  round: 17,
  task: 'classify',
  family: 'logistic',
  bytes: 4210,
  metrics,
  by: names[0],
  createdAt: back(50 * (3 - number)),
  state: 'ready',
  sentence: 'Held by all four parties.',
})

export const model: V.Model = {
  id: ids.model,
  name: 'heart-risk',
  projectId: ids.project,
  project: project.name,
  versions: [version(2, 'staging'), version(1, 'production')],
  production: 1,
  serving: true,
  tutorial: false,
}

export const stageRequest: V.StageRequest = {
  id: 's1',
  model: 'heart-risk',
  modelId: ids.model,
  number: 2,
  contentId: hex('2'),
  from: 'staging',
  to: 'production',
  reason: 'Better on every hospital than version 1.',
  by: names[1],
  byId: keys[1],
  at: back(12),
  expires: new Date(now + 86_400_000).toISOString(),
  state: 'proposed',
  votes: [{ party: names[1], yes: true, reason: '', at: back(12) }],
  needed: 3,
  voters: names,
  myVote: 'none',
  sentence: '1 of 3 approvals.',
}

const inputs: V.InputField[] = [
  { name: 'age', type: 'number', values: [], low: 29, high: 77, typical: '54', required: true, unit: 'years' },
  { name: 'sex', type: 'category', values: ['0', '1'], low: null, high: null, typical: '1', required: true, unit: '' },
  { name: 'chol', type: 'number', values: [], low: 126, high: 564, typical: '246', required: false, unit: 'mg/dl' },
  { name: 'thalach', type: 'number', values: [], low: 71, high: 202, typical: '150', required: false, unit: '1/min' },
]

export const versionDetail: V.VersionDetail = {
  version: version(2, 'staging'),
  files: [
    { path: 'model.safetensors', bytes: 296, digest: hex('a') },
    { path: 'preparation.json', bytes: 2100, digest: hex('b') },
  ],
  results,
  lineage: [
    { kind: 'dataset', id: ids.data, title: 'Cleveland heart 1988', text: '303 rows', href: `#/data/${ids.data}` },
    { kind: 'card', id: ids.card, title: 'Card, version 2', text: '', href: `#/catalog/${ids.card}` },
    {
      kind: 'alignment',
      id: hex('7'),
      title: '18 inputs agreed',
      text: '',
      href: `#/projects/${ids.project}?tab=alignment`,
    },
    {
      kind: 'run',
      id: ids.run,
      title: 'Learning rate, run 1',
      text: '20 rounds, 4 parties',
      href: `#/runs/${ids.run}`,
    },
    { kind: 'version', id: '2', title: 'heart-risk, version 2', text: '', href: '' },
  ],
  history: [
    {
      at: back(30),
      from: 'none',
      to: 'staging',
      by: names[0],
      reason: 'First look by all.',
      votes: [{ party: names[1], yes: true, reason: '', at: back(31) }],
      hash: hex('3'),
    },
  ],
  requests: [stageRequest],
  inputs,
  classes: ['healthy', 'ill'],
  card: '# heart-risk, version 2\n\nPredicts **num** from 18 inputs.\n\n## Parties\n\n- St. Anna, Cleveland\n- Országos, Budapest\n\n| Party | AUC |\n|---|---|\n| St. Anna | 0.91 |\n\n## Limits\n\nNot for single decisions without a physician.',
  checks: [
    { name: 'Content', ok: true, text: 'All files have the hash that the version names.' },
    { name: 'Signatures', ok: true, text: 'Four of four parties signed the run.' },
  ],
}

export const serving: V.Serving = {
  id: ids.model,
  model: 'heart-risk',
  projectId: ids.project,
  project: project.name,
  state: 'on',
  number: 1,
  stage: 'production',
  contentId: hex('1'),
  follow: true,
  offered: 0,
  address: 'http://127.0.0.1:8601',
  port: 8601,
  exposed: false,
  allow: [],
  addresses: [],
  fingerprint: '',
  tokenHint: '…k3f9',
  inputs,
  classes: ['healthy', 'ill'],
  curl: 'curl http://127.0.0.1:8601/v1/predict \\\n  -H \'Authorization: Bearer TOKEN\' \\\n  -d \'{"rows":[{"age":54}]}\'',
  python: 'import json, urllib.request',
  requests: 124,
  failures: 2,
  rows: 310,
  p50Ms: 0.8,
  p95Ms: 2.1,
  bytes: 48_000,
  recent: [{ at: back(1), id: 'q1', path: '/v1/predict', rows: 1, status: 200, ms: 0.7 }],
  available: [version(2, 'staging'), version(1, 'production')],
}

export const prediction: V.Prediction = {
  model: 'heart-risk',
  version: 1,
  rows: [
    {
      label: 'ill',
      value: null,
      probability: { healthy: 0.31, ill: 0.69 },
      threshold: 0.5,
      warnings: ['chol lies outside of what the model has seen.'],
    },
  ],
}

export const rewards: V.Rewards = {
  totals: names.map((party, i) => ({
    projectId: ids.project,
    project: project.name,
    partyId: keys[i],
    party,
    me: i === 0,
    runs: 1,
    share: contribution.parties[i].share,
    cents: contribution.parties[i].cents,
    currency: 'EUR',
    receiptCents: i === 1 ? 40_851 : 0,
  })),
  runs: [
    { ...contribution, rounds: [] },
    { ...contribution, rounds: [], runId: ids.run2 },
  ],
  entries: [
    {
      k: 3,
      runId: ids.run,
      project: project.name,
      kind: 'grant',
      text: '1,000.00 EUR shared by contribution',
      by: names[1],
      at: back(51),
      hash: hex('6'),
      verified: true,
    },
    {
      k: 2,
      runId: ids.run,
      project: project.name,
      kind: 'score',
      text: '20 rounds scored',
      by: names[1],
      at: back(52),
      hash: hex('8'),
      verified: true,
    },
    {
      k: 1,
      runId: ids.run,
      project: project.name,
      kind: 'terms',
      text: 'Terms of the project',
      by: names[0],
      at: back(60),
      hash: hex('0'),
      verified: true,
    },
  ],
  chain: { name: 'Chain', ok: true, text: '3 entries follow each other without a gap.' },
  disputes: [],
  unsigned: 0,
}

export const activity: V.Activity = {
  items: [
    {
      id: 'f3',
      at: back(3),
      to: names[1],
      toId: keys[1],
      kind: 'update',
      purpose: 'Round 7 of Learning rate, run 2',
      subject: ids.run2,
      bytes: 312,
      digest: hex('c'),
      consent: hex('9'),
    },
    {
      id: 'f2',
      at: back(4),
      to: names[1],
      toId: keys[1],
      kind: 'stats',
      purpose: 'Scaling of Heart disease risk',
      subject: ids.project,
      bytes: 380,
      digest: hex('d'),
      consent: hex('9'),
    },
    {
      id: 'f1',
      at: back(9),
      to: names[2],
      toId: keys[2],
      kind: 'card',
      purpose: 'Catalog',
      subject: ids.card,
      bytes: 3120,
      digest: hex('e'),
      consent: '',
    },
  ],
  totals: [
    { to: names[1], toId: keys[1], kind: 'update', frames: 27, bytes: 8424 },
    { to: names[1], toId: keys[1], kind: 'stats', frames: 1, bytes: 380 },
    { to: names[2], toId: keys[2], kind: 'card', frames: 2, bytes: 6240 },
  ],
  bytes: 15_044,
  removed: { frames: 120, bytes: 51_000, until: back(600_000) },
  frames: 30,
  chain: { name: 'Chain', ok: true, text: '30 entries follow each other without a gap.' },
}

export const operations: V.Operation[] = [
  {
    id: 'o1',
    kind: 'import',
    title: 'Read long-beach.csv',
    subject: '',
    state: 'running',
    phase: 'Looking at the columns',
    done: 1_200_000,
    total: 4_000_000,
    unit: 'rows',
    etaMs: 42_000,
    startedAt: back(1),
    canCancel: true,
  },
  {
    id: 'o2',
    kind: 'batch',
    title: 'Score patients.csv',
    subject: '',
    state: 'done',
    phase: '',
    done: 10,
    total: 10,
    unit: 'rows',
    etaMs: 0,
    startedAt: back(40),
    endedAt: back(39),
    canCancel: false,
    result: '/home/anna/patients-scored.csv',
  },
]

export const settings: V.Setting[] = [
  {
    key: 'network.discovery',
    group: 'Network',
    title: 'Be seen on this network',
    help: 'Others see an unnamed computer, never your name.',
    kind: 'switch',
    value: 'true',
    default: 'true',
    choices: [],
    low: 0,
    high: 0,
  },
  {
    key: 'network.port',
    group: 'Network',
    title: 'Port for peers',
    help: '0 takes a free one.',
    kind: 'number',
    value: '7443',
    default: '0',
    choices: [],
    low: 0,
    high: 65_535,
  },
  {
    key: 'compute.cores',
    group: 'Resources',
    title: 'Cores for training',
    help: '',
    kind: 'number',
    value: '4',
    default: '4',
    choices: [],
    low: 1,
    high: 8,
  },
  {
    key: 'log.level',
    group: 'Logs',
    title: 'Detail of the log',
    help: '',
    kind: 'choice',
    value: 'info',
    default: 'info',
    choices: ['error', 'info', 'debug'],
    low: 0,
    high: 0,
  },
]

// themeSetting is the one that the frame of every screen follows.
export const themeSetting: V.Setting = {
  key: 'look.theme',
  group: 'Appearance',
  title: 'Theme',
  help: 'Light, dark, or as the system says.',
  kind: 'choice',
  value: 'system',
  default: 'system',
  choices: ['system', 'light', 'dark'],
  low: 0,
  high: 0,
}
settings.push(themeSetting)

export const diagnostics: V.Diagnostics = {
  items: [
    { name: 'Network', result: 'pass', text: 'Two interfaces are up.', fix: '' },
    {
      name: 'Looking for others',
      result: 'fail',
      text: 'Multicast is blocked on wlan0.',
      fix: 'Allow UDP port 5353, or pair by address.',
    },
    { name: 'Clock', result: 'unknown', text: 'No peer to compare with.', fix: 'Pair with somebody.' },
  ],
  refusals: [{ reason: 'unknown key', count: 4 }],
  log: ['10:00:01 INFO listening', '10:00:04 INFO peer connected'],
  build: { version: '0.1.0', go: 'go1.26', revision: 'abc1234' },
}

export const tutorial: V.Tutorial = {
  state: 'running',
  steps: [
    { id: 'look', title: 'Look at the data', text: 'Profile and column to predict.', done: true, href: '#/data' },
    { id: 'align', title: 'Agree on columns', text: 'Two names differ.', done: false, href: '#/projects' },
    { id: 'train', title: 'Train', text: 'Ten rounds.', done: false, href: '#/projects' },
  ],
}

export const home: V.Home = {
  status,
  inbox,
  projects: [project, invited],
  runs: [running, finished],
  models: [model],
  serving: [serving],
  rewards: rewards.totals,
  news: catalog.items.slice(0, 3),
  tutorial: { state: 'none', steps: [] },
}

export const emptyHome: V.Home = {
  status: {
    ...status,
    sentence: 'Nothing is running.',
    state: 'idle',
    online: 0,
    paired: 0,
    inbox: 0,
    running: 0,
    serving: 0,
  },
  inbox: [],
  projects: [],
  runs: [],
  models: [],
  serving: [],
  rewards: [],
  news: [],
  tutorial: { state: 'none', steps: [] },
}

const list = <T>(items: T[]) => ({ items })

// full answers every GET of the screens; longest path first wins.
export const full: [RegExp, unknown][] = [
  [/^\/status$/, status],
  [/^\/home$/, home],
  [/^\/session$/, { window: false, epoch: 'e1', opened: '' }],
  [/^\/events\/replay$/, { epoch: 'e1', first: 0, last: 0, truncated: false, items: [] }],
  [/^\/inbox$/, list(inbox)],
  [/^\/operations$/, list(operations)],
  [/^\/operations\/.+/, operations[1]],
  [/^\/settings$/, list(settings)],
  [/^\/diagnostics$/, diagnostics],
  [/^\/activity$/, activity],
  [/^\/identity$/, identity],
  [/^\/tutorial$/, { state: 'none', steps: [] }],
  [/^\/peers$/, peers],
  [/^\/pairings\/.+/, pairing],
  [
    /^\/datasets$/,
    list([
      dataset,
      {
        ...dataset,
        id: hex('d2', 32),
        name: 'Sample heart',
        file: '',
        sample: true,
        cardVersion: 0,
        cardStale: false,
        usedIn: [],
        target: '',
      },
    ]),
  ],
  [/^\/datasets\/.+\/profile$/, profile],
  [/^\/datasets\/.+\/card$/, cardPreview],
  [/^\/datasets\/[^/]+$/, dataset],
  [/^\/fs$/, { path: '', parent: '', entries: [] }],
  [/^\/catalog$/, catalog],
  [/^\/catalog\/.+/, catalog.items[0]],
  [/^\/access-requests$/, list(access)],
  [/^\/projects$/, list([project, invited])],
  [new RegExp(`^/projects/${invited.id}$`), invited],
  [/^\/projects\/[^/]+$/, project],
  [/^\/projects\/.+\/consent$/, consent],
  [/^\/projects\/.+\/alignment$/, alignment],
  [/^\/experiments$/, list([experiment])],
  [/^\/experiments\/.+/, experiment],
  [/^\/estimate$/, estimate],
  [/^\/runs$/, list([running, finished])],
  [/^\/runs\/.+\/contribution$/, contribution],
  [new RegExp(`^/runs/${ids.run2}$`), runningDetail],
  [/^\/runs\/.+/, finishedDetail],
  [/^\/comparison$/, comparison],
  [/^\/models$/, list([model])],
  [/^\/models\/.+\/versions\/.+/, versionDetail],
  [/^\/models\/.+/, model],
  [/^\/stage-requests$/, list([stageRequest])],
  [/^\/serving$/, list([serving])],
  [/^\/serving\/.+\/predict$/, prediction],
  [/^\/serving\/.+/, serving],
  [/^\/rewards$/, rewards],
]

// empty answers as a party does that has just been named.
export const empty: [RegExp, unknown][] = [
  [/^\/status$/, emptyHome.status],
  [/^\/home$/, emptyHome],
  [
    /^\/inbox$|^\/operations$|^\/datasets$|^\/access-requests$|^\/projects$|^\/experiments$|^\/runs$|^\/models$|^\/stage-requests$|^\/serving$|^\/settings$/,
    list([]),
  ],
  [/^\/peers$/, { ...peers, items: [], invites: [] }],
  [/^\/catalog$/, { items: [], facets: {}, total: 0 }],
  [
    /^\/activity$/,
    {
      items: [],
      totals: [],
      bytes: 0,
      frames: 0,
      chain: { name: '', ok: true, text: '' },
      removed: { frames: 0, bytes: 0 },
    },
  ],
  [
    /^\/rewards$/,
    { totals: [], runs: [], entries: [], chain: { name: '', ok: true, text: '' }, disputes: [], unsigned: 0 },
  ],
  [/^\/projects\/.+\/alignment$/, { ...alignment, state: 'none', columns: [], matches: [], issues: [] }],
  [/^\/runs\/.+\/contribution$/, { ...contribution, state: 'none', parties: [], rounds: [] }],
  ...full,
]

// answer finds the answer to a path below /api/v1.
export function answer(table: [RegExp, unknown][], path: string): unknown {
  return table.find(([re]) => re.test(path))?.[1]
}

// screensToSee are the addresses that a look at everything visits.
export const screensToSee: [name: string, hash: string][] = [
  ['home', '/'],
  ['peers', '/peers'],
  ['data', '/data'],
  ['dataset', `/data/${ids.data}`],
  ['dataset-columns', `/data/${ids.data}?tab=columns`],
  ['dataset-card', `/data/${ids.data}?tab=card`],
  ['dataset-rows', `/data/${ids.data}?tab=rows`],
  ['catalog', '/catalog'],
  ['catalog-requests', '/catalog?tab=requests'],
  ['catalog-card', `/catalog/${ids.card}`],
  ['projects', '/projects'],
  ['project-new', '/projects/new'],
  ['project', `/projects/${ids.project}`],
  ['project-consent', `/projects/${invited.id}`],
  ['project-alignment', `/projects/${ids.project}?tab=alignment`],
  ['project-experiments', `/projects/${ids.project}?tab=experiments`],
  ['experiment-new', `/projects/${ids.project}/new-experiment`],
  ['experiment', `/experiments/${ids.exp}`],
  ['runs', '/runs'],
  ['run-live', `/runs/${ids.run2}`],
  ['run-results', `/runs/${ids.run}`],
  ['run-contribution', `/runs/${ids.run}?tab=contribution`],
  ['run-history', `/runs/${ids.run}?tab=history`],
  ['run-settings', `/runs/${ids.run}?tab=settings`],
  ['compare', `/runs/compare?runs=${ids.run},${ids.run2}`],
  ['models', '/models'],
  ['version', `/models/${ids.model}/2`],
  ['serving', '/serving'],
  ['serving-model', `/serving/${ids.model}`],
  ['rewards', '/rewards'],
  ['activity', '/activity'],
  ['settings', '/settings'],
  ['settings-identity', '/settings?tab=identity'],
  ['settings-doctor', '/settings?tab=doctor'],
  ['settings-about', '/settings?tab=about'],
]
