// A project: invitations, consent to what leaves, agreement on columns.
import { until } from '../kit.mjs'
import { button, dialog, field, go, heading, link, tab, w } from './hands.mjs'

export const title = 'make a project, consent, agree on columns'

export default async function () {
  const [a, b, c, d] = w.parties
  await createProject(a, [b, c, d])
  for (const p of [b, c, d]) await acceptProject(p, p === b)
  await align(a)
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
  await w.click(p.page.getByRole('tabpanel').getByRole('button', { name: 'Compare the columns' })) // the step above is a button too
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
