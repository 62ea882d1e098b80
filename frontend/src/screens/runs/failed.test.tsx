import { screen, within } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import type { RunDetail } from '../../api/types'
import { finishedDetail, full, ids } from '../../test/fixtures'
import { fakeApi, open } from '../../test/render'

const failed = (over: Partial<RunDetail>, run: Partial<RunDetail['run']> = {}): RunDetail => ({
  ...finishedDetail,
  results: [],
  pooled: { ...finishedDetail.pooled, test: {} },
  ...over,
  run: { ...finishedDetail.run, state: 'failed', endReason: 'quorum_lost', metrics: {}, ...run },
})
const show = (d: RunDetail) => {
  fakeApi(full, (c) => (c.path === `/runs/${ids.run}` ? { body: d } : undefined))
  open(`/runs/${ids.run}`)
}
const facts = async () => {
  const what = await screen.findByText('What failed')
  const list = what.closest('dl') as HTMLElement
  return [...list.querySelectorAll('dt')].map((dt) => [dt.textContent, dt.nextElementSibling?.textContent])
}

describe('a run that failed', () => {
  it('says what, at whom, what to do, and shows the rounds that were closed', async () => {
    show(
      failed(
        {
          failed: [
            { party: 'Clinic A', why: 'no rows are left' },
            { party: 'Clinic B', why: 'the disk is full' },
          ],
        },
        {
          problem: {
            kind: 'quorum_lost',
            text: 'round 8: no party could send an update',
            hint: 'Look at the reasons.',
          },
        },
      ),
    )
    expect(await facts()).toEqual([
      ['What failed', 'round 8: no party could send an update'],
      ['At whom', 'Clinic A: no rows are leftClinic B: the disk is full'],
      ['What to do', 'Look at the reasons.'],
    ])
    expect(screen.getByRole('heading', { name: 'Too few parties could go on' })).toBeTruthy()
    const closed = finishedDetail.rounds.filter((r) => r.n > 0)
    expect(closed.length).toBeGreaterThan(1)
    expect(screen.getByText(new RegExp(`^${closed.length} of .* rounds were closed before`))).toBeTruthy()
    const table = screen.getByRole('region', { name: 'Rounds' })
    expect(within(table).getAllByRole('row').length).toBe(closed.length + 1)
  })

  it('before its first round says so, with words for a reason that came without a hint', async () => {
    show(failed({ rounds: [] }, { endReason: 'consent_denied', problem: undefined, sentence: 'Clinic B cannot join.' }))
    expect(await facts()).toEqual([
      ['What failed', 'Clinic B cannot join.'],
      ['At whom', "A party's own limits or consent."],
      ['What to do', 'Ask that party, or stay within its limits.'],
    ])
    expect(screen.getByText('No round was closed.')).toBeTruthy()
    expect(screen.queryByRole('region', { name: 'Rounds' })).toBeNull()
  })

  it('for a reason of a newer program is still explained', async () => {
    show(failed({}, { endReason: 'eclipse', problem: undefined, sentence: 'The sun went away.' }))
    expect((await facts())[1]).toEqual(['At whom', 'At the coordinator.'])
    expect(screen.getByRole('heading', { name: 'Something went wrong in the program' })).toBeTruthy()
  })
})
