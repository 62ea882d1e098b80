import { Box, Button, Group, NumberInput, Select, SimpleGrid, Stack, Table, Text } from '@mantine/core'
import { IconArrowUpRight, IconEye, IconLock, IconShieldCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { ConsentSheet, Limits, Project } from '../../api/types'
import { bytes, list, plain } from '../../format/format'
import { useAct } from '../../shell/act'
import { Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { ReasonModal } from '../../ui/reason'
import { Note, View } from '../../ui/states'

// ConsentTab shows what will leave this computer under a project, and lets an
// invited party accept with limits, or decline, and one that takes part consent anew.
export function ConsentTab({ p }: { p: Project }) {
  const { t } = useTranslation()
  const [dataset, setDataset] = useState(p.datasetId ?? '')
  const sheet = useQuery({
    queryKey: k.consent(p.id, dataset),
    queryFn: () => api.consent(p.id, dataset || undefined),
    placeholderData: (old) => old,
  })
  const first = sheet.data?.datasets[0]?.id ?? ''
  useEffect(() => {
    if (!dataset && first) setDataset(first) // the sheet depends on the dataset, and consent covers exactly that sheet
  }, [dataset, first])
  return (
    <View query={sheet} loading={t('projects.consent.loading')} rows={6}>
      {(s) => (
        <Sheet
          p={p}
          s={s}
          dataset={dataset}
          settled={!sheet.isPlaceholderData && !sheet.isFetching}
          onDataset={setDataset}
        />
      )}
    </View>
  )
}

function Sheet({
  p,
  s,
  dataset,
  settled,
  onDataset,
}: {
  p: Project
  s: ConsentSheet
  dataset: string
  settled: boolean
  onDataset: (id: string) => void
}) {
  const { t } = useTranslation()
  const [limits, setLimits] = useState<Limits>({ maxRuns: 0, maxRounds: 0, minParties: 2, days: 365 })
  const [declining, setDeclining] = useState(false)
  const stale = [k.projects, k.inbox, k.home, ['alignment']]
  const accept = useAct(() => api.acceptProject(p.id, dataset, s.digest, limits), {
    stale,
    done: t(p.state === 'invited' ? 'projects.consent.accepted' : 'projects.consent.changed'),
  })
  const decline = useAct((reason: string) => api.declineProject(p.id, reason), {
    stale,
    done: t('projects.consent.declined'),
  })
  const mine = p.parties.find((x) => x.me)?.state
  const invited = p.state === 'invited' // also when what was accepted has changed
  const asked = mine === 'invited' && !p.mine
  const takesPart = mine === 'accepted' && p.state !== 'left' && p.state !== 'archived'
  const set = (key: keyof Limits) => (v: number | string) => setLimits({ ...limits, [key]: Number(v) || 0 })
  return (
    <Stack>
      <Section
        title={asked ? t('projects.consent.ask', { name: plain(s.asker) }) : t('projects.consent.title')}
        hint={plain(s.purpose, 2000)}
      >
        {(invited || (takesPart && !p.datasetId)) && (
          <Box>
            {s.datasets.length === 0 ? (
              <Note tone="warn">
                <Group>
                  <Text size="sm">{t('projects.consent.noData')}</Text>
                  <Button size="xs" component={Link} to="/data?add=1">
                    {t('data.add')}
                  </Button>
                </Group>
              </Note>
            ) : (
              <Select
                label={t('projects.consent.dataset')}
                description={t('projects.consent.datasetHint')}
                maw={520}
                allowDeselect={false}
                data={s.datasets.map((d) => ({
                  value: d.id,
                  label: t('projects.consent.datasetLine', { name: d.name, matched: d.matched, count: d.of }),
                }))}
                value={dataset}
                onChange={(v) => v && onDataset(v)}
              />
            )}
            {s.datasets.find((d) => d.id === dataset)?.note && (
              <Text size="sm" c="dimmed" mt={4}>
                {s.datasets.find((d) => d.id === dataset)?.note}
              </Text>
            )}
          </Box>
        )}
      </Section>
      <Section title={<Head icon={<IconArrowUpRight size={18} />} text={t('projects.consent.leaves')} />} flush>
        <Box className="table-wrap" tabIndex={0} role="region" aria-label={t('projects.consent.leaves')}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('projects.consent.what')}</Table.Th>
                <Table.Th>{t('projects.consent.how')}</Table.Th>
                <Table.Th>{t('projects.consent.who')}</Table.Th>
                <Table.Th className="num">{t('projects.consent.size')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {s.leaves.map((l) => (
                <Table.Tr key={l.what}>
                  <Table.Td fw={500}>{l.what}</Table.Td>
                  <Table.Td>{l.how}</Table.Td>
                  <Table.Td>{l.who}</Table.Td>
                  <Table.Td className="num">{bytes(l.bytes)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Box>
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title={<Head icon={<IconLock size={18} />} text={t('projects.consent.stays')} />}>
          <Bullets items={s.stays} />
        </Section>
        <Section title={<Head icon={<IconEye size={18} />} text={t('projects.consent.sees')} />}>
          <Bullets items={s.sees} />
        </Section>
      </SimpleGrid>
      <Section title={<Head icon={<IconShieldCheck size={18} />} text={t('projects.consent.rules')} />}>
        <Facts
          rows={[
            [t('projects.consent.privacy'), s.privacy],
            [t('projects.consent.reward'), s.reward],
            [t('projects.consent.expires'), s.expires],
            [t('projects.consent.columns'), s.columns.length ? list(s.columns) : t('common.none')],
          ]}
        />
      </Section>
      {(invited || takesPart) && (
        <Section
          title={t('projects.consent.limits')}
          hint={t(invited ? 'projects.consent.limitsHint' : 'projects.consent.changeHint')}
        >
          <Group grow align="flex-start">
            <NumberInput
              label={t('projects.consent.maxRuns')}
              description={t('projects.consent.zero')}
              value={limits.maxRuns}
              onChange={set('maxRuns')}
              min={0}
              max={1_000_000}
            />
            <NumberInput
              label={t('projects.consent.maxRounds')}
              description={t('projects.consent.zero')}
              value={limits.maxRounds}
              onChange={set('maxRounds')}
              min={0}
              max={1_000_000}
            />
            <NumberInput
              label={t('projects.consent.minParties')}
              description={t('projects.consent.minPartiesHint')}
              value={limits.minParties}
              onChange={set('minParties')}
              min={0}
              max={1000}
            />
            <NumberInput
              label={t('projects.consent.days')}
              description={t('projects.consent.daysHint')}
              value={limits.days}
              onChange={set('days')}
              min={0}
              max={3650}
            />
          </Group>
          <Group mt="md" justify="flex-end">
            {invited && !p.mine && (
              <Button variant="default" onClick={() => setDeclining(true)} loading={decline.isPending}>
                {t('projects.consent.decline')}
              </Button>
            )}
            <Button onClick={() => accept.mutate(undefined)} disabled={!dataset || !settled} loading={accept.isPending}>
              {t(invited ? 'projects.consent.accept' : 'projects.consent.change')}
            </Button>
          </Group>
        </Section>
      )}
      <ReasonModal
        opened={declining}
        title={t('projects.consent.declineTitle')}
        button={t('projects.consent.decline')}
        danger
        onClose={() => setDeclining(false)}
        onDone={(r) => decline.mutate(r)}
      />
    </Stack>
  )
}

function Head({ icon, text }: { icon: React.ReactNode; text: string }) {
  return (
    <Group gap={8} wrap="nowrap" component="span" style={{ display: 'inline-flex' }}>
      {icon}
      {text}
    </Group>
  )
}

function Bullets({ items }: { items: string[] }) {
  return (
    <ul style={{ margin: 0, paddingLeft: 18 }}>
      {items.map((x) => (
        <Text key={x} component="li" size="sm">
          {x}
        </Text>
      ))}
    </ul>
  )
}
