// A killed party comes back with everything, and its page with it.
import { heading, w } from './hands.mjs'

export const title = 'kill and come back'

export default async function () {
  await again(w.parties[1])
}

// again: a killed party comes back with everything, and its page with it.
async function again(p) {
  p.expected = true // the page asks an app that is not there
  await p.kill('SIGKILL')
  await p.page.getByText('The app does not answer').waitFor()
  await p.start()
  await p.page.goto('about:blank')
  await p.page.goto(p.url)
  await heading(p, 'Home').waitFor()
  await p.page.getByText('heart-risk').first().waitFor()
  p.expected = false
}
