import { Box, Group, Progress, SegmentedControl, SimpleGrid, Stack, Text } from '@mantine/core'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { RunDetail, RunParty, Series } from '../../api/types'
import { bytes, duration, int, metric, plain, sentence } from '../../format/format'
import { maybe } from '../../i18n'
import { StateBadge } from '../../ui/badge'
import { type Curve, LineChart } from '../../ui/chart'
import { Section } from '../../ui/page'
import { Star } from '../../ui/star'
import { Note } from '../../ui/states'
import { DataTable } from '../../ui/table'

// seriesKey strips "valid." and the like from the name of a curve.
export const seriesKey = (name: string) => name.split('.').at(-1) ?? name

// curvesOf picks the curves of one figure: pooled first, then the parties.
export function curvesOf(series: Series[], name: string, pooled: string): Curve[] {
  return series
    .filter((s) => s.name === name)
    .sort((a, b) => (a.party ? 1 : 0) - (b.party ? 1 : 0))
    .map((s, i) => ({
      name: s.party ? plain(s.party, 40) : pooled,
      xs: s.rounds,
      ys: s.values,
      colour: i === 0 && !s.party ? 7 : Math.max(i - 1, 0),
      dash: false,
    }))
}

// LiveTab is the round theatre: star, lanes, curves, each with its table.
export function LiveTab({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const missing = d.parties.filter((p) => p.state === 'absent' || p.state === 'offline' || p.state === 'late')
  return (
    <Stack>
      {missing.length > 0 && d.run.state === 'running' && (
        <Note tone="warn">
          {t('runs.missing', {
            names: missing
              .map((p) => t('runs.lastHeard', { name: plain(p.name, 60), time: duration(p.lastHeardMs) }))
              .join(', '),
          })}
        </Note>
      )}
      <Theatre d={d} />
      <Curves d={d} />
    </Stack>
  )
}

function Theatre({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const [face, setFace] = useState('star')
  const leader =
    d.parties.find((p) => p.role === 'coordinator') ?? d.parties.find((p) => p.partyId === d.run.coordinatorId)
  const ended = d.run.endedAt !== undefined
  return (
    <Section
      title={t(ended ? 'runs.gridEnded' : 'runs.grid')}
      hint={
        leader
          ? sentence(d.run.why) || t(ended ? 'runs.led' : 'runs.leads', { name: plain(leader.name) })
          : ended
            ? undefined
            : t('runs.noLeader')
      }
      actions={
        <SegmentedControl
          size="xs"
          value={face}
          onChange={setFace}
          aria-label={t('runs.face')}
          data={[
            { value: 'star', label: t('peers.star') },
            { value: 'table', label: t('peers.table') },
          ]}
        />
      }
    >
      {d.parties.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t('runs.notStarted')}
        </Text>
      ) : face === 'table' ? (
        <PartyTable parties={d.parties} />
      ) : (
        <Box
          style={{
            display: 'grid',
            gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 340px), 1fr))',
            gap: 20,
            alignItems: 'center',
          }}
        >
          <Star
            centre={{
              id: leader?.partyId ?? '',
              name: plain(leader?.name ?? t('shell.electing')),
              note: leader ? t('runs.coordinator') : undefined,
            }}
            nodes={d.parties
              .filter((p) => p !== leader)
              .map((p) => ({
                id: p.partyId,
                name: plain(p.name),
                live: p.state !== 'offline' && p.state !== 'absent',
                state: p.state,
                note: maybe(`common.state.${p.state}`, p.state),
                flow: p.state === 'upload' ? 'in' : p.state === 'download' ? 'out' : null,
              }))}
            label={t('runs.starLabel')}
          />
          <Lanes parties={d.parties} />
        </Box>
      )}
    </Section>
  )
}

const laneColour: Record<string, string> = {
  train: 'indigo.7',
  upload: 'teal.7',
  download: 'cyan.7',
  score: 'grape.7',
  done: 'green.7',
  late: 'orange.8',
  absent: 'red.7',
  offline: 'gray.6',
  idle: 'gray.6',
}

