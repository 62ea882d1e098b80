import { Box, Button, Group, Progress, SimpleGrid, Stack, Text, ThemeIcon, Title } from '@mantine/core'
import { IconCheck, IconCircle, IconFlask, IconPlus, IconUserPlus, IconUsersGroup } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Home as HomeView, Run, Tutorial } from '../../api/types'
import { ago, int, metric, modelPath, money, percent, plain, rough } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { confirm } from '../../shell/confirm'
import { InboxItem } from '../../shell/inbox'
import { PracticeBadge, StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { hashRoute, RowLink } from '../../ui/parts'
import { View } from '../../ui/states'

// Home answers: what runs, what needs me, what have I got.
export function Home() {
  const { t } = useTranslation()
  const home = useQuery({ queryKey: k.home, queryFn: api.home })
  const fresh = home.data && isFresh(home.data)
  return (
    <Page
      title={t('home.title')}
      sub={
        home.data && !fresh && home.data.status.paired > 0
          ? t('home.sub', { online: home.data.status.online, paired: home.data.status.paired })
          : undefined
      }
      actions={
        home.data && !fresh ? (
          <>
            <Button variant="default" leftSection={<IconUserPlus size={16} />} component={Link} to="/peers?invite=1">
              {t('peers.invite.open')}
            </Button>
            <Button leftSection={<IconPlus size={16} />} component={Link} to="/projects/new">
              {t('projects.new.open')}
            </Button>
          </>
        ) : undefined
      }
    >
      <View query={home} loading={t('home.loading')}>
        {(d) => (
          <>
            {d.tutorial.state !== 'none' && <TutorialCard tutorial={d.tutorial} />}
            {fresh ? <Doors /> : <Overview d={d} />}
          </>
        )}
      </View>
    </Page>
  )
}

// isFresh: nothing has been begun yet, so the three doors are the screen.
export const isFresh = (d: HomeView) =>
  d.projects.length === 0 &&
  d.runs.length === 0 &&
  d.models.length === 0 &&
  d.status.paired === 0 &&
  d.inbox.every((e) => e.done) &&
  d.tutorial.state === 'none'

// Doors are the three ways in.
export function Doors() {
  const { t } = useTranslation()
  const go = useNavigate()
  const start = useAct(api.startTutorial, { stale: [k.home, k.tutorial, k.projects, k.datasets] })
  const doors: { id: 'try' | 'join' | 'start'; icon: ReactNode; act: () => void; loading?: boolean }[] = [
    { id: 'try', icon: <IconFlask size={28} />, act: () => start.mutate(undefined), loading: start.isPending },
    { id: 'join', icon: <IconUserPlus size={28} />, act: () => void go('/peers?join=1') },
    { id: 'start', icon: <IconUsersGroup size={28} />, act: () => void go('/data?add=1') },
  ]
  return (
    <>
      <Text size="lg" maw={720}>
        {t('home.doors.lead')}
      </Text>
      <SimpleGrid cols={{ base: 1, sm: 3 }} data-state="empty">
        {doors.map((d, i) => (
          <Stack key={d.id} className="card" p="lg" gap="sm" justify="space-between">
            <Box>
              <ThemeIcon variant="light" size={52} radius="md" aria-hidden>
                {d.icon}
              </ThemeIcon>
              <Title order={2} mt="sm">
                {t(`home.doors.${d.id}.title`)}
              </Title>
              <Text size="sm" c="dimmed" mt={4}>
                {t(`home.doors.${d.id}.text`)}
              </Text>
            </Box>
            <Button onClick={d.act} loading={d.loading} variant={i === 0 ? 'filled' : 'default'} fullWidth>
              {t(`home.doors.${d.id}.button`)}
            </Button>
          </Stack>
        ))}
      </SimpleGrid>
    </>
  )
}

function TutorialCard({ tutorial }: { tutorial: Tutorial }) {
  const { t } = useTranslation()
  const end = useAct(api.endTutorial, { stale: [k.home, k.tutorial, k.projects, k.runs({})] })
  const done = tutorial.steps.filter((s) => s.done).length
  const next = tutorial.steps.find((s) => !s.done)
  const ask = () =>
    confirm({
      title: t('home.tutorial.endTitle'),
      text: t('home.tutorial.endText'),
      button: t('home.tutorial.end'),
      onYes: () => end.mutate(undefined),
    })
  return (
    <Box className="card" p="md" style={{ borderColor: 'var(--mantine-color-grape-6)', borderWidth: 2 }}>
      <Group justify="space-between" align="flex-start">
        <Box>
          <Group gap="xs">
            <Title order={2}>{t('home.tutorial.title')}</Title>
            <PracticeBadge />
          </Group>
          <Text size="sm" c="dimmed">
            {t('home.tutorial.text', { done, count: tutorial.steps.length })}
          </Text>
        </Box>
        <Group gap="xs">
          {next && (
            <Button component={Link} to={hashRoute(next.href)}>
              {t('home.tutorial.next')}
            </Button>
          )}
          <Button variant="subtle" color="gray" onClick={ask} loading={end.isPending}>
            {t('home.tutorial.end')}
          </Button>
        </Group>
      </Group>
      <Progress
        value={(done / Math.max(1, tutorial.steps.length)) * 100}
        mt="sm"
        size="sm"
        color="grape"
        aria-label={t('home.tutorial.progress')}
      />
      <SimpleGrid
        cols={{ base: 1, sm: 2, md: 3 }}
        mt="md"
        spacing="xs"
        component="ol"
        p={0}
        style={{ listStyle: 'none' }}
      >
        {tutorial.steps.map((s) => (
          <Group key={s.id} component="li" gap="xs" wrap="nowrap" align="flex-start">
            <ThemeIcon
              size={22}
              radius="xl"
              variant={s.done ? 'filled' : 'light'}
              color={s.done ? 'green.9' : 'gray'}
              role="img"
              aria-label={s.done ? t('home.tutorial.ticked') : t('home.tutorial.open')}
            >
              {s.done ? <IconCheck size={14} /> : <IconCircle size={12} />}
            </ThemeIcon>
            <Box>
              <RowLink to={hashRoute(s.href)}>{s.title}</RowLink>
              <Text size="xs" c="dimmed">
                {s.text}
              </Text>
            </Box>
          </Group>
        ))}
      </SimpleGrid>
    </Box>
  )
}

function Overview({ d }: { d: HomeView }) {
  const { t } = useTranslation()
  const needs = d.inbox.filter((e) => !e.done)
  return (
    <Box className="masonry">
      {needs.length > 0 && (
        <Section title={t('home.needs', { count: needs.length })}>
          <Stack gap="sm">
            {needs.slice(0, 4).map((e) => (
              <InboxItem key={e.id} entry={e} />
            ))}
          </Stack>
        </Section>
      )}
      <Section title={t('home.runs')} actions={<More to="/runs" />}>
        {d.runs.length === 0 ? (
          <Quiet text={t('home.noRuns')} />
        ) : (
          <Stack gap="xs">
            {d.runs.slice(0, 4).map((r) => (
              <RunLine key={r.id} run={r} />
            ))}
          </Stack>
        )}
      </Section>
      <Section title={t('home.projects')} actions={<More to="/projects" />}>
        {d.projects.length === 0 ? (
          <Quiet text={t('home.noProjects')} />
        ) : (
          <Stack gap="xs">
            {d.projects.slice(0, 5).map((p) => (
              <Line
                key={p.id}
                left={<RowLink to={`/projects/${p.id}`}>{plain(p.name)}</RowLink>}
                sub={p.sentence}
                right={<StateBadge state={p.state} />}
                practice={p.tutorial}
              />
            ))}
          </Stack>
        )}
      </Section>
      <Section title={t('home.models')} actions={<More to="/models" />}>
        {d.models.length === 0 ? (
          <Quiet text={t('home.noModels')} />
        ) : (
          <Stack gap="xs">
            {d.models.slice(0, 5).map((m) => {
              const v = m.versions[0]
              return (
                <Line
                  key={m.id}
                  left={<RowLink to={modelPath(m.id)}>{plain(m.name)}</RowLink>}
                  sub={
                    v
                      ? t('home.newest', { number: v.number, time: ago(v.createdAt), figure: headline(v.metrics) })
                      : undefined
                  }
                  right={
                    m.serving ? (
                      <StateBadge state="on" word={t('home.serving')} />
                    ) : m.production > 0 ? (
                      <StateBadge state="production" />
                    ) : (
                      <StateBadge state="none" word={t('home.noStage')} />
                    )
                  }
                  practice={m.tutorial}
                />
              )
            })}
          </Stack>
        )}
      </Section>
      <Section title={t('home.rewards')} actions={<More to="/rewards" />}>
        {d.rewards.length === 0 ? (
          <Quiet text={t('home.noRewards')} />
        ) : (
          <Stack gap="xs">
            {d.rewards.slice(0, 5).map((r) => (
              <Line
                key={`${r.projectId}${r.partyId}`}
                left={`${plain(r.party)}${r.me ? ` (${t('common.me')})` : ''}`}
                sub={plain(r.project)}
                right={
                  <Text size="sm" className="num">
                    {r.cents > 0 ? `${percent(r.share)} · ${money(r.cents, r.currency)}` : percent(r.share)}
                  </Text>
                }
              />
            ))}
          </Stack>
        )}
      </Section>
      <Section title={t('home.news')} actions={<More to="/catalog" />}>
        {d.news.length === 0 ? (
          <Quiet text={t('home.noNews')} />
        ) : (
          <Stack gap="xs">
            {d.news.slice(0, 5).map((c) => (
              <Line
                key={c.card.id}
                left={<RowLink to={`/catalog/${c.card.id}`}>{plain(c.card.title)}</RowLink>}
                sub={t('home.card', { party: plain(c.card.party), rows: c.card.rowBand, time: ago(c.card.published) })}
                right={
                  <StateBadge
                    state={c.online ? 'on' : 'offline'}
                    word={c.online ? t('common.state.online') : undefined}
                  />
                }
              />
            ))}
          </Stack>
        )}
      </Section>
    </Box>
  )
}

// headline is the first figure of a metric set, in words.
export function headline(m: Record<string, number | null>): string {
  const name = ['auc', 'accuracy', 'r2', 'rmse', 'logLoss'].find((n) => typeof m[n] === 'number') ?? Object.keys(m)[0]
  return name ? `${maybe(`common.metric.${name}`, name)} ${metric(name, m[name])}` : ''
}

export function RunLine({ run: r }: { run: Run }) {
  const { t } = useTranslation()
  const going = ['preparing', 'running', 'finishing', 'pausing', 'paused'].includes(r.state)
  return (
    <Box>
      <Line
        left={
          <RowLink to={`/runs/${r.id}`}>
            {t('runs.name', { experiment: plain(r.experiment), number: r.number })}
          </RowLink>
        }
        sub={
          going
            ? r.sentence
            : [headline(r.metrics), r.endedAt && ago(r.endedAt)].filter(Boolean).join(' · ') || r.sentence
        }
        right={<StateBadge state={r.state} />}
        practice={r.tutorial}
      />
      {going && (
        <Group gap="xs" mt={4} wrap="nowrap">
          <Progress
            value={(r.round / Math.max(1, r.rounds)) * 100}
            style={{ flex: 1 }}
            size="sm"
            aria-label={t('runs.progress', { round: r.round, rounds: r.rounds })}
          />
          <Text size="xs" c="dimmed" className="num">
            {int(r.round)}/{int(r.rounds)}
            {r.etaMs > 0 ? ` · ${t('common.left', { time: rough(r.etaMs) })}` : ''}
          </Text>
        </Group>
      )}
    </Box>
  )
}

function Line({
  left,
  sub,
  right,
  practice,
}: {
  left: ReactNode
  sub?: ReactNode
  right: ReactNode
  practice?: boolean
}) {
  return (
    <Group justify="space-between" wrap="nowrap" gap="sm" py={2}>
      <Box style={{ minWidth: 0 }}>
        <Group gap={6}>
          <Text size="sm" component="div">
            {left}
          </Text>
          {practice && <PracticeBadge />}
        </Group>
        {sub && (
          <Text size="xs" c="dimmed" lineClamp={2}>
            {sub}
          </Text>
        )}
      </Box>
      {right}
    </Group>
  )
}

function More({ to }: { to: string }) {
  const { t } = useTranslation()
  return (
    <Button component={Link} to={to} variant="subtle" size="compact-sm" mih={24}>
      {t('common.all')}
    </Button>
  )
}

const Quiet = ({ text }: { text: string }) => (
  <Text size="sm" c="dimmed">
    {text}
  </Text>
)
