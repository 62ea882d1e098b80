// Parts of the GUI tests: parties as real processes, a browser that watches for
// errors, axe, screenshots, and waiting for states, never for time.
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import AxeBuilder from '@axe-core/playwright'
import { chromium } from 'playwright-core'
import { browserPath } from './browser.mjs'

export const here = dirname(fileURLToPath(import.meta.url))
export const root = join(here, '..', '..')
export const out = process.env.E2E_OUT ?? join(here, 'out')
const binary = process.env.SYNERGOS_BIN ?? join(root, 'build', 'bin', 'synergos-headless')

export const flag = (name) => process.argv.includes(`--${name}`)

// until asks f again and again until it answers something true.
export async function until(what, f, limitMs = 60_000) {
  const end = Date.now() + limitMs
  let last
  for (;;) {
    try {
      const x = await f()
      if (x) return x
    } catch (e) {
      last = e
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}${last ? `: ${last.message}` : ''}`)
    await new Promise((ok) => setTimeout(ok, 100))
  }
}

// Party is one `synergos serve` process with a home of its own.
export class Party {
  constructor(name, home) {
    this.name = name
    this.home = home
    this.log = ''
  }

  async start() {
    // of this computer only: no network card or multicast is needed
    this.proc = spawn(binary, ['serve', '--home', this.home, '--listen', '127.0.0.1:0', '--loopback'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.ended = new Promise((ok) => this.proc.on('exit', (code, signal) => ok(code ?? signal)))
    this.proc.stdout.on('data', (b) => {
      this.log += b
    })
    this.proc.stderr.on('data', (b) => {
      this.log += b
    })
    let gone = false
    void this.ended.then(() => {
      gone = true
    })
    this.api = await until(`${this.name} to serve`, async () => {
      if (gone) return { failed: true }
      const a = JSON.parse(await readFile(join(this.home, 'api.json'), 'utf8'))
      return a.pid === this.proc.pid && a
    })
    if (this.api.failed) throw new Error(`${this.name} ended at once:\n${this.log}`)
    this.origin = this.api.address.startsWith('http') ? this.api.address : `http://${this.api.address}`
    this.url = `${this.origin}/#t=${this.api.token}`
  }

  // get reads the API as a script does, to wait for facts; the story itself acts in the GUI.
  async get(path) {
    const r = await fetch(`${this.origin}/api/v1${path}`, { headers: { Authorization: `Bearer ${this.api.token}` } })
    if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`)
    return r.json()
  }

  kill(signal = 'SIGTERM') {
    this.proc.kill(signal)
    return this.ended
  }
}

// World holds the parties, the browser and what went wrong.
export class World {
  faults = []
  clicks = 0
  parties = []

  // open starts the browser; pictures of an earlier script stay when keep is set.
  async open({ keep = false } = {}) {
    if (!keep) await rm(out, { recursive: true, force: true })
    await mkdir(out, { recursive: true })
    this.dir = await mkdtemp(join(tmpdir(), 'synergos-gui-'))
    this.browser = await chromium.launch({
      executablePath: browserPath(),
      args: ['--no-sandbox'],
    })
  }

  async party(name) {
    const p = new Party(name, join(this.dir, `party-${this.parties.length}`))
    this.parties.push(p)
    await p.start()
    p.context = await this.browser.newContext({
      viewport: { width: 1280, height: 800 },
      reducedMotion: 'reduce',
      colorScheme: 'light',
    })
    p.page = await p.context.newPage()
    p.page.setDefaultTimeout(20_000)
    this.watch(p)
    await p.page.goto(p.url)
    return p
  }

  watch(p) {
    const fault = (what) => this.faults.push(`${p.name} at ${this.step}: ${what}`)
    p.page.on('pageerror', (e) => fault(`page error: ${e.message}`))
    p.page.on('console', (m) => {
      if (m.type() !== 'error') return
      const text = m.text()
      if (/Content Security Policy/i.test(text)) return fault(text)
      if (/Failed to load resource/.test(text) && p.expected) return // a refusal that the story wants to see
      fault(`console: ${text} ${m.location().url}`)
    })
    p.page.on('response', (r) => {
      if (r.status() >= 500) fault(`${r.status()} of ${r.request().method()} ${new URL(r.url()).pathname}`)
    })
  }

  // say names the step; it stands in front of every fault.
  say(step) {
    this.step = step
    console.log(`${((Date.now() - this.began) / 1000).toFixed(1).padStart(6)} s  ${step}`)
  }

  // see takes a picture and asks axe, in both schemes.
  async see(p, name) {
    for (const scheme of ['light', 'dark']) {
      await p.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
      await p.page.waitForFunction(
        (s) => document.documentElement.getAttribute('data-mantine-color-scheme') === s,
        scheme,
      )
      await p.page.waitForFunction(() => document.querySelectorAll('[aria-busy=true]').length === 0, undefined, {
        timeout: 15_000,
      })
      await p.page.evaluate(() => window.scrollTo(0, 0)) // what is fixed stands where it belongs
      await p.page.screenshot({ path: join(out, `${name}-${scheme}.png`), fullPage: true })
      const { violations } = await new AxeBuilder({ page: p.page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
        .analyze()
      for (const v of violations)
        this.faults.push(
          `${p.name} at ${name} (${scheme}): axe ${v.impact} ${v.id}: ${v.nodes
            .slice(0, 3)
            .map((n) => n.target.join(' '))
            .join(' | ')}`,
        )
    }
    await p.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  }

  async click(locator) {
    this.clicks++
    await locator.click()
  }

  async close() {
    await this.browser?.close()
    for (const p of this.parties) if (p.proc && p.proc.exitCode === null) p.kill()
    await Promise.all(this.parties.map((p) => p.ended))
    if (!flag('keep')) await rm(this.dir, { recursive: true, force: true })
  }
}
