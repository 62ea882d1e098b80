// Records src/test/fixtures from real parties: the demo after its end, a run in the
// middle of its rounds with a party gone, a party that has just been made, and
// refusals. Component tests show screens with them; app/api checks each of them
// against the OpenAPI document, so run this again when that test complains.
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { here, root, until } from './kit.mjs'

const binary = process.env.SYNERGOS_BIN ?? join(root, 'build', 'bin', 'synergos-headless')
const fixtures = join(here, '..', 'src', 'test', 'fixtures')
const document = JSON.parse(await readFile(join(here, '..', 'openapi.json'), 'utf8'))
const dir = await mkdtemp(join(tmpdir(), 'synergos-record-'))
const homes = join(dir, 'homes')
const secrets = []
const pids = []

async function access(home) {
  const a = JSON.parse(await readFile(join(home, 'api.json'), 'utf8'))
  secrets.push(a.token)
  return a
}

const ask = (a, target, init = {}) =>
  fetch(`${a.address}/api/v1${target}`, {
    ...init,
    headers: {
      ...(init.anonymous ? {} : { Authorization: `Bearer ${a.token}` }),
      ...(init.body ? { 'Content-Type': 'application/json' } : {}),
    },
  })

async function read(a, target) {
  const r = await ask(a, target)
  if (!r.ok) throw new Error(`${target}: ${r.status} ${await r.text()}`)
  return r.json()
}

async function send(a, method, target, body) {
  const r = await ask(a, target, { method, body: JSON.stringify(body) })
  if (!r.ok) throw new Error(`${target}: ${r.status} ${await r.text()}`)
  return r.json()
}

// describe finds the operation of the document that an address belongs to.
function describe(method, target) {
  const want = target.split('?')[0].split('/')
  for (const [path, operations] of Object.entries(document.paths)) {
    const have = path.split('/')
    if (have.length === want.length && have.every((p, i) => p === want[i] || p.startsWith('{')) && operations[method])
      return { path, operation: operations[method].operationId }
  }
  throw new Error(`${method} ${target} is not in the document`)
}

// known leaves out the computers that others happen to run on this network.
const known = (b) => ({ ...b, items: b.items.filter((p) => p.state !== 'seen') })

// scrub takes out what belongs to this computer and this hour only.
function scrub(text) {
  let s = text.replaceAll(homes, '/home/anna').replaceAll(dir, '/home/anna')
  for (const x of secrets) s = s.replaceAll(x, 'TOKEN')
  s = s.replace(/("tokenHint": ?)"[^"]*"/g, '$1"Udt4"').replace(/\\?"token\\?": ?\\?"[^"\\]+\\?"/g, '"token": "TOKEN"')
  for (const bad of [hostname(), tmpdir()]) if (s.includes(bad)) throw new Error(`a fixture holds ${bad}`)
  return s
}

// flat writes JSON with lists of plain values on one line.
const flat = (x) => JSON.stringify(x, null, 1).replace(/\[\n[^[\]{}]*?\]/g, (l) => l.replace(/\n\s*/g, ' '))

async function keep(set, a, target, { name, init = {}, trim = (b) => b } = {}) {
  const method = (init.method ?? 'GET').toLowerCase()
  const r = await ask(a, target, init)
  const { path, operation } = describe(method, target)
  const record = { operation, method, path, target, status: r.status, body: trim(await r.json()) }
  await mkdir(join(fixtures, set), { recursive: true })
  await writeFile(join(fixtures, set, `${name ?? operation}.json`), `${scrub(flat(record))}\n`)
  return record.body
}

const lists = [
  '/status',
  '/session',
  '/home',
  '/identity',
  '/inbox',
  '/operations',
  '/settings',
  '/datasets',
  '/projects',
  '/runs',
  '/models',
  '/serving',
  '/rewards',
  '/catalog',
  '/access-requests',
  '/tutorial',
  '/experiments',
  '/stage-requests',
  '/fs',
]

const few = (n, key) => (b) => ({ ...b, [key]: b[key].slice(0, n) })

