import { Button, Group, Menu, Modal, Progress, Stack, Tabs, Text, TextInput } from '@mantine/core'
import {
  IconArrowsExchange,
  IconBox,
  IconDots,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerStop,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useParams, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { RunDetail } from '../../api/types'
import { int, modelPath, plain, rough } from '../../format/format'
import { useAct } from '../../shell/act'
import { PracticeBadge, StateBadge } from '../../ui/badge'
import { Page } from '../../ui/page'
import { ReasonModal } from '../../ui/reason'
import { Note, View } from '../../ui/states'
import { ContributionTab } from './contribution'
import { HistoryTab } from './history'
import { LiveTab } from './live-tab'
import { ResultsTab } from './results'
import { SettingsTab } from './settings-tab'

// mayTakeOver tells whether this party can ask to coordinate a run that is on here.
export const mayTakeOver = (d: RunDetail) =>
  ['preparing', 'running', 'finishing', 'pausing'].includes(d.run.state) &&
  d.parties.some((p) => p.me && p.partyId !== d.run.coordinatorId)

export const going = (state: string) => ['preparing', 'running', 'finishing', 'pausing', 'cancelling'].includes(state)

// RunPage follows one training from the queue to its results.
export function RunPage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const [query, setQuery] = useSearchParams()
  const run = useQuery({
    queryKey: k.run(id),
    queryFn: () => api.run(id),
    refetchInterval: (q) => (q.state.data && going(q.state.data.run.state) ? 5000 : false),
  })
  const r = run.data?.run
  const tab = query.get('tab') ?? (r?.state === 'finished' || r?.state === 'failed' ? 'results' : 'live')
  return (
    <Page
      title={r ? t('runs.name', { experiment: plain(r.experiment), number: r.number }) : t('runs.run')}
      badge={
        r && (
          <>
            <StateBadge state={r.state} />
            {r.tutorial && <PracticeBadge />}
          </>
        )
      }
      sub={r?.sentence}
      back={
        r && {
          to: r.experimentId ? `/experiments/${r.experimentId}` : '/runs',
          text: r.experimentId ? plain(r.experiment) : t('runs.title'),
        }
      }
      actions={run.data && <Actions d={run.data} />}
    >
      <View query={run} loading={t('runs.loading')} rows={6}>
        {(d) => (
          <Stack>
            {d.run.problem && (
              <Note tone="bad" title={d.run.problem.text}>
                {d.run.problem.hint}
              </Note>
            )}
            {(going(d.run.state) || d.run.state === 'paused' || d.run.state === 'queued') && <Bar d={d} />}
            <Tabs value={tab} onChange={(v) => setQuery({ tab: v ?? 'live' }, { replace: true })} keepMounted={false}>
              <Tabs.List mb="md">
                <Tabs.Tab value="live">{t('runs.tab.live')}</Tabs.Tab>
                <Tabs.Tab value="results">{t('runs.tab.results')}</Tabs.Tab>
                <Tabs.Tab value="contribution">{t('runs.tab.contribution')}</Tabs.Tab>
                <Tabs.Tab value="history">{t('runs.tab.history')}</Tabs.Tab>
                <Tabs.Tab value="settings">{t('runs.tab.settings')}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="live">
                <LiveTab d={d} />
              </Tabs.Panel>
              <Tabs.Panel value="results">
                <ResultsTab d={d} />
              </Tabs.Panel>
              <Tabs.Panel value="contribution">
                <ContributionTab id={d.run.id} />
              </Tabs.Panel>
              <Tabs.Panel value="history">
                <HistoryTab d={d} />
              </Tabs.Panel>
              <Tabs.Panel value="settings">
                <SettingsTab d={d} />
              </Tabs.Panel>
            </Tabs>
          </Stack>
        )}
      </View>
    </Page>
  )
}

