// A party leaves the project: the others see it, and its consent ends.
import { until } from '../kit.mjs'
import { button, dialog, go, link, w } from './hands.mjs'

export const title = 'leave the project'

export default async function () {
  const [a, , , d] = w.parties
  await go(d, 'Projects')
  await w.click(link(d, 'Heart disease risk'))
  await w.click(button(d, 'More'))
  await w.click(d.page.getByRole('menuitem', { name: 'Leave the project' }))
  await dialog(d).getByRole('button', { name: 'Cancel' }).click()
  await dialog(d).waitFor({ state: 'detached' })
  if ((await d.get('/projects')).items[0].state === 'left') throw new Error('left although the question was cancelled')
  await w.click(button(d, 'More'))
  await w.click(d.page.getByRole('menuitem', { name: 'Leave the project' }))
  await dialog(d).getByLabel('Reason').fill('The study is over for us.')
  await w.see(d, '90-leave')
  await w.click(dialog(d).getByRole('button', { name: 'Leave the project' }))
  await until('the party to have left', async () => (await d.get('/projects')).items[0].state === 'left')
  const { id } = (await a.get('/projects')).items[0]
  await until('the others to see it', async () =>
    (await a.get(`/projects/${id}`)).parties.some((x) => x.name === d.name && x.state === 'left'),
  )
  await go(a, 'Projects')
  await w.click(link(a, 'Heart disease risk'))
  await w.see(a, '91-left')
}
