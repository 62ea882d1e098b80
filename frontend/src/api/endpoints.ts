import { del, get, patch, post, put, putRaw } from './client'
import type { Replay } from './transport'
import type {
  AccessRequest,
  Activity,
  Alignment,
  Backup,
  Card,
  CardPreview,
  Catalog,
  CatalogEntry,
  Check,
  ColumnMatch,
  Comparison,
  ConsentSheet,
  Contribution,
  Dataset,
  DatasetEdit,
  Diagnostics,
  Estimate,
  Experiment,
  ExperimentCreate,
  Folder,
  Home,
  Identity,
  ImportedConfig,
  InboxEntry,
  Invite,
  Limits,
  Model,
  ModelVersion,
  Operation,
  Pairing,
  PeerList,
  Prediction,
  Profile,
  Project,
  ProjectCreate,
  Rewards,
  Run,
  RunDetail,
  Serving,
  ServingSwitch,
  Session,
  Setting,
  StageRequest,
  Status,
  Tutorial,
  Upload,
  VersionDetail,
} from './types'

interface List<T> {
  items: T[]
  next?: string
}

const e = encodeURIComponent

// api is every call of the local API that the screens make, by screen.
export const api = {
  session: (token: string) => post<void>('/session', { token }),
  connection: () => get<Session>('/session'),
  status: () => get<Status>('/status'),
  home: () => get<Home>('/home'),
  replay: (after: number) => get<Replay>('/events/replay', { after }),
  inbox: () => get<List<InboxEntry>>('/inbox').then(items),
  dismiss: (id: string) => post<void>(`/inbox/${e(id)}/dismiss`),
  operations: () => get<List<Operation>>('/operations').then(items),
  operation: (id: string) => get<Operation>(`/operations/${e(id)}`),
  cancelOperation: (id: string) => post<Operation>(`/operations/${e(id)}/cancel`),
  settings: () => get<List<Setting>>('/settings').then(items),
  changeSettings: (values: Record<string, string>) => patch<List<Setting>>('/settings', { values }).then(items),
  diagnostics: () => get<Diagnostics>('/diagnostics'),
  activity: (q: { limit?: number; after?: string; to?: string; kind?: string }) => get<Activity>('/activity', q),
  verifyActivity: () => post<Check>('/activity/verify'),
  clientError: (message: string, stack: string, url: string) => post<void>('/client-errors', { message, stack, url }),
  identity: () => get<Identity>('/identity'),
  nameParty: (name: string) => post<Identity>('/identity', { name }),
  backup: (passphrase: string) => post<Backup>('/backup', { passphrase }),
  restore: (passphrase: string, file: string) => post<Identity>('/restore', { passphrase, file }),
  tutorial: () => get<Tutorial>('/tutorial'),
  startTutorial: () => post<Tutorial>('/tutorial'),
  endTutorial: () => del<void>('/tutorial'),

  peers: () => get<PeerList>('/peers'),
  pairAddress: (address: string) => post<Pairing>('/peers', { address }),
  revoke: (deviceId: string) => del<void>(`/peers/${e(deviceId)}`),
  pair: (deviceId: string) => post<Pairing>('/pairings', { deviceId }),
  pairing: (id: string) => get<Pairing>(`/pairings/${e(id)}`),
  confirmPairing: (id: string, same: boolean) => post<Pairing>(`/pairings/${e(id)}/confirm`, { same }),
  createInvite: () => post<Invite>('/invites'),
  acceptInvite: (link: string) => post<Pairing>('/invites/accept', { link }),
  withdrawInvite: (id: string) => del<void>(`/invites/${e(id)}`),

  datasets: () => get<List<Dataset>>('/datasets').then(items),
  addDataset: (path: string, name?: string) => post<Dataset>('/datasets', { path, name }),
  addSample: (hospital?: string) => post<Dataset>('/datasets/sample', hospital ? { hospital } : {}),
  dataset: (id: string) => get<Dataset>(`/datasets/${e(id)}`),
  editDataset: (id: string, edit: DatasetEdit) => patch<Profile>(`/datasets/${e(id)}`, edit),
  forgetDataset: (id: string) => del<void>(`/datasets/${e(id)}`),
  reloadDataset: (id: string, path?: string) => post<Dataset>(`/datasets/${e(id)}/reload`, path ? { path } : {}),
  profile: (id: string) => get<Profile>(`/datasets/${e(id)}/profile`),
  cardPreview: (id: string) => get<CardPreview>(`/datasets/${e(id)}/card`),
  publish: (id: string) => post<Card>(`/datasets/${e(id)}/publish`),
  withdrawCard: (id: string) => post<void>(`/datasets/${e(id)}/withdraw`),
  beginUpload: (name: string, size: number) => post<Upload>('/uploads', { name, size }),
  writeUpload: (id: string, offset: number, bytes: ArrayBuffer) =>
    putRaw<Upload>(`/uploads/${e(id)}?offset=${offset}`, bytes),
  upload: (id: string) => get<Upload>(`/uploads/${e(id)}`),
  folder: (path: string) => get<Folder>('/fs', { path }),

  catalog: (q: { q?: string; task?: string; party?: string; rowBand?: string; licence?: string; dataset?: string }) =>
    get<Catalog>('/catalog', q),
  card: (id: string) => get<CatalogEntry>(`/catalog/${e(id)}`),
  accessRequests: () => get<List<AccessRequest>>('/access-requests').then(items),
  requestAccess: (cardId: string, purpose: string, days: number) =>
    post<AccessRequest>('/access-requests', { cardId, purpose, days }),
  decideAccess: (id: string, approve: boolean, reason: string) =>
    post<AccessRequest>(`/access-requests/${e(id)}/decision`, { approve, reason }),
  revokeAccess: (id: string, reason: string) => post<void>(`/access-requests/${e(id)}/revoke`, { reason }),

  projects: () => get<List<Project>>('/projects').then(items),
  createProject: (p: ProjectCreate) => post<Project>('/projects', p),
  project: (id: string) => get<Project>(`/projects/${e(id)}`),
  inviteParties: (id: string, parties: string[]) => post<Project>(`/projects/${e(id)}/invite`, { parties }),
  consent: (id: string, dataset?: string) => get<ConsentSheet>(`/projects/${e(id)}/consent`, { dataset }),
  acceptProject: (id: string, datasetId: string, digest: string, limits: Limits) =>
    post<Project>(`/projects/${e(id)}/accept`, { datasetId, digest, limits }),
  declineProject: (id: string, reason: string) => post<Project>(`/projects/${e(id)}/decline`, { reason }),
  leaveProject: (id: string, reason: string) => post<Project>(`/projects/${e(id)}/leave`, { reason }),
  alignment: (id: string) => get<Alignment>(`/projects/${e(id)}/alignment`),
  startAlignment: (id: string) => post<Alignment>(`/projects/${e(id)}/alignment`),
  confirmAlignment: (id: string, matches: ColumnMatch[]) =>
    post<Alignment>(`/projects/${e(id)}/alignment/confirm`, { matches }),

  experiments: (project?: string) => get<List<Experiment>>('/experiments', { project }).then(items),
  createExperiment: (x: ExperimentCreate) => post<Experiment>('/experiments', x),
  experiment: (id: string) => get<Experiment>(`/experiments/${e(id)}`),
  readConfig: (projectId: string, text: string) => post<ImportedConfig>(`/projects/${e(projectId)}/config`, { text }),
  estimate: (x: ExperimentCreate) => post<Estimate>('/estimate', x),
  cancelExperiment: (id: string) => post<void>(`/experiments/${e(id)}/cancel`),
  runs: (q: { project?: string; experiment?: string; limit?: number } = {}) => get<List<Run>>('/runs', q).then(items),
  run: (id: string) => get<RunDetail>(`/runs/${e(id)}`),
  contribution: (id: string) => get<Contribution>(`/runs/${e(id)}/contribution`),
  steer: (id: string, verb: 'pause' | 'resume' | 'cancel' | 'takeover', reason?: string) =>
    post<Run>(`/runs/${e(id)}/${verb}`, reason ? { reason } : {}),
  compare: (ids: string[]) => get<Comparison>('/comparison', { runs: ids.join(',') }),

  models: () => get<List<Model>>('/models').then(items),
  register: (runId: string, name: string) => post<ModelVersion>('/models', { runId, name }),
  model: (id: string) => get<Model>(`/models/${e(id)}`),
  version: (model: string, n: number) => get<VersionDetail>(`/models/${e(model)}/versions/${n}`),
  stageRequests: () => get<List<StageRequest>>('/stage-requests').then(items),
  requestStage: (model: string, number: number, to: string, reason: string) =>
    post<StageRequest>('/stage-requests', { model, number, to, reason }),
  vote: (id: string, yes: boolean, reason: string) =>
    post<StageRequest>(`/stage-requests/${e(id)}/vote`, { yes, reason }),
  withdrawStage: (id: string) => post<StageRequest>(`/stage-requests/${e(id)}/withdraw`),

  servings: () => get<List<Serving>>('/serving').then(items),
  serving: (model: string) => get<Serving>(`/serving/${e(model)}`),
  switchServing: (model: string, s: ServingSwitch) => put<Serving>(`/serving/${e(model)}`, s),
  newServingToken: (model: string) => post<Serving>(`/serving/${e(model)}/token`),
  predict: (model: string, rows: Record<string, unknown>[]) =>
    post<Prediction>(`/serving/${e(model)}/predict`, { rows }),
  batch: (model: string, path: string) => post<Operation>('/batches', { model, path }),

  rewards: (project?: string) => get<Rewards>('/rewards', { project }),
  verifyLedger: (projectId: string) => post<List<Check>>('/ledger/verify', { projectId }).then(items),
  receipt: (runId: string) => post<Rewards>(`/rewards/${e(runId)}/receipt`),
}

function items<T>(l: List<T>): T[] {
  return l.items
}

// exports name the files that the API offers for keeping.
export const exportPath = {
  activity: '/activity/export',
  ledger: (project: string) => `/ledger/export?project=${e(project)}`,
  version: (model: string, n: number) => `/models/${e(model)}/versions/${n}/export`,
  card: (model: string, n: number) => `/models/${e(model)}/versions/${n}/card`,
  experiment: (id: string) => `/experiments/${e(id)}/config`,
  batch: (operation: string) => `/batches/${e(operation)}/result`,
  certificate: '/serving-certificate',
}
