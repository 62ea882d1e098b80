import { Badge, Box, Button, Group, Menu, Stack, Stepper, Tabs, Text } from '@mantine/core'
import { IconChartDots3, IconDoorExit, IconDots, IconPlus, IconUserPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useParams, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Project } from '../../api/types'
import { ago, list, money, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { KeyAvatar } from '../../ui/avatar'
import { PracticeBadge, StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { Facts, RowLink } from '../../ui/parts'
import { ReasonModal } from '../../ui/reason'
import { Empty, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { headline } from '../home/home'
import { AlignmentTab } from './alignment'
import { ConsentTab } from './consent'
import { InvitePartiesModal } from './invite-parties'

// ProjectPage shows a project in the order in which it comes to life.
export function ProjectPage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const [query, setQuery] = useSearchParams()
  const project = useQuery({ queryKey: k.project(id), queryFn: () => api.project(id) })
  const p = project.data
  const tab = query.get('tab') ?? (p?.state === 'invited' ? 'consent' : 'overview')
  const open = (v: string | null) => setQuery({ tab: v ?? 'overview' }, { replace: true })
  return (
    <Page
      title={plain(p?.name ?? t('projects.one'))}
      badge={
        p && (
          <>
            <StateBadge state={p.state} />
            {p.tutorial && <PracticeBadge />}
          </>
        )
      }
      sub={p?.sentence}
      back={{ to: '/projects', text: t('projects.title') }}
      actions={p && <Actions p={p} />}
    >
      <View query={project} rows={6}>
        {(d) => (
          <>
            <Progress p={d} onOpen={open} />
            <Tabs value={tab} onChange={open} keepMounted={false}>
              <Tabs.List mb="md">
                <Tabs.Tab value="overview">{t('projects.tab.overview')}</Tabs.Tab>
                <Tabs.Tab value="consent" rightSection={d.state === 'invited' ? <Dot /> : undefined}>
                  {t('projects.tab.consent')}
                </Tabs.Tab>
                <Tabs.Tab value="alignment" rightSection={d.state === 'confirm' ? <Dot /> : undefined}>
                  {t('projects.tab.alignment')}
                </Tabs.Tab>
                <Tabs.Tab value="experiments">{t('projects.tab.experiments')}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="overview">
                <Overview p={d} />
              </Tabs.Panel>
              <Tabs.Panel value="consent">
                <ConsentTab p={d} />
              </Tabs.Panel>
              <Tabs.Panel value="alignment">
                <AlignmentTab p={d} />
              </Tabs.Panel>
              <Tabs.Panel value="experiments">
                <Experiments p={d} />
              </Tabs.Panel>
            </Tabs>
          </>
        )}
      </View>
    </Page>
  )
}

function Dot() {
  const { t } = useTranslation()
  return (
    <Badge size="sm" color="orange">
      {t('common.state.confirm')}
    </Badge>
  )
}

function Actions({ p }: { p: Project }) {
  const { t } = useTranslation()
  const go = useNavigate()
  const [inviting, setInviting] = useState(false)
  const [leaving, setLeaving] = useState(false)
  const leave = useAct((reason: string) => api.leaveProject(p.id, reason), {
    stale: [k.projects, k.home],
    done: t('projects.leftNow'),
    after: () => void go('/projects'),
  })
  const member = p.state !== 'invited' && p.state !== 'left' && p.state !== 'archived'
  return (
    <>
      {p.mine && member && (
        <Button variant="default" leftSection={<IconUserPlus size={16} />} onClick={() => setInviting(true)}>
          {t('projects.inviteMore')}
        </Button>
      )}
      {member && (
        <Button
          leftSection={<IconPlus size={16} />}
          disabled={p.state !== 'ready'}
          onClick={() => void go(`/projects/${p.id}/new-experiment`)}
        >
          {t('projects.newExperiment')}
        </Button>
      )}
      {member && !p.mine && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="default" px="xs" aria-label={t('common.more')}>
              <IconDots size={17} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item color="red" leftSection={<IconDoorExit size={15} />} onClick={() => setLeaving(true)}>
              {t('projects.leave')}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
      <InvitePartiesModal p={p} opened={inviting} onClose={() => setInviting(false)} />
      <ReasonModal
        opened={leaving}
        title={t('projects.leaveTitle', { name: plain(p.name) })}
        text={t('projects.leaveText')}
        button={t('projects.leave')}
        danger
        onClose={() => setLeaving(false)}
        onDone={(r) => leave.mutate(r)}
      />
    </>
  )
}

const stepOf: Record<Project['state'], number> = {
  invited: 1,
  gathering: 1,
  aligning: 2,
  confirm: 2,
  ready: 3,
  left: 0,
  archived: 0,
}

function Progress({ p, onOpen }: { p: Project; onOpen: (tab: string) => void }) {
  const { t } = useTranslation()
  if (p.state === 'left' || p.state === 'archived') return null
  const accepted = p.parties.filter((x) => x.state === 'accepted').length
  const steps = [
    {
      tab: 'overview',
      label: t('projects.step.invite'),
      text: t('projects.step.inviteText', { count: p.parties.length }),
    },
    {
      tab: 'consent',
      label: t('projects.step.consent'),
      text: t('projects.step.consentText', { accepted, count: p.parties.length }),
    },
    {
      tab: 'alignment',
      label: t('projects.step.align'),
      text:
        p.state === 'ready'
          ? t('common.state.agreed')
          : p.state === 'aligning' || p.state === 'confirm'
            ? t(`common.state.${p.state}`)
            : '',
    },
    { tab: 'experiments', label: t('projects.step.train'), text: t('projects.runCount', { count: p.runs }) },
  ]
  return (
    <Box className="card" p="sm" style={{ overflowX: 'auto' }}>
      <Stepper
        active={p.runs > 0 && p.state === 'ready' ? 4 : stepOf[p.state]}
        size="xs"
        onStepClick={(i) => onOpen(steps[i].tab)}
        miw={560}
      >
        {steps.map((s) => (
          <Stepper.Step key={s.tab} label={s.label} description={s.text} />
        ))}
      </Stepper>
    </Box>
  )
}

const approversOf = (p: Project) =>
  list(p.policy.approvers.map((a) => plain(p.parties.find((x) => x.partyId === a)?.name ?? a.slice(0, 8), 80)))

function Overview({ p }: { p: Project }) {
  const { t } = useTranslation()
  return (
    <Box
      style={{
        display: 'grid',
        gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 420px), 1fr))',
        gap: 16,
        alignItems: 'start',
      }}
    >
      <Section title={t('common.parties')}>
        <Stack gap="xs">
          {p.parties.map((x) => (
            <Group key={x.partyId} wrap="nowrap" gap="sm">
              <KeyAvatar id={x.partyId} size={32} />
              <Box style={{ flex: 1, minWidth: 0 }}>
                <Text size="sm" fw={600} truncate>
                  {plain(x.name, 80)}
                  {x.me && ` (${t('common.me')})`}
                </Text>
                <Text size="xs" c="dimmed" truncate>
                  {[
                    x.partyId === p.adminId && t('projects.admin'),
                    plain(x.dataset),
                    x.rowBand && t('projects.rowsBand', { band: x.rowBand }),
                  ]
                    .filter(Boolean)
                    .join(' · ')}
                </Text>
              </Box>
              {!x.me && (
                <StateBadge
                  state={x.online ? 'on' : 'offline'}
                  word={x.online ? t('common.state.online') : undefined}
                />
              )}
              <StateBadge state={x.state} />
            </Group>
          ))}
        </Stack>
      </Section>
      <Section title={t('projects.about')}>
        <Stack gap="sm">
          {p.purpose && (
            <Text size="sm" style={{ whiteSpace: 'pre-wrap' }}>
              {plain(p.purpose, 2000)}
            </Text>
          )}
          <Facts
            rows={[
              [t('data.target'), p.target],
              [t('data.task'), maybe(`common.task.${p.task}`, p.task)],
              [t('projects.adminHead'), plain(p.admin)],
              [
                t('projects.policy.pool'),
                p.policy.poolCents > 0
                  ? t('projects.policy.perRun', { money: money(p.policy.poolCents, p.policy.currency) })
                  : t('common.none'),
              ],
              [t('projects.policy.production'), maybe(`projects.vote.${p.policy.production}`, p.policy.production)],
              [t('projects.policy.basis'), t(`projects.basis.${p.policy.basis}`)],
              [t('projects.policy.approvers'), approversOf(p) || t('projects.policy.approversAll')],
              [t('projects.policy.mode'), t('projects.policy.open')],
              [t('projects.policy.floor'), t('projects.policy.floorText', { count: p.policy.floor })],
              [t('projects.created'), ago(p.createdAt)],
            ]}
          />
        </Stack>
      </Section>
    </Box>
  )
}

