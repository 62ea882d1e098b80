import { Box, Button, Group, Stack, Text } from '@mantine/core'
import { IconRefresh } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Diagnostics } from '../../api/types'
import { int, sentence } from '../../format/format'
import { maybe } from '../../i18n'
import { StateBadge } from '../../ui/badge'
import { CopyButton } from '../../ui/copy'
import { Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { View } from '../../ui/states'
import { DataTable } from '../../ui/table'

// Doctor checks this computer line by line, each with its cure.
export function Doctor() {
  const { t } = useTranslation()
  const report = useQuery({ queryKey: k.diagnostics, queryFn: api.diagnostics, staleTime: 0 })
  return (
    <View query={report} loading={t('settings.checking')} rows={6}>
      {(d) => (
        <Stack maw={980}>
          <Section
            title={t('settings.doctor')}
            hint={t('settings.doctorHint')}
            actions={
              <>
                <CopyButton text={reportText(d)} label={t('settings.copyReport')} variant="default" />
                <Button
                  size="xs"
                  variant="default"
                  leftSection={<IconRefresh size={14} />}
                  onClick={() => void report.refetch()}
                  loading={report.isFetching}
                >
                  {t('settings.again')}
                </Button>
              </>
            }
          >
            <Stack gap="sm" component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
              {d.items.map((x) => (
                <Group key={x.name} component="li" wrap="nowrap" align="flex-start" gap="sm">
                  <Box w={104} style={{ flexShrink: 0 }}>
                    <StateBadge state={x.result} />
                  </Box>
                  <Box>
                    <Text size="sm" fw={600}>
                      {x.name}
                    </Text>
                    <Text size="sm" c="dimmed">
                      {sentence(x.text)}
                    </Text>
                    {x.result !== 'pass' && x.fix && <Text size="sm">{x.fix}</Text>}
                  </Box>
                </Group>
              ))}
            </Stack>
          </Section>
          {d.refusals.length > 0 && (
            <Section flush title={t('settings.refusals')} hint={t('settings.refusalsHint')}>
              <DataTable
                label={t('settings.refusals')}
                rows={d.refusals}
                rowKey={(r) => r.reason}
                initialSort={{ key: 'count', down: true }}
                cols={[
                  { key: 'reason', head: t('common.reason'), sort: (r) => r.reason, cell: (r) => refusal(r.reason) },
                  {
                    key: 'count',
                    head: t('settings.count'),
                    num: true,
                    sort: (r) => r.count,
                    cell: (r) => int(r.count),
                  },
                ]}
              />
            </Section>
          )}
          <Section title={t('settings.log')} hint={t('settings.logHint')}>
            {d.log.length === 0 ? (
              <Text size="sm" c="dimmed">
                {t('settings.noLog')}
              </Text>
            ) : (
              <Box
                component="pre"
                className="mono"
                m={0}
                mah={300}
                style={{ overflow: 'auto', whiteSpace: 'pre-wrap' }}
                tabIndex={0}
                aria-label={t('settings.log')}
              >
                {d.log.join('\n')}
              </Box>
            )}
          </Section>
        </Stack>
      )}
    </View>
  )
}

// refusal says in words what was refused and why: "update: invalid" is counted by
// the kind of message and the kind of mistake.
function refusal(reason: string): string {
  const [what, why] = reason.split(': ', 2)
  if (!why) return maybe(`settings.refused.${what.replaceAll(' ', '_')}`, sentence(what))
  const kind = maybe(`settings.refused.${what.replaceAll(' ', '_')}`, maybe(`activity.kinds.${what}`, what))
  return `${kind}: ${maybe(`settings.why.${why}`, why)}`
}

function reportText(d: Diagnostics): string {
  return [
    ...d.items.map((x) => `${x.result}  ${x.name}: ${x.text}`),
    ...d.refusals.map((r) => `refused ${r.count} x ${r.reason}`),
    ...Object.entries(d.build).map(([a, b]) => `${a} ${b}`),
  ].join('\n')
}

// About names the build and where help is.
export function About() {
  const { t } = useTranslation()
  const report = useQuery({ queryKey: k.diagnostics, queryFn: api.diagnostics })
  return (
    <View query={report}>
      {(d) => (
        <Stack maw={860}>
          <Section title={t('settings.about')} hint={t('settings.aboutText')}>
            <Facts rows={Object.entries(d.build).map(([a, b]) => [maybe(`settings.build.${a}`, a), b])} />
          </Section>
        </Stack>
      )}
    </View>
  )
}
