// The model answers requests.
import { until } from '../kit.mjs'
import { button, go, heading, link, w } from './hands.mjs'

export const title = 'serve'

export default async function () {
  await serve(w.parties[0])
}

async function serve(p) {
  await go(p, 'Serving')
  await w.see(p, '60-serving')
  await w.click(link(p, 'heart-risk'))
  await heading(p, 'Serve heart-risk').waitFor()
  await w.click(p.page.getByRole('switch', { name: /^Serve heart-risk/ }))
  await until('the model to answer', async () => (await p.get('/serving/heart-risk')).state === 'on')
  await w.click(button(p, 'Typical values'))
  await until('the button to be ready', async () => button(p, 'Predict').isEnabled())
  await w.click(button(p, 'Predict'))
  await p.page.getByTestId('prediction').waitFor()
  await w.see(p, '61-serving-model')
}
