import {
  Box,
  Button,
  Checkbox,
  Group,
  MultiSelect,
  NumberInput,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import { IconDatabase } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Dataset, Peer } from '../../api/types'
import { int, plain } from '../../format/format'
import { useAct } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { Empty, Failed, View } from '../../ui/states'

// NewProject asks for what makes a project: a question, my data, the others, rules.
export function NewProject() {
  const { t } = useTranslation()
  const datasets = useQuery({ queryKey: k.datasets, queryFn: api.datasets })
  const peers = useQuery({ queryKey: k.peers, queryFn: api.peers })
  return (
    <Page
      title={t('projects.new.title')}
      sub={t('projects.new.sub')}
      back={{ to: '/projects', text: t('projects.title') }}
    >
      <View
        query={datasets}
        empty={(d) =>
          d.length === 0 && (
            <Empty
              icon={<IconDatabase size={26} />}
              text={t('projects.new.needData')}
              action={
                <Button component={Link} to="/data?add=1">
                  {t('data.add')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => <Form datasets={d} peers={peers.data?.items ?? []} />}
      </View>
    </Page>
  )
}

function Form({ datasets, peers }: { datasets: Dataset[]; peers: Peer[] }) {
  const { t } = useTranslation()
  const go = useNavigate()
  const [query] = useSearchParams()
  const usable = datasets.filter((d) => d.state === 'ready' && d.target)
  const [name, setName] = useState('')
  const [purpose, setPurpose] = useState('')
  const [dataset, setDataset] = useState(query.get('dataset') ?? '')
  const [invite, setInvite] = useState<string[]>((query.get('parties') ?? '').split(',').filter(Boolean))
  const [pool, setPool] = useState<number | string>(0)
  const [currency, setCurrency] = useState('EUR')
  const [basis, setBasis] = useState<'pooled' | 'peers'>('pooled')
  const [production, setProduction] = useState<'majority' | 'all' | 'any'>('majority')
  const [approvers, setApprovers] = useState<string[]>([])
  const me = useQuery({ queryKey: k.identity, queryFn: api.identity }).data
  const only = usable.length === 1 ? usable[0].id : ''
  useEffect(() => {
    if (!dataset && only) setDataset(only)
  }, [dataset, only])
  const members = [
    ...(me ? [{ value: me.partyId, label: t('projects.new.meLine', { name: plain(me.party, 80) }) }] : []),
    ...peers
      .filter((p) => p.state === 'paired' && p.partyId && invite.includes(p.partyId))
      .map((p) => ({ value: p.partyId as string, label: plain(p.name, 80) })),
  ]
  const asked = approvers.filter((a) => members.some((m) => m.value === a)) // who is invited no more approves nothing
  const create = useAct(
    () =>
      api.createProject({
        name: name.trim(),
        purpose: purpose.trim(),
        datasetId: dataset,
        invite,
        policy: {
          poolCents: Math.round(Number(pool) * 100) || 0,
          currency,
          production,
          mode: 'open',
          basis,
          approvers: asked.length > 0 ? asked : undefined,
        },
      }),
    { stale: [k.projects, k.home], quiet: true, after: (p) => void go(`/projects/${p.id}`) },
  )
  const submit = (e: FormEvent) => {
    e.preventDefault()
    create.mutate(undefined)
  }
  const parties = [
    ...new Map(peers.filter((p) => p.state === 'paired' && p.partyId).map((p) => [p.partyId as string, p])).values(),
  ]
  return (
    <form onSubmit={submit}>
      <Stack maw={760}>
        <Section title={t('projects.new.question')}>
          <Stack gap="sm">
            <TextInput
              label={t('projects.new.name')}
              placeholder={t('projects.new.nameExample')}
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
              maxLength={120}
              required
              withAsterisk={false}
            />
            <Textarea
              label={t('projects.new.purpose')}
              description={t('projects.new.purposeHint')}
              value={purpose}
              onChange={(e) => setPurpose(e.currentTarget.value)}
              maxLength={2000}
              autosize
              minRows={2}
            />
            <Select
              label={t('projects.new.dataset')}
              description={t('projects.new.datasetHint')}
              data={usable.map((d) => ({
                value: d.id,
                label: t('projects.new.datasetLine', { name: d.name, rows: int(d.rows), target: d.target }),
              }))}
              value={dataset || null}
              onChange={(v) => setDataset(v ?? '')}
              allowDeselect={false}
              error={usable.length === 0 ? t('projects.new.noTarget') : undefined}
            />
          </Stack>
        </Section>
        <Section title={t('projects.new.parties')} hint={t('projects.new.partiesHint')}>
          {parties.length === 0 ? (
            <Group>
              <Text size="sm">{t('projects.new.noParties')}</Text>
              <Button size="xs" variant="default" component={Link} to="/peers?invite=1">
                {t('peers.invite.open')}
              </Button>
            </Group>
          ) : (
            <Checkbox.Group value={invite} onChange={setInvite} aria-label={t('projects.new.parties')}>
              <Stack gap="xs">
                {parties.map((p) => (
                  <Group key={p.partyId} justify="space-between">
                    <Checkbox value={p.partyId} label={plain(p.name, 80)} />
                    <StateBadge
                      state={p.online ? 'on' : 'offline'}
                      word={p.online ? t('common.state.online') : undefined}
                    />
                  </Group>
                ))}
              </Stack>
            </Checkbox.Group>
          )}
        </Section>
        <Section title={t('projects.new.rules')} hint={t('projects.new.rulesHint')}>
          <Group align="flex-end" grow>
            <NumberInput
              label={t('projects.new.pool')}
              description={t('projects.new.poolHint')}
              value={pool}
              onChange={setPool}
              min={0}
              decimalScale={2}
              thousandSeparator=" "
            />
            <Select
              label={t('projects.new.currency')}
              description={t('projects.new.currencyHint')}
              data={['EUR', 'USD', 'GBP', 'CHF', 'SGD', 'JPY']}
              value={currency}
              onChange={(v) => setCurrency(v ?? 'EUR')}
              allowDeselect={false}
            />
            <Select
              label={t('projects.new.production')}
              description={t('projects.new.productionHint')}
              data={(['majority', 'all', 'any'] as const).map((x) => ({ value: x, label: t(`projects.vote.${x}`) }))}
              value={production}
              onChange={(v) => setProduction((v as typeof production) ?? 'majority')}
              allowDeselect={false}
            />
          </Group>
          <Select
            mt="sm"
            label={t('projects.new.basis')}
            description={t('projects.new.basisHint')}
            data={(['pooled', 'peers'] as const).map((x) => ({ value: x, label: t(`projects.basis.${x}`) }))}
            value={basis}
            onChange={(v) => setBasis((v as typeof basis) ?? 'pooled')}
            allowDeselect={false}
          />
        </Section>
        <Section title={t('projects.new.approvers')} hint={t('projects.new.approversHint')}>
          <MultiSelect
            aria-label={t('projects.new.approvers')}
            placeholder={asked.length === 0 ? t('projects.new.approversAll') : undefined}
            data={members.filter((m, i) => members.findIndex((x) => x.value === m.value) === i)}
            value={asked}
            onChange={setApprovers}
          />
        </Section>
        {create.isError && <Failed error={create.error} />}
        <Box>
          <Button type="submit" disabled={!name.trim() || !dataset} loading={create.isPending}>
            {invite.length > 0 ? t('projects.new.createInvite', { count: invite.length }) : t('projects.new.create')}
          </Button>
        </Box>
      </Stack>
    </form>
  )
}
