import { Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { RunDetail } from '../../api/types'
import { int, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { RoundTable } from './history'

// FailedRun says what failed, at whom and what to do; the rounds that were closed
// before stay in sight.
export function FailedRun({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const closed = d.rounds.filter((r) => r.n > 0)
  const reason = d.run.endReason
  return (
    <Stack>
      <Section title={maybe(`runs.failed.${reason}.title`, t('runs.failed.internal.title'))}>
        <Facts
          rows={[
            [t('runs.failed.what'), d.run.problem ? plain(d.run.problem.text, 1000) : plain(d.run.sentence, 1000)],
            [
              t('runs.failed.where'),
              d.failed.length === 0 ? (
                maybe(`runs.failed.${reason}.where`, t('runs.failed.internal.where'))
              ) : (
                <Stack key="at" gap={4} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
                  {d.failed.map((f) => (
                    <li key={f.party}>{t('runs.failed.at', { party: plain(f.party, 80), why: plain(f.why, 400) })}</li>
                  ))}
                </Stack>
              ),
            ],
            [
              t('runs.failed.todo'),
              d.run.problem?.hint || maybe(`runs.failed.${reason}.todo`, t('runs.failed.internal.todo')),
            ],
          ]}
        />
        <Text size="sm" mt="sm">
          {closed.length === 0
            ? t('runs.failed.noRounds')
            : t('runs.failed.rounds', { count: closed.length, rounds: int(d.run.rounds) })}
        </Text>
      </Section>
      {closed.length > 0 && <RoundTable rounds={closed} />}
    </Stack>
  )
}