function Bar({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const r = d.run
  return (
    <Group gap="sm" wrap="nowrap">
      <Progress
        value={(r.round / Math.max(1, r.rounds)) * 100}
        style={{ flex: 1 }}
        size="lg"
        aria-label={t('runs.progress', { round: r.round, rounds: r.rounds })}
      />
      <Text size="sm" className="num" style={{ whiteSpace: 'nowrap' }}>
        {t('runs.progress', { round: int(r.round), rounds: int(r.rounds) })}
        {r.etaMs > 0 && ` · ${t('common.left', { time: rough(r.etaMs) })}`}
      </Text>
    </Group>
  )
}

function Actions({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const go = useNavigate()
  const r = d.run
  const [modal, setModal] = useState<'cancel' | 'register' | 'takeover' | null>(null)
  const stale = [k.run(r.id), ['runs'], ['experiments'], k.home]
  const steer = useAct(
    (x: { verb: 'pause' | 'resume' | 'cancel' | 'takeover'; reason?: string }) => api.steer(r.id, x.verb, x.reason),
    { stale, done: (_r, x) => t(`runs.did.${x.verb}`) },
  )
  const [name, setName] = useState('')
  const register = useAct(() => api.register(r.id, name.trim()), {
    stale: [k.models, k.run(r.id), k.home],
    done: (v) => t('runs.registered', { model: v.model, number: v.number }),
    after: (v) => void go(modelPath(v.modelId, v.number)),
  })
  return (
    <>
      {d.canRegister && !r.version && (
        <Button
          leftSection={<IconBox size={16} />}
          onClick={() => {
            setName(name || proposedName(r.project))
            setModal('register')
          }}
        >
          {t('runs.register')}
        </Button>
      )}
      {r.version && (
        <Button component={Link} to={r.versionHref ?? '/models'} variant="default" leftSection={<IconBox size={16} />}>
          {t('runs.openVersion', { version: r.version })}
        </Button>
      )}
      {d.canPause && (
        <Button
          variant="default"
          leftSection={<IconPlayerPause size={16} />}
          onClick={() => steer.mutate({ verb: 'pause' })}
          loading={steer.isPending}
        >
          {t('runs.pause')}
        </Button>
      )}
      {d.canResume && (
        <Button
          leftSection={<IconPlayerPlay size={16} />}
          onClick={() => steer.mutate({ verb: 'resume' })}
          loading={steer.isPending}
        >
          {t('common.resume')}
        </Button>
      )}
      {(d.canCancel || mayTakeOver(d)) && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="default" px="xs" aria-label={t('common.more')}>
              <IconDots size={17} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {mayTakeOver(d) && (
              <Menu.Item leftSection={<IconArrowsExchange size={15} />} onClick={() => setModal('takeover')}>
                {t('runs.takeover')}
              </Menu.Item>
            )}
            {d.canCancel && (
              <Menu.Item color="red" leftSection={<IconPlayerStop size={15} />} onClick={() => setModal('cancel')}>
                {t('runs.stop')}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      )}
      <ReasonModal
        opened={modal === 'cancel'}
        title={t('runs.stopTitle')}
        text={t('runs.stopText')}
        button={t('runs.stop')}
        danger
        onClose={() => setModal(null)}
        onDone={(reason) => steer.mutate({ verb: 'cancel', reason })}
      />
      <ReasonModal
        opened={modal === 'takeover'}
        title={t('runs.takeoverTitle')}
        text={t('runs.takeoverText')}
        button={t('runs.takeover')}
        onClose={() => setModal(null)}
        onDone={(reason) => steer.mutate({ verb: 'takeover', reason })}
      />
      <Modal
        opened={modal === 'register'}
        onClose={() => setModal(null)}
        title={t('runs.registerTitle')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <form
          onSubmit={(e) => {
            e.preventDefault()
            register.mutate(undefined)
          }}
        >
          <Stack>
            <TextInput
              label={t('runs.modelName')}
              description={t('runs.modelNameHint')}
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
              maxLength={120}
              data-autofocus
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setModal(null)}>
                {t('common.cancel')}
              </Button>
              <Button type="submit" disabled={!name.trim()} loading={register.isPending}>
                {t('runs.register')}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  )
}

// proposedName makes a name for a model from that of its project: plain letters and
// digits, as the names of models have.
export const proposedName = (project: string) =>
  plain(project, 60)
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '') || 'model'
