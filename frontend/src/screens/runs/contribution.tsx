import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { TFunction } from 'i18next'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Contribution, PartyContribution } from '../../api/types'
import { fixed, list, money, percent, plain, signed } from '../../format/format'
import { Bars } from '../../ui/bars'
import { LineChart } from '../../ui/chart'
import { Section } from '../../ui/page'
import { Facts, Term } from '../../ui/parts'
import { Note, View } from '../../ui/states'
import { type Col, DataTable } from '../../ui/table'
import { Doubts, Limits } from './doubts'

// noFigures is the sentence for a run without scores.
function noFigures(c: Contribution, t: TFunction) {
  switch (c.reason) {
    case 'off':
      return t('runs.con.off')
    case 'too_many':
      return t('runs.con.tooMany')
    case 'too_few':
      return t('runs.con.tooFew')
    default:
      return t('runs.con.none')
  }
}

// ContributionTab shows who helped how much, with what is sure and what is not.
export function ContributionTab({ id }: { id: string }) {
  const { t } = useTranslation()
  const contribution = useQuery({
    queryKey: k.contribution(id),
    queryFn: () => api.contribution(id),
    refetchInterval: (q) => (q.state.data?.state === 'scoring' ? 3000 : false),
  })
  return (
    <View
      query={contribution}
      loading={t('runs.con.loading')}
      empty={(c) =>
        c.parties.length === 0 && (
          <Section title={t('runs.con.title')}>
            <Text size="sm" c="dimmed">
              {c.state === 'scoring' ? t('runs.con.scoring') : noFigures(c, t)}
            </Text>
          </Section>
        )
      }
    >
      {(c) => (
        <Stack>
          {c.state === 'scoring' && <Note>{t('runs.con.scoring')}</Note>}
          <Doubts disputes={c.disputes} unsigned={c.unsigned} />
          <ContributionBars c={c} />
          {c.rounds.length > 0 && (
            <Section title={t('runs.con.timeline')}>
              <LineChart
                label={t('runs.con.timelineLabel')}
                xLabel={t('common.round')}
                digits={4}
                curves={c.parties.map((p, i) => ({
                  name: plain(p.party, 40),
                  xs: c.rounds.map((r) => r.round),
                  ys: c.rounds.map((r) => r.values[i] ?? null),
                  colour: i,
                }))}
              />
              {c.rounds.some((r) => r.excluded.length > 0) && (
                <Stack gap={2} mt="sm">
                  {c.rounds
                    .filter((r) => r.excluded.length > 0)
                    .map((r) => (
                      <Text key={r.round} size="sm" c="dimmed">
                        {t('runs.con.excluded', { round: r.round, who: list(r.excluded) })}
                      </Text>
                    ))}
                </Stack>
              )}
            </Section>
          )}
        </Stack>
      )}
    </View>
  )
}

// ContributionBars are the shares of a run with their intervals, and the table.
export function ContributionBars({ c }: { c: Contribution }) {
  const { t } = useTranslation()
  return (
    <Section title={t('runs.con.title')} hint={c.rows}>
      <Stack>
        <Limits c={c} />
        {c.scored > 0 && (
          <Bars
            label={t('runs.con.title')}
            rows={c.parties.map((p) => ({
              name: plain(p.party, 60),
              value: p.value,
              low: p.low,
              high: p.high,
              text: percent(p.share),
              note:
                p.tied.length > 0
                  ? t('runs.con.tied', { names: list(p.tied.map((x) => plain(x, 40))) })
                  : t('runs.con.rank', { rank: p.rank }),
            }))}
          />
        )}
        {c.parties.length > 0 && (
          <DataTable
            label={t('runs.con.title')}
            rows={c.parties}
            rowKey={(p) => p.partyId}
            cols={columns(c, t).filter((x) => x !== false)}
          />
        )}
        {c.scored > 0 && <Method c={c} />}
      </Stack>
    </Section>
  )
}

// columns are what the table says of each party: without figures, who gets what.
function columns(c: Contribution, t: TFunction): (Col<PartyContribution> | false)[] {
  const scored = c.scored > 0
  return [
    scored && { key: 'rank', head: t('runs.con.rankHead'), num: true, sort: (p) => p.rank, cell: (p) => p.rank },
    { key: 'party', head: t('common.party'), sort: (p) => p.party, cell: (p) => plain(p.party, 60) },
    scored && {
      key: 'share',
      head: t('runs.con.share'),
      num: true,
      sort: (p) => p.share,
      cell: (p) => percent(p.share),
    },
    c.poolCents > 0 && {
      key: 'cents',
      head: t('runs.con.cents'),
      num: true,
      sort: (p) => p.cents,
      cell: (p) => money(p.cents, c.currency),
    },
    scored && {
      key: 'value',
      head: t('runs.con.value'),
      num: true,
      sort: (p) => p.value,
      cell: (p) => signed(p.value, 4),
    },
    scored && {
      key: 'interval',
      head: t('runs.con.interval'),
      num: true,
      cell: (p) => t('runs.con.from', { low: signed(p.low, 4), high: signed(p.high, 4) }),
    },
    scored &&
      c.basis === 'pooled' && {
        key: 'peers',
        head: <Term text={t('runs.con.peersHelp')}>{t('runs.con.peers')}</Term>,
        num: true,
        cell: (p) => signed(p.peers, 4),
      },
    scored && {
      key: 'present',
      head: t('runs.con.present'),
      num: true,
      sort: (p) => p.present,
      cell: (p) => t('runs.con.of', { present: p.present, count: p.of }),
    },
    scored && {
      key: 'without',
      head: t('runs.con.without'),
      num: true,
      sort: (p) => p.withoutIt,
      cell: (p) => fixed(p.withoutIt, 4),
    },
  ]
}

// Method is how the figures came about and what they do not say.
function Method({ c }: { c: Contribution }) {
  const { t } = useTranslation()
  const facts: [ReactNode, ReactNode][] = [
    [t('runs.con.method'), c.method],
    [
      <Term key="basis" text={t('runs.con.basisHelp')}>
        {t('runs.con.basis')}
      </Term>,
      t(`runs.con.bases.${c.basis}`),
    ],
    [
      <Term key="remainder" text={t('runs.con.remainderHelp')}>
        {t('runs.con.total')}
      </Term>,
      t('runs.con.totalLine', { total: signed(c.total, 4), remainder: signed(c.remainder, 4) }),
    ],
  ]
  if (c.through > 0)
    facts.push([
      <Term key="through" text={t('runs.con.throughHelp')}>
        {t('runs.con.through')}
      </Term>,
      t('runs.con.throughLine', { round: c.through }),
    ])
  return (
    <>
      <Facts rows={facts} />
      <Note title={t('runs.con.honest')}>
        {[c.honesty, c.coarse ? t('runs.con.coarse') : ''].filter(Boolean).join(' ')}
      </Note>
    </>
  )
}
