import { Box, Button, Group, Menu, Modal, Select, SimpleGrid, Stack, Table, Tabs, Text } from '@mantine/core'
import { IconDots, IconFileSearch, IconRefresh, IconShare, IconTrash } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate, useParams, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { inWindow, reveal } from '../../api/native'
import { k } from '../../api/queries'
import type { Column, Dataset, DatasetEdit, Profile } from '../../api/types'
import { bytes, day, int, list, percent, sig } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { confirm } from '../../shell/confirm'
import { OperationItem } from '../../shell/operations'
import { StateBadge } from '../../ui/badge'
import { Histogram } from '../../ui/histogram'
import { Page, Section } from '../../ui/page'
import { Findings, Stat } from '../../ui/parts'
import { Loading, Note, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { Browser, usePick } from './add'
import { CardTab } from './card-tab'

// DatasetPage shows one file: profile, columns, what others see, first rows.
export function DatasetPage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const [, setQuery] = useSearchParams()
  const dataset = useQuery({
    queryKey: k.dataset(id),
    queryFn: () => api.dataset(id),
    refetchInterval: (q) => (q.state.data?.state === 'reading' ? 700 : false),
  })
  const d = dataset.data
  const read = d !== undefined && d.state !== 'reading' && d.state !== 'missing' && d.state !== 'failed'
  const profile = useQuery({ queryKey: k.profile(id), queryFn: () => api.profile(id), enabled: read })
  return (
    <Page
      title={d?.name ?? t('data.title')}
      badge={d && <StateBadge state={d.state} />}
      sub={
        d &&
        t('data.fileLine', {
          file: d.sample ? t('data.synthetic') : d.file,
          size: bytes(d.bytes),
          date: day(d.addedAt),
        })
      }
      back={{ to: '/data', text: t('data.title') }}
      actions={d && d.state !== 'reading' && <DatasetActions d={d} onShare={() => setQuery({ tab: 'card' })} />}
    >
      {d?.problem && (
        <Note tone={d.state === 'failed' ? 'bad' : 'warn'} title={d.problem.text}>
          {d.problem.hint}
        </Note>
      )}
      {(d?.state === 'missing' || d?.state === 'failed') && <Locate id={id} />}
      {d?.state === 'reading' && <Reading operation={d.operationId ?? ''} />}
      {!d && (
        <View query={dataset} rows={6}>
          {() => null}
        </View>
      )}
      {read && (
        <View query={profile} loading={t('data.reading')} rows={6}>
          {(p) => <Sheets p={p} />}
        </View>
      )}
    </Page>
  )
}

// Reading shows how far the file has been read.
function Reading({ operation }: { operation: string }) {
  const { t } = useTranslation()
  const op = useQuery({
    queryKey: ['operations', operation],
    queryFn: () => api.operation(operation),
    enabled: operation !== '',
    refetchInterval: 700,
  })
  return op.data ? <OperationItem op={op.data} /> : <Loading words={t('data.reading')} />
}

function Sheets({ p }: { p: Profile }) {
  const { t } = useTranslation()
  const [query, setQuery] = useSearchParams()
  const id = p.dataset.id
  const edit = useAct((e: DatasetEdit) => api.editDataset(id, { ...e, ifRevision: p.dataset.revision }), {
    stale: [['datasets', id], k.datasets],
  })
  return (
    <Tabs
      value={query.get('tab') ?? 'overview'}
      onChange={(v) => setQuery({ tab: v ?? 'overview' }, { replace: true })}
      keepMounted={false}
    >
      <Tabs.List mb="md">
        <Tabs.Tab value="overview">{t('data.tab.overview')}</Tabs.Tab>
        <Tabs.Tab value="columns">{t('data.tab.columns', { count: p.columns.length })}</Tabs.Tab>
        <Tabs.Tab value="card">{t('data.tab.card')}</Tabs.Tab>
        <Tabs.Tab value="rows">{t('data.tab.rows')}</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview">
        <Overview p={p} edit={edit.mutate} busy={edit.isPending} />
      </Tabs.Panel>
      <Tabs.Panel value="columns">
        <Columns p={p} edit={edit.mutate} busy={edit.isPending} />
      </Tabs.Panel>
      <Tabs.Panel value="card">
        <CardTab p={p} edit={edit.mutate} />
      </Tabs.Panel>
      <Tabs.Panel value="rows">
        <Rows p={p} />
      </Tabs.Panel>
    </Tabs>
  )
}