async function recordFull(a) {
  for (const target of lists) await keep('full', a, target)
  await keep('full', a, '/peers', { trim: known })
  await keep('full', a, '/diagnostics', { trim: few(6, 'log') })
  await keep('full', a, '/activity?limit=8')
  const { last } = await read(a, '/events/replay?after=0')
  await keep('full', a, `/events/replay?after=${last - 12}`)
  const first = async (path) => (await read(a, path)).items[0]
  const dataset = await first('/datasets')
  const project = await first('/projects')
  const experiment = await first('/experiments')
  const run = await first('/runs')
  await keep('full', a, `/datasets/${dataset.id}`)
  await keep('full', a, `/datasets/${dataset.id}/profile`, { trim: few(5, 'preview') })
  await keep('full', a, `/datasets/${dataset.id}/card`)
  await keep('full', a, `/catalog/${(await read(a, '/catalog')).items[0].card.id}`)
  for (const more of ['', '/alignment', '/consent']) await keep('full', a, `/projects/${project.id}${more}`)
  for (const more of ['', '/config']) await keep('full', a, `/experiments/${experiment.id}${more}`)
  for (const more of ['', '/contribution']) await keep('full', a, `/runs/${run.id}${more}`)
  await keep('full', a, `/comparison?runs=${(await read(a, '/runs')).items.map((r) => r.id).join(',')}`)
  const model = await first('/models')
  await keep('full', a, `/models/${model.id}`)
  await keep('full', a, `/models/${model.id}/versions/1`)
  await keep('full', a, `/serving/${model.id}`)
  await keep('full', a, `/operations/${(await first('/operations')).id}`)
}

// recordLive trains once more, for long, and stops one party in the middle.
async function recordLive(a, other) {
  const project = (await read(a, '/projects')).items[0]
  const config = { ...project.config, rounds: 2000, contribution: 'none', deadlineSeconds: 2 }
  const body = { projectId: project.id, name: 'Longer', note: '', config, space: {}, method: 'single' }
  await send(a, 'POST', '/experiments', body)
  const running = () => read(a, '/runs').then((l) => l.items.find((r) => r.experiment === 'Longer'))
  const id = await until('the third round', async () => {
    const r = await running()
    return r && r.round >= 3 && r.id
  })
  for (const target of ['/status', '/runs']) await keep('live', a, target, { trim: short })
  await keep('live', a, `/runs/${id}`, { trim: shortRun })
  process.kill(other.pid, 'SIGSTOP')
  await until('a party to be missed', async () =>
    (await read(a, `/runs/${id}`)).parties.some((p) => ['late', 'absent', 'offline'].includes(p.state)),
  )
  await keep('partial', a, `/runs/${id}`, { trim: shortRun })
  await keep('partial', a, '/peers', { trim: known })
  process.kill(other.pid, 'SIGCONT')
}

const short = (b) => (Array.isArray(b.items) ? few(4, 'items')(b) : b)
const shortRun = (d) => ({
  ...few(12, 'steps')(few(6, 'rounds')(d)),
  series: d.series.map((s) => ({ ...s, rounds: s.rounds.slice(0, 6), values: s.values.slice(0, 6) })),
})

async function recordEmpty() {
  const home = join(homes, 'new')
  const p = spawn(binary, ['serve', '--home', home, '--listen', '127.0.0.1:0', '--loopback'], { stdio: 'ignore' })
  pids.push(p.pid)
  const a = await until('a new party', () => access(home))
  await until('it to be ready', async () => (await read(a, '/status')).ready)
  await keep('new', a, '/status')
  await send(a, 'POST', '/identity', { name: 'New Hospital' })
  await keep('empty', a, '/peers', { trim: known })
  for (const target of [...lists, '/diagnostics', '/activity?limit=8', '/events/replay?after=0'])
    await keep('empty', a, target, {
      trim: (b) => (b.log ? few(0, 'log')(b) : b.epoch && b.items ? few(0, 'items')(b) : b),
    })
}

async function recordProblems(a) {
  const post = (body) => ({ method: 'POST', body: JSON.stringify(body) })
  await keep('problem', a, '/status', { name: 'session', init: { anonymous: true } })
  await keep('problem', a, `/runs/${'0'.repeat(32)}`, { name: 'notFound' })
  await keep('problem', a, '/datasets', { name: 'invalid', init: post({ path: 7 }) })
  await keep('problem', a, '/datasets', { name: 'file', init: post({ path: '/home/anna/missing.csv' }) })
  await keep('problem', a, '/events/replay?after=x', { name: 'parameter' })
}

try {
  await rm(fixtures, { recursive: true, force: true })
  const args = ['demo', '--keep', '--data', 'synthetic', '--rounds', '4', '--homes', homes, '--out', dir]
  await promisify(execFile)(binary, args, { maxBuffer: 1 << 24 })
  const [a, , , d] = await Promise.all(
    ['riverside', 'lakeview', 'hillcrest', 'seaside'].map((n) => access(join(homes, n))),
  ).then((all) => {
    pids.push(...all.map((x) => x.pid))
    return all
  })
  await recordFull(a)
  await recordProblems(a)
  await recordLive(a, d)
  await recordEmpty()
} finally {
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await rm(dir, { recursive: true, force: true })
}
