import { Group, SegmentedControl, Stack, Text } from '@mantine/core'
import { IconTrendingDown, IconTrendingUp } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { PartyResult, RunDetail } from '../../api/types'
import { bytes, int, lowerIsBetter, metric, plain, points, signed } from '../../format/format'
import i18n, { maybe } from '../../i18n'
import { Section } from '../../ui/page'
import { Stat, Term } from '../../ui/parts'
import { Note } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { FailedRun } from './failed'

// gain is how much better together than alone, in the metric's own direction.
export function gain(
  name: string,
  together: number | null | undefined,
  alone: number | null | undefined,
): number | null {
  if (typeof together !== 'number' || typeof alone !== 'number') return null
  return lowerIsBetter(name) ? alone - together : together - alone
}

const share = (name: string) => ['accuracy', 'balancedAccuracy', 'precision', 'recall', 'f1'].includes(name)
const difference = (name: string, g: number) =>
  share(name) ? i18n.t('runs.points', { n: points(g).replace('+', '') }) : signed(g, 3).replace('+', '')

// Delta says better or worse in word, sign and colour.
export function Delta({ name, value }: { name: string; value: number | null }) {
  const { t } = useTranslation()
  if (value === null) return <Text size="sm">–</Text>
  const better = value > 0
  const level = Math.abs(value) < 0.0005
  return (
    <Group gap={4} wrap="nowrap" justify="flex-end" c={level ? undefined : better ? 'var(--ok)' : 'var(--bad)'}>
      {!level && (better ? <IconTrendingUp size={15} aria-hidden /> : <IconTrendingDown size={15} aria-hidden />)}
      <Text size="sm" className="num">
        {level ? t('runs.level') : t(better ? 'runs.better' : 'runs.worse', { by: difference(name, Math.abs(value)) })}
      </Text>
    </Group>
  )
}

