// The tutorial through the GUI, from the first start to a prediction: one person
// with one program, at most 25 clicks and five minutes, no path and no JSON typed.
// The program is killed in the middle of a run and between steps, and goes on.
//   node e2e/tutorial.mjs [--keep] [--quick]
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { flag, out, until, World } from './kit.mjs'

const maxClicks = 25
const maxMs = 5 * 60_000

const w = new World()
w.began = Date.now()
const button = (p, name) => p.page.getByRole('button', { name }).first()
const link = (p, name) => p.page.getByRole('link', { name }).first()
const heading = (p, name) => p.page.getByRole('heading', { level: 1, name })
const dialog = (p) => p.page.getByRole('dialog')
const see = (p, name) => (flag('quick') ? undefined : w.see(p, `tutorial-${name}`))

// type is all that is ever typed: names and reasons.
async function type(field, text) {
  if (/[/\\{}[\]]/.test(text)) throw new Error(`a path or JSON had to be typed: ${text}`)
  await field.fill(text)
}

// ticked waits until exactly the first n steps are done.
async function ticked(p, n) {
  await until(`${n} ticks`, async () => {
    const done = (await p.get('/tutorial')).steps.map((s) => s.done)
    return done.filter(Boolean).length === n && done.slice(0, n).every(Boolean)
  })
}

const home = async (p, n) => {
  await w.click(p.page.getByRole('navigation').getByRole('link', { name: 'Home', exact: true }))
  await p.page.getByText(`${n} of 6 steps done`).waitFor()
}
const next = (p) => w.click(link(p, 'Next step'))

// again kills the program; what it shows afterwards comes from the disk.
async function again(p) {
  p.expected = true // the page asks in vain meanwhile
  await p.kill('SIGKILL')
  await p.start()
  await p.page.goto('about:blank')
  await p.page.goto(p.url)
  await heading(p, 'Home').waitFor()
  p.expected = false
  const virtual = async () => (await p.get('/peers')).items.filter((x) => x.source === 'tutorial' && x.online)
  await until('the virtual hospitals to be back', async () => (await virtual()).length === 3)
}

async function begin(p) {
  await heading(p, 'Welcome to Synergos').waitFor()
  await type(p.page.getByLabel('Name of your organisation'), 'Sunrise Clinic')
  await w.click(button(p, 'Next'))
  await p.page.getByText('Key made on this computer').waitFor()
  await w.click(button(p, 'Go to Synergos'))
  await w.click(button(p, 'Start the tutorial'))
  await p.page.getByText('0 of 6 steps done').waitFor()
  await see(p, '01-started')
}

async function look(p) {
  await next(p)
  await heading(p, /Riverside/).waitFor()
  await p.page.getByRole('tab', { name: 'Overview' }).waitFor()
  await ticked(p, 1)
  await see(p, '02-data')
}

async function project(p) {
  await home(p, 1)
  await next(p)
  await type(p.page.getByLabel('Name', { exact: true }), 'Heart risk, practised')
  for (const x of ['Lakeview', 'Hillcrest', 'Seaside'])
    if (!(await p.page.getByRole('checkbox', { name: new RegExp(x) }).isChecked()))
      throw new Error(`${x} is not ticked`)
  await see(p, '03-project-new')
  await w.click(button(p, /^Create and invite/))
  await heading(p, 'Heart risk, practised').waitFor()
  await until('all to accept', async () =>
    (await p.get('/projects')).items[0].parties.every((x) => x.state === 'accepted'),
  )
  await ticked(p, 2)
  await see(p, '04-project')
}

async function align(p) {
  await home(p, 2)
  await see(p, '05-home')
  await next(p)
  await w.click(p.page.getByRole('tabpanel').getByRole('button', { name: 'Compare the columns' }))
  await button(p, /^Confirm/).waitFor()
  await p.page
    .getByText(/cholesterol/)
    .first()
    .waitFor()
  await see(p, '06-columns')
  await w.click(button(p, /^Confirm/))
  await ticked(p, 3)
  await see(p, '07-agreed')
}

