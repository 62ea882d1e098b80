import { Box, Button, Group, Select, Stack, Text } from '@mantine/core'
import { IconDownload, IconReceipt2, IconShieldCheck } from '@tabler/icons-react'
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api, exportPath } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Activity as ActivityView, Check, EgressFrame } from '../../api/types'
import { bytes, clock, day, int, plain, shorten } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct, useSave } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { Checks, Stat } from '../../ui/parts'
import { Empty, Failed, Loading, Note, View } from '../../ui/states'
import { DataTable } from '../../ui/table'

const page = 100

// Activity lists every message that this computer sent to another party.
export function Activity() {
  const { t } = useTranslation()
  const [to, setTo] = useState('')
  const [kind, setKind] = useState('')
  const q = { to: to || undefined, kind: kind || undefined }
  const head = useQuery({ queryKey: k.activity({ head: true }), queryFn: () => api.activity({ limit: 1 }) })
  const [check, setCheck] = useState<Check>()
  const verify = useAct(() => api.verifyActivity(), { after: setCheck })
  const keep = useSave('synergos-activity.csv', exportPath.activity)
  return (
    <Page
      title={t('activity.title')}
      sub={t('activity.sub')}
      actions={
        <>
          <Button
            variant="default"
            leftSection={<IconShieldCheck size={16} />}
            onClick={() => verify.mutate(undefined)}
            loading={verify.isPending}
          >
            {t('rewards.verify')}
          </Button>
          <Button
            variant="default"
            leftSection={<IconDownload size={16} />}
            onClick={() => keep.mutate()}
            loading={keep.isPending}
          >
            {t('activity.export')}
          </Button>
        </>
      }
    >
      <View
        query={head}
        empty={(d) => d.frames === 0 && <Empty icon={<IconReceipt2 size={26} />} text={t('activity.empty')} />}
      >
        {(d) => (
          <Stack>
            {check && (
              <Box role="status">
                <Checks items={[check]} />
              </Box>
            )}
            {d.removed.frames > 0 && (
              <Note title={t('activity.removed', { count: d.removed.frames, bytes: bytes(d.removed.bytes) })}>
                {t('activity.removedText', { until: d.removed.until ? day(d.removed.until) : '' })}
              </Note>
            )}
            <Totals d={d} check={check} to={to} kind={kind} onTo={setTo} onKind={setKind} />
            <Frames q={q} />
          </Stack>
        )}
      </View>
    </Page>
  )
}

function Totals({
  d,
  check,
  to,
  kind,
  onTo,
  onKind,
}: {
  d: ActivityView
  check?: Check
  to: string
  kind: string
  onTo: (s: string) => void
  onKind: (s: string) => void
}) {
  const { t } = useTranslation()
  const receivers = [...new Map(d.totals.map((x) => [x.toId, x.to]))] // two parties may have one name
  const kinds = [...new Set(d.totals.map((x) => x.kind))].filter(Boolean)
  return (
    <Section
      title={
        <Group gap="xs" component="span" style={{ display: 'inline-flex' }}>
          {t('activity.totals')}
          {check ? (
            <StateBadge
              state={check.ok ? 'pass' : 'fail'}
              word={check.ok ? t('rewards.chainOk') : t('rewards.chainBroken')}
            />
          ) : (
            <StateBadge state="unknown" word={t('activity.unchecked')} />
          )}
        </Group>
      }
      hint={d.chain.text}
    >
      <Group gap="xl" mb="sm">
        <Stat name={t('activity.frames')} value={int(d.frames)} />
        <Stat name={t('activity.bytes')} value={bytes(d.bytes)} />
        <Stat name={t('activity.receivers')} value={int(receivers.length)} />
        <Select
          label={t('activity.to')}
          data={receivers.map(([id, name]) => ({ value: id, label: plain(name, 60) || shorten(id, 12) }))}
          value={to || null}
          onChange={(v) => onTo(v ?? '')}
          clearable
          placeholder={t('common.all')}
          w={220}
        />
        <Select
          label={t('activity.kind')}
          data={kinds.map((x) => ({ value: x, label: maybe(`activity.kinds.${x}`, x) }))}
          value={kind || null}
          onChange={(v) => onKind(v ?? '')}
          clearable
          placeholder={t('common.all')}
          w={220}
        />
      </Group>
      <DataTable
        label={t('activity.totals')}
        rows={d.totals}
        rowKey={(x) => `${x.toId}|${x.kind}`}
        initialSort={{ key: 'bytes', down: true }}
        cols={[
          { key: 'to', head: t('activity.to'), sort: (x) => x.to, cell: (x) => plain(x.to, 60) },
          {
            key: 'kind',
            head: t('activity.kind'),
            sort: (x) => x.kind,
            cell: (x) => maybe(`activity.kinds.${x.kind}`, x.kind),
          },
          { key: 'frames', head: t('activity.frames'), num: true, sort: (x) => x.frames, cell: (x) => int(x.frames) },
          { key: 'bytes', head: t('activity.bytes'), num: true, sort: (x) => x.bytes, cell: (x) => bytes(x.bytes) },
        ]}
      />
    </Section>
  )
}

function Frames({ q }: { q: { to?: string; kind?: string } }) {
  const { t } = useTranslation()
  const frames = useInfiniteQuery({
    queryKey: k.activity(q),
    queryFn: ({ pageParam }) => api.activity({ ...q, limit: page, after: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: keepPreviousData,
  })
  if (frames.isError) return <Failed error={frames.error} retry={() => void frames.refetch()} />
  if (!frames.data) return <Loading />
  const rows = frames.data.pages.flatMap((p) => p.items)
  return (
    <Section flush title={t('activity.list')} hint={t('activity.listHint')}>
      <DataTable<EgressFrame>
        label={t('activity.list')}
        rows={rows}
        rowKey={(f) => f.id}
        cols={[
          { key: 'at', head: t('rewards.at'), cell: (f) => `${day(f.at)} ${clock(f.at)}` },
          { key: 'to', head: t('activity.to'), cell: (f) => plain(f.to, 60) },
          { key: 'kind', head: t('activity.kind'), cell: (f) => maybe(`activity.kinds.${f.kind}`, f.kind) },
          {
            key: 'purpose',
            head: t('activity.purpose'),
            cell: (f) => maybe(`activity.purposes.${f.purpose}`, plain(f.purpose, 200)),
          },
          { key: 'bytes', head: t('activity.bytes'), num: true, cell: (f) => bytes(f.bytes) },
          {
            key: 'consent',
            head: t('activity.consent'),
            cell: (f) => <span className="mono">{shorten(f.consent, 10)}</span>,
          },
          { key: 'digest', head: t('models.hash'), cell: (f) => <span className="mono">{shorten(f.digest, 10)}</span> },
        ]}
      />
      <Group p="md" justify="space-between">
        <Text size="sm" c="dimmed">
          {t('activity.shown', { count: rows.length })}
        </Text>
        {frames.hasNextPage && (
          <Button
            size="xs"
            variant="default"
            onClick={() => void frames.fetchNextPage()}
            loading={frames.isFetchingNextPage}
          >
            {t('activity.older')}
          </Button>
        )}
      </Group>
    </Section>
  )
}
