import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import i18next, { en, maybe } from '.'

// What the code asks for and what the JSON holds, compared by the syntax tree of
// every file: keys, the figures in them, plural forms, and words outside of them.

const src = join(import.meta.dirname, '..')
const short = (f: string) => f.slice(src.length + 1)
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((f) => /\.tsx?$/.test(f) && !/\.test\.|^test\/|gen\.ts$/.test(f))
  .map((f) => join(src, f))
const trees = files.map((f) => ts.createSourceFile(f, readFileSync(f, 'utf8'), ts.ScriptTarget.Latest, true))

function flat(o: object, at = ''): [string, string][] {
  return Object.entries(o).flatMap(([k, v]) => (typeof v === 'string' ? [[at + k, v]] : flat(v, `${at}${k}.`)))
}
const words = new Map(flat(en))
const plural = /_(zero|one|two|few|many|other)$/
const names = new Set([...words.keys()].map((k) => k.replace(plural, '')))

function walk(n: ts.Node, f: (n: ts.Node) => void) {
  f(n)
  ts.forEachChild(n, (c) => walk(c, f))
}

interface Use {
  where: string
  key: RegExp
  text: string
  family: boolean // the key has a part that is put in at run time
  beside: RegExp[] // the keys of the same call
  given?: string[] // undefined: not to be seen from here
}

// keysOf reads an expression as patterns of keys: what is put in at run time is any
// run of letters without a dot.
function keysOf(e: ts.Expression): { text: string; key: RegExp }[] {
  const fixed = (s: string) => s.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  if (ts.isStringLiteralLike(e)) return [{ text: e.text, key: new RegExp(`^${fixed(e.text)}$`) }]
  if (ts.isTemplateExpression(e)) {
    const rest = e.templateSpans.map((s) => `[^.]+${fixed(s.literal.text)}`).join('')
    return [{ text: e.getText(), key: new RegExp(`^${fixed(e.head.text)}${rest}$`) }]
  }
  if (ts.isConditionalExpression(e)) return [e.whenTrue, e.whenFalse].flatMap(keysOf)
  if (ts.isParenthesizedExpression(e) || ts.isAsExpression(e)) return keysOf(e.expression)
  return []
}

function usesIn(tree: ts.SourceFile): Use[] {
  const out: Use[] = []
  walk(tree, (n) => {
    if (!ts.isCallExpression(n) || !/^(t|i18n\.t|i18next\.t|maybe)$/.test(n.expression.getText())) return
    const [first, second] = n.arguments
    if (!first) return
    const asked = keysOf(first)
    const given =
      second && ts.isObjectLiteralExpression(second) && !second.properties.some(ts.isSpreadAssignment)
        ? second.properties.map((p) => p.name?.getText() ?? '')
        : second && n.expression.getText() !== 'maybe'
          ? undefined
          : []
    const { line } = tree.getLineAndCharacterOfPosition(n.getStart())
    for (const k of asked)
      out.push({
        ...k,
        given,
        family: k.text.startsWith('`'),
        beside: asked.map((a) => a.key),
        where: `${short(tree.fileName)}:${line + 1}`,
      })
  })
  return out
}
const uses = trees.flatMap(usesIn)

const figures = (s: string) => [...s.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1])
// figuresOf are the names of what is put into the words of some keys.
const figuresOf = (keys: RegExp[]) => [
  ...new Set(
    [...words].filter(([k]) => keys.some((p) => p.test(k.replace(plural, '')))).flatMap(([, s]) => figures(s)),
  ),
]

describe('keys', () => {
  it('are found in the code', () => expect(uses.length).toBeGreaterThan(500))

  it('all exist: each that is asked for, each family of them', () => {
    const missing = uses.filter((u) => ![...names].some((k) => u.key.test(k)))
    expect(missing.map((u) => `${u.where} ${u.text}`)).toEqual([])
  })

  it('are all used', () => {
    // keys that stand in a table and are handed on as a whole
    const space = new RegExp(`^\\x60?(${Object.keys(en).join('|')})\\.`)
    const handed: RegExp[] = []
    for (const tree of trees)
      walk(tree, (n) => {
        if (ts.isStringLiteralLike(n) || ts.isTemplateExpression(n))
          handed.push(
            ...keysOf(n)
              .filter((k) => space.test(k.text))
              .map((k) => k.key),
          )
      })
    const unused = [...names].filter((k) => !uses.some((u) => u.key.test(k)) && !handed.some((p) => p.test(k)))
    expect(unused).toEqual([])
  })

  it('get the figures that stand in their words, no more and no fewer', () => {
    const wrong: string[] = []
    for (const u of uses) {
      if (!u.given || u.family) continue
      const lost = figuresOf([u.key]).filter((w) => !u.given?.includes(w))
      const used = figuresOf(u.beside)
      const idle = u.given.filter((g) => g !== 'count' && !used.includes(g))
      if (lost.length + idle.length > 0) wrong.push(`${u.where} ${u.text}: lacks [${lost}], idle [${idle}]`)
    }
    expect(wrong).toEqual([])
  })
})

