// A run is kept as a model and voted into production.
import { until } from '../kit.mjs'
import { button, dialog, go, heading, link, tab, w } from './hands.mjs'

export const title = 'keep a model, vote'

export default async function () {
  const [a, b, c, d] = w.parties
  await register(a)
  await promote(a, [b, c, d], 'staging')
  await go(a, 'Models')
  await w.click(link(a, 'Version 1'))
  await promote(a, [b, c, d], 'production')
}

async function register(p) {
  await go(p, 'Runs')
  await w.click(link(p, /Learning rate, run 1/))
  await w.click(button(p, 'Register as a model'))
  await dialog(p).getByLabel('Name of the model').fill('heart-risk')
  await w.click(dialog(p).getByRole('button', { name: 'Register as a model' }))
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
