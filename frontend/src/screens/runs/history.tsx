import { Box, Group, Stack, Text, ThemeIcon } from '@mantine/core'
import { IconAlertTriangle, IconCheck, IconCrown, IconPlayerPlay, IconPoint, IconUserMinus } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { Round, RunDetail } from '../../api/types'
import { clock, duration, fixed, list, plain, shorten } from '../../format/format'
import { maybe } from '../../i18n'
import { Section } from '../../ui/page'
import { DataTable } from '../../ui/table'

function icon(kind: string) {
  if (/elect|lead|coordinat|takeover/.test(kind)) return [<IconCrown key="i" size={14} />, 'grape'] as const
  if (/absent|late|offline|left/.test(kind)) return [<IconUserMinus key="i" size={14} />, 'orange'] as const
  if (/fail|error|diverg|refus/.test(kind)) return [<IconAlertTriangle key="i" size={14} />, 'red'] as const
  if (/commit|finish|closed|round/.test(kind)) return [<IconCheck key="i" size={14} />, 'green'] as const
  if (/start|resume/.test(kind)) return [<IconPlayerPlay key="i" size={14} />, 'indigo'] as const
  return [<IconPoint key="i" size={14} />, 'gray'] as const
}

// HistoryTab tells what happened in order, elections among it, and lists the rounds.
export function HistoryTab({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  return (
    <Box className="history">
      <Section title={t('runs.steps')} hint={t('runs.stepsHint')}>
        {d.steps.length === 0 ? (
          <Text size="sm" c="dimmed">
            {t('runs.noSteps')}
          </Text>
        ) : (
          <Stack
            gap={6}
            component="ol"
            p={0}
            m={0}
            mah={520}
            style={{ listStyle: 'none', overflow: 'auto' }}
            tabIndex={0}
            aria-label={t('runs.steps')}
          >
            {[...d.steps].reverse().map((s, i) => {
              const [pic, color] = icon(s.kind)
              return (
                <Group key={i} component="li" gap="xs" wrap="nowrap" align="flex-start">
                  <ThemeIcon size={22} radius="xl" variant="light" color={color} aria-hidden>
                    {pic}
                  </ThemeIcon>
                  <Text size="xs" c="dimmed" className="num" pt={2} w={76} style={{ whiteSpace: 'nowrap' }}>
                    {clock(s.at)}
                  </Text>
                  <Text size="sm" style={{ flex: 1 }}>
                    {plain(s.text, 400)}
                  </Text>
                </Group>
              )
            })}
          </Stack>
        )}
      </Section>
      <RoundTable rounds={d.rounds} />
    </Box>
  )
}

// RoundTable lists closed rounds, newest first.
export function RoundTable({ rounds }: { rounds: Round[] }) {
  const { t } = useTranslation()
  return (
    <Section flush title={t('common.rounds')}>
      <DataTable
        label={t('common.rounds')}
        rows={rounds}
        rowKey={(r) => `${r.term}-${r.n}`}
        initialSort={{ key: 'n', down: true }}
        cols={[
          { key: 'n', head: t('common.round'), num: true, sort: (r) => r.n, cell: (r) => r.n },
          { key: 'loss', head: t('runs.loss'), num: true, sort: (r) => r.loss, cell: (r) => fixed(r.loss, 4) },
          {
            key: 'time',
            head: t('runs.took'),
            num: true,
            sort: (r) => r.durationMs,
            cell: (r) => (r.n === 0 ? '' : duration(r.durationMs)),
          },
          {
            key: 'lead',
            head: t('runs.coordinator'),
            cell: (r) => (
              <Text size="sm" truncate maw={180} title={plain(r.coordinator)}>
                {plain(r.coordinator, 60)}
              </Text>
            ),
          },
          {
            key: 'in',
            head: t('runs.wereIn'),
            cell: (r) => (
              <Text size="sm">
                {r.n === 0 ? '' : r.parties.length}
                {r.absent.length > 0 && (
                  <Text span size="xs" c="var(--warn)">
                    {' '}
                    {t('runs.without', { names: list(r.absent) })}
                  </Text>
                )}
              </Text>
            ),
          },
          {
            key: 'result',
            head: t('runs.result'),
            cell: (r) => (r.n === 0 ? t('runs.closed.start') : maybe(`runs.closed.${r.result}`, r.result)),
          },
          {
            key: 'digest',
            head: t('runs.checkpoint'),
            cell: (r) => <span className="mono">{shorten(r.digest, 10)}</span>,
          },
        ]}
      />
    </Section>
  )
}
