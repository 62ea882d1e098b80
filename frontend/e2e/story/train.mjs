// An experiment of two learning rates, followed to its results.
import { until } from '../kit.mjs'
import { button, field, heading, link, tab, w } from './hands.mjs'

export const title = 'train'

export default async function () {
  const [a] = w.parties
  await startExperiment(a)
  await watchRuns(a)
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
