import { Alert, Box, Button, Group, Skeleton, Stack, Text, ThemeIcon } from '@mantine/core'
import { IconAlertTriangle, IconRefresh } from '@tabler/icons-react'
import type { UseQueryResult } from '@tanstack/react-query'
import { type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { asProblem } from '../api/problem'
import { when } from '../format/format'
import { maybe } from '../i18n'
import { CopyButton } from './copy'

// Loading shows nothing for 150 ms, then a skeleton, and words after 2 s.
export function Loading({ words, rows = 4 }: { words?: string; rows?: number }) {
  const { t } = useTranslation()
  const [phase, setPhase] = useState(0)
  useEffect(() => {
    const a = setTimeout(() => setPhase(1), 150)
    const b = setTimeout(() => setPhase(2), 2000)
    return () => {
      clearTimeout(a)
      clearTimeout(b)
    }
  }, [])
  return (
    <Box aria-busy="true" role="status" mih={120}>
      <span style={{ position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)' }}>
        {words ?? t('common.loading')}
      </span>
      {phase > 0 && (
        <Stack gap="sm" aria-hidden>
          {Array.from({ length: rows }, (_, i) => (
            <Skeleton key={i} height={i === 0 ? 22 : 44} width={i === 0 ? '40%' : '100%'} radius="md" />
          ))}
        </Stack>
      )}
      {phase > 1 && (
        <Text size="sm" c="dimmed" mt="sm">
          {words ?? t('common.loading')}
        </Text>
      )}
    </Box>
  )
}

interface EmptyProps {
  icon: ReactNode
  text: string
  action?: ReactNode
  more?: ReactNode
}

// Empty teaches: one sentence, one primary button, perhaps one link.
export function Empty({ icon, text, action, more }: EmptyProps) {
  return (
    <Stack align="center" gap="sm" py={48} px="md" className="card" ta="center" data-state="empty">
      <ThemeIcon variant="light" size={52} radius="xl" aria-hidden>
        {icon}
      </ThemeIcon>
      <Text maw={520}>{text}</Text>
      {action}
      {more}
    </Stack>
  )
}

// problemWords gives title and hint of a problem in the reader's language.
export function problemWords(e: unknown): { title: string; hint: string; kind: string; details: string } {
  const p = asProblem(e)
  const title = p.message || maybe(`common.problem.${p.kind}.title`, maybe('common.problem.internal.title', ''))
  const hint = p.hint || maybe(`common.problem.${p.kind}.hint`, '')
  const details = [p.kind, p.status || '', title, hint, p.instance].filter(Boolean).join('\n')
  return { title: title.charAt(0).toUpperCase() + title.slice(1), hint, kind: p.kind, details }
}

interface FailedProps {
  error: unknown
  retry?: () => void
  asOf?: number
}

// Failed says what happened, what to do, and lets one try again.
export function Failed({ error, retry, asOf }: FailedProps) {
  const { t } = useTranslation()
  const w = problemWords(error)
  return (
    <Alert color="red" icon={<IconAlertTriangle size={18} />} title={w.title} role="alert" data-state="error">
      <Stack gap="xs">
        {w.hint && <Text size="sm">{w.hint}</Text>}
        {asOf ? <Text size="sm">{t('common.asOf', { time: when(new Date(asOf).toISOString()) })}</Text> : null}
        <Group gap="xs">
          {retry && (
            <Button size="xs" variant="default" leftSection={<IconRefresh size={14} />} onClick={retry}>
              {t('common.retry')}
            </Button>
          )}
          <CopyButton text={w.details} label={t('common.copyDetails')} />
        </Group>
      </Stack>
    </Alert>
  )
}

interface ViewProps<T> {
  query: UseQueryResult<T>
  loading?: string
  rows?: number
  empty?: (d: T) => ReactNode | false | undefined | null
  children: (d: T) => ReactNode
}

// View shows a query in its states; old data stays under an error, with its time.
export function View<T>({ query, loading, rows, empty, children }: ViewProps<T>) {
  if (query.data === undefined) {
    if (query.isError) return <Failed error={query.error} retry={() => void query.refetch()} />
    return <Loading words={loading} rows={rows} />
  }
  const hole = empty?.(query.data)
  return (
    <>
      {query.isError && <Failed error={query.error} retry={() => void query.refetch()} asOf={query.dataUpdatedAt} />}
      {hole || children(query.data)}
    </>
  )
}

// Note is a quiet remark with an icon: partial answers, honesty, limits.
export function Note({
  tone = 'info',
  title,
  children,
}: {
  tone?: 'info' | 'warn' | 'bad' | 'ok'
  title?: string
  children: ReactNode
}) {
  const color = { info: 'indigo', warn: 'orange', bad: 'red', ok: 'green' }[tone]
  return (
    <Alert
      color={color}
      title={title}
      icon={tone === 'info' || tone === 'ok' ? undefined : <IconAlertTriangle size={18} />}
      py="xs"
    >
      {children}
    </Alert>
  )
}