describe('plural forms', () => {
  const categories = new Intl.PluralRules('en').resolvedOptions().pluralCategories

  it('are complete for the language', () => {
    const stems = new Set([...words.keys()].filter((k) => plural.test(k)).map((k) => k.replace(plural, '')))
    const holes = [...stems].flatMap((s) => categories.filter((c) => !words.has(`${s}_${c}`)).map((c) => `${s}_${c}`))
    expect(holes).toEqual([])
    expect([...stems].filter((s) => words.has(s))).toEqual([]) // no plain form beside them
  })

  it('hold the same figures in every form, but for the count', () => {
    const odd = [...names].filter((k) => {
      const forms = categories.map((c) => words.get(`${k}_${c}`)).filter((s) => s !== undefined)
      return (
        new Set(
          forms.map((s) =>
            figures(s)
              .filter((f) => f !== 'count')
              .sort()
              .join(),
          ),
        ).size > 1
      )
    })
    expect(odd).toEqual([])
  })

  it('are chosen by a count that the code gives', () => {
    const wrong = uses.filter((u) => {
      const counted = [...words.keys()].some((k) => plural.test(k) && u.key.test(k.replace(plural, '')))
      return counted && !u.family && u.given && !u.given.includes('count')
    })
    expect(wrong.map((u) => `${u.where} ${u.text}`)).toEqual([])
  })

  it('read well for none, one and many', () => {
    expect([0, 1, 2].map((count) => i18next.t('common.days', { count }))).toEqual(['0 days', '1 day', '2 days'])
  })
})

describe('words', () => {
  const letters = (s: string) => /\p{L}{2,}/u.test(s)
  // names of properties whose value a person reads, in JSX or handed to a component
  const spoken =
    /^(label|title|placeholder|description|alt|text|hint|head|message|sub|note|error|words|aria-label|aria-description|nothingFound|nothingFoundMessage|confirm|cancel|suffix|prefix)$/

  it('stand in the JSON, never in a component', () => {
    const found: string[] = []
    for (const tree of trees) {
      if (!tree.fileName.endsWith('x')) continue
      const tell = (n: ts.Node, s: string) =>
        letters(s) &&
        found.push(`${short(tree.fileName)}:${tree.getLineAndCharacterOfPosition(n.getStart()).line + 1} ${s.trim()}`)
      const literal = (e: ts.Node | undefined) => {
        if (!e) return
        if (ts.isStringLiteralLike(e)) tell(e, e.text)
        else if (ts.isJsxExpression(e)) literal(e.expression)
        else if (ts.isConditionalExpression(e)) [e.whenTrue, e.whenFalse].forEach(literal)
        else if (ts.isTemplateExpression(e))
          for (const p of [e.head, ...e.templateSpans.map((s) => s.literal)]) tell(e, p.text)
      }
      walk(tree, (n) => {
        if (ts.isJsxText(n)) tell(n, n.text)
        else if (ts.isJsxAttribute(n) && spoken.test(n.name.getText())) literal(n.initializer)
        else if (ts.isJsxExpression(n) && !ts.isJsxAttribute(n.parent)) literal(n.expression)
        else if (ts.isPropertyAssignment(n) && spoken.test(n.name.getText().replace(/['"]/g, '')))
          literal(n.initializer)
      })
    }
    expect(found).toEqual([])
  })

  it('are whole: no empty ones, none with stray braces or white space', () => {
    const odd = [...words].filter(
      ([, s]) => s === '' || s !== s.trim() || /\s{2}/.test(s) || /[{}]/.test(s.replace(/\{\{\w+\}\}/g, '')),
    )
    expect(odd).toEqual([])
  })

  it('hold no markup, since nothing is escaped twice', () => {
    expect([...words].filter(([, s]) => /<[a-z/]|&[a-z]+;/i.test(s))).toEqual([])
  })

  it('show what others wrote as it is', () => {
    const name = '<b>A & B</b> {{count}} $t(common.close)'
    expect(i18next.t('projects.with', { names: name })).toContain('<b>A & B</b>')
  })

  it('fall back for a key that is put together and unknown', () => {
    expect(maybe('common.state.running', 'x')).toBe('Running')
    expect(maybe('common.state.hibernating', 'hibernating')).toBe('hibernating')
  })
})
