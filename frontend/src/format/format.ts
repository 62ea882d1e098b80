// Pure formatting with Intl; a figure that is not there is a dash, never NaN.
export const dash = '–'

type Maybe = number | null | undefined
const good = (x: Maybe): x is number => typeof x === 'number' && Number.isFinite(x)

let locale: string | undefined
// setLocale chooses the language of figures and dates.
export function setLocale(l: string | undefined) {
  locale = l
}

const cache = new Map<string, Intl.NumberFormat>()
function nf(o: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${locale}|${JSON.stringify(o)}`
  let f = cache.get(key)
  if (!f) {
    f = new Intl.NumberFormat(locale, o)
    cache.set(key, f)
  }
  return f
}

// int formats a whole number with groups.
export const int = (x: Maybe) => (good(x) ? nf({ maximumFractionDigits: 0 }).format(x) : dash)

// fixed formats with exactly d decimals.
export const fixed = (x: Maybe, d = 3) =>
  good(x) ? nf({ minimumFractionDigits: d, maximumFractionDigits: d, signDisplay: 'negative' }).format(x) : dash

// sig formats with at most d significant digits; very small and large figures get an exponent.
export function sig(x: Maybe, d = 4): string {
  if (!good(x)) return dash
  const a = Math.abs(x)
  if (a !== 0 && (a < 1e-4 || a >= 1e9)) return nf({ notation: 'scientific', maximumSignificantDigits: d }).format(x)
  return nf({ maximumSignificantDigits: d }).format(x)
}

// percent formats a share 0..1.
export const percent = (x: Maybe, d = 1) =>
  good(x) ? nf({ style: 'percent', minimumFractionDigits: d, maximumFractionDigits: d }).format(x) : dash

// signed formats with its sign, for differences.
export const signed = (x: Maybe, d = 3) =>
  good(x) ? nf({ minimumFractionDigits: d, maximumFractionDigits: d, signDisplay: 'exceptZero' }).format(x) : dash

// points formats a difference of shares in percentage points.
export const points = (x: Maybe, d = 1) =>
  good(x) ? nf({ minimumFractionDigits: d, maximumFractionDigits: d, signDisplay: 'exceptZero' }).format(x * 100) : dash

// bytes formats a size with decimal prefixes.
export function bytes(x: Maybe): string {
  if (!good(x)) return dash
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']
  let i = 0
  let v = x
  while (Math.abs(i > 0 ? Math.round(v) : v) >= 1000 && i < units.length - 1) {
    v /= 1000
    i++
  }
  return nf({
    style: 'unit',
    unit: units[i],
    unitDisplay: i === 0 ? 'long' : 'short',
    maximumFractionDigits: v < 10 && i > 0 ? 1 : 0,
  }).format(v)
}

// duration formats milliseconds in its two largest units.
export function duration(ms: Maybe): string {
  if (!good(ms) || ms < 0) return dash
  const unit = (v: number, u: string, d = 0) =>
    nf({ style: 'unit', unit: u, unitDisplay: 'narrow', maximumFractionDigits: d }).format(v)
  if (Math.round(ms) < 1000) return unit(ms, 'millisecond')
  if (ms < 9950) return unit(ms / 1000, 'second', 1)
  const s = Math.round(ms / 1000)
  if (ms < 60_000) return unit(s, 'second')
  const m = Math.floor(s / 60)
  if (m < 60) return `${unit(m, 'minute')} ${unit(s % 60, 'second')}`
  const h = Math.floor(m / 60)
  if (h < 24) return `${unit(h, 'hour')} ${unit(m % 60, 'minute')}`
  return `${unit(Math.floor(h / 24), 'day')} ${unit(h % 24, 'hour')}`
}

// rough formats how long it may still take, in one unit: nobody knows the seconds.
export function rough(msLeft: Maybe): string {
  if (!good(msLeft) || msLeft < 0) return dash
  const unit = (v: number, u: string) =>
    nf({ style: 'unit', unit: u, unitDisplay: 'short', maximumFractionDigits: 0 }).format(v)
  const s = msLeft / 1000
  if (s < 90) return unit(Math.max(1, Math.round(s)), 'second')
  if (s < 5400) return unit(Math.round(s / 60), 'minute')
  return unit(Math.round(s / 3600), 'hour')
}

// ms formats a short latency.
export const ms = (x: Maybe) =>
  good(x) ? nf({ style: 'unit', unit: 'millisecond', maximumFractionDigits: x < 10 ? 1 : 0 }).format(x) : dash

const valid = (t: string | undefined | null): Date | null => {
  if (!t || t.startsWith('0001-')) return null
  const d = new Date(t)
  return Number.isNaN(d.getTime()) ? null : d
}

// when formats a moment: the clock today, the date before.
export function when(t: string | undefined | null, now = new Date()): string {
  const d = valid(t)
  if (!d) return dash
  const same = d.toDateString() === now.toDateString()
  return new Intl.DateTimeFormat(
    locale,
    same ? { hour: '2-digit', minute: '2-digit' } : { dateStyle: 'medium', timeStyle: 'short' },
  ).format(d)
}

// day formats a date.
export function day(t: string | undefined | null): string {
  const d = valid(t)
  return d ? new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(d) : dash
}

// clock formats a moment to the second, for logs.
export function clock(t: string | undefined | null): string {
  const d = valid(t)
  return d ? new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(d) : dash
}

// ago formats how long since.
export function ago(t: string | undefined | null, now = Date.now()): string {
  const d = valid(t)
  if (!d) return dash
  const s = Math.round((d.getTime() - now) / 1000)
  const rtf = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  const a = Math.abs(s)
  if (a < 45) return rtf.format(0, 'second')
  if (a < 3600) return rtf.format(Math.round(s / 60), 'minute')
  if (a < 86_400) return rtf.format(Math.round(s / 3600), 'hour')
  if (a < 2_592_000) return rtf.format(Math.round(s / 86_400), 'day')
  return rtf.format(Math.round(s / 2_592_000), 'month')
}

// money formats cents in a currency; an unknown code stands behind the amount.
export function money(cents: Maybe, currency: string): string {
  if (!good(cents)) return dash
  try {
    return nf({ style: 'currency', currency: currency || 'EUR' }).format(cents / 100)
  } catch {
    return `${fixed(cents / 100, 2)} ${currency}`
  }
}

// list joins names in the reader's language.
export const list = (names: string[]) =>
  new Intl.ListFormat(locale, { style: 'long', type: 'conjunction' }).format(names)

// shorten keeps the first characters of a digest.
export const shorten = (s: string, n = 10) => (s.length > n ? s.slice(0, n) : s)

// metricKind says how a metric is written.
export function metric(name: string, x: Maybe): string {
  if (['accuracy', 'balancedAccuracy', 'precision', 'recall', 'f1'].includes(name)) return percent(x)
  return fixed(x, 3)
}

// lowerIsBetter tells in which direction a metric improves.
export const lowerIsBetter = (name: string) => ['logLoss', 'loss', 'brier', 'mse', 'mae', 'rmse'].includes(name)

// unseen matches control and bidirectional characters, but not the end of a line.
const unseen =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must go
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

// plain strips control and bidirectional characters from a peer's text and caps it;
// the ends of lines stay.
export function plain(s: string, max = 200): string {
  const t = s.replace(unseen, '')
  const letters = [...t] // whole characters: half of an emoji is none
  return letters.length > max ? `${letters.slice(0, max).join('')}…` : t
}

// sentence gives a fragment its capital letter and its full stop.
export function sentence(s: string): string {
  const x = s.trim()
  if (x === '') return ''
  const capital = x.charAt(0).toLocaleUpperCase(locale) + x.slice(1)
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`
}

// num reads what a person typed as a number: both decimal signs, no groups.
export function num(s: string): number | null {
  const t = s.trim().replace(',', '.')
  if (t === '' || !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(t)) return null
  const v = Number(t)
  return Number.isFinite(v) ? v : null
}

// modelName is the part of a model's id ("name~project") that people gave it.
export const modelName = (id: string) => plain(id.split('~')[0])

// modelPath is the address of a version, or of the model.
export const modelPath = (id: string, number?: number) =>
  `/models/${encodeURIComponent(id)}${number === undefined ? '' : `/${number}`}`

// servingPath is the address of a model's switch.
export const servingPath = (id: string) => `/serving/${encodeURIComponent(id)}`
