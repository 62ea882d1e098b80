import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { en } from '../i18n'

const src = join(import.meta.dirname, '..')
const files = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory()
      ? files(join(dir, e.name))
      : /\.tsx?$/.test(e.name) && !/test|gen\.ts/.test(join(dir, e.name).slice(src.length))
        ? [join(dir, e.name)]
        : [],
  )
const all = files(src)
const parse = (f: string) =>
  ts.createSourceFile(
    f,
    readFileSync(f, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
    f.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
  )
const spoken = new Set([
  'label',
  'title',
  'placeholder',
  'description',
  'aria-label',
  'alt',
  'text',
  'hint',
  'name',
  'note',
])

// literals finds words that a person would read and that are not in the JSON.
function literals(f: ts.SourceFile): string[] {
  const found: string[] = []
  const words = (s: string) => /\p{L}{2,}/u.test(s)
  const visit = (n: ts.Node) => {
    if (ts.isJsxText(n) && words(n.text)) found.push(n.text.trim())
    if (
      ts.isJsxAttribute(n) &&
      n.initializer &&
      ts.isStringLiteral(n.initializer) &&
      spoken.has(n.name.getText()) &&
      words(n.initializer.text)
    )
      found.push(`${n.name.getText()}=${n.initializer.text}`)
    ts.forEachChild(n, visit)
  }
  visit(f)
  return found
}

// keysIn are the keys that t is called with, the variable parts as *.
function keysIn(f: ts.SourceFile): string[] {
  const found: string[] = []
  const visit = (n: ts.Node) => {
    if (ts.isCallExpression(n) && /^(t|i18n\.t|i18next\.t)$/.test(n.expression.getText()) && n.arguments[0])
      collect(n.arguments[0])
    ts.forEachChild(n, visit)
  }
  const collect = (a: ts.Expression) => {
    if (ts.isStringLiteral(a) || ts.isNoSubstitutionTemplateLiteral(a)) found.push(a.text)
    else if (ts.isTemplateExpression(a))
      found.push(a.head.text + a.templateSpans.map((s) => `*${s.literal.text}`).join(''))
    else if (ts.isConditionalExpression(a)) [a.whenTrue, a.whenFalse].forEach(collect)
  }
  visit(f)
  return found
}

function flat(o: object, at = ''): string[] {
  return Object.entries(o).flatMap(([k, v]) => (typeof v === 'string' ? [at + k] : flat(v, `${at}${k}.`)))
}

describe('words', () => {
  it('no component holds text of its own', () => {
    const found = all.flatMap((f) => literals(parse(f)).map((w) => `${f.slice(src.length + 1)}: ${w}`))
    expect(found).toEqual([])
  })

  it('every key that is asked for exists', () => {
    const keys = flat(en)
    const plural = new Set(keys.map((k) => k.replace(/_(zero|one|other)$/, '')))
    const missing = all.flatMap((f) =>
      keysIn(parse(f))
        .filter((k) =>
          k.includes('*')
            ? !keys.some((x) =>
                new RegExp(`^${k.replace(/[.]/g, '\\.').replace(/\*/g, '[^.]+')}(_(one|other))?$`).test(x),
              )
            : !plural.has(k),
        )
        .map((k) => `${f.slice(src.length + 1)}: ${k}`),
    )
    expect(missing).toEqual([])
  })

  it('plurals come in pairs', () => {
    const keys = new Set(flat(en))
    const alone = [...keys].filter((k) => k.endsWith('_one') && !keys.has(k.replace(/_one$/, '_other')))
    expect(alone).toEqual([])
  })
})

describe('rules of the house', () => {
  const text = (f: string) => readFileSync(f, 'utf8')
  it('only src/api fetches, and nothing sends a form', () => {
    const bad = all.filter(
      (f) =>
        !f.includes('/api/') && /\bfetch\(|XMLHttpRequest|new EventSource|window\.go\b|window\.runtime/.test(text(f)),
    )
    expect(bad).toEqual([])
    expect(all.filter((f) => /new FormData/.test(text(f)))).toEqual([])
  })
  it('parts and formatting import no screen', () => {
    const bad = all.filter((f) => /\/(ui|format|theme)\//.test(f) && /from '.*screens\//.test(text(f)))
    expect(bad).toEqual([])
  })
  it('nothing is loaded from elsewhere', () => {
    const bad = all.filter((f) =>
      /https?:\/\/(?!127\.0\.0\.1)/.test(
        text(f)
          .replace(/w3\.org/g, '')
          .replace(/http:\/\/www/g, ''),
      ),
    )
    expect(bad).toEqual([])
  })
})
