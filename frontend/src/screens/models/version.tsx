import { Box, Button, Group, Menu, Stack, Tabs, Text } from '@mantine/core'
import { IconArrowRight, IconDownload, IconPlayerPlay, IconRocket } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Fragment, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { api, exportPath } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { LineageItem, Transition, VersionDetail } from '../../api/types'
import { ago, bytes, day, list, metric, modelName, modelPath, plain, servingPath, shorten } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct, useSave } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { Code } from '../../ui/copy'
import { Markdown } from '../../ui/markdown'
import { Page, Section } from '../../ui/page'
import { Checks, Facts, hashRoute, RowLink, Stat } from '../../ui/parts'
import { ReasonModal } from '../../ui/reason'
import { Note, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { ResultTable } from '../runs/results'
import { RequestCard, stageStale } from './requests'

const stages = ['staging', 'production', 'archived', 'none'] as const

// VersionPage is the page of one immutable version.
export function VersionPage() {
  const { t } = useTranslation()
  const { model = '', number = '0' } = useParams()
  const n = Number(number)
  const version = useQuery({ queryKey: k.version(model, n), queryFn: () => api.version(model, n) })
  const v = version.data?.version
  return (
    <Page
      title={t('models.title1', { model: modelName(model), number: n })}
      badge={v && <StateBadge state={v.stage} word={v.stage === 'none' ? t('models.noStage') : undefined} />}
      sub={v?.sentence}
      back={{ to: modelPath(model), text: modelName(model) }}
      actions={version.data && <Actions d={version.data} />}
    >
      <View query={version} rows={6}>
        {(d) => <Body d={d} />}
      </View>
    </Page>
  )
}

function Actions({ d }: { d: VersionDetail }) {
  const { t } = useTranslation()
  const v = d.version
  const [to, setTo] = useState<(typeof stages)[number] | null>(null)
  const request = useAct((reason: string) => api.requestStage(v.modelId, v.number, to ?? 'staging', reason), {
    stale: stageStale,
    done: (r) =>
      r.state === 'applied' ? t('models.moved', { to: maybe(`common.state.${r.to}`, r.to) }) : t('models.requested'),
  })
  const keep = useSave(`${v.model}-${v.number}.zip`, exportPath.version(v.modelId, v.number))
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconDownload size={16} />}
        onClick={() => keep.mutate()}
        loading={keep.isPending}
      >
        {t('models.export')}
      </Button>
      {(v.stage === 'production' || v.stage === 'staging') && (
        <Button
          component={Link}
          to={servingPath(v.modelId)}
          variant={v.stage === 'production' ? 'filled' : 'default'}
          leftSection={<IconPlayerPlay size={16} />}
        >
          {t('models.serve')}
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            variant={v.stage === 'production' ? 'default' : 'filled'}
            leftSection={<IconRocket size={16} />}
            disabled={v.state !== 'ready' || v.number === 0}
          >
            {t('models.requestStage')}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {stages
            .filter((s) => s !== v.stage)
            .map((s) => (
              <Menu.Item key={s} onClick={() => setTo(s)}>
                {t(`models.to.${s}`)}
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
      <ReasonModal
        opened={to !== null}
        title={to ? t(`models.to.${to}`) : ''}
        text={t('models.stageText')}
        button={t('models.send')}
        onClose={() => setTo(null)}
        onDone={(r) => request.mutate(r)}
      />
    </>
  )
}

function Body({ d }: { d: VersionDetail }) {
  const { t } = useTranslation()
  const v = d.version
  const identity = useQuery({ queryKey: k.identity, queryFn: api.identity })
  const m = ['accuracy', 'auc', 'r2', 'rmse'].find((x) => x in v.metrics) ?? Object.keys(v.metrics)[0]
  const bad = d.checks.filter((c) => !c.ok)
  return (
    <Stack>
      {(v.state === 'disputed' || bad.length > 0) && (
        <Note tone="bad" title={t('models.disputed')}>
          {bad.map((c) => `${c.name}: ${c.text}`).join(' ')}
        </Note>
      )}
      {d.requests.map((r) => (
        <RequestCard key={r.id} r={r} mine={r.byId === identity.data?.partyId} />
      ))}
      <Section title={t('models.lineage')} hint={t('models.lineageHint')}>
        <Lineage items={d.lineage} />
      </Section>
      <Tabs defaultValue="overview" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="overview">{t('models.tab.overview')}</Tabs.Tab>
          <Tabs.Tab value="history">{t('models.tab.history')}</Tabs.Tab>
          <Tabs.Tab value="checks">{t('models.tab.checks')}</Tabs.Tab>
          <Tabs.Tab value="card">{t('models.tab.card')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="overview">
          <Stack>
            <Section>
              <Group gap="xl">
                {Object.entries(v.metrics)
                  .slice(0, 7)
                  .map(([x, y]) => (
                    <Stat key={x} name={maybe(`common.metric.${x}`, x)} value={metric(x, y)} />
                  ))}
              </Group>
            </Section>
            {d.results.length > 0 && m && (
              <Section flush title={t('models.byParty')} hint={maybe(`common.metric.${m}`, m)}>
                <ResultTable results={d.results} m={m} />
              </Section>
            )}
            <Box
              style={{
                display: 'grid',
                gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 400px), 1fr))',
                gap: 16,
                alignItems: 'start',
              }}
            >
              <Section title={t('models.about')}>
                <Facts
                  rows={[
                    [t('models.family'), maybe(`models.families.${v.family}`, v.family)],
                    [t('data.task'), maybe(`common.task.${v.task}`, v.task)],
                    [t('models.round'), String(v.round)],
                    [t('data.classes'), d.classes.length ? list(d.classes) : t('common.none')],
                    [t('models.by'), plain(v.by)],
                    [t('projects.created'), day(v.createdAt)],
                    [t('models.content'), <Code key="c" text={v.contentId} what={t('common.digest')} />],
                  ]}
                />
              </Section>
              <Section flush title={t('models.files')}>
                <DataTable
                  label={t('models.files')}
                  rows={d.files}
                  rowKey={(f) => f.path}
                  cols={[
                    { key: 'path', head: t('data.name'), cell: (f) => <span className="mono">{f.path}</span> },
                    { key: 'size', head: t('data.size'), num: true, cell: (f) => bytes(f.bytes) },
                    {
                      key: 'hash',
                      head: t('models.hash'),
                      cell: (f) => <span className="mono">{shorten(f.digest, 12)}</span>,
                    },
                  ]}
                />
              </Section>
            </Box>
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="history">
          <History items={d.history} />
        </Tabs.Panel>
        <Tabs.Panel value="checks">
          <Section title={t('models.tab.checks')} hint={t('models.checksHint')}>
            <Checks items={d.checks} />
          </Section>
        </Tabs.Panel>
        <Tabs.Panel value="card">
          <Section actions={<KeepCard d={d} />}>
            <Markdown text={d.card} />
          </Section>
        </Tabs.Panel>
      </Tabs>
    </Stack>
  )
}

function KeepCard({ d }: { d: VersionDetail }) {
  const { t } = useTranslation()
  const v = d.version
  const keep = useSave(`${v.model}-${v.number}-card.md`, exportPath.card(v.modelId, v.number))
  return (
    <Button
      size="xs"
      variant="default"
      leftSection={<IconDownload size={14} />}
      onClick={() => keep.mutate()}
      loading={keep.isPending}
      disabled={!d.card}
    >
      {t('models.saveCard')}
    </Button>
  )
}

// groups puts neighbours of one kind together: the cards of all parties are one link.
export function groups(items: LineageItem[]): LineageItem[][] {
  const out: LineageItem[][] = []
  for (const x of items) {
    const last = out.at(-1)
    if (last && last[0].kind === x.kind) last.push(x)
    else out.push([x])
  }
  return out
}

function Lineage({ items }: { items: LineageItem[] }) {
  const { t } = useTranslation()
  return (
    <Group gap={6} component="ol" p={0} m={0} style={{ listStyle: 'none' }} align="center">
      {groups(items).map((g, i) => (
        <Fragment key={`${g[0].kind}${g[0].id}`}>
          {i > 0 && (
            <Box component="li" aria-hidden style={{ display: 'flex' }}>
              <IconArrowRight size={16} />
            </Box>
          )}
          <Box component="li" className="card" px="sm" py={6} style={{ background: 'var(--soft)', maxWidth: 250 }}>
            <Text size="xs" c="dimmed">
              {t(`models.kind.${g[0].kind}`)}
            </Text>
            {g.map((x) => (
              <Box key={x.id}>
                <Text size="sm" component="div">
                  {x.href ? <RowLink to={hashRoute(x.href)}>{plain(x.title, 60)}</RowLink> : plain(x.title, 60)}
                </Text>
                {x.text && (
                  <Text size="xs" c="dimmed" lineClamp={2}>
                    {plain(x.text)}
                  </Text>
                )}
              </Box>
            ))}
          </Box>
        </Fragment>
      ))}
    </Group>
  )
}

function History({ items }: { items: Transition[] }) {
  const { t } = useTranslation()
  return (
    <Section title={t('models.tab.history')} hint={t('models.historyHint')}>
      {items.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t('models.noHistory')}
        </Text>
      ) : (
        <Stack gap="sm" component="ol" p={0} m={0} style={{ listStyle: 'none' }}>
          {items.map((h) => (
            <Box key={h.hash} component="li">
              <Text size="sm" fw={600}>
                {t('models.moved1', {
                  from: maybe(`common.state.${h.from}`, h.from),
                  to: maybe(`common.state.${h.to}`, h.to),
                })}
              </Text>
              <Text size="sm">{plain(h.reason, 400)}</Text>
              <Text size="xs" c="dimmed">
                {[
                  t('models.byAt', { name: plain(h.by, 40), time: ago(h.at) }),
                  h.votes.filter((x) => x.yes).length > 0 &&
                    t('models.saidYes', { names: list(h.votes.filter((x) => x.yes).map((x) => plain(x.party, 40))) }),
                  shorten(h.hash, 12),
                ]
                  .filter(Boolean)
                  .join(' · ')}
              </Text>
            </Box>
          ))}
        </Stack>
      )}
    </Section>
  )
}
