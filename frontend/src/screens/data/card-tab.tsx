import {
  Box,
  Button,
  Checkbox,
  Code,
  Collapse,
  Group,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  Table,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import { IconEyeOff, IconShare } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { CardPreview, DatasetEdit, Profile } from '../../api/types'
import { bytes, day, sig } from '../../format/format'
import i18n, { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { Note, View } from '../../ui/states'

const levels = ['none', 'coarse', 'full'] as const

// CardTab shows exactly what others would receive, lets the owner change it, and
// publishes it.
export function CardTab({ p, edit }: { p: Profile; edit: (e: DatasetEdit) => void }) {
  const { t } = useTranslation()
  const id = p.dataset.id
  const preview = useQuery({ queryKey: k.cardPreview(id), queryFn: () => api.cardPreview(id), retry: false })
  return (
    <View query={preview} loading={t('data.cardLoading')} rows={6}>
      {(c) => (
        <Stack>
          <Publish p={p} c={c} />
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <About c={c} edit={edit} />
            <Terms c={c} edit={edit} />
          </SimpleGrid>
          <Levels p={p} c={c} edit={edit} />
        </Stack>
      )}
    </View>
  )
}

function Publish({ p, c }: { p: Profile; c: CardPreview }) {
  const { t } = useTranslation()
  const [raw, setRaw] = useState(false)
  const d = p.dataset
  const stale = [['datasets'], ['catalog'], k.home]
  const publish = useAct(() => api.publish(d.id), {
    stale,
    done: (card) => t('data.publishedNow', { version: card.version }),
  })
  const withdraw = useAct(() => api.withdrawCard(d.id), { stale, done: t('data.withdrawn') })
  return (
    <Section
      title={t('data.cardTitle')}
      hint={t('data.cardHint', { size: bytes(c.bytes) })}
      actions={
        <>
          {d.cardVersion > 0 && (
            <Button variant="default" onClick={() => withdraw.mutate(undefined)} loading={withdraw.isPending}>
              {t('data.withdraw')}
            </Button>
          )}
          <Button
            leftSection={<IconShare size={16} />}
            onClick={() => publish.mutate(undefined)}
            loading={publish.isPending}
          >
            {d.cardVersion === 0 ? t('data.publish') : t('data.publishAgain', { version: d.cardVersion + 1 })}
          </Button>
        </>
      }
    >
      <Stack gap="sm">
        {c.changed.length > 0 && d.cardVersion > 0 && (
          <Note title={t('data.changedSince', { version: d.cardVersion })}>
            <ul style={{ margin: 0, paddingLeft: 18 }}>
              {c.changed.map((x) => (
                <li key={x}>{x}</li>
              ))}
            </ul>
          </Note>
        )}
        <Facts
          rows={[
            [t('data.cardRows'), c.card.rows > 0 ? t('data.exactRows', { count: c.card.rows }) : c.card.rowBand],
            [
              t('data.task'),
              c.card.task === 'regress' || c.card.task === 'classify'
                ? t(`common.task.${c.card.task}`)
                : t('common.none'),
            ],
            [t('data.target'), c.card.target || t('common.none')],
            [
              t('data.compute'),
              t('data.computeLine', {
                cores: c.card.compute.cores,
                memory: bytes(c.card.compute.memoryMb * 1e6),
                speed: sig(c.card.compute.samplesPerSecond, 2),
              }),
            ],
            ...(d.cardVersion > 0 ? ([[t('data.publishedAt'), day(c.card.published)]] as [string, string][]) : []),
          ]}
        />
        {c.hidden.length > 0 && (
          <Group align="flex-start" wrap="nowrap" gap="xs">
            <IconEyeOff size={17} aria-hidden style={{ marginTop: 2, flexShrink: 0 }} />
            <Box>
              <Text size="sm" fw={600}>
                {t('data.hidden')}
              </Text>
              <ul style={{ margin: 0, paddingLeft: 18 }}>
                {c.hidden.map((h) => (
                  <Text key={h} component="li" size="sm" c="dimmed">
                    {h}
                  </Text>
                ))}
              </ul>
            </Box>
          </Group>
        )}
        <Box>
          <Button variant="subtle" size="compact-sm" mih={24} onClick={() => setRaw(!raw)} aria-expanded={raw}>
            {t('data.raw')}
          </Button>
          <Collapse expanded={raw}>
            <Code block mah={320} mt="xs" style={{ overflow: 'auto' }} tabIndex={0}>
              {pretty(c.body)}
            </Code>
          </Collapse>
        </Box>
      </Stack>
    </Section>
  )
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2)
  } catch {
    return body
  }
}

function About({ c, edit }: { c: CardPreview; edit: (e: DatasetEdit) => void }) {
  const { t } = useTranslation()
  return (
    <Section title={t('data.about')}>
      <Stack gap="sm">
        <TextInput
          key={`t${c.card.title}`}
          label={t('data.cardName')}
          defaultValue={c.card.title}
          maxLength={120}
          onBlur={(e) =>
            e.currentTarget.value.trim() &&
            e.currentTarget.value !== c.card.title &&
            edit({ name: e.currentTarget.value.trim() })
          }
        />
        <Textarea
          key={`d${c.card.description}`}
          label={t('data.description')}
          description={t('data.descriptionHint')}
          defaultValue={c.card.description}
          autosize
          minRows={2}
          maxLength={4000}
          onBlur={(e) => e.currentTarget.value !== c.card.description && edit({ description: e.currentTarget.value })}
        />
        <TagsInput
          label={t('data.keywords')}
          value={c.card.keywords}
          onChange={(v) => edit({ keywords: v })}
          maxTags={32}
        />
        <Checkbox
          label={t('data.exact')}
          description={t('data.exactHint')}
          checked={c.card.rows > 0}
          onChange={(e) => edit({ exactRows: e.currentTarget.checked })}
        />
      </Stack>
    </Section>
  )
}

