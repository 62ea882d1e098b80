// The whole story through the GUI, with four real parties as four processes:
//   node e2e/run.mjs [--keep] [--quick]
// SYNERGOS_BIN names the program (build/bin/synergos-headless), SYNERGOS_DATA the
// folder with fed-heart/*.csv; without it the built-in sample data is used.
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { flag, out, root, until, World } from './kit.mjs'

const w = new World()
w.began = Date.now()
const button = (p, name) => p.page.getByRole('button', { name }).first()
const link = (p, name) => p.page.getByRole('link', { name }).first()
const field = (p, name) => p.page.getByLabel(name).first()
const heading = (p, name) => p.page.getByRole('heading', { level: 1, name })
const go = async (p, screen) => {
  await w.click(p.page.getByRole('navigation').getByRole('link', { name: screen, exact: true }))
  await heading(p, screen).waitFor()
}
const tab = async (p, name) => {
  await w.click(p.page.getByRole('tab', { name }))
}
const dialog = (p) => p.page.getByRole('dialog')
const closeDialog = async (p) => {
  await dialog(p).getByRole('button', { name: 'Close' }).last().click()
  await dialog(p).waitFor({ state: 'detached' })
}
const choose = async (p, label, option) => {
  await w.click(field(p, label))
  await w.click(p.page.getByRole('option', { name: option }).first())
}

const hospitals = ['St. Anna Cleveland', 'Budapest Institute', 'Zurich and Basel', 'Long Beach Center']
const files = ['cleveland', 'hungarian', 'switzerland', 'va']

// heartFiles prepares the CSV files; the second hospital calls cholesterol by
// another name, so that a person has something to confirm.
async function heartFiles() {
  const data = process.env.SYNERGOS_DATA ?? join(root, '..', 'shared', 'data')
  if (!existsSync(join(data, 'fed-heart'))) {
    console.log('no heart data here (SYNERGOS_DATA): the built-in sample is used instead')
    return null
  }
  const dir = join(w.dir, 'files')
  await mkdir(dir, { recursive: true })
  const made = []
  for (const [i, name] of files.entries()) {
    let text = await readFile(join(data, 'fed-heart', `${name}.csv`), 'utf8')
    if (i === 1) text = text.replace('chol', 'cholesterol')
    const path = join(dir, `${name}-heart.csv`)
    await writeFile(path, text)
    made.push(path)
  }
  return made
}

async function firstRun(p) {
  await heading(p, 'Welcome to Synergos').waitFor()
  if (p === w.parties[0]) await w.see(p, '00-welcome')
  await field(p, 'Name of your organisation').fill(p.name)
  await w.click(button(p, 'Next'))
  await p.page.getByText('Key made on this computer').waitFor()
  if (p === w.parties[0]) await w.see(p, '01-key')
  await w.click(button(p, 'Go to Synergos'))
  await button(p, 'Start the tutorial').waitFor()
}

// pairByCode: b types the address of a, both compare six digits.
async function pairByCode(a, b) {
  const address =
    (await a.get('/identity')).addresses.find((x) => x.startsWith('127.0.0.1')) ??
    (await a.get('/identity')).addresses[0]
  await go(b, 'Peers')
  await field(b, 'Address of a computer').fill(address)
  await w.click(button(b, 'Connect'))
  const code = async (p) => (await dialog(p).getByTestId('pairing-code').textContent()).trim()
  await dialog(b).getByTestId('pairing-code').waitFor()
  await dialog(a).getByTestId('pairing-code').waitFor()
  const [x, y] = [await code(a), await code(b)]
  if (x !== y) throw new Error(`the codes differ: ${x} and ${y}`)
  await w.see(a, '10-pairing')
  await w.click(dialog(a).getByRole('button', { name: 'The same' }))
  await w.click(dialog(b).getByRole('button', { name: 'The same' }))
  await dialog(a)
    .getByText(/Paired with/)
    .waitFor()
  await dialog(b)
    .getByText(/Paired with/)
    .waitFor()
  await closeDialog(a)
  await closeDialog(b)
}

// pairByInvite: a makes a link, b pastes it.
async function pairByInvite(a, b) {
  await go(a, 'Peers')
  await w.click(button(a, 'Invite'))
  const text = await dialog(a).getByLabel('Invite link').first().inputValue()
  if (a === w.parties[0] && b === w.parties[2]) await w.see(a, '11-invite')
  await closeDialog(a)
  await go(b, 'Peers')
  await w.click(button(b, 'Join'))
  await dialog(b).getByLabel('Invite link or address').fill(text)
  await w.click(dialog(b).getByRole('button', { name: 'Join' }))
  await w.click(dialog(a).getByRole('button', { name: 'Yes, pair' }))
  await dialog(a)
    .getByText(/Paired with/)
    .waitFor()
  await closeDialog(a)
  await dialog(b)
    .getByText(/Paired with/)
    .waitFor()
  await closeDialog(b)
}