// ResultsTab answers "was it worth it": together against alone, per party.
export function ResultsTab({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const names = Object.keys(d.pooled.test).length > 0 ? Object.keys(d.pooled.test) : Object.keys(d.run.metrics)
  const order = ['accuracy', 'auc', 'balancedAccuracy', 'f1', 'logLoss', 'r2', 'rmse', 'mae'].filter((n) =>
    names.includes(n),
  )
  const [name, setName] = useState<string>()
  if (d.run.state === 'failed') return <FailedRun d={d} />
  const m = name && names.includes(name) ? name : (order[0] ?? names[0])
  if (d.results.length === 0 || !m)
    return (
      <Section title={t('runs.results')}>
        <Text size="sm" c="dimmed">
          {d.run.state === 'finished' ? t('runs.noResults') : t('runs.resultsLater')}
        </Text>
      </Section>
    )
  const me = d.results.find((r) => d.parties.find((p) => p.partyId === r.partyId)?.me)
  return (
    <Stack>
      <Worth d={d} me={me} m={m} />
      <Section
        flush
        title={t('runs.results')}
        hint={maybe(`common.metricHelp.${m}`, '')}
        actions={
          <SegmentedControl
            size="xs"
            aria-label={t('runs.figure')}
            value={m}
            onChange={setName}
            data={(order.length ? order : names)
              .slice(0, 7)
              .map((n) => ({ value: n, label: maybe(`common.metric.${n}`, n) }))}
          />
        }
      >
        <ResultTable results={d.results} pooled={d.pooled} m={m} />
        <Group gap="xl" p="md">
          <Stat name={t('runs.pooledAll')} value={metric(m, d.pooled.test[m])} note={t('runs.pooledNote')} />
          <Stat name={t('runs.clientMean')} value={metric(m, d.clientMean[m])} note={t('runs.clientMeanNote')} />
          {d.central && (
            <Stat
              name={t('runs.central')}
              value={metric(m, d.central.test[m] ?? d.central.central[m])}
              note={t('runs.centralNote')}
            />
          )}
          <Stat name={t('runs.bestRound')} value={int(d.run.bestRound)} note={t('runs.bestRoundNote')} />
        </Group>
      </Section>
    </Stack>
  )
}

function Worth({ d, me, m }: { d: RunDetail; me?: PartyResult; m: string }) {
  const { t } = useTranslation()
  const mine = me ?? (d.results.length > 0 ? undefined : d.pooled)
  if (!mine) return null
  const g = gain(m, mine.test[m], mine.alone[m])
  const word = maybe(`common.metric.${m}`, m)
  return (
    <Section title={t('runs.worth')} hint={t('runs.worthHint', { count: mine.testExamples })}>
      <Group gap="xl" align="flex-end">
        <Stat
          name={t('runs.alone')}
          value={
            <Text fz={26} fw={650}>
              {metric(m, mine.alone[m])}
            </Text>
          }
          note={word}
        />
        <Stat
          name={t('runs.together')}
          value={
            <Text fz={26} fw={650}>
              {metric(m, mine.test[m])}
            </Text>
          }
          note={word}
        />
        {mine.central[m] !== undefined && (
          <Stat
            name={t('runs.central')}
            value={
              <Text fz={26} fw={650}>
                {metric(m, mine.central[m])}
              </Text>
            }
            note={word}
          />
        )}
        <Delta name={m} value={g} />
      </Group>
      {g !== null && g < 0 && (
        <Text size="sm" mt="sm">
          {t('runs.notWorth')}
        </Text>
      )}
    </Section>
  )
}

// ResultTable sets the federated model beside each party's own.
export function ResultTable({ results, pooled, m }: { results: PartyResult[]; pooled?: PartyResult; m: string }) {
  const { t } = useTranslation()
  const rows =
    pooled && pooled.testExamples > 0
      ? [...results, { ...pooled, partyId: 'pooled', party: t('runs.pooledAll') }]
      : results
  const central = rows.some((r) => r.central[m] !== undefined)
  return (
    <>
      {results.some((r) => r.testExamples > 0 && r.testExamples < 20) && (
        <div style={{ padding: '0 16px 8px' }}>
          <Note tone="warn">{t('runs.fewRows')}</Note>
        </div>
      )}
      <DataTable
        label={t('runs.results')}
        rows={rows}
        rowKey={(r) => r.partyId}
        tone={(r) => (r.partyId === 'pooled' ? 'var(--soft)' : undefined)}
        cols={[
          {
            key: 'party',
            head: t('common.party'),
            cell: (r) => (
              <Text size="sm" fw={r.partyId === 'pooled' ? 600 : 400}>
                {plain(r.party, 60)}
              </Text>
            ),
          },
          {
            key: 'alone',
            head: <Term text={t('runs.aloneHelp')}>{t('runs.alone')}</Term>,
            num: true,
            cell: (r) => metric(m, r.alone[m]),
          },
          {
            key: 'test',
            head: <Term text={t('runs.togetherHelp')}>{t('runs.together')}</Term>,
            num: true,
            cell: (r) => metric(m, r.test[m]),
          },
          ...(central
            ? [
                {
                  key: 'central',
                  head: <Term text={t('runs.centralHelp')}>{t('runs.central')}</Term>,
                  num: true,
                  cell: (r: PartyResult) => metric(m, r.central[m]),
                },
              ]
            : []),
          {
            key: 'delta',
            head: t('runs.gain'),
            num: true,
            cell: (r) => <Delta name={m} value={gain(m, r.test[m], r.alone[m])} />,
          },
          { key: 'n', head: t('runs.testRows'), num: true, cell: (r) => int(r.testExamples) },
          { key: 'train', head: t('runs.trainRows'), num: true, cell: (r) => int(r.trainExamples) },
          { key: 'in', head: t('peers.in'), num: true, cell: (r) => (r.partyId === 'pooled' ? '' : bytes(r.bytesIn)) },
          {
            key: 'out',
            head: t('peers.out'),
            num: true,
            cell: (r) => (r.partyId === 'pooled' ? '' : bytes(r.bytesOut)),
          },
        ]}
      />
    </>
  )
}
