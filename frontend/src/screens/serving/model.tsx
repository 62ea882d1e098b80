import {
  Code as Block,
  Box,
  Button,
  Group,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Tabs,
  Text,
} from '@mantine/core'
import { IconKey } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { api, exportPath } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Serving, ServingSwitch } from '../../api/types'
import { bytes, clock, int, list, modelName, modelPath, ms, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct, useSave } from '../../shell/act'
import { confirm } from '../../shell/confirm'
import { StateBadge } from '../../ui/badge'
import { Code, CopyButton } from '../../ui/copy'
import { Page, Section } from '../../ui/page'
import { Stat } from '../../ui/parts'
import { Note, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { Batch } from './batch'
import { isOn, switchOf } from './serving'
import { TryIt } from './try-it'

// ServingPage is the panel of one model: switch, address, try it, snippets, counters.
export function ServingPage() {
  const { t } = useTranslation()
  const { model = '' } = useParams()
  const serving = useQuery({
    queryKey: k.serving(model),
    queryFn: () => api.serving(model),
    refetchInterval: (q) =>
      q.state.data && ['loading', 'warming'].includes(q.state.data.state)
        ? 800
        : q.state.data?.state === 'on'
          ? 10_000
          : false,
  })
  const s = serving.data
  return (
    <Page
      title={t('serving.of', { model: modelName(model) })}
      badge={s && <StateBadge state={s.state} />}
      sub={
        s && s.number > 0
          ? t(s.follow ? 'serving.follows' : 'serving.fixed', {
              number: s.number,
              stage: maybe(`common.state.${s.stage}`, s.stage),
            })
          : undefined
      }
      back={{ to: '/serving', text: t('serving.title') }}
    >
      <View query={serving} rows={6}>
        {(d) => <Body s={d} />}
      </View>
    </Page>
  )
}

function Body({ s }: { s: Serving }) {
  const { t } = useTranslation()
  return (
    <Stack>
      {s.problem && (
        <Note tone="bad" title={s.problem.text}>
          {s.problem.hint}
        </Note>
      )}
      {s.exposed && isOn(s) && (
        <Note tone="bad" title={t('serving.exposedTitle')}>
          {t('serving.exposedText')}
          <Reach s={s} />
        </Note>
      )}
      {s.offered > 0 && <Offer s={s} />}
      <Control s={s} />
      <Box
        style={{
          display: 'grid',
          gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 420px), 1fr))',
          gap: 16,
          alignItems: 'start',
        }}
      >
        <TryIt s={s} />
        <Stack>
          <Snippets s={s} />
          <Batch model={s.id} />
        </Stack>
      </Box>
      <Counters s={s} />
    </Stack>
  )
}

// Offer asks whether to answer with a production version that the others agreed on.
function Offer({ s }: { s: Serving }) {
  const { t } = useTranslation()
  const take = useAct(
    () => api.switchServing(s.id, switchOf(s, { on: true, number: undefined, accept: true })), // from now on it follows production
    { stale: [['serving'], k.home, k.inbox] },
  )
  return (
    <Note tone="warn" title={t('serving.offer', { number: s.offered })}>
      {t('serving.offerText', { number: s.number })}
      <Group mt="xs" gap="xs">
        <Button size="xs" onClick={() => take.mutate(undefined)} loading={take.isPending}>
          {t('serving.offerTake', { number: s.offered })}
        </Button>
        <Button size="xs" variant="default" component={Link} to={modelPath(s.id, s.offered)}>
          {t('models.look')}
        </Button>
      </Group>
    </Note>
  )
}

// Reach is what callers on other computers need: where it is, and what they trust.
function Reach({ s }: { s: Serving }) {
  const { t } = useTranslation()
  const keep = useSave('synergos-serving.pem', exportPath.certificate)
  return (
    <Stack gap={4} mt="xs">
      {s.addresses.length > 0 && <Text size="sm">{t('serving.reach', { addresses: list(s.addresses) })}</Text>}
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {t('serving.certificateHint', { fingerprint: s.fingerprint })}
      </Text>
      <Group>
        <Button size="xs" variant="default" onClick={() => keep.mutate()} loading={keep.isPending}>
          {t('serving.certificate')}
        </Button>
      </Group>
    </Stack>
  )
}

