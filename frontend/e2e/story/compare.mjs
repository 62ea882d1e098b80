// The two runs side by side.
import { button, go, w } from './hands.mjs'

export const title = 'compare'

export default async function () {
  const [p] = w.parties
  await go(p, 'Runs')
  await p.page.getByRole('checkbox', { name: 'Select all' }).check()
  await w.see(p, '47-runs')
  await w.click(button(p, 'Compare 2 runs'))
  await p.page.getByRole('heading', { name: 'What differs' }).waitFor()
  await p.page.getByRole('cell', { name: 'Learning rate', exact: true }).waitFor()
  await w.see(p, '48-compare')
}
