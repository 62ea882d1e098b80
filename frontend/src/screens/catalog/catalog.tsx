import { Badge, Box, Button, Checkbox, Group, Progress, Select, Stack, Tabs, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconBooks, IconSearch, IconUsersPlus } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { CatalogEntry, Facet } from '../../api/types'
import { ago, int, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { KeyAvatar } from '../../ui/avatar'
import { StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { RowLink } from '../../ui/parts'
import { Empty, View } from '../../ui/states'
import { licenceWord } from '../data/card-tab'
import { AccessRequests } from './access'

const facetNames = ['task', 'party', 'rowBand', 'licence'] as const
type FacetName = (typeof facetNames)[number]

// Catalog searches the dataset cards of all paired parties.
export function Catalog() {
  const { t } = useTranslation()
  const [query, setQuery] = useSearchParams()
  const access = useQuery({ queryKey: k.access, queryFn: api.accessRequests })
  const waiting = (access.data ?? []).filter((a) => a.incoming && a.state === 'submitted').length
  return (
    <Page title={t('catalog.title')} sub={t('catalog.sub')}>
      <Tabs
        value={query.get('tab') ?? (query.get('request') ? 'requests' : 'cards')}
        onChange={(v) => setQuery(v === 'cards' ? {} : { tab: v ?? '' }, { replace: true })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="cards">{t('catalog.tab.cards')}</Tabs.Tab>
          <Tabs.Tab
            value="requests"
            rightSection={
              waiting > 0 ? (
                <Badge color="red.8" variant="filled" size="sm" circle>
                  {waiting}
                </Badge>
              ) : undefined
            }
          >
            {t('catalog.tab.requests')}
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="cards">
          <Cards />
        </Tabs.Panel>
        <Tabs.Panel value="requests">
          <AccessRequests query={access} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}

function Cards() {
  const { t } = useTranslation()
  const go = useNavigate()
  const [text, setText] = useState('')
  const [q] = useDebouncedValue(text, 250)
  const [facet, setFacet] = useState<Partial<Record<FacetName, string>>>({})
  const [dataset, setDataset] = useState('')
  const [picked, setPicked] = useState<string[]>([])
  const ask = { q, dataset, ...facet }
  const catalog = useQuery({
    queryKey: k.catalog(ask),
    queryFn: () => api.catalog(ask),
    placeholderData: keepPreviousData,
  })
  const mine = useQuery({ queryKey: k.datasets, queryFn: api.datasets })
  const filtered = q !== '' || Object.values(facet).some(Boolean)
  const parties = [
    ...new Set(
      (catalog.data?.items ?? []).filter((c) => picked.includes(c.card.id) && !c.mine).map((c) => c.card.partyId),
    ),
  ]
  return (
    <Stack>
      <Group align="flex-end">
        <TextInput
          data-search
          aria-label={t('catalog.search')}
          placeholder={t('catalog.search')}
          leftSection={<IconSearch size={16} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          style={{ flex: '1 1 260px' }}
        />
        <Select
          aria-label={t('catalog.compareWith')}
          placeholder={t('catalog.compareWith')}
          data={(mine.data ?? []).map((d) => ({ value: d.id, label: d.name }))}
          value={dataset || null}
          onChange={(v) => setDataset(v ?? '')}
          clearable
          w={260}
        />
        <Button
          leftSection={<IconUsersPlus size={16} />}
          disabled={parties.length === 0}
          onClick={() => void go(`/projects/new?parties=${parties.join(',')}`)}
        >
          {t('catalog.startProject')}
        </Button>
      </Group>
      <View
        query={catalog}
        loading={t('catalog.loading')}
        empty={(d) =>
          d.total === 0 &&
          !filtered && (
            <Empty
              icon={<IconBooks size={26} />}
              text={t('catalog.empty')}
              action={
                <Button component={Link} to="/data">
                  {t('catalog.publishMine')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => (
          <Box
            style={{
              display: 'grid',
              gridTemplateColumns: 'minmax(0, 200px) minmax(0, 1fr)',
              gap: 16,
              alignItems: 'start',
            }}
          >
            <Stack gap="md" component="aside" aria-label={t('catalog.filters')}>
              {facetNames.map((f) => (
                <FacetGroup
                  key={f}
                  name={f}
                  values={d.facets[f] ?? []}
                  value={facet[f]}
                  onChange={(v) => setFacet({ ...facet, [f]: v })}
                />
              ))}
            </Stack>
            <Stack gap="xs">
              {d.items.length === 0 ? (
                <Section>
                  <Text size="sm">{t('catalog.nothing')}</Text>
                  <Button
                    mt="xs"
                    size="xs"
                    variant="default"
                    onClick={() => {
                      setText('')
                      setFacet({})
                    }}
                  >
                    {t('catalog.clear')}
                  </Button>
                </Section>
              ) : (
                d.items.map((c) => (
                  <CardLine
                    key={c.card.id}
                    entry={c}
                    picked={picked.includes(c.card.id)}
                    onPick={() =>
                      setPicked(
                        picked.includes(c.card.id) ? picked.filter((x) => x !== c.card.id) : [...picked, c.card.id],
                      )
                    }
                  />
                ))
              )}
            </Stack>
          </Box>
        )}
      </View>
    </Stack>
  )
}

function FacetGroup({
  name,
  values,
  value,
  onChange,
}: {
  name: FacetName
  values: Facet[]
  value?: string
  onChange: (v?: string) => void
}) {
  const { t } = useTranslation()
  if (values.length === 0) return null
  const word = (v: string) =>
    (name === 'task' ? maybe(`common.task.${v}`, v) : name === 'licence' ? licenceWord(v) : plain(v, 60)) ||
    t('common.none')
  return (
    <Box role="group" aria-label={t(`catalog.facet.${name}`)}>
      <Text size="xs" fw={600} c="dimmed" mb={6}>
        {t(`catalog.facet.${name}`)}
      </Text>
      <Stack gap={6}>
        {values.map((f) => (
          <Checkbox
            key={f.value}
            size="sm"
            label={`${word(f.value)} (${int(f.count)})`}
            checked={value === f.value}
            onChange={() => onChange(value === f.value ? undefined : f.value)}
          />
        ))}
      </Stack>
    </Box>
  )
}

function CardLine({ entry: c, picked, onPick }: { entry: CatalogEntry; picked: boolean; onPick: () => void }) {
  const { t } = useTranslation()
  const title = plain(c.card.title)
  return (
    <Group className="card" p="sm" wrap="nowrap" align="flex-start" gap="sm" data-card={title}>
      <Checkbox
        mt={8}
        size="sm"
        disabled={c.mine}
        checked={picked}
        onChange={onPick}
        aria-label={t('common.selectRow', { name: title })}
      />
      <KeyAvatar id={c.card.partyId} size={36} />
      <Box style={{ flex: 1, minWidth: 0 }}>
        <Group gap="xs">
          <RowLink to={`/catalog/${c.card.id}`}>{title}</RowLink>
          {c.mine ? (
            <StateBadge state="own" />
          ) : (
            <StateBadge state={c.online ? 'on' : 'offline'} word={c.online ? t('common.state.online') : undefined} />
          )}
          {c.access !== 'none' && c.access !== 'own' && (
            <StateBadge state={c.access} word={t(`catalog.access.${c.access}`)} />
          )}
          {c.card.withdrawn && <StateBadge state="withdrawn" />}
        </Group>
        <Text size="sm" c="dimmed">
          {t('catalog.line', {
            party: plain(c.card.party),
            rows: c.card.rows > 0 ? int(c.card.rows) : c.card.rowBand,
            columns: c.card.columns.length,
            target: c.card.target || t('common.none'),
          })}
        </Text>
        {c.card.description && (
          <Text size="sm" lineClamp={2}>
            {plain(c.card.description, 300)}
          </Text>
        )}
        <Group gap={6} mt={4}>
          {c.card.keywords.slice(0, 6).map((w) => (
            <Badge key={w} color="gray" variant="outline" size="sm">
              {plain(w, 30)}
            </Badge>
          ))}
          <Text size="xs" c="dimmed">
            {t('catalog.asOf', { version: c.card.version, time: ago(c.asOf) })}
          </Text>
        </Group>
      </Box>
      {c.of > 0 && (
        <Box w={140}>
          <Text size="xs" c="dimmed">
            {t('catalog.matched', { matched: c.matched, count: c.of })}
          </Text>
          <Progress
            value={(c.matched / c.of) * 100}
            size="sm"
            aria-label={t('catalog.matched', { matched: c.matched, count: c.of })}
          />
        </Box>
      )}
    </Group>
  )
}
