import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { IconArrowsDiff, IconSearch } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate } from 'react-router'
import type { Run } from '../../api/types'
import { ago, duration, metric, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { PracticeBadge, StateBadge } from '../../ui/badge'
import { Section } from '../../ui/page'
import { RowLink } from '../../ui/parts'
import { type Col, DataTable } from '../../ui/table'
import { settingWord } from './setting'

// metricColumns are the figures worth a column, in order of interest.
export function metricColumns(runs: Run[]): string[] {
  const order = ['auc', 'accuracy', 'balancedAccuracy', 'f1', 'logLoss', 'r2', 'rmse', 'mae']
  const have = new Set(runs.flatMap((r) => Object.keys(r.metrics)))
  return order.filter((m) => have.has(m)).slice(0, 4)
}

// RunTable lists runs, finds, sorts, and picks some to compare.
export function RunTable({
  runs,
  params = [],
  showProject,
}: {
  runs: Run[]
  params?: string[]
  showProject?: boolean
}) {
  const { t } = useTranslation()
  const go = useNavigate()
  const [text, setText] = useState('')
  const [picked, setPicked] = useState<string[]>([])
  const q = text.trim().toLowerCase()
  const rows =
    q === ''
      ? runs
      : runs.filter((r) =>
          [
            r.experiment,
            r.project,
            r.state,
            r.coordinator,
            String(r.number),
            ...Object.entries(r.params).map(([a, b]) => `${a}=${b}`),
          ]
            .join(' ')
            .toLowerCase()
            .includes(q),
        )
  const cols: Col<Run>[] = [
    {
      key: 'name',
      head: t('runs.run'),
      sort: (r) => `${r.experiment} ${String(r.number).padStart(6, '0')}`,
      cell: (r) => (
        <Stack gap={0} miw={200}>
          <Group gap={6} wrap="nowrap">
            <RowLink to={`/runs/${r.id}`}>
              {t('runs.name', { experiment: plain(r.experiment, 60), number: r.number })}
            </RowLink>
            {r.tutorial && <PracticeBadge />}
          </Group>
          {showProject && (
            <Text size="xs" c="dimmed">
              {plain(r.project, 60)}
            </Text>
          )}
        </Stack>
      ),
    },
    { key: 'state', head: t('data.state'), sort: (r) => r.state, cell: (r) => <StateBadge state={r.state} /> },
    { key: 'round', head: t('common.round'), num: true, sort: (r) => r.round, cell: (r) => `${r.round}/${r.rounds}` },
    ...params.map(
      (p): Col<Run> => ({
        key: `p-${p}`,
        head: settingWord(p),
        num: true,
        sort: (r) => sortable(paramOf(r, p)),
        cell: (r) => paramOf(r, p) ?? '',
      }),
    ),
    ...metricColumns(runs).map(
      (m): Col<Run> => ({
        key: `m-${m}`,
        head: maybe(`common.metric.${m}`, m),
        num: true,
        sort: (r) => r.metrics[m],
        cell: (r) => metric(m, r.metrics[m]),
      }),
    ),
    { key: 'leader', head: t('runs.coordinator'), sort: (r) => r.coordinator, cell: (r) => plain(r.coordinator, 40) },
    { key: 'time', head: t('runs.took'), num: true, sort: (r) => took(r), cell: (r) => duration(took(r)) },
    { key: 'start', head: t('runs.started'), sort: (r) => r.startedAt, cell: (r) => ago(r.startedAt) },
    { key: 'version', head: t('runs.version'), cell: (r) => r.version ?? '' },
  ]
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <TextInput
          data-search
          aria-label={t('runs.search')}
          placeholder={t('runs.search')}
          leftSection={<IconSearch size={16} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          w={320}
        />
        <Button
          leftSection={<IconArrowsDiff size={16} />}
          variant={picked.length > 1 ? 'filled' : 'default'}
          disabled={picked.length < 2}
          onClick={() => void go(`/runs/compare?runs=${inOrder(runs, picked).join(',')}`)}
        >
          {t('runs.compareCount', { count: picked.length })}
        </Button>
      </Group>
      <Section flush>
        <DataTable
          label={t('runs.title')}
          rows={rows}
          cols={cols}
          rowKey={(r) => r.id}
          rowName={(r) => t('runs.name', { experiment: plain(r.experiment), number: r.number })}
          selected={picked}
          onSelect={setPicked}
          initialSort={{ key: 'start', down: true }}
        />
        {rows.length === 0 && (
          <Text size="sm" c="dimmed" p="md">
            {t('runs.nothing')}
          </Text>
        )}
      </Section>
    </Stack>
  )
}

// paramOf finds a setting of a run by its short name: "lr" is "train.lr".
export function paramOf(r: Run, key: string): string | undefined {
  if (key === 'strategy') return r.params['strategy.name'] ?? r.params.strategy
  return r.params[key] ?? r.params[Object.keys(r.params).find((x) => x.endsWith(`.${key}`)) ?? '']
}

// inOrder sorts picked runs by experiment and number.
function inOrder(runs: Run[], picked: string[]): string[] {
  const of = (id: string) => runs.find((r) => r.id === id)
  const key = (id: string) => `${of(id)?.experimentId} ${String(of(id)?.number ?? 0).padStart(9, '0')}`
  return [...picked].sort((a, b) => key(a).localeCompare(key(b)))
}

const sortable = (s: string | undefined) => (s !== undefined && s !== '' && !Number.isNaN(Number(s)) ? Number(s) : s)

export function took(r: Run): number | null {
  if (!r.startedAt) return null
  const end = r.endedAt ? new Date(r.endedAt).getTime() : Date.now()
  return end - new Date(r.startedAt).getTime()
}
