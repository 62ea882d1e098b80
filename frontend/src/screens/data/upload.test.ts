import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiProblem } from '../../api/problem'
import type { Upload } from '../../api/types'
import { upload } from './add'

const MiB = 1024 * 1024
const file = (size: number) => new File([new Uint8Array(size).map((_, i) => i % 251)], 'a.csv')
const refuse = (status: number) => new ApiProblem({ kind: 'x', status, text: `refused with ${status}` })

// app is the other side: it keeps parts in order, as backend/node does, and fails
// where the script says so: 'lost' before the part is kept, 'late' after it.
function app(script: (n: number) => 'lost' | 'late' | Error | undefined = () => undefined) {
  const calls: string[] = []
  let size = 0
  let kept = 0
  let writes = 0
  const view = (): Upload => ({ id: 'u', name: 'a.csv', offset: kept, size, path: kept === size ? '/in/a.csv' : '' })
  return {
    calls,
    beginUpload: async (_name: string, n: number) => {
      size = n
      return view()
    },
    upload: async () => {
      calls.push('ask')
      return view()
    },
    writeUpload: async (_id: string, offset: number, bytes: ArrayBuffer) => {
      calls.push(`${offset / MiB}+${bytes.byteLength / MiB}`)
      const what = script(++writes)
      if (what instanceof Error) throw what
      if (what === 'lost') throw refuse(0)
      if (offset > kept) throw refuse(409)
      kept = Math.max(kept, offset + bytes.byteLength)
      if (what === 'late') throw refuse(504)
      return view()
    },
  }
}

describe('upload', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  const run = async (f: File, a: ReturnType<typeof app>, tell = vi.fn()) => {
    const result = upload(f, tell, a).then(
      (path) => ({ path, problem: undefined }),
      (problem: ApiProblem) => ({ path: undefined, problem }),
    )
    let done = false
    void result.finally(() => {
      done = true
    })
    while (!done) {
      await new Promise((ok) => setImmediate(ok))
      await vi.advanceTimersByTimeAsync(10_000)
    }
    return result
  }

  it('sends whole parts of 4 MiB and what is left', async () => {
    const a = app()
    const tell = vi.fn()
    expect((await run(file(9 * MiB), a, tell)).path).toBe('/in/a.csv')
    expect(a.calls).toEqual(['0+4', '4+4', '8+1'])
    expect(tell.mock.calls.map(([x]) => Math.round(x * 100))).toEqual([44, 89, 100])
  })

  it('an empty file needs no part', async () => {
    const a = app()
    expect((await run(file(0), a)).path).toBe('/in/a.csv')
    expect(a.calls).toEqual([])
  })

  it('sends a lost part again, after it has asked', async () => {
    const a = app((n) => (n === 2 ? 'lost' : undefined))
    expect((await run(file(9 * MiB), a)).path).toBe('/in/a.csv')
    expect(a.calls).toEqual(['0+4', '4+4', 'ask', '4+4', '8+1'])
  })

  it('goes on behind a part that arrived although its answer was lost', async () => {
    const a = app((n) => (n === 1 ? 'late' : undefined))
    expect((await run(file(9 * MiB), a)).path).toBe('/in/a.csv')
    expect(a.calls).toEqual(['0+4', 'ask', '4+4', '8+1'])
  })

  it('does not send the last part twice when only its answer was lost', async () => {
    const a = app((n) => (n === 2 ? 'late' : undefined))
    expect((await run(file(5 * MiB), a)).path).toBe('/in/a.csv')
    expect(a.calls).toEqual(['0+4', '4+1', 'ask'])
  })

  it('gives up when nothing gets through, with the reason', async () => {
    const a = app((n) => (n > 1 ? 'lost' : undefined))
    const { problem } = await run(file(9 * MiB), a)
    expect(problem?.message).toBe('refused with 0')
    expect(a.calls.filter((c) => c === '4+4')).toHaveLength(5)
  })

  it('does not go on without end when the app keeps nothing', async () => {
    const a = app()
    a.writeUpload = async () => {
      a.calls.push('kept nothing')
      return { id: 'u', name: 'a.csv', offset: 0, size: MiB, path: '' }
    }
    expect((await run(file(MiB), a)).problem).toBeDefined()
    expect(a.calls.filter((c) => c !== 'ask')).toHaveLength(5)
  })

  it.each([403, 404, 413, 422])('a refusal with %i is final', async (status) => {
    const a = app((n) => (n === 1 ? refuse(status) : undefined))
    expect((await run(file(MiB), a)).problem?.status).toBe(status)
    expect(a.calls).toEqual(['0+1'])
  })
})