// Lanes show what each party does in this round.
export function Lanes({ parties }: { parties: RunParty[] }) {
  const { t } = useTranslation()
  return (
    <Stack gap="sm">
      {parties.map((p) => {
        const share = p.state === 'done' ? 100 : Math.round((p.progress ?? 0) * 100)
        return (
          <Box key={p.partyId} data-lane={p.name}>
            <Group justify="space-between" wrap="nowrap" gap="xs" mb={3}>
              <Text size="sm" fw={600} truncate>
                {plain(p.name, 60)}
                {p.me && ` (${t('common.me')})`}
              </Text>
              <Group gap={6} wrap="nowrap">
                <Text size="xs" c="dimmed">
                  {p.state === 'offline' || p.state === 'absent'
                    ? t('runs.heard', { time: duration(p.lastHeardMs) })
                    : p.bytesIn + p.bytesOut > 0
                      ? t('runs.traffic', { inn: bytes(p.bytesIn), out: bytes(p.bytesOut) })
                      : ''}
                </Text>
                <StateBadge state={p.state} />
              </Group>
            </Group>
            <Progress
              value={share}
              size="md"
              color={laneColour[p.state] ?? 'indigo.7'}
              aria-label={t('runs.laneLabel', {
                name: plain(p.name, 60),
                state: maybe(`common.state.${p.state}`, p.state),
              })}
              classNames={{ section: 'lane-bar' }}
            />
          </Box>
        )
      })}
    </Stack>
  )
}

function PartyTable({ parties }: { parties: RunParty[] }) {
  const { t } = useTranslation()
  return (
    <DataTable
      label={t('runs.grid')}
      rows={parties}
      rowKey={(p) => p.partyId}
      cols={[
        {
          key: 'name',
          head: t('common.party'),
          sort: (p) => p.name,
          cell: (p) => `${plain(p.name, 60)}${p.me ? ` (${t('common.me')})` : ''}`,
        },
        {
          key: 'role',
          head: t('peers.roleHead'),
          cell: (p) => (p.role === 'coordinator' ? t('runs.coordinator') : t('runs.participant')),
        },
        { key: 'state', head: t('data.state'), sort: (p) => p.state, cell: (p) => <StateBadge state={p.state} /> },
        { key: 'rounds', head: t('common.rounds'), num: true, sort: (p) => p.rounds, cell: (p) => int(p.rounds) },
        { key: 'examples', head: t('runs.examples'), num: true, sort: (p) => p.examples, cell: (p) => int(p.examples) },
        { key: 'in', head: t('peers.in'), num: true, sort: (p) => p.bytesIn, cell: (p) => bytes(p.bytesIn) },
        { key: 'out', head: t('peers.out'), num: true, sort: (p) => p.bytesOut, cell: (p) => bytes(p.bytesOut) },
        {
          key: 'heard',
          head: t('runs.lastHeardHead'),
          num: true,
          sort: (p) => p.lastHeardMs,
          cell: (p) => duration(p.lastHeardMs),
        },
      ]}
    />
  )
}

function Curves({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const names = useMemo(() => [...new Set(d.series.map((s) => s.name))], [d.series])
  const first = names.find((n) => seriesKey(n) === 'loss') ?? names.find((n) => seriesKey(n) === 'logLoss') ?? names[0]
  const rest = names.filter((n) => n !== first)
  const [second, setSecond] = useState<string>()
  const right =
    second && rest.includes(second)
      ? second
      : (rest.find((n) => seriesKey(n) === 'accuracy') ?? rest.find((n) => seriesKey(n) === 'r2') ?? rest[0])
  if (names.length === 0)
    return (
      <Section title={t('runs.curves')}>
        <Text size="sm" c="dimmed">
          {t('runs.noCurves')}
        </Text>
      </Section>
    )
  const word = (n: string) => maybe(`common.metric.${seriesKey(n)}`, seriesKey(n))
  return (
    <Section
      title={t('runs.curves')}
      hint={t('runs.curvesHint')}
      actions={
        rest.length > 1 &&
        right && (
          <SegmentedControl
            size="xs"
            aria-label={t('runs.figure')}
            value={right}
            onChange={setSecond}
            data={rest.slice(0, 6).map((n) => ({ value: n, label: word(n) }))}
          />
        )
      }
    >
      <SimpleGrid cols={{ base: 1, md: right ? 2 : 1 }}>
        {[first, right]
          .filter((n): n is string => !!n)
          .map((n) => (
            <LineChart
              key={n}
              label={word(n)}
              xLabel={t('common.round')}
              curves={curvesOf(d.series, n, t('runs.pooled'))}
              format={(y) => metric(seriesKey(n), y)}
            />
          ))}
      </SimpleGrid>
    </Section>
  )
}