function DatasetActions({ d, onShare }: { d: Dataset; onShare: () => void }) {
  const { t } = useTranslation()
  const go = useNavigate()
  const usable = d.state === 'ready' || d.state === 'changed'
  const forget = useAct(() => api.forgetDataset(d.id), {
    stale: [k.datasets, k.home],
    done: t('data.forgotten', { name: d.name }),
    after: () => void go('/data'),
  })
  const reload = useAct(() => api.reloadDataset(d.id), { stale: [['datasets']], done: t('data.reloaded') })
  const ask = () =>
    confirm({
      title: t('data.forget.title', { name: d.name }),
      text: t('data.forget.text'),
      button: t('data.forget.button'),
      onYes: () => forget.mutate(undefined),
    })
  return (
    <>
      {usable && (
        <>
          <Button
            variant="default"
            disabled={d.state !== 'ready'}
            onClick={() => void go(`/projects/new?dataset=${d.id}`)}
          >
            {t('data.useInProject')}
          </Button>
          <Button leftSection={<IconShare size={16} />} onClick={onShare}>
            {d.cardVersion === 0 ? t('data.share') : t('data.shareAgain')}
          </Button>
        </>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px="xs" aria-label={t('common.more')}>
            <IconDots size={17} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconRefresh size={15} />} onClick={() => reload.mutate(undefined)}>
            {t('data.reload')}
          </Menu.Item>
          {inWindow() && !d.sample && (
            <Menu.Item leftSection={<IconFileSearch size={15} />} onClick={() => void reveal(d.path)}>
              {t('data.reveal')}
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconTrash size={15} />} color="red" onClick={ask}>
            {t('data.forget.button')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  )
}

// Locate lets a moved file be found again.
function Locate({ id }: { id: string }) {
  const { t } = useTranslation()
  const [browse, setBrowse] = useState(false)
  const reload = useAct((path: string) => api.reloadDataset(id, path), {
    stale: [['datasets']],
    done: t('data.reloaded'),
    after: () => setBrowse(false),
  })
  const p = usePick((path) => reload.mutate(path))
  return (
    <Group>
      <input
        ref={p.input}
        type="file"
        hidden
        aria-label={t('data.locate')}
        onChange={(e) => void p.take(e.currentTarget.files?.[0])}
      />
      <Button onClick={() => void p.pick()} loading={reload.isPending || p.share !== null}>
        {t('data.locate')}
      </Button>
      {!inWindow() && (
        <Button variant="default" onClick={() => setBrowse(true)}>
          {t('data.browse')}
        </Button>
      )}
      <Modal
        opened={browse}
        onClose={() => setBrowse(false)}
        title={t('data.browse')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <Browser onPick={(path) => reload.mutate(path)} />
      </Modal>
    </Group>
  )
}

function Overview({ p, edit, busy }: { p: Profile; edit: (e: DatasetEdit) => void; busy: boolean }) {
  const { t } = useTranslation()
  const d = p.dataset
  const missing = p.columns.reduce((a, c) => a + c.missing, 0)
  const cells = d.rows * p.columns.length
  return (
    <Stack>
      <Section>
        <Group gap="xl" align="flex-start">
          <Stat
            name={t('common.rows')}
            value={int(d.rows)}
            note={d.badRows > 0 ? t('data.badRows', { count: d.badRows }) : undefined}
          />
          <Stat name={t('common.columns')} value={int(p.columns.length)} />
          <Stat name={t('data.missing')} value={cells ? percent(missing / cells) : '–'} />
          <Stat name={t('data.duplicates')} value={int(p.duplicates)} />
          <Select
            label={t('data.target')}
            description={t('data.targetHint')}
            data={p.columns.filter((c) => c.role !== 'id').map((c) => c.name)}
            value={d.target || null}
            onChange={(v) => v && edit({ target: v })}
            disabled={busy}
            searchable
            w={230}
            nothingFoundMessage={t('data.noColumn')}
          />
          <Stat name={t('data.task')} value={d.task ? t(`common.task.${d.task}`) : t('common.none')} />
        </Group>
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title={t('data.findings', { count: p.findings.length })}>
          {p.findings.length === 0 ? <Text size="sm">{t('data.noFindings')}</Text> : <Findings items={p.findings} />}
        </Section>
        <Section title={t('data.classes')}>
          {p.classes.length === 0 ? (
            <Text size="sm" c="dimmed">
              {t('data.noClasses')}
            </Text>
          ) : (
            <Stack gap={6}>
              {p.classes.map((c, i) => {
                const share =
                  p.classCount[i] /
                  Math.max(
                    1,
                    p.classCount.reduce((a, b) => a + b, 0),
                  )
                return (
                  <Group key={c} wrap="nowrap" gap="sm">
                    <Text size="sm" w={120} truncate>
                      {c}
                    </Text>
                    <Box style={{ flex: 1, background: 'var(--soft)', borderRadius: 4 }} aria-hidden>
                      <Box
                        style={{
                          width: `${share * 100}%`,
                          height: 14,
                          borderRadius: 4,
                          background: `var(--s${i % 8})`,
                        }}
                      />
                    </Box>
                    <Text size="sm" className="num" w={110}>
                      {int(p.classCount[i])} · {percent(share, 0)}
                    </Text>
                  </Group>
                )
              })}
            </Stack>
          )}
          {d.usedIn.length > 0 && (
            <Text size="sm" c="dimmed" mt="sm">
              {t('data.usedInLine', { projects: list(d.usedIn) })}
            </Text>
          )}
        </Section>
      </SimpleGrid>
    </Stack>
  )
}

const types = ['int', 'float', 'category', 'bool', 'date', 'text'] as const
const roles = ['feature', 'label', 'id', 'split', 'drop'] as const

function Columns({ p, edit, busy }: { p: Profile; edit: (e: DatasetEdit) => void; busy: boolean }) {
  const { t } = useTranslation()
  const range = (c: Column) =>
    c.mean === null || (c.type !== 'int' && c.type !== 'float')
      ? t('data.distinct', { count: c.distinct })
      : t('data.range', { low: sig(c.min, 3), median: sig(c.median, 3), high: sig(c.max, 3) })
  return (
    <Section
      flush
      title={t('data.columnsTitle')}
      hint={p.classes.length > 1 ? t('data.histogramHint', { classes: list(p.classes) }) : undefined}
    >
      <DataTable
        label={t('data.columnsTitle')}
        rows={p.columns}
        rowKey={(c) => c.name}
        cols={[
          {
            key: 'name',
            head: t('data.column'),
            sort: (c) => c.name,
            cell: (c) => (
              <>
                <Text size="sm" fw={600} className="mono">
                  {c.name}
                </Text>
                {(c.description || c.unit) && (
                  <Text size="xs" c="dimmed">
                    {[c.description, c.unit && `[${c.unit}]`].filter(Boolean).join(' ')}
                  </Text>
                )}
              </>
            ),
          },
          {
            key: 'hist',
            head: t('data.values'),
            cell: (c) =>
              c.histogram.length > 0 ? (
                <Histogram
                  bins={c.histogram}
                  classes={p.classes}
                  label={t('data.histogramOf', { column: c.name, range: range(c) })}
                />
              ) : null,
          },
          {
            key: 'range',
            head: t('data.rangeHead'),
            cell: (c) => (
              <Text size="xs" c="dimmed">
                {range(c)}
              </Text>
            ),
          },
          {
            key: 'missing',
            head: t('data.missing'),
            num: true,
            sort: (c) => c.missing,
            cell: (c) => (c.missing ? percent(c.missing / Math.max(1, p.dataset.rows)) : '0'),
          },
          {
            key: 'type',
            head: t('data.type'),
            cell: (c) => (
              <Select
                size="xs"
                w={136}
                aria-label={t('data.typeOf', { column: c.name })}
                allowDeselect={false}
                data={types.map((x) => ({ value: x, label: t(`data.types.${x}`) }))}
                value={c.type}
                disabled={busy}
                onChange={(v) => v && v !== c.type && edit({ types: { [c.name]: v } })}
              />
            ),
          },
          {
            key: 'role',
            head: t('data.role'),
            cell: (c) => (
              <Select
                size="xs"
                w={126}
                aria-label={t('data.roleOf', { column: c.name })}
                allowDeselect={false}
                data={roles.map((x) => ({ value: x, label: t(`data.roles.${x}`) }))}
                value={c.role}
                disabled={busy}
                onChange={(v) => v && v !== c.role && edit({ roles: { [c.name]: v } })}
              />
            ),
          },
        ]}
      />
    </Section>
  )
}

function Rows({ p }: { p: Profile }) {
  const { t } = useTranslation()
  return (
    <Section flush title={t('data.rowsTitle')} hint={t('data.rowsHint')}>
      <Box className="table-wrap" tabIndex={0} role="region" aria-label={t('data.rowsTitle')}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              {p.columns.map((c) => (
                <Table.Th key={c.name} className="mono">
                  {c.name}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {p.preview.map((r, i) => (
              <Table.Tr key={i}>
                {r.map((v, j) => (
                  <Table.Td key={j} style={{ whiteSpace: 'nowrap' }}>
                    {v === '' ? (
                      <Text span size="xs" c="dimmed">
                        {maybe('data.missingCell', '')}
                      </Text>
                    ) : (
                      v
                    )}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Box>
    </Section>
  )
}