const licences = ['research-only', 'consortium', 'CC-BY-4.0', 'CC0-1.0', 'none']

function Terms({ c, edit }: { c: CardPreview; edit: (e: DatasetEdit) => void }) {
  const { t } = useTranslation()
  const terms = c.card.terms
  const change = (x: Partial<typeof terms>) => edit({ terms: { ...terms, ...x } })
  const known = [...new Set([...licences, ...(terms.licence ? [terms.licence] : [])])]
  return (
    <Section title={t('data.terms')} hint={t('data.termsHint')}>
      <Stack gap="sm">
        <Select
          label={t('data.licence')}
          data={known.map((l) => ({ value: l, label: licenceWord(l) }))}
          value={terms.licence || null}
          onChange={(v) => change({ licence: v ?? '' })}
          clearable
        />
        <TagsInput
          label={t('data.purposes')}
          description={t('data.purposesHint')}
          value={terms.purposes}
          onChange={(v) => change({ purposes: v })}
          maxTags={32}
        />
        <Group grow align="flex-end">
          <NumberInput
            label={t('data.minParties')}
            key={`m${terms.minParties}`}
            defaultValue={terms.minParties}
            min={0}
            max={1000}
            onBlur={(e) =>
              Number(e.currentTarget.value) !== terms.minParties &&
              change({ minParties: Number(e.currentTarget.value) || 0 })
            }
          />
          <NumberInput
            label={t('data.expires')}
            description={t('data.expiresHint')}
            key={`e${terms.expiresDays}`}
            defaultValue={terms.expiresDays}
            min={0}
            max={36500}
            onBlur={(e) =>
              Number(e.currentTarget.value) !== terms.expiresDays &&
              change({ expiresDays: Number(e.currentTarget.value) || 0 })
            }
          />
        </Group>
        <TextInput
          label={t('data.contact')}
          key={`c${terms.contact}`}
          defaultValue={terms.contact}
          maxLength={200}
          onBlur={(e) => e.currentTarget.value !== terms.contact && change({ contact: e.currentTarget.value })}
        />
      </Stack>
    </Section>
  )
}

// licenceWord puts a licence in words; an unknown one is shown as it is.
export function licenceWord(l: string): string {
  if (l === 'research-only') return i18n.t('data.licences.research')
  if (l === 'consortium') return i18n.t('data.licences.consortium')
  if (l === 'none') return i18n.t('data.licences.none')
  return l
}

function Levels({ p, c, edit }: { p: Profile; c: CardPreview; edit: (e: DatasetEdit) => void }) {
  const { t } = useTranslation()
  const shown = new Map(c.card.columns.map((x) => [x.name, x]))
  return (
    <Section
      flush
      title={t('data.levelsTitle')}
      hint={t('data.levelsHint')}
      actions={
        <Group gap={4}>
          {levels.map((l) => (
            <Button
              key={l}
              size="compact-sm"
              mih={24}
              variant="default"
              onClick={() => edit({ levels: Object.fromEntries(p.columns.map((x) => [x.name, l])) })}
            >
              {t(`data.setAll.${l}`)}
            </Button>
          ))}
        </Group>
      }
    >
      <Box className="table-wrap" tabIndex={0} role="region" aria-label={t('data.levelsTitle')}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('data.column')}</Table.Th>
              <Table.Th>{t('data.level')}</Table.Th>
              <Table.Th>{t('data.seenAs')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {p.columns.map((col) => {
              const s = shown.get(col.name)
              return (
                <Table.Tr key={col.name}>
                  <Table.Td className="mono">{col.name}</Table.Td>
                  <Table.Td>
                    <Select
                      size="xs"
                      w={150}
                      aria-label={t('data.levelOf', { column: col.name })}
                      allowDeselect={false}
                      data={levels.map((l) => ({ value: l, label: t(`data.level_.${l}`) }))}
                      value={col.level}
                      onChange={(v) => v && v !== col.level && edit({ levels: { [col.name]: v } })}
                    />
                  </Table.Td>
                  <Table.Td>
                    <Text size="sm" c="dimmed">
                      {s ? seenAs(s) : t('data.notSeen')}
                    </Text>
                  </Table.Td>
                </Table.Tr>
              )
            })}
          </Table.Tbody>
        </Table>
      </Box>
    </Section>
  )
}

// seenAs puts a declared column in words.
export function seenAs(s: CardPreview['card']['columns'][number]): string {
  const t = i18n.t
  const parts: string[] = [maybe(`data.types.${s.type}`, s.type)]
  if (s.unit) parts.push(s.unit)
  if (s.missingBand) parts.push(t('data.missingBand', { band: s.missingBand }))
  if (s.mean !== null && s.mean !== undefined && (s.mean !== 0 || s.sd))
    parts.push(t('data.meanSd', { mean: sig(s.mean, 3), sd: sig(s.sd, 3) }))
  if (s.median !== null && s.median !== undefined && s.p99)
    parts.push(t('data.quantiles', { low: sig(s.p01, 3), median: sig(s.median, 3), high: sig(s.p99, 3) }))
  if (s.categories.length > 0)
    parts.push(
      s.categories
        .slice(0, 6)
        .map((x) => `${x.name} ${x.count}`)
        .join(', '),
    )
  return parts.filter(Boolean).join(' · ')
}
