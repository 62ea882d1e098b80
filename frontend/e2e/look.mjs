// Looks at every screen with fixtures: no engine is needed. Builds nothing; serves
// dist, answers the API from src/test/fixtures.ts, checks axe, console and content
// security policy, and writes e2e/out/look/<set>-<scheme>-<screen>.png.
//   node e2e/look.mjs [--only name] [--set full|empty|error] [--small]

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import AxeBuilder from '@axe-core/playwright'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { browserPath } from './browser.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const dist = join(here, '..', 'dist')
const out = join(here, 'out', 'look')
const arg = (name) => (process.argv.includes(`--${name}`) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : '')
const only = arg('only')
const sets = arg('set') ? [arg('set')] : ['full', 'empty']
const schemes = arg('scheme') ? [arg('scheme')] : ['light', 'dark']
const size = process.argv.includes('--small') ? { width: 900, height: 600 } : { width: 1280, height: 800 }

export const csp =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-src 'none'; frame-ancestors 'none'; object-src 'none'"
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

async function fixtures() {
  await mkdir(out, { recursive: true })
  const file = join(out, 'fixtures.mjs')
  await build({
    entryPoints: [join(here, '..', 'src', 'test', 'fixtures.ts')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile: file,
    logLevel: 'error',
  })
  return import(file)
}

function serve() {
  const server = createServer(async (req, res) => {
    const path = normalize(new URL(req.url, 'http://x').pathname)
    try {
      const body = await readFile(join(dist, path === '/' ? 'index.html' : path))
      res.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'text/html', 'Content-Security-Policy': csp })
      res.end(body)
    } catch {
      res.writeHead(404).end()
    }
  })
  return new Promise((ok) => server.listen(0, '127.0.0.1', () => ok(server)))
}

async function main() {
  const f = await fixtures()
  const server = await serve()
  const origin = `http://127.0.0.1:${server.address().port}`
  const browser = await chromium.launch({
    executablePath: browserPath(),
    args: ['--no-sandbox'],
  })
  const bad = []
  for (const set of sets)
    for (const scheme of schemes) {
      const context = await browser.newContext({ viewport: size, colorScheme: scheme, reducedMotion: 'reduce' })
      const page = await context.newPage()
      let at = ''
      page.on('pageerror', (e) => bad.push(`${at}: ${e.message}`))
      page.on(
        'console',
        (m) =>
          ['error', 'warning'].includes(m.type()) &&
          !/status of (4|5)\d\d/.test(m.text()) &&
          bad.push(`${at}: ${m.text().slice(0, 400)}`),
      )
      await page.clock.install({ time: new Date('2026-11-25T10:00:00Z') })
      await page.route('**/api/v1/**', (route) => {
        const path = decodeURIComponent(new URL(route.request().url()).pathname.replace('/api/v1', ''))
        if (path === '/events')
          return route.fulfill({ status: 200, contentType: 'text/event-stream', body: ': ok\n\n' })
        if (set === 'error' && !['/status', '/session', '/events/replay', '/client-errors'].includes(path))
          return route.fulfill({
            status: 503,
            contentType: 'application/problem+json',
            body: JSON.stringify({
              type: 'urn:synergos:problem:unavailable',
              title: 'Unavailable',
              status: 503,
              detail: 'the store is being checked',
              hint: 'Wait a moment and try again.',
              instance: 'r1',
              fields: [],
            }),
          })
        const a = f.answer(set === 'empty' ? f.empty : f.full, path)
        if (a === undefined)
          return route.fulfill({
            status: 404,
            contentType: 'application/problem+json',
            body: JSON.stringify({ title: `no fixture for ${path}` }),
          })
        return route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify(a) })
      })
      await page.goto(`${origin}/`)
      for (const [name, hash] of f.screensToSee) {
        if (only && !name.startsWith(only)) continue
        at = `${set} ${scheme} ${name}`
        await page.evaluate((h) => {
          location.hash = h
        }, hash)
        await page.waitForSelector('h1')
        await page.clock.runFor(400)
        await page
          .waitForFunction(() => document.querySelectorAll('[aria-busy=true]').length === 0, undefined, {
            timeout: 8000,
          })
          .catch(() => bad.push(`${at}: still loading`))
        await page.clock.runFor(600)
        await page.screenshot({
          path: join(out, `${set}-${scheme}-${name}${process.argv.includes('--small') ? '-small' : ''}.png`),
          fullPage: true,
        })
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        )
        if (wide > 0) bad.push(`${at}: ${wide} px wider than the window`)
        if (process.argv.includes('--no-axe')) continue
        const { violations } = await new AxeBuilder({ page })
          .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
          .analyze()
        for (const v of violations)
          bad.push(
            `${at}: axe ${v.impact} ${v.id}: ${v.nodes
              .slice(0, 3)
              .map((n) => `${n.target.join(' ')} ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ''}`)
              .join(' | ')
              .slice(0, 700)}`,
          )
      }
      await context.close()
    }
  await browser.close()
  server.close()
  await writeFile(join(out, 'report.txt'), bad.join('\n'))
  console.log(bad.length === 0 ? 'clean' : bad.join('\n'))
  process.exitCode = bad.length === 0 ? 0 : 1
}

await main()
