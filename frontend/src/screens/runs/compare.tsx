import { Button, Select, Stack, Switch, Table, Text } from '@mantine/core'
import { IconArrowsDiff } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Comparison, ComparisonRow, Run } from '../../api/types'
import { list, lowerIsBetter, metric, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { LineChart } from '../../ui/chart'
import { Page, Section } from '../../ui/page'
import { RowLink } from '../../ui/parts'
import { Empty, View } from '../../ui/states'
import { seriesKey } from './live-tab'
import { settingValue, settingWord } from './setting'

// Compare sets runs side by side: every frozen setting that differs, figures, curves
// on top of each other.
export function Compare() {
  const { t } = useTranslation()
  const [query] = useSearchParams()
  const ids = (query.get('runs') ?? '').split(',').filter(Boolean)
  const comparison = useQuery({ queryKey: k.comparison(ids), queryFn: () => api.compare(ids), enabled: ids.length > 0 })
  const back = { to: '/runs', text: t('runs.title') }
  return (
    <Page title={t('runs.cmp.title')} back={back}>
      {ids.length === 0 ? (
        <Empty
          icon={<IconArrowsDiff size={26} />}
          text={t('runs.cmp.empty')}
          action={
            <Button component={Link} to="/runs">
              {t('runs.cmp.choose')}
            </Button>
          }
        />
      ) : (
        <View query={comparison} rows={6}>
          {(c) => <Body c={c} />}
        </View>
      )}
    </Page>
  )
}

// bestOf is the place of the best figure in a row, or -1 when there is none.
export function bestOf(row: ComparisonRow): number {
  const values = row.values.map((v) => (v === '' ? Number.NaN : Number(v)))
  const good = values.filter(Number.isFinite)
  if (good.length < 2 || good.every((v) => v === good[0])) return -1
  const want = lowerIsBetter(row.key) ? Math.min(...good) : Math.max(...good)
  return values.indexOf(want)
}

function Body({ c }: { c: Comparison }) {
  const { t } = useTranslation()
  const [same, setSame] = useState(false)
  const names = [...new Set(c.series.flatMap((s) => s.series.map((x) => x.name)))]
  const [figure, setFigure] = useState<string>()
  const f = figure && names.includes(figure) ? figure : (names.find((n) => seriesKey(n) === 'loss') ?? names[0])
  const plainName = (r: Run) => t('runs.name', { experiment: plain(r.experiment, 40), number: r.number })
  const nameOf = (r: Run) => {
    const alike = c.runs.filter((x) => plainName(x) === plainName(r)).length > 1 // of two questions with one name
    return alike ? `${plainName(r)} (${r.id.slice(0, 6)})` : plainName(r)
  }
  const curves = c.runs.flatMap((r, i) =>
    (c.series.find((s) => s.runId === r.id)?.series ?? [])
      .filter((x) => x.name === f && !x.party)
      .map((x) => ({ name: nameOf(r), xs: x.rounds, ys: x.values, colour: i })),
  )
  const without = c.runs.map(nameOf).filter((n) => !curves.some((x) => x.name === n))
  return (
    <Stack>
      <Section
        flush
        title={t('runs.cmp.differs')}
        actions={
          <Switch label={t('runs.cmp.showSame')} checked={same} onChange={(e) => setSame(e.currentTarget.checked)} />
        }
      >
        <div className="table-wrap" tabIndex={0} role="region" aria-label={t('runs.cmp.title')}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('runs.cmp.setting')}</Table.Th>
                {c.runs.map((r) => (
                  <Table.Th key={r.id} className="num">
                    <RowLink to={`/runs/${r.id}`}>{nameOf(r)}</RowLink>
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {[...c.differs, ...(same ? c.same : [])].map((row) => (
                <Table.Tr key={row.key}>
                  <Table.Td>{settingWord(row.key)}</Table.Td>
                  {row.values.map((v, i) => (
                    <Table.Td key={c.runs[i]?.id ?? i} className="num">
                      {settingValue(row.key, v)}
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
              {c.metrics.map((row) => {
                const best = bestOf(row)
                return (
                  <Table.Tr key={row.key} bg="var(--soft)">
                    <Table.Td fw={600}>{maybe(`common.metric.${row.key}`, row.key)}</Table.Td>
                    {row.values.map((v, i) => (
                      <Table.Td key={c.runs[i]?.id ?? i} className="num" fw={i === best ? 700 : 400}>
                        {v === '' ? '–' : Number.isFinite(Number(v)) ? metric(row.key, Number(v)) : v}
                        {i === best && (
                          <Text span size="xs" c="var(--ok)">
                            {' '}
                            {t('runs.cmp.best')}
                          </Text>
                        )}
                      </Table.Td>
                    ))}
                  </Table.Tr>
                )
              })}
            </Table.Tbody>
          </Table>
        </div>
        {c.metrics.some((m) => m.values.includes('')) && (
          <Text size="sm" c="dimmed" p="md">
            {t('runs.cmp.unlike')}
          </Text>
        )}
        {c.differs.length === 0 && (
          <Text size="sm" c="dimmed" p="md">
            {t('runs.cmp.nothing')}
          </Text>
        )}
      </Section>
      {f && (
        <Section
          title={t('runs.curves')}
          actions={
            names.length > 1 && (
              <Select
                size="xs"
                w={220}
                aria-label={t('runs.figure')}
                allowDeselect={false}
                value={f}
                onChange={(v) => v && setFigure(v)}
                data={names.map((n) => ({ value: n, label: maybe(`common.metric.${seriesKey(n)}`, seriesKey(n)) }))}
              />
            )
          }
        >
          <LineChart
            label={maybe(`common.metric.${seriesKey(f)}`, seriesKey(f))}
            xLabel={t('common.round')}
            height={280}
            format={(y) => metric(seriesKey(f), y)}
            curves={curves}
          />
          {without.length > 0 && (
            <Text size="sm" c="dimmed" mt="xs">
              {t('runs.cmp.noCurve', { names: list(without) })}
            </Text>
          )}
        </Section>
      )}
    </Stack>
  )
}
