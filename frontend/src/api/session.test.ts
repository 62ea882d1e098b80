import { describe, expect, it, vi } from 'vitest'
import { problemFrom } from './problem'
import { takeToken } from './session'

describe('takeToken', () => {
  const loc = (hash: string) => ({ hash, pathname: '/', search: '' }) as Location
  it('reads the token and takes it out of the address', () => {
    const history = { replaceState: vi.fn() } as unknown as History
    expect(takeToken(loc('#t=ab%2Bc'), history)).toBe('ab+c')
    expect(history.replaceState).toHaveBeenCalledWith(null, '', '/#/')
  })
  it('leaves other addresses alone', () => {
    const history = { replaceState: vi.fn() } as unknown as History
    expect(takeToken(loc('#/peers?t=1'), history)).toBe('')
    expect(history.replaceState).not.toHaveBeenCalled()
  })
})

describe('problemFrom', () => {
  it('reads kind, sentence and hint', () => {
    const p = problemFrom(
      { type: 'urn:synergos:problem:busy', title: 'Busy', detail: 'a run uses it', hint: 'Wait.' },
      423,
    )
    expect([p.kind, p.message, p.hint]).toEqual(['busy', 'a run uses it', 'Wait.'])
  })
  it('makes do with the status', () => {
    expect(problemFrom({}, 404).kind).toBe('not_found')
    expect(problemFrom({}, 418).kind).toBe('internal')
  })
})
