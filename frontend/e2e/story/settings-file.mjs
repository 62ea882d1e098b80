// The settings of an experiment are saved to a file and taken from it again: the new
// run has the same hash. A file with a mistake is refused with the place.
import { readFile } from 'node:fs/promises'
import { until } from '../kit.mjs'
import { button, dialog, field, go, heading, link, tab, w } from './hands.mjs'

export const title = 'settings to a file and from one'

export default async function () {
  const [p] = w.parties
  const saved = await save(p)
  await openNew(p)
  await refuseMistake(p, saved)
  await takeBack(p, saved)
}

async function save(p) {
  await go(p, 'Projects')
  await w.click(link(p, 'Heart disease risk'))
  await tab(p, 'Experiments')
  await w.click(link(p, 'Learning rate'))
  await heading(p, 'Learning rate').waitFor()
  const download = p.page.waitForEvent('download')
  await w.click(button(p, 'Save the settings'))
  return readFile(await (await download).path(), 'utf8')
}

async function openNew(p) {
  await go(p, 'Projects')
  await w.click(link(p, 'Heart disease risk'))
  await w.click(button(p, 'New experiment'))
  await heading(p, 'New experiment').waitFor()
}

const settings = (p, text) =>
  p.page
    .getByTestId('settings-file')
    .setInputFiles({ name: 'saved.json', mimeType: 'application/json', buffer: Buffer.from(text) })

async function refuseMistake(p, saved) {
  p.expected = true // the app refuses, as it should
  await settings(p, saved.replace('"lr"', '"learningrate"'))
  await p.page.getByText(/learningrate is not a known setting/).waitFor()
  await w.see(p, '85-settings-refused')
  await settings(p, saved.replace(/"rounds": \d+/, '"rounds": 0'))
  await p.page.getByText(/0 rounds are not possible/).waitFor()
  p.expected = false
}

async function takeBack(p, saved) {
  await settings(p, saved.replace(/"target": "[^"]*"/, '"target": "something else"'))
  await p.page.getByText('1 setting of the file is not used').waitFor()
  await w.see(p, '86-settings-differ')
  await settings(p, saved)
  await p.page.getByText('1 setting of the file is not used').waitFor({ state: 'detached' })
  await field(p, 'Name').fill('From a file')
  await p.page.getByText('Numbers in the model').waitFor()
  await w.see(p, '87-settings-taken')
  await w.click(button(p, 'Start training'))
  await heading(p, /From a file/).waitFor()
  const again = (await p.get('/runs')).items.find((r) => r.experiment === 'From a file')
  const kept = JSON.stringify((await p.get(`/runs/${again.id}`)).config)
  if (kept !== JSON.stringify(JSON.parse(saved))) throw new Error(`the settings changed on the way: ${kept}`)
  await sameHash(p, saved, again)
}

// sameHash starts what the file says once more, through another page load.
async function sameHash(p, saved, first) {
  await openNew(p)
  await settings(p, saved)
  await p.page.getByText('The settings of saved.json are filled in below.').waitFor()
  await field(p, 'Name').fill('From a file again')
  await w.click(button(p, 'Start training'))
  await heading(p, /From a file again/).waitFor()
  const second = (await p.get('/runs')).items.find((r) => r.experiment === 'From a file again')
  if (second.configHash !== first.configHash) throw new Error('the same file made runs of different hashes')
  await until('both to finish', async () =>
    (await p.get('/runs')).items.filter((r) => /^From a file/.test(r.experiment)).every((r) => r.state === 'finished'),
  )
  if (await dialog(p).isVisible()) throw new Error('a dialog is open that nobody asked for')
}
