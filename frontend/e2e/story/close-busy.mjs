// Closing the window while a run is on asks first; "after this round" pauses it, and
// it goes on where it was when the program is back. Then it is stopped for good.
import { until } from '../kit.mjs'
import { button, dialog, field, go, heading, link, w } from './hands.mjs'

export const title = 'close while a run is on, go on, stop it for good'

export default async function () {
  const [p] = w.parties
  const run = await longRun(p)
  await closeWindow(p)
  await until('the run to pause', async () => (await p.get(`/runs/${run}`)).run.state === 'paused')
  const { round } = (await p.get(`/runs/${run}`)).run
  await back(p, run, round)
  await stop(p, run)
}

async function longRun(p) {
  await go(p, 'Projects')
  await w.click(link(p, 'Heart disease risk'))
  await w.click(button(p, 'New experiment'))
  await heading(p, 'New experiment').waitFor()
  await field(p, 'Name').fill('A long one')
  await field(p, 'Rounds').fill('1000')
  await w.click(button(p, 'Start training'))
  await heading(p, /A long one/).waitFor()
  const { id } = (await p.get('/runs')).items.find((r) => r.experiment === 'A long one')
  await until('its first rounds', async () => (await p.get(`/runs/${id}`)).run.round > 1)
  return id
}

// closeWindow plays the window around the page: it says that it is being closed, and
// what is going on.
async function closeWindow(p) {
  const page = await p.context.newPage()
  await page.addInitScript(() => {
    const on = {}
    window.shown = []
    window.runtime = Object.fromEntries([
      ['EventsEmit', (name) => window.shown.push(name)],
      ['WindowHide', () => undefined],
      [
        'EventsOn',
        (name, f) => {
          on[name] = f
          return () => undefined
        },
      ],
    ])
    window.closeIt = (busy) => on.close(busy)
  })
  await page.goto(p.url)
  await page.getByRole('heading', { level: 1 }).first().waitFor()
  await page.evaluate(() => window.closeIt('1 run is going on.'))
  const box = page.getByRole('dialog')
  await box.getByText('1 run is going on.').waitFor()
  if (!(await page.evaluate(() => window.shown.includes('close-shown'))))
    throw new Error('the window does not know that it is asked')
  await w.see({ name: p.name, page }, '88-closing')
  await page.keyboard.press('Escape')
  await box.waitFor({ state: 'detached' })
  await page.evaluate(() => window.closeIt('1 run is going on.'))
  await box.getByText('Stop after this round').focus()
  await w.click(box.getByText('Stop after this round'))
  await until('the run to be asked to pause', async () => !(await box.isVisible()))
  await until('the run to pause', async () =>
    (await p.get('/runs')).items.every((r) => !['running', 'preparing', 'pausing'].includes(r.state)),
  )
  await page.close()
}

async function back(p, run, round) {
  p.expected = true // the page asks in vain meanwhile
  await p.kill('SIGTERM')
  await p.start()
  await p.page.goto('about:blank')
  await p.page.goto(`${p.url}`)
  await heading(p, 'Home').waitFor()
  p.expected = false
  await go(p, 'Runs')
  await w.click(link(p, /A long one, run 1/))
  await w.click(button(p, 'Resume'))
  await until('the run to go on where it was', async () => (await p.get(`/runs/${run}`)).run.round > round)
}

async function stop(p, run) {
  await w.click(button(p, 'More'))
  await w.click(p.page.getByRole('menuitem', { name: 'Stop' }))
  await dialog(p).getByLabel('Reason').fill('Enough is known.')
  await w.see(p, '89-stop')
  await w.click(dialog(p).getByRole('button', { name: 'Stop' }))
  await until('the run to end for everybody', async () => {
    const states = await Promise.all(w.parties.map(async (x) => (await x.get(`/runs/${run}`)).run.state))
    return states.every((s) => s === 'cancelled')
  })
}
