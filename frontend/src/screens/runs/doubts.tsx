import { Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Contribution, Dispute } from '../../api/types'
import { plain } from '../../format/format'
import { Note } from '../../ui/states'

// Doubts says what is disputed about contributions and rewards: entries that
// compete, members that do not agree, and tables that do not count.
export function Doubts({
  disputes,
  unsigned,
  nameOf,
}: {
  disputes: Dispute[]
  unsigned: number
  nameOf?: (runId: string) => string
}) {
  const { t } = useTranslation()
  if (disputes.length === 0 && unsigned === 0) return null
  const words = (d: Dispute) => {
    const names = { by: plain(d.by, 60), kept: plain(d.kept, 60), k: d.k, text: plain(d.text, 300) }
    if (d.kind === 'two') return t('runs.con.two', names)
    return d.kind === 'cut_off' ? t('runs.con.cutOff', names) : t('runs.con.verdict', names)
  }
  return (
    <Note tone="warn" title={t('runs.con.doubts')}>
      <Stack gap={4}>
        {disputes.map((d, i) => (
          <Text key={i} size="sm">
            {nameOf ? t('runs.con.ofRun', { run: nameOf(d.runId), what: words(d) }) : words(d)}
          </Text>
        ))}
        {unsigned > 0 && <Text size="sm">{t('runs.con.unsigned', { count: unsigned })}</Text>}
      </Stack>
    </Note>
  )
}

// Limits says in words what the figures of a run leave out, and why its money was
// not divided by them.
export function Limits({ c }: { c: Contribution }) {
  const { t } = useTranslation()
  const lines = [
    c.reason === 'too_many' && t('runs.con.tooMany'),
    c.reason === 'too_few' && t('runs.con.tooFew'),
    c.unscored > 0 && c.scored > 0 && t('runs.con.unscored', { count: c.unscored }),
    c.why === 'unscored' && t('runs.con.equal.unscored'),
    c.why === 'nobody' && t('runs.con.equal.nobody'),
    c.why === 'no-pool' && t('runs.con.noMoney'),
  ].filter((x) => x !== false)
  if (lines.length === 0) return null
  return (
    <Note>
      <Stack gap={4}>
        {lines.map((x) => (
          <Text key={x} size="sm">
            {x}
          </Text>
        ))}
      </Stack>
    </Note>
  )
}