function Experiments({ p }: { p: Project }) {
  const { t } = useTranslation()
  const experiments = useQuery({ queryKey: k.experiments(p.id), queryFn: () => api.experiments(p.id) })
  return (
    <View
      query={experiments}
      empty={(d) =>
        d.length === 0 && (
          <Empty
            icon={<IconChartDots3 size={26} />}
            text={p.state === 'ready' ? t('projects.noExperiments') : t('projects.notReady')}
            action={
              p.state === 'ready' ? (
                <Button component={Link} to={`/projects/${p.id}/new-experiment`}>
                  {t('projects.newExperiment')}
                </Button>
              ) : undefined
            }
          />
        )
      }
    >
      {(d) => (
        <Section flush>
          <DataTable
            label={t('projects.tab.experiments')}
            rows={d}
            rowKey={(x) => x.id}
            initialSort={{ key: 'at', down: true }}
            cols={[
              {
                key: 'name',
                head: t('projects.name'),
                sort: (x) => x.name,
                cell: (x) => <RowLink to={`/experiments/${x.id}`}>{plain(x.name)}</RowLink>,
              },
              {
                key: 'state',
                head: t('data.state'),
                sort: (x) => x.state,
                cell: (x) => <StateBadge state={x.state} />,
              },
              { key: 'runs', head: t('runs.title'), num: true, sort: (x) => x.runs.length, cell: (x) => x.runs.length },
              { key: 'best', head: t('projects.best'), cell: (x) => best(x.runs) },
              { key: 'at', head: t('projects.created'), sort: (x) => x.createdAt, cell: (x) => ago(x.createdAt) },
            ]}
          />
        </Section>
      )}
    </View>
  )
}

function best(runs: { metrics: Record<string, number | null> }[]): string {
  const key = (r: { metrics: Record<string, number | null> }) =>
    r.metrics.auc ?? r.metrics.accuracy ?? r.metrics.r2 ?? Number.NEGATIVE_INFINITY
  const top = [...runs].sort((a, b) => key(b) - key(a))[0]
  return top ? headline(top.metrics) : ''
}
