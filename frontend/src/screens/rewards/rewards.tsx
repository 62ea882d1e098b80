import { Box, Button, Group, Select, Stack, Text } from '@mantine/core'
import { IconAward, IconDownload, IconReceipt, IconShieldCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api, exportPath } from '../../api/endpoints'
import { asProblem } from '../../api/problem'
import { k } from '../../api/queries'
import type { Check, Contribution, Rewards as RewardsView } from '../../api/types'
import { clock, day, money, percent, plain, shorten } from '../../format/format'
import { complain, useAct, useSave } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { LineChart } from '../../ui/chart'
import { Page, Section } from '../../ui/page'
import { Checks, RowLink } from '../../ui/parts'
import { Empty, Note, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { ContributionBars } from '../runs/contribution'
import { Doubts } from '../runs/doubts'

const drawn = 5 // so many runs have bars; the earlier ones are lines of a table

// Rewards shows who got what for which contribution, and the ledger that proves it.
export function Rewards() {
  const { t } = useTranslation()
  const [project, setProject] = useState('')
  const projects = useQuery({ queryKey: k.projects, queryFn: api.projects })
  const rewards = useQuery({ queryKey: k.rewards(project), queryFn: () => api.rewards(project || undefined) })
  return (
    <Page
      title={t('rewards.title')}
      sub={t('rewards.sub')}
      actions={
        <Select
          aria-label={t('rewards.project')}
          placeholder={t('rewards.allProjects')}
          data={(projects.data ?? []).map((p) => ({ value: p.id, label: plain(p.name, 60) }))}
          value={project || null}
          onChange={(v) => setProject(v ?? '')}
          clearable
          w={240}
        />
      }
    >
      <View
        query={rewards}
        empty={(d) =>
          d.totals.length === 0 &&
          d.runs.length === 0 &&
          d.entries.length === 0 && (
            <Empty
              icon={<IconAward size={26} />}
              text={t('rewards.empty')}
              action={
                <Button component={Link} to="/projects">
                  {t('rewards.toProjects')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => <Body d={d} project={project} />}
      </View>
    </Page>
  )
}

function Body({ d, project }: { d: RewardsView; project: string }) {
  const { t } = useTranslation()
  const runs = useQuery({ queryKey: k.runs({ limit: 5000 }), queryFn: () => api.runs({ limit: 5000 }) })
  const nameOf = (id: string) => {
    const r = runs.data?.find((x) => x.id === id)
    return r ? t('runs.name', { experiment: plain(r.experiment, 40), number: r.number }) : shorten(id, 8)
  }
  return (
    <Stack>
      <Doubts disputes={d.disputes} unsigned={d.unsigned} nameOf={nameOf} />
      {d.totals.length > 0 && d.totals.every((x) => x.cents === 0) && <Note>{t('rewards.noMoney')}</Note>}
      <Section flush title={t('rewards.totals')} hint={t('rewards.totalsHint')}>
        <DataTable
          label={t('rewards.totals')}
          rows={d.totals}
          rowKey={(r) => `${r.projectId}${r.partyId}`}
          initialSort={{ key: 'share', down: true }}
          tone={(r) => (r.me ? 'var(--soft)' : undefined)}
          cols={[
            {
              key: 'party',
              head: t('common.party'),
              sort: (r) => r.party,
              cell: (r) => `${plain(r.party, 60)}${r.me ? ` (${t('common.me')})` : ''}`,
            },
            {
              key: 'project',
              head: t('rewards.project'),
              sort: (r) => r.project,
              cell: (r) => <RowLink to={`/projects/${r.projectId}`}>{plain(r.project, 60)}</RowLink>,
            },
            { key: 'runs', head: t('runs.title'), num: true, sort: (r) => r.runs, cell: (r) => r.runs },
            { key: 'share', head: t('runs.con.share'), num: true, sort: (r) => r.share, cell: (r) => percent(r.share) },
            {
              key: 'cents',
              head: t('rewards.granted'),
              num: true,
              sort: (r) => r.cents,
              cell: (r) => money(r.cents, r.currency),
            },
            {
              key: 'receipts',
              head: t('rewards.receipted'),
              num: true,
              sort: (r) => r.receiptCents,
              cell: (r) => money(r.receiptCents, r.currency),
            },
          ]}
        />
      </Section>
      {d.runs.length > 1 && <Timeline runs={d.runs} />}
      {d.runs.slice(0, drawn).map((c) => (
        <Box key={c.runId}>
          <Group justify="space-between" mb={6}>
            <Text fw={600} size="sm">
              <RowLink to={`/runs/${c.runId}?tab=contribution`}>{nameOf(c.runId)}</RowLink>
            </Text>
            <Receipt c={c} />
          </Group>
          <ContributionBars c={c} />
        </Box>
      ))}
      {d.runs.length > drawn && <Earlier runs={d.runs.slice(drawn)} nameOf={nameOf} />}
      <Ledger d={d} project={project} nameOf={nameOf} />
    </Stack>
  )
}

function Timeline({ runs }: { runs: Contribution[] }) {
  const { t } = useTranslation()
  const old = [...runs].reverse()
  const names = [...new Set(old.flatMap((c) => c.parties.map((p) => p.party)))]
  return (
    <Section title={t('rewards.timeline')}>
      <LineChart
        label={t('rewards.timelineLabel')}
        xLabel={t('rewards.runNumber')}
        format={(y) => percent(y, 0)}
        curves={names.map((n, i) => ({
          name: plain(n, 40),
          xs: old.map((_, j) => j + 1),
          ys: old.map((c) => c.parties.find((p) => p.party === n)?.share ?? null),
          colour: i,
        }))}
      />
    </Section>
  )
}

function Earlier({ runs, nameOf }: { runs: Contribution[]; nameOf: (id: string) => string }) {
  const { t } = useTranslation()
  const mine = useMine()
  return (
    <Section flush title={t('rewards.earlier')}>
      <DataTable
        label={t('rewards.earlier')}
        rows={runs}
        rowKey={(c) => c.runId}
        cols={[
          {
            key: 'run',
            head: t('runs.run'),
            cell: (c) => <RowLink to={`/runs/${c.runId}?tab=contribution`}>{nameOf(c.runId)}</RowLink>,
          },
          {
            key: 'reward',
            head: t('rewards.myReward'),
            num: true,
            cell: (c) => money(mine(c)?.cents ?? 0, c.currency),
          },
          { key: 'receipt', head: t('rewards.receipted'), cell: (c) => <Receipt c={c} /> },
        ]}
      />
    </Section>
  )
}

// useMine finds this party's part of a run.
function useMine() {
  const identity = useQuery({ queryKey: k.identity, queryFn: api.identity })
  return (c: Contribution) => c.parties.find((p) => p.partyId === identity.data?.partyId)
}

function Receipt({ c }: { c: Contribution }) {
  const { t } = useTranslation()
  const mine = useMine()(c)
  const sign = useAct(() => api.receipt(c.runId), {
    stale: [['rewards']],
    done: t('rewards.receiptDone'),
    quiet: true,
  })
  const signed = sign.isSuccess || (sign.isError && asProblem(sign.error).kind === 'exists')
  if (!mine || mine.cents <= 0) return null
  return (
    <Button
      size="xs"
      variant="default"
      leftSection={<IconReceipt size={14} />}
      onClick={() => sign.mutate(undefined, { onError: (e) => asProblem(e).kind !== 'exists' && complain(e) })}
      loading={sign.isPending}
      disabled={signed}
    >
      {t(signed ? 'rewards.receipted' : 'rewards.receipt')}
    </Button>
  )
}

function Ledger({ d, project, nameOf }: { d: RewardsView; project: string; nameOf: (id: string) => string }) {
  const { t } = useTranslation()
  const [checks, setChecks] = useState<Check[]>()
  const projectIds = [...new Set(d.totals.map((x) => x.projectId))]
  const verify = useAct(
    async () => (await Promise.all((project ? [project] : projectIds).map((p) => api.verifyLedger(p)))).flat(),
    { after: setChecks },
  )
  const one = project || (projectIds.length === 1 ? projectIds[0] : '')
  const keep = useSave('synergos-ledger.jsonl', exportPath.ledger(one))
  return (
    <Section
      flush
      title={
        <Group gap="xs" component="span" style={{ display: 'inline-flex' }}>
          {t('rewards.ledger')}
          <StateBadge
            state={d.chain.ok ? 'pass' : 'fail'}
            word={d.chain.ok ? t('rewards.chainOk') : t('rewards.chainBroken')}
          />
        </Group>
      }
      hint={d.chain.text || t('rewards.ledgerHint')}
      actions={
        <>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconShieldCheck size={15} />}
            onClick={() => verify.mutate(undefined)}
            loading={verify.isPending}
            disabled={projectIds.length === 0 && !project}
          >
            {t('rewards.verify')}
          </Button>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconDownload size={15} />}
            onClick={() => keep.mutate()}
            loading={keep.isPending}
            disabled={!one}
          >
            {t('rewards.export')}
          </Button>
        </>
      }
    >
      {!one && projectIds.length > 1 && (
        <Text size="sm" c="dimmed" px="md" pb="sm">
          {t('rewards.exportOne')}
        </Text>
      )}
      {checks && (
        <Box px="md" pb="sm" role="status">
          <Checks items={checks} />
        </Box>
      )}
      <DataTable
        label={t('rewards.ledger')}
        rows={d.entries}
        rowKey={(e) => `${e.hash}|${e.kind}|${e.by}`} // a countersignature carries the hash of what it signs
        cols={[
          { key: 'k', head: t('rewards.number'), num: true, cell: (e) => (e.k > 0 ? e.k : '') },
          { key: 'at', head: t('rewards.at'), cell: (e) => `${day(e.at)} ${clock(e.at)}` },
          { key: 'kind', head: t('rewards.kind'), cell: (e) => t(`rewards.kinds.${e.kind}`) },
          { key: 'text', head: t('rewards.what'), cell: (e) => plain(e.text, 300) },
          {
            key: 'run',
            head: t('runs.run'),
            cell: (e) => (e.runId ? <RowLink to={`/runs/${e.runId}`}>{nameOf(e.runId)}</RowLink> : ''),
          },
          { key: 'by', head: t('rewards.signedBy'), cell: (e) => plain(e.by, 40) },
          {
            key: 'ok',
            head: t('rewards.signature'),
            cell: (e) => (
              <StateBadge
                state={e.verified ? 'pass' : 'fail'}
                word={e.verified ? t('rewards.good') : t('rewards.bad')}
              />
            ),
          },
          { key: 'hash', head: t('models.hash'), cell: (e) => <span className="mono">{shorten(e.hash, 10)}</span> },
        ]}
      />
      {d.entries.length === 0 && (
        <Text size="sm" c="dimmed" p="md">
          {t('rewards.noEntries')}
        </Text>
      )}
    </Section>
  )
}