async function train(p) {
  await w.click(button(p, 'New experiment'))
  await heading(p, 'New experiment').waitFor()
  await type(p.page.getByLabel('Name', { exact: true }), 'First try')
  await type(p.page.getByLabel('Rounds', { exact: true }), '120') // long enough to be interrupted
  await see(p, '08-experiment')
  await w.click(button(p, 'Start training'))
  await heading(p, /First try, run 1/).waitFor()
  await until('a round', async () => (await p.get('/runs')).items[0].round >= 2)
  await see(p, '09-run')
  if ((await p.get('/runs')).items[0].state === 'finished')
    throw new Error('the run ended before it could be interrupted')
  w.say('train: killed in the middle')
  await again(p)
  await ticked(p, 3)
  w.say('train: it goes on')
  await next(p)
  await heading(p, /First try, run 1/).waitFor()
  await until(
    'the run',
    async () => {
      const r = (await p.get('/runs')).items[0]
      if (['failed', 'cancelled'].includes(r.state)) throw new Error(r.sentence)
      return r.state === 'finished'
    },
    120_000,
  )
  await ticked(p, 4)
  await see(p, '10-results')
}

async function promote(p) {
  await w.click(button(p, 'Register as a model'))
  await w.click(dialog(p).getByRole('button', { name: 'Register as a model' }))
  await heading(p, /version 1/).waitFor()
  await w.click(button(p, 'Change the stage'))
  await w.click(p.page.getByRole('menuitem', { name: 'Move to production' }))
  await type(dialog(p).getByLabel('Reason'), 'Better together than alone.')
  await w.click(dialog(p).getByRole('button', { name: 'Send the request' }))
  await ticked(p, 5)
  await see(p, '11-version')
}

async function serve(p) {
  await again(p)
  await ticked(p, 5)
  await next(p)
  await w.click(p.page.getByRole('switch', { name: /^Serve /i }).first())
  await until('the model to answer', async () => (await p.get('/serving')).items[0].state === 'on')
  await until('the button to be ready', async () => button(p, 'Predict').isEnabled())
  await w.click(button(p, 'Predict'))
  await p.page.getByTestId('prediction').waitFor()
  await ticked(p, 6)
  await see(p, '12-prediction')
}

// nothingReal: what is real knows nothing of it.
async function nothingReal(p) {
  const [catalog, rewards, activity, status] = await Promise.all(
    ['/catalog', '/rewards', '/activity', '/status'].map((x) => p.get(x)),
  )
  const found = {
    cards: catalog.total,
    rewards: rewards.totals.length + rewards.entries.length,
    frames: activity.frames,
    paired: status.paired,
  }
  for (const [what, n] of Object.entries(found))
    if (n !== 0) w.faults.push(`the tutorial left ${n} ${what} in what is real`)
}

async function end(p) {
  await w.click(p.page.getByRole('navigation').getByRole('link', { name: 'Peers', exact: true }))
  await see(p, '13-peers')
  await p.page.getByRole('navigation').getByRole('link', { name: 'Home', exact: true }).click()
  await p.page.getByText('6 of 6 steps done').waitFor()
  await see(p, '14-done')
  await button(p, 'End the tutorial').click()
  await dialog(p).getByRole('button', { name: 'End the tutorial' }).click()
  await button(p, 'Start the tutorial').waitFor()
  await see(p, '15-ended')
}

async function story() {
  await w.open({ keep: true })
  w.say('first start')
  const p = await w.party('tutorial')
  w.began = Date.now()
  await begin(p)
  for (const step of [look, project, align, train, promote, serve]) {
    w.say(step.name)
    await step(p)
  }
  const clicks = w.clicks
  const ms = Date.now() - w.began
  await nothingReal(p)
  w.say('the end')
  await end(p)
  console.log(`${clicks} clicks and ${(ms / 1000).toFixed(0)} s to a prediction`)
  if (clicks > maxClicks) w.faults.push(`${clicks} clicks, at most ${maxClicks} are allowed`)
  if (ms > maxMs) w.faults.push(`${(ms / 1000).toFixed(0)} s, at most ${maxMs / 1000} are allowed`)
}

let failed
try {
  await story()
} catch (e) {
  failed = e
  for (const p of w.parties) {
    await p.page?.screenshot({ path: join(out, 'tutorial-failed.png') }).catch(() => undefined)
    await writeFile(join(out, 'tutorial-log.txt'), p.log)
  }
} finally {
  await w.close()
}
for (const f of w.faults) console.log(`FAULT ${f}`)
if (failed) console.log(`FAILED at ${w.step}: ${failed.stack}`)
process.exitCode = failed || w.faults.length > 0 ? 1 : 0
