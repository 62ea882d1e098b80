import { Button, Group, Stack, Text } from '@mantine/core'
import { IconDatabase, IconFlask, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useNavigate, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Dataset } from '../../api/types'
import { ago, bytes, int, list } from '../../format/format'
import { useAct } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { RowLink } from '../../ui/parts'
import { Empty, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { AddModal } from './add'

// Data lists the files of this party.
export function Data() {
  const { t } = useTranslation()
  const go = useNavigate()
  const [query, setQuery] = useSearchParams()
  const datasets = useQuery({ queryKey: k.datasets, queryFn: api.datasets })
  const sample = useAct(() => api.addSample(), { stale: [k.datasets], after: (d) => void go(`/data/${d.id}`) })
  const add = () => setQuery({ add: '1' })
  return (
    <Page
      title={t('data.title')}
      sub={t('data.sub')}
      actions={
        <Button leftSection={<IconPlus size={16} />} onClick={add}>
          {t('data.add')}
        </Button>
      }
    >
      <View
        query={datasets}
        empty={(d) =>
          d.length === 0 && (
            <Empty
              icon={<IconDatabase size={26} />}
              text={t('data.empty')}
              action={<Button onClick={add}>{t('data.pick')}</Button>}
              more={
                <Button
                  variant="subtle"
                  leftSection={<IconFlask size={16} />}
                  onClick={() => sample.mutate(undefined)}
                  loading={sample.isPending}
                >
                  {t('data.sample')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => <DatasetTable datasets={d} />}
      </View>
      <AddModal
        opened={query.has('add')}
        onClose={() => setQuery({}, { replace: true })}
        onAdded={(d) => void go(`/data/${d.id}`)}
      />
    </Page>
  )
}

function DatasetTable({ datasets }: { datasets: Dataset[] }) {
  const { t } = useTranslation()
  return (
    <Section flush>
      <DataTable
        label={t('data.title')}
        rows={datasets}
        rowKey={(d) => d.id}
        initialSort={{ key: 'name', down: false }}
        cols={[
          {
            key: 'name',
            head: t('data.name'),
            sort: (d) => d.name,
            cell: (d) => (
              <Stack gap={0}>
                <RowLink to={`/data/${d.id}`}>{d.name}</RowLink>
                <Text size="xs" c="dimmed">
                  {d.sample ? t('data.synthetic') : d.file}
                </Text>
              </Stack>
            ),
          },
          { key: 'rows', head: t('common.rows'), num: true, sort: (d) => d.rows, cell: (d) => int(d.rows) },
          { key: 'columns', head: t('common.columns'), num: true, sort: (d) => d.columns, cell: (d) => int(d.columns) },
          { key: 'size', head: t('data.size'), num: true, sort: (d) => d.bytes, cell: (d) => bytes(d.bytes) },
          {
            key: 'target',
            head: t('data.target'),
            sort: (d) => d.target,
            cell: (d) =>
              d.target || (
                <Text size="sm" c="dimmed">
                  {t('data.noTarget')}
                </Text>
              ),
          },
          { key: 'state', head: t('data.state'), sort: (d) => d.state, cell: (d) => <StateBadge state={d.state} /> },
          {
            key: 'card',
            head: t('data.card'),
            sort: (d) => d.cardVersion,
            cell: (d) =>
              d.cardVersion === 0 ? (
                <StateBadge state="none" word={t('data.notPublished')} />
              ) : (
                <Group gap={4}>
                  <StateBadge
                    state={d.cardStale ? 'changed' : 'on'}
                    word={d.cardStale ? t('data.cardStale') : t('data.published', { version: d.cardVersion })}
                  />
                </Group>
              ),
          },
          { key: 'used', head: t('data.usedIn'), cell: (d) => (d.usedIn.length ? list(d.usedIn) : t('common.none')) },
          { key: 'added', head: t('data.added'), sort: (d) => d.addedAt, cell: (d) => ago(d.addedAt) },
        ]}
      />
    </Section>
  )
}