async function addData(p, path) {
  await go(p, 'My data')
  if (p === w.parties[0]) await w.see(p, '20-data-empty')
  await w.click(button(p, 'Add data'))
  if (path) await dialog(p).getByTestId('file').setInputFiles(path)
  else await w.click(dialog(p).getByRole('button', { name: /Use sample data/ }))
  await p.page.getByRole('tab', { name: 'Overview' }).waitFor()
  await until(`${p.name}'s file to be read`, async () =>
    (await p.get('/datasets')).items.some((d) => d.state === 'ready'),
  )
  const target = field(p, 'Column to predict')
  await target.waitFor()
  if (path && (await target.inputValue()) !== 'target') await choose(p, 'Column to predict', /^target$/)
  await until(`${p.name}'s column to predict`, async () => (await p.get('/datasets')).items[0].target !== '')
}

async function publishCard(p) {
  await tab(p, 'What others see')
  await button(p, 'Publish the card').waitFor()
  if (p === w.parties[0]) await w.see(p, '23-card')
  await w.click(button(p, 'Publish the card'))
  await until(`${p.name}'s card`, async () => (await p.get('/datasets')).items[0].cardVersion > 0)
}

async function createProject(p, others) {
  await go(p, 'Projects')
  await w.see(p, '30-projects-empty')
  await w.click(link(p, 'New project'))
  await field(p, 'Name').fill('Heart disease risk')
  await field(p, 'Purpose').fill('Predict narrowing of the coronary arteries from routine findings.')
  for (const o of others) await w.click(p.page.getByRole('checkbox', { name: o.name }))
  await field(p, 'Reward pool per run').fill('1000')
  await w.see(p, '31-project-new')
  await w.click(button(p, /Create and invite/))
  await heading(p, 'Heart disease risk').waitFor()
  await w.see(p, '32-project')
}

async function acceptProject(p, first) {
  await until(`${p.name}'s invitation`, async () => (await p.get('/projects')).items.some((x) => x.state === 'invited'))
  await w.click(button(p, /^Inbox/))
  await w.click(dialog(p).getByRole('link', { name: 'Look at the invitation' }).first())
  await p.page.getByText('Leaves this computer').waitFor()
  if (first) await w.see(p, '33-consent')
  await w.click(button(p, 'I consent, take part'))
  await until(`${p.name} to take part`, async () => (await p.get('/projects')).items.some((x) => x.state !== 'invited'))
}

async function align(p) {
  await go(p, 'Projects')
  await w.click(link(p, 'Heart disease risk'))
  await tab(p, /^Columns/)
  await w.click(button(p, 'Compare the columns'))
  const state = async () => {
    const id = (await p.get('/projects')).items[0].id
    return (await p.get(`/projects/${id}/alignment`)).state
  }
  const met = await until(
    'the comparison of columns',
    async () => ['confirm', 'agreed'].includes(await state()) && (await state()),
  )
  if (met === 'confirm') {
    await button(p, /^Confirm/).waitFor()
    await w.see(p, '34-alignment')
    await w.click(button(p, /^Confirm/))
  }
  await until('agreement on columns', async () => (await state()) === 'agreed')
  await w.see(p, '35-agreed')
}

async function startExperiment(p) {
  await w.click(button(p, 'New experiment'))
  await heading(p, 'New experiment').waitFor()
  await field(p, 'Name').fill('Learning rate')
  await w.click(button(p, 'Vary a setting'))
  const values = field(p, 'Values of Learning rate')
  await values.fill('0.05')
  await values.press('Enter')
  await values.fill('0.2')
  await values.press('Enter')
  await field(p, 'Rounds').fill('8')
  await p.page.getByText('Numbers in the model').waitFor()
  await w.see(p, '40-experiment-new')
  await w.click(button(p, 'Start training'))
  await heading(p, 'Learning rate').waitFor()
  await w.see(p, '41-experiment')
}

async function watchRuns(p) {
  await w.click(link(p, /Learning rate, run 1/))
  await heading(p, /run 1/).waitFor()
  await tab(p, 'Live')
  await p.page.getByRole('heading', { name: /^The parties/ }).waitFor()
  await until('first rounds', async () =>
    (await p.get('/runs')).items.some((r) => r.round > 0 || r.state === 'finished'),
  )
  await w.see(p, '42-run-live')
  const done = await until(
    'both runs to finish',
    async () => {
      const { items } = await p.get('/runs')
      const bad = items.find((r) => ['failed', 'cancelled'].includes(r.state))
      if (bad) throw new Error(`run ${bad.number} ${bad.state}: ${bad.problem?.text ?? bad.endReason}`)
      return items.length === 2 && items.every((r) => r.state === 'finished') && items
    },
    180_000,
  )
  await tab(p, 'Results')
  await p.page.getByRole('heading', { name: 'Results by party' }).waitFor()
  await w.see(p, '43-run-results')
  await tab(p, 'Contribution')
  await until('the scores', async () => (await p.get(`/runs/${done[0].id}/contribution`)).state === 'done', 60_000)
  await p.page.getByText('What this proves and what not').waitFor()
  await w.see(p, '44-run-contribution')
  await tab(p, 'History')
  await w.see(p, '45-run-history')
  await tab(p, 'Settings')
  await w.see(p, '46-run-settings')
}

