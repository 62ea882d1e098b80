// Cards are published and found by the others.
import { until } from '../kit.mjs'
import { button, go, tab, w } from './hands.mjs'

export const title = 'publish cards'

export default async function () {
  const d = w.parties[3]
  for (const p of w.parties) await publishCard(p)
  await go(d, 'Catalog')
  await until('four cards at the fourth party', async () => (await d.get('/catalog')).total === 4)
  await d.page.locator('[data-card]').nth(3).waitFor()
  await w.see(d, '25-catalog')
}

async function publishCard(p) {
  await tab(p, 'What others see')
  await button(p, 'Publish the card').waitFor()
  if (p === w.parties[0]) await w.see(p, '23-card')
  await w.click(button(p, 'Publish the card'))
  await until(`${p.name}'s card`, async () => (await p.get('/datasets')).items[0].cardVersion > 0)
}
