import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as f from './format'

const spaces = (s: string) => s.replace(/[\u00a0\u202f\u2009]/g, ' ')

f.setLocale('en-GB') // the tables below are worked out before the first test
beforeEach(() => f.setLocale('en-GB'))
afterEach(() => f.setLocale(undefined))

describe('a figure that is not there', () => {
  const nothing = [null, undefined, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  const ways: [string, (x: number | null | undefined) => string][] = [
    ['int', f.int],
    ['fixed', f.fixed],
    ['sig', f.sig],
    ['percent', f.percent],
    ['signed', f.signed],
    ['points', f.points],
    ['bytes', f.bytes],
    ['duration', f.duration],
    ['rough', f.rough],
    ['ms', f.ms],
    ['money', (x) => f.money(x, 'EUR')],
    ['accuracy', (x) => f.metric('accuracy', x)],
    ['auc', (x) => f.metric('auc', x)],
  ]
  it.each(ways)('%s: a dash, never NaN', (_name, way) => {
    for (const x of nothing) expect(way(x)).toBe(f.dash)
  })
  it.each([
    ['when', f.when],
    ['day', f.day],
    ['clock', f.clock],
    ['ago', f.ago],
  ] as [string, (t: string | null | undefined) => string][])('%s: a dash for no moment', (_name, way) => {
    for (const t of [null, undefined, '', 'soon', '0001-01-01T00:00:00Z']) expect(way(t)).toBe(f.dash)
  })
})

describe('where a unit ends', () => {
  it.each([
    [f.bytes(999), '999 bytes'],
    [f.bytes(1000), '1 kB'],
    [f.bytes(999_499), '999 kB'],
    [f.bytes(999_500), '1 MB'],
    [f.bytes(9_949), '9.9 kB'],
    [f.bytes(999_999_999), '1 GB'],
    [f.bytes(5e15), '5,000 TB'],
    [f.duration(999), '999ms'],
    [f.duration(999.7), '1s'],
    [f.duration(9_949), '9.9s'],
    [f.duration(9_999), '10s'],
    [f.duration(60_000), '1m 0s'],
    [f.duration(119_700), '2m 0s'],
    [f.duration(3_599_600), '1h 0m'],
    [f.duration(86_399_000), '23h 59m'],
    [f.duration(90_000_000), '1d 1h'],
    [f.rough(89_400), '89 secs'],
    [f.rough(90_000), '2 mins'],
    [f.rough(5_400_000), '2 hrs'],
    [f.ms(0.42), '0.4 ms'],
    [f.ms(12.6), '13 ms'],
  ])('%s', (got, want) => expect(spaces(got)).toBe(want))
})

describe('signs', () => {
  it.each([
    [f.fixed(-0.0001, 3), '0.000'],
    [f.fixed(-0.25, 2), '-0.25'],
    [f.signed(-0.0001, 3), '0.000'],
    [f.signed(0.0719, 4), '+0.0719'],
    [f.percent(-0.123, 1), '-12.3%'],
    [f.percent(1.5, 0), '150%'],
    [f.money(-1, 'EUR'), '-€0.01'],
    [f.sig(0), '0'],
    [f.sig(-1.5e12, 3), '-1.5E12'],
  ])('%s', (got, want) => expect(spaces(got)).toBe(want))
})

describe('other languages', () => {
  it('change figures, dates and lists, not only words', () => {
    f.setLocale('de-DE')
    expect(spaces(f.int(1234567))).toBe('1.234.567')
    expect(spaces(f.percent(0.8213))).toBe('82,1 %')
    expect(spaces(f.money(50_213, 'EUR'))).toBe('502,13 €')
    expect(f.list(['A', 'B', 'C'])).toBe('A, B und C')
    f.setLocale('ja-JP')
    expect(f.list(['A', 'B', 'C'])).toBe('A、B、C')
    f.setLocale('en-GB')
    expect(f.int(1234567)).toBe('1,234,567') // the cache keeps languages apart
  })
})

describe('moments', () => {
  const now = new Date(2026, 10, 25, 10, 0)
  const at = (...x: [number, number, number, number, number]) => new Date(...x).toISOString()
  it('are a clock today and a date before', () => {
    expect(f.when(at(2026, 10, 25, 9, 5), now)).toBe('09:05')
    expect(f.when(at(2026, 10, 24, 9, 5), now)).toBe('24 Nov 2026, 09:05')
  })
  it.each([
    [30_000, 'now'],
    [50_000, '1 minute ago'],
    [3_540_000, '59 minutes ago'],
    [7_200_000, '2 hours ago'],
    [172_800_000, '2 days ago'],
    [5_184_000_000, '2 months ago'],
  ])('%i ms ago', (ms, want) => expect(f.ago(new Date(now.getTime() - ms).toISOString(), now.getTime())).toBe(want))
})

describe('text of others', () => {
  const marks = '\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u2028\u0007\u009b'
  it('cannot turn the direction of what stands beside it', () => {
    expect(f.plain([...marks].join('x'))).toBe('x'.repeat([...marks].length - 1))
    expect(f.plain(`invoice\u202efdp.exe`)).toBe('invoicefdp.exe')
  })
  it('keeps letters of every script, and the ends of lines', () => {
    const s = 'Országos, 東京, עברית, می‌روم, 👩🏽‍⚕️\nsecond line'
    expect(f.plain(s)).toBe(s)
  })
  it('is capped between whole characters', () => {
    expect(f.plain('👩👩👩👩', 2)).toBe('👩👩…')
    expect(f.plain('x'.repeat(200))).toBe('x'.repeat(200))
    expect(f.plain('x'.repeat(201))).toBe(`${'x'.repeat(200)}…`)
  })
})

describe('typed numbers', () => {
  it.each([
    ['-3', -3],
    ['+3', 3],
    ['3.', 3],
    ['1e400', null],
    ['1.2.3', null],
    ['12px', null],
    ['٣', null],
  ])('%s', (s, want) => expect(f.num(s)).toBe(want))
})
