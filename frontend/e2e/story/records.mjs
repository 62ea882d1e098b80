// What is written down: models, rewards, what left, settings.
import { button, go, tab, w } from './hands.mjs'

export const title = 'rewards, activity, settings'

export default async function () {
  await theRest(w.parties[0])
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