async function compare(p) {
  await go(p, 'Runs')
  await p.page.getByRole('checkbox', { name: 'Select all' }).check()
  await w.see(p, '47-runs')
  await w.click(button(p, 'Compare 2 runs'))
  await p.page.getByRole('heading', { name: 'What differs' }).waitFor()
  await p.page.getByRole('cell', { name: 'Learning rate', exact: true }).waitFor()
  await w.see(p, '48-compare')
}

async function register(p) {
  await go(p, 'Runs')
  await w.click(link(p, /Learning rate, run 1/))
  await w.click(button(p, 'Keep as a model'))
  await dialog(p).getByLabel('Name of the model').fill('heart-risk')
  await w.click(dialog(p).getByRole('button', { name: 'Keep as a model' }))
  await heading(p, 'heart-risk, version 1').waitFor()
  await w.see(p, '50-version')
  await tab(p, 'Checks')
  await w.see(p, '51-checks')
  await tab(p, 'Model card')
  await w.see(p, '52-model-card')
}

async function promote(p, others, to) {
  await w.click(button(p, 'Change the stage'))
  await w.click(p.page.getByRole('menuitem', { name: to === 'staging' ? 'Move to staging' : 'Move to production' }))
  await dialog(p).getByLabel('Reason').fill('Better than alone at each hospital.')
  await w.click(dialog(p).getByRole('button', { name: 'Send the request' }))
  for (const o of [p, ...others]) {
    const stage = async () => (await p.get('/models')).items[0].versions[0].stage
    await until(
      'the request to be known',
      async () =>
        (await stage()) === to ||
        (await o.get('/stage-requests')).items.some((r) => r.state === 'proposed' && r.to === to),
    )
    if ((await stage()) === to) break
    const mine = (await o.get('/stage-requests')).items.find((r) => r.state === 'proposed' && r.to === to)
    if (mine?.myVote !== 'none') continue
    await go(o, 'Models')
    const open = await until('the vote to be shown, or enough votes', async () => {
      if (await button(o, 'Approve').isVisible()) return 'open'
      return (await stage()) === to && 'decided'
    })
    if (open === 'decided') break
    if (o !== p && to === 'production') await w.see(o, '53-vote')
    await w.click(button(o, 'Approve'))
    await until(
      'the vote to be counted',
      async () => !(await o.get('/stage-requests')).items.some((r) => r.id === mine.id && r.myVote === 'none'),
    )
  }
  await until(`stage ${to}`, async () => (await p.get('/models')).items[0].versions[0].stage === to)
}

async function serve(p) {
  await go(p, 'Serving')
  await w.see(p, '60-serving')
  await w.click(link(p, 'heart-risk'))
  await heading(p, 'Serve heart-risk').waitFor()
  await w.click(p.page.getByRole('switch', { name: /^Serve heart-risk/ }))
  await until('the model to answer', async () => (await p.get('/serving/heart-risk')).state === 'on')
  await w.click(button(p, 'Typical values'))
  await until('the button to be ready', async () => button(p, 'Predict').isEnabled())
  await w.click(button(p, 'Predict'))
  await p.page.getByTestId('prediction').waitFor()
  await w.see(p, '61-serving-model')
}

async function theRest(p) {
  await go(p, 'Models')
  await w.see(p, '54-models')
  await go(p, 'Rewards')
  await p.page.getByRole('heading', { name: 'Totals' }).waitFor()
  await w.click(button(p, 'Verify'))
  await p.page.getByRole('img', { name: 'Passed' }).first().waitFor()
  if ((await p.page.getByRole('img', { name: 'Failed' }).count()) > 0) throw new Error('the ledger does not verify')
  await w.see(p, '70-rewards')
  await go(p, 'Activity')
  await w.click(button(p, 'Verify'))
  await p.page.getByRole('img', { name: 'Passed' }).first().waitFor()
  await w.see(p, '71-activity')
  await go(p, 'Settings')
  await w.see(p, '72-settings')
  await tab(p, 'Identity')
  await w.see(p, '73-identity')
  await tab(p, 'Diagnostics')
  await w.see(p, '74-diagnostics')
  await tab(p, 'About')
  await w.see(p, '75-about')
  await go(p, 'Home')
  await w.see(p, '76-home')
}

