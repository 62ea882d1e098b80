import { beforeAll, describe, expect, it } from 'vitest'
import {
  ago,
  bytes,
  dash,
  duration,
  fixed,
  int,
  lowerIsBetter,
  metric,
  money,
  num,
  percent,
  plain,
  points,
  rough,
  sentence,
  setLocale,
  sig,
  signed,
  when,
} from './format'

beforeAll(() => setLocale('en-GB'))

describe('figures', () => {
  it.each([
    [int(1234567), '1,234,567'],
    [int(null), dash],
    [int(Number.NaN), dash],
    [fixed(-0, 2), '0.00'],
    [fixed(Number.POSITIVE_INFINITY), dash],
    [percent(0.8213), '82.1%'],
    [points(0.034), '+3.4'],
    [points(-0.027), '-2.7'],
    [signed(0, 3), '0.000'],
    [sig(0.000012345, 3), '1.23E-5'],
    [sig(246.693, 4), '246.7'],
    [bytes(0), '0 bytes'],
    [bytes(1), '1 byte'],
    [bytes(1640), '1.6 kB'],
    [bytes(12_400_000), '12 MB'],
    [money(50_213, 'EUR'), '€502.13'],
    [money(100, 'POINTS'), '1.00 POINTS'],
    [metric('accuracy', 0.5), '50.0%'],
    [metric('auc', 0.893), '0.893'],
    [metric('auc', undefined), dash],
  ])('%s', (got, want) => expect(got.replace(/\u00a0|\u202f/g, ' ')).toBe(want))

  it('knows which way is better', () => {
    expect(lowerIsBetter('logLoss')).toBe(true)
    expect(lowerIsBetter('auc')).toBe(false)
  })
})

describe('times', () => {
  it.each([
    [duration(0), '0ms'],
    [duration(4200), '4.2s'],
    [duration(59_600), '60s'],
    [duration(754_000), '12m 34s'],
    [duration(3_600_000 * 5 + 60_000), '5h 1m'],
    [duration(-1), dash],
    [rough(720_000).replace('mins', 'min'), '12 min'],
    [rough(0), '1 sec'],
  ])('%s', (got, want) => expect(got).toBe(want))

  it('is relative to now', () => {
    const now = Date.parse('2026-11-25T10:00:00Z')
    expect(ago('2026-11-25T09:48:00Z', now)).toBe('12 minutes ago')
    expect(ago('2026-11-24T09:00:00Z', now)).toBe('yesterday')
    expect(ago('2026-11-25T11:00:00Z', now)).toBe('in 1 hour')
  })

  it('shows no time that Go left at zero', () => {
    expect(ago('0001-01-01T00:00:00Z')).toBe(dash)
    expect(when('')).toBe(dash)
    expect(when('nonsense')).toBe(dash)
  })
})

describe('text of others', () => {
  it('loses control and direction characters, and its end', () => {
    expect(plain('a\u202Eb\u0000c\u2066')).toBe('abc')
    expect(plain('x'.repeat(300), 5)).toBe('xxxxx…')
  })
  it('becomes a sentence', () => {
    expect(sentence('it left')).toBe('It left.')
    expect(sentence('Done!')).toBe('Done!')
    expect(sentence('')).toBe('')
  })
})

describe('typed numbers', () => {
  it.each([
    ['1,5', 1.5],
    [' 0.05 ', 0.05],
    ['1e-3', 0.001],
    ['.5', 0.5],
    ['', null],
    ['1 000', null],
    ['0x10', null],
    ['Infinity', null],
  ])('%s', (s, want) => expect(num(s)).toBe(want))
})
