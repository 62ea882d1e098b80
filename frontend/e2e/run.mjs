// The whole story through the GUI, with four real parties as four processes:
//   node e2e/run.mjs [--keep] [--star]
// SYNERGOS_BIN names the program (build/bin/synergos-headless), SYNERGOS_DATA the
// folder with fed-heart/*.csv; without it the built-in sample data is used. Each
// scenario goes on where the one before it ended.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { out } from './kit.mjs'
import * as catalog from './story/catalog.mjs'
import * as closeBusy from './story/close-busy.mjs'
import * as comeBack from './story/come-back.mjs'
import * as compare from './story/compare.mjs'
import * as data from './story/data.mjs'
import * as firstStart from './story/first-start.mjs'
import { w } from './story/hands.mjs'
import * as keyboard from './story/keyboard.mjs'
import * as leaveProject from './story/leave-project.mjs'
import * as model from './story/model.mjs'
import * as pair from './story/pair.mjs'
import * as project from './story/project.mjs'
import * as records from './story/records.mjs'
import * as serve from './story/serve.mjs'
import * as settingsFile from './story/settings-file.mjs'
import * as train from './story/train.mjs'

const story = [
  firstStart,
  pair,
  data,
  catalog,
  project,
  train,
  compare,
  model,
  serve,
  records,
  keyboard,
  comeBack,
  settingsFile,
  closeBusy,
  leaveProject,
]

w.began = Date.now()
let failed
try {
  await w.open()
  for (const scenario of story) {
    w.say(scenario.title)
    await scenario.default()
  }
} catch (e) {
  failed = e
  for (const p of w.parties) {
    await p.page?.screenshot({ path: join(out, `failed-${p.name.replace(/\W+/g, '-')}.png`) }).catch(() => undefined)
    await writeFile(join(out, `log-${p.name.replace(/\W+/g, '-')}.txt`), p.log)
  }
} finally {
  await w.close()
}
console.log(`${w.clicks} clicks in ${((Date.now() - w.began) / 1000).toFixed(0)} s`)
for (const f of w.faults) console.log(`FAULT ${f}`)
if (failed) console.log(`FAILED at ${w.step}: ${failed.stack}`)
process.exitCode = failed || w.faults.length > 0 ? 1 : 0
