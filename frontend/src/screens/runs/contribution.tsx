import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Contribution, RunDetail } from '../../api/types'
import { fixed, list, money, percent, plain, signed } from '../../format/format'
import { Bars } from '../../ui/bars'
import { LineChart } from '../../ui/chart'
import { Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { Note, View } from '../../ui/states'
import { DataTable } from '../../ui/table'

// ContributionTab shows who helped how much, with what is sure and what is not.
export function ContributionTab({ id, d }: { id: string; d?: RunDetail }) {
  const { t } = useTranslation()
  const projectId = d?.run.projectId ?? ''
  const project = useQuery({
    queryKey: k.project(projectId),
    queryFn: () => api.project(projectId),
    enabled: projectId !== '',
  })
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
              {c.state === 'scoring'
                ? t('runs.con.scoring')
                : d?.config.contribution === 'none'
                  ? t('runs.con.off')
                  : t('runs.con.none')}
            </Text>
          </Section>
        )
      }
    >
      {(c) => (
        <Stack>
          {c.state === 'scoring' && <Note>{t('runs.con.scoring')}</Note>}
          <ContributionBars c={c} currency={project.data?.policy.currency ?? ''} />
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
export function ContributionBars({ c, currency }: { c: Contribution; currency: string }) {
  const { t } = useTranslation()
  return (
    <Section title={t('runs.con.title')} hint={c.rows}>
      <Stack>
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
        <DataTable
          label={t('runs.con.title')}
          rows={c.parties}
          rowKey={(p) => p.partyId}
          cols={[
            { key: 'rank', head: t('runs.con.rankHead'), num: true, sort: (p) => p.rank, cell: (p) => p.rank },
            { key: 'party', head: t('common.party'), sort: (p) => p.party, cell: (p) => plain(p.party, 60) },
            { key: 'share', head: t('runs.con.share'), num: true, sort: (p) => p.share, cell: (p) => percent(p.share) },
            {
              key: 'value',
              head: t('runs.con.value'),
              num: true,
              sort: (p) => p.value,
              cell: (p) => signed(p.value, 4),
            },
            {
              key: 'interval',
              head: t('runs.con.interval'),
              num: true,
              cell: (p) => t('runs.con.from', { low: signed(p.low, 4), high: signed(p.high, 4) }),
            },
            {
              key: 'present',
              head: t('runs.con.present'),
              num: true,
              sort: (p) => p.present,
              cell: (p) => t('runs.con.of', { present: p.present, count: p.of }),
            },
            {
              key: 'without',
              head: t('runs.con.without'),
              num: true,
              sort: (p) => p.withoutIt,
              cell: (p) => fixed(p.withoutIt, 4),
            },
            {
              key: 'cents',
              head: t('runs.con.cents'),
              num: true,
              sort: (p) => p.cents,
              cell: (p) => (currency ? money(p.cents, currency) : fixed(p.cents / 100, 2)),
            },
          ]}
        />
        <Facts
          rows={[
            [t('runs.con.method'), c.method],
            [
              t('runs.con.total'),
              t('runs.con.totalLine', { total: signed(c.total, 4), remainder: signed(c.remainder, 5) }),
            ],
          ]}
        />
        <Note title={t('runs.con.honest')}>
          {[c.honesty, c.coarse ? t('runs.con.coarse') : ''].filter(Boolean).join(' ')}
        </Note>
      </Stack>
    </Section>
  )
}
