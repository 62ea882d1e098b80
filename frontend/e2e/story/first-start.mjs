// Four hospitals start the program for the first time and give themselves a name.
import { button, field, heading, w } from './hands.mjs'

const hospitals = ['St. Anna Cleveland', 'Budapest Institute', 'Zurich and Basel', 'Long Beach Center']

export const title = 'four parties start'

export default async function () {
  for (const name of hospitals) await w.party(name)
  for (const p of w.parties) await firstRun(p)
  await w.see(w.parties[0], '02-home-doors')
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