function Control({ s }: { s: Serving }) {
  const { t } = useTranslation()
  const qc = useQueryClient()
  const [port, setPort] = useState<number | string>(s.port || '')
  const [token, setToken] = useState('')
  const stale = [['serving'], k.home]
  const flip = useAct((x: ServingSwitch) => api.switchServing(s.id, x), {
    stale,
    after: (r) => {
      if (r.token) setToken(r.token)
      qc.setQueryData(k.serving(s.id), { ...r, token: undefined })
    },
  })
  const renew = useAct(() => api.newServingToken(s.id), { stale, after: (r) => setToken(r.token ?? '') })
  const on = flip.isPending ? flip.variables.on : isOn(s) // answers the hand at once
  const now = () => switchOf(s, { on, port: Number(port) || undefined })
  const askExpose = (expose: boolean) => {
    if (!expose) return flip.mutate({ ...now(), expose: false })
    confirm({
      title: t('serving.expose.title'),
      text: t('serving.expose.text'),
      button: t('serving.expose.button'),
      onYes: () => flip.mutate({ ...now(), expose: true }),
    })
  }
  const askRenew = () => {
    if (!s.tokenHint) return renew.mutate(undefined)
    confirm({
      title: t('serving.replace.title'),
      text: t('serving.replace.text'),
      button: t('serving.replace.button'),
      onYes: () => renew.mutate(undefined),
    })
  }
  return (
    <Section>
      <Group gap="xl" align="flex-start">
        <Switch
          size="md"
          label={t('serving.switchOf', { model: plain(s.model) })}
          description={on ? t('serving.isOn') : s.available.length === 0 ? t('serving.nothing') : t('serving.isOff')}
          checked={on}
          disabled={(!on && s.available.length === 0) || flip.isPending}
          onChange={(e) => flip.mutate({ ...now(), on: e.currentTarget.checked })}
        />
        <Select
          label={t('models.version')}
          allowDeselect={false}
          w={220}
          data={[
            { value: '0', label: t('serving.followProduction') },
            ...s.available.map((v) => ({
              value: String(v.number),
              label: t('serving.versionLine', {
                number: v.number,
                stage: v.stage === 'none' ? t('models.noStage') : maybe(`common.state.${v.stage}`, v.stage),
              }),
            })),
          ]}
          value={s.follow || s.number === 0 ? '0' : String(s.number)}
          onChange={(v) => flip.mutate({ ...now(), number: Number(v) || undefined })}
        />
        <NumberInput
          label={t('serving.port')}
          description={t('serving.portHint')}
          w={170}
          value={port}
          onChange={setPort}
          min={0}
          max={65_535}
          allowNegative={false}
          onBlur={() => on && Number(port) !== s.port && flip.mutate(now())}
        />
        <Switch
          label={t('serving.expose.label')}
          description={t('serving.expose.hint')}
          checked={s.exposed}
          disabled={!on}
          onChange={(e) => askExpose(e.currentTarget.checked)}
        />
      </Group>
      <Group gap="xl" mt="md" align="flex-start">
        {on && (
          <Box>
            <Text size="xs" c="dimmed">
              {t('serving.address')}
            </Text>
            <Code text={s.address} what={t('common.address')} />
          </Box>
        )}
        <Box>
          <Text size="xs" c="dimmed">
            {t('serving.token')}
          </Text>
          <Group gap="xs">
            <Text size="sm" className="mono">
              {s.tokenHint ? t('serving.tokenHint', { hint: s.tokenHint }) : t('serving.noToken')}
            </Text>
            <Button
              size="xs"
              variant="default"
              leftSection={<IconKey size={14} />}
              onClick={askRenew}
              loading={renew.isPending}
            >
              {t('serving.newToken')}
            </Button>
          </Group>
        </Box>
      </Group>
      {token && (
        <Box mt="sm" role="status">
          <Note title={t('serving.tokenOnce')} tone="warn">
            <Code text={token} what={t('serving.token')} />
          </Note>
        </Box>
      )}
    </Section>
  )
}

function Snippets({ s }: { s: Serving }) {
  const { t } = useTranslation()
  return (
    <Section title={t('serving.snippets')} hint={t('serving.snippetsHint')}>
      <Tabs defaultValue="curl">
        <Tabs.List>
          <Tabs.Tab value="curl">{t('serving.curl')}</Tabs.Tab>
          <Tabs.Tab value="python">{t('serving.python')}</Tabs.Tab>
        </Tabs.List>
        {(['curl', 'python'] as const).map((x) => (
          <Tabs.Panel key={x} value={x} pt="sm">
            <Block block tabIndex={0} style={{ maxHeight: 260, overflow: 'auto' }}>
              {s[x] || t('serving.noSnippet')}
            </Block>
            <Group justify="flex-end" mt={4}>
              <CopyButton text={s[x]} />
            </Group>
          </Tabs.Panel>
        ))}
      </Tabs>
    </Section>
  )
}

function Counters({ s }: { s: Serving }) {
  const { t } = useTranslation()
  return (
    <Section title={t('serving.counters')} hint={t('serving.countersHint')}>
      <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} mb="sm">
        <Stat name={t('serving.requests')} value={int(s.requests)} />
        <Stat name={t('serving.failures')} value={int(s.failures)} />
        <Stat name={t('common.rows')} value={int(s.rows)} />
        <Stat name={t('serving.p50')} value={ms(s.p50Ms)} />
        <Stat name={t('serving.p95')} value={ms(s.p95Ms)} />
        <Stat name={t('serving.memory')} value={bytes(s.bytes)} />
      </SimpleGrid>
      {s.recent.length > 0 && (
        <DataTable
          label={t('serving.recent')}
          rows={s.recent}
          rowKey={(r) => r.id}
          cols={[
            { key: 'at', head: t('serving.at'), cell: (r) => clock(r.at) },
            { key: 'path', head: t('serving.path'), cell: (r) => <span className="mono">{r.path}</span> },
            { key: 'rows', head: t('common.rows'), num: true, cell: (r) => int(r.rows) },
            { key: 'status', head: t('serving.status'), num: true, cell: (r) => r.status },
            { key: 'ms', head: t('runs.took'), num: true, cell: (r) => ms(r.ms) },
          ]}
        />
      )}
    </Section>
  )
}
