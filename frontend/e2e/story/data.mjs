// Every party adds its file; one of them calls a column by another name.
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root, until } from '../kit.mjs'
import { button, choose, dialog, field, go, tab, w } from './hands.mjs'

const files = ['cleveland', 'hungarian', 'switzerland', 'va']

export const title = 'add data'

export default async function () {
  const paths = await heartFiles()
  const [a] = w.parties
  for (const [i, p] of w.parties.entries()) await addData(p, paths?.[i])
  await w.see(a, '21-dataset')
  await tab(a, /^Columns/)
  await w.see(a, '22-columns')
}

// heartFiles prepares the CSV files; the second hospital calls cholesterol by
// another name, so that a person has something to confirm.
async function heartFiles() {
  const data = process.env.SYNERGOS_DATA ?? join(root, '..', 'shared', 'data')
  if (!existsSync(join(data, 'fed-heart'))) {
    console.log('no heart data here (SYNERGOS_DATA): the built-in sample is used instead')
    return null
  }
  const dir = join(w.dir, 'files')
  await mkdir(dir, { recursive: true })
  const made = []
  for (const [i, name] of files.entries()) {
    let text = await readFile(join(data, 'fed-heart', `${name}.csv`), 'utf8')
    if (i === 1) text = text.replace('chol', 'cholesterol')
    const path = join(dir, `${name}-heart.csv`)
    await writeFile(path, text)
    made.push(path)
  }
  return made
}

async function addData(p, path) {
  await go(p, 'My data')
  if (p === w.parties[0]) await w.see(p, '20-data-empty')
  await w.click(button(p, 'Add data'))
  if (path) await dialog(p).getByTestId('file').setInputFiles(path)
  else await w.click(dialog(p).getByRole('button', { name: /Use sample data/ }))
  await p.page.getByRole('tab', { name: 'Overview' }).waitFor()
  await until(`${p.name}'s file to be read`, async () =>
    (await p.get('/datasets')).items.some((d) => d.state === 'ready'),
  )
  const target = field(p, 'Column to predict')
  await target.waitFor()
  if (path && (await target.inputValue()) !== 'target') await choose(p, 'Column to predict', /^target$/)
  await until(`${p.name}'s column to predict`, async () => (await p.get('/datasets')).items[0].target !== '')
}