// keyboard reaches the palette, the sheet and the screens without a mouse.
async function keyboard(p) {
  await p.page.keyboard.press('Control+2')
  await heading(p, 'Peers').waitFor()
  const focused = await p.page.evaluate(() => document.activeElement?.tagName)
  if (focused !== 'H1') throw new Error(`after a change of screen the focus is on ${focused}`)
  await p.page.keyboard.press('?')
  await dialog(p).getByText('Keyboard shortcuts').waitFor()
  await w.see(p, '80-shortcuts')
  await p.page.keyboard.press('Escape')
  await dialog(p).waitFor({ state: 'detached' })
  for (const [key, name] of [
    ['i', '81-inbox'],
    ['o', '82-operations'],
  ]) {
    await p.page.keyboard.press(key)
    await dialog(p).waitFor()
    await w.see(p, name)
    await p.page.keyboard.press('Escape')
    await dialog(p).waitFor({ state: 'detached' })
  }
  await w.click(button(p, 'Theme and shortcuts'))
  await p.page.getByRole('menuitemradio', { name: 'Dark' }).waitFor()
  await w.see(p, '83-theme')
  await p.page.keyboard.press('Escape')
  await p.page.keyboard.press('Control+k')
  await p.page.getByPlaceholder('Go to a screen').waitFor()
  await p.page.keyboard.type('Rewards')
  await p.page.keyboard.press('Enter')
  await heading(p, 'Rewards').waitFor()
}

// again: a killed party comes back with everything, and its page with it.
async function again(p) {
  p.expected = true // the page asks an app that is not there
  await p.kill('SIGKILL')
  await p.page.getByText('The app does not answer').waitFor()
  await p.start()
  await p.page.goto('about:blank')
  await p.page.goto(p.url)
  await heading(p, 'Home').waitFor()
  await p.page.getByText('heart-risk').first().waitFor()
  p.expected = false
}

async function story() {
  await w.open()
  const paths = await heartFiles()
  w.say('four parties start')
  for (const name of hospitals) await w.party(name)
  const [a, b, c, d] = w.parties
  for (const p of w.parties) await firstRun(p)
  await w.see(a, '02-home-doors')
  w.say('pair by code')
  await pairByCode(a, b)
  w.say('pair by invite')
  for (const p of [c, d]) await pairByInvite(a, p)
  if (!flag('star'))
    for (const [x, y] of [
      [b, c],
      [b, d],
      [c, d],
    ])
      await pairByInvite(x, y)
  await go(a, 'Peers')
  await until('all to be online', async () => (await a.get('/status')).online === 3)
  await w.see(a, '12-peers')
  w.say('add data')
  for (const [i, p] of w.parties.entries()) await addData(p, paths?.[i])
  await w.see(a, '21-dataset')
  await tab(a, /^Columns/)
  await w.see(a, '22-columns')
  w.say('publish cards')
  for (const p of w.parties) await publishCard(p)
  await go(d, 'Catalog')
  await until('four cards at the fourth party', async () => (await d.get('/catalog')).total === 4)
  await d.page.locator('[data-card]').nth(3).waitFor()
  await w.see(d, '25-catalog')
  w.say('make a project and invite')
  await createProject(a, [b, c, d])
  w.say('consent')
  for (const p of [b, c, d]) await acceptProject(p, p === b)
  w.say('agree on columns')
  await align(a)
  w.say('train')
  await startExperiment(a)
  await watchRuns(a)
  await compare(a)
  w.say('keep a model, vote, serve')
  await register(a)
  await promote(a, [b, c, d], 'staging')
  await go(a, 'Models')
  await w.click(link(a, 'Version 1'))
  await promote(a, [b, c, d], 'production')
  await serve(a)
  w.say('rewards, activity, settings')
  await theRest(a)
  await keyboard(a)
  w.say('kill and come back')
  await again(b)
}

let failed
try {
  await story()
} catch (e) {
  failed = e
  for (const p of w.parties) {
    await p.page?.screenshot({ path: join(out, `failed-${p.name.replace(/\W+/g, '-')}.png`) }).catch(() => undefined)
    await writeFile(join(out, `log-${p.name.replace(/\W+/g, '-')}.txt`), p.log)
  }
} finally {
  await w.close()
}
console.log(`${w.clicks} clicks in ${((Date.now() - w.began) / 1000).toFixed(0)} s`)
for (const f of w.faults) console.log(`FAULT ${f}`)
if (failed) console.log(`FAILED at ${w.step}: ${failed.stack}`)
process.exitCode = failed || w.faults.length > 0 ? 1 : 0
