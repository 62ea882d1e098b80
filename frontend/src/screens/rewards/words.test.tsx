import { MantineProvider } from '@mantine/core'
import { render, screen } from '@testing-library/react'
import { MemoryRouter } from 'react-router'
import { describe, expect, it } from 'vitest'
import '../../i18n'
import type { Contribution, Dispute } from '../../api/types'
import { contribution, ids } from '../../test/fixtures'
import { theme } from '../../theme/theme'
import { ContributionBars } from '../runs/contribution'
import { Doubts } from '../runs/doubts'

const text = (what: React.ReactNode) =>
  render(
    <MantineProvider theme={theme} env="test">
      <MemoryRouter>{what}</MemoryRouter>
    </MantineProvider>,
  ).container.textContent ?? ''

const bars = (c: Partial<Contribution>) => text(<ContributionBars c={{ ...contribution, ...c }} />)

describe('the contributions of a run', () => {
  it('say on whose rows they were measured, and up to which round they count', () => {
    const t = bars({ through: 18 })
    expect(t).toContain('the held-out rows of all parties together')
    expect(t).toContain('rounds 1 to 18, up to the delivered model')
    expect(t).toContain("On the others' rows")
    expect(t).toContain('+0.1120')
  })

  it('have no second column when the others decide', () => {
    const t = bars({ basis: 'peers', remainder: 0.0123 })
    expect(t).toContain('the held-out rows of the other parties')
    expect(t).not.toContain("On the others' rows")
    expect(t).toContain('+0.012')
  })

  it('say that more than 12 parties are not scored, and who gets what', () => {
    const none = { value: null, se: null, low: null, high: null, share: null, peers: null, withoutIt: null, tied: [] }
    const t = bars({
      scored: 0,
      reason: 'too_many',
      why: 'unscored',
      parties: contribution.parties.map((p) => ({ ...p, ...none, cents: 25_000 })),
    })
    expect(t).toContain('More than 12 parties took part')
    expect(t).toContain('shared equally among the parties that took part')
    expect(t.match(/250\.00/g)).toHaveLength(4)
    expect(t).not.toContain('95 % interval')
  })

  it('say why money is shared equally when nobody helped', () => {
    expect(bars({ why: 'nobody' })).toContain("Nobody's contribution is above zero")
    expect(bars({})).not.toContain('shared equally')
  })

  it('say that no money is divided, and show the shares all the same', () => {
    const t = bars({ poolCents: 0, why: 'no-pool', parties: contribution.parties.map((p) => ({ ...p, cents: 0 })) })
    expect(t).toContain('No money is divided in this project.')
    expect(t).toContain('50.2')
    expect(screen.queryByRole('columnheader', { name: 'Reward' })).toBeNull()
  })

  it('say how many rounds are left out', () => {
    expect(bars({ unscored: 1 })).toContain('1 round could not be scored')
    expect(bars({ unscored: 3 })).toContain('3 rounds could not be scored')
  })
})

describe('what is disputed', () => {
  const disputes: Dispute[] = [
    { runId: ids.run, kind: 'two', k: 3, by: 'Zurich', kept: 'Zurich', text: '' },
    { runId: ids.run, kind: 'cut_off', k: 4, by: 'Zurich', kept: 'Basel', text: '' },
    { runId: ids.run, kind: 'verdict', k: 7, by: 'Bern', kept: 'Basel', text: 'the score does not follow' },
  ]

  it('is said in words', () => {
    const t = text(<Doubts disputes={disputes} unsigned={2} />)
    expect(t).toContain('Zurich signed two different entries for place 3')
    expect(t).toContain('Entry 4 of the ledger was written twice: by Zurich, which was cut off, and by Basel')
    expect(t).toContain('Bern worked the figures out again and does not agree: the score does not follow')
    expect(t).toContain('2 tables of scores were not signed')
  })

  it('names its run where there are several', () => {
    expect(text(<Doubts disputes={disputes} unsigned={0} nameOf={() => 'Rate, run 2'} />)).toContain(
      'Rate, run 2: Zurich signed',
    )
  })

  it('is nothing when there is nothing', () => {
    expect(text(<Doubts disputes={[]} unsigned={0} />)).not.toContain('disputed')
  })
})
