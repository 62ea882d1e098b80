import { Box, Button, Checkbox, Collapse, Group, Stack, Table, Text, Tooltip } from '@mantine/core'
import { IconCheck, IconCircleDashed, IconTableOptions, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Alignment, AlignmentCell, ColumnMatch, Project } from '../../api/types'
import { list, percent, plain, shorten, sig } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { Section } from '../../ui/page'
import { Findings } from '../../ui/parts'
import { Empty, View } from '../../ui/states'

const stale = [['alignment'], k.projects, k.inbox]

// AlignmentTab shows columns against parties, lets a person confirm matches, and
// shows what was agreed.
export function AlignmentTab({ p }: { p: Project }) {
  const { t } = useTranslation()
  const alignment = useQuery({ queryKey: k.alignment(p.id), queryFn: () => api.alignment(p.id) })
  const start = useAct(() => api.startAlignment(p.id), { stale })
  const accepted = p.parties.filter((x) => x.state === 'accepted').length
  const button = p.mine ? (
    <Button onClick={() => start.mutate(undefined)} loading={start.isPending} disabled={accepted < 2}>
      {t('projects.align.start')}
    </Button>
  ) : undefined
  return (
    <View
      query={alignment}
      loading={t('projects.align.loading')}
      rows={6}
      empty={(a) =>
        a.state === 'none' && (
          <Empty
            icon={<IconTableOptions size={26} />}
            text={
              !p.mine
                ? t('projects.align.waitAdmin', { name: plain(p.admin) })
                : accepted < 2
                  ? t('projects.align.needTwo')
                  : t('projects.align.empty')
            }
            action={button}
          />
        )
      }
    >
      {(a) => (
        <Stack>
          <Section
            title={
              <Group gap="xs" component="span" style={{ display: 'inline-flex' }}>
                {t('projects.align.title')}
                <StateBadge state={a.state} />
              </Group>
            }
            hint={a.sentence}
            actions={
              p.mine && a.state !== 'none' ? (
                <Button variant="default" size="xs" onClick={() => start.mutate(undefined)} loading={start.isPending}>
                  {t('projects.align.again')}
                </Button>
              ) : undefined
            }
          >
            {a.issues.length > 0 && <Findings items={a.issues} />}
          </Section>
          {a.matches.length > 0 && <Matches p={p} a={a} />}
          {a.columns.length > 0 && <Grid a={a} />}
          {a.state === 'agreed' && <Agreed a={a} />}
        </Stack>
      )}
    </View>
  )
}

const keyOf = (m: ColumnMatch) => `${m.party}|${m.from}|${m.to}`

function Matches({ p, a }: { p: Project; a: Alignment }) {
  const { t } = useTranslation()
  const [yes, setYes] = useState<string[]>([])
  const all = a.matches.map(keyOf).join(' ')
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new set of proposals starts with what is confirmed or likely
  useEffect(() => setYes(a.matches.filter((m) => m.confirmed || (m.score ?? 0) >= 0.5).map(keyOf)), [all])
  const confirm = useAct(
    () =>
      api.confirmAlignment(
        p.id,
        a.matches.map((m) => ({ ...m, confirmed: yes.includes(keyOf(m)) })),
      ),
    { stale, done: t('projects.align.confirmed') },
  )
  return (
    <Section
      title={t('projects.align.matches', { count: a.matches.length })}
      hint={a.canConfirm ? t('projects.align.matchesHint') : t('projects.align.matchesDone')}
      actions={
        a.canConfirm && (
          <Button
            onClick={() => confirm.mutate(undefined)}
            loading={confirm.isPending}
            leftSection={<IconCheck size={16} />}
          >
            {t('projects.align.confirm', { count: yes.length })}
          </Button>
        )
      }
    >
      <Stack gap="sm">
        {a.matches.map((m) => (
          <Group key={keyOf(m)} gap="sm" wrap="nowrap" align="flex-start">
            <Checkbox
              size="sm"
              mt={3}
              disabled={!a.canConfirm}
              checked={a.canConfirm ? yes.includes(keyOf(m)) : m.confirmed}
              onChange={() => setYes(yes.includes(keyOf(m)) ? yes.filter((x) => x !== keyOf(m)) : [...yes, keyOf(m)])}
              aria-label={t('projects.align.isSame', { from: plain(m.from), to: plain(m.to), party: plain(m.party) })}
            />
            <Box>
              <Text size="sm">
                {t('projects.align.pair', { party: plain(m.party), from: plain(m.from), to: plain(m.to) })}
              </Text>
              <Text size="xs" c="dimmed">
                {[m.score !== null && t('projects.align.score', { score: percent(m.score, 0) }), plain(m.why)]
                  .filter(Boolean)
                  .join(' · ')}
              </Text>
            </Box>
          </Group>
        ))}
      </Stack>
    </Section>
  )
}

function Cell({ c }: { c: AlignmentCell }) {
  const icons = {
    same: <IconCheck size={15} color="var(--ok)" />,
    matched: <IconCheck size={15} color="var(--info)" />,
    filled: <IconCircleDashed size={15} color="var(--warn)" />,
    conflict: <IconX size={15} color="var(--bad)" />,
  }
  const body = (
    <Group gap={6} wrap="nowrap" component="span" style={{ display: 'inline-flex' }} tabIndex={c.note ? 0 : undefined}>
      {icons[c.state]}
      <Text span size="sm">
        {c.state === 'matched' ? plain(c.name, 80) : maybe(`common.state.${c.state}`, c.state)}
      </Text>
    </Group>
  )
  return c.note ? <Tooltip label={c.note}>{body}</Tooltip> : body
}

function Grid({ a }: { a: Alignment }) {
  const { t } = useTranslation()
  return (
    <Section flush title={t('projects.align.table')} hint={t('projects.align.tableHint')}>
      <Box className="table-wrap" tabIndex={0} role="region" aria-label={t('projects.align.table')}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('data.column')}</Table.Th>
              <Table.Th>{t('data.type')}</Table.Th>
              <Table.Th>{t('data.role')}</Table.Th>
              {a.parties.map((x) => (
                <Table.Th key={x}>{plain(x, 40)}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {a.columns.map((c) => (
              <Table.Tr key={c.name}>
                <Table.Td className="mono" fw={600}>
                  {plain(c.name, 80)}
                </Table.Td>
                <Table.Td>{maybe(`data.types.${c.type}`, c.type)}</Table.Td>
                <Table.Td>{maybe(`data.roles.${c.role}`, c.role)}</Table.Td>
                {c.cells.map((x, i) => (
                  <Table.Td key={a.parties[i] ?? i}>
                    <Cell c={x} />
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Box>
    </Section>
  )
}

function Agreed({ a }: { a: Alignment }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  return (
    <Section
      title={t('projects.align.agreed')}
      hint={t('projects.align.agreedHint', { count: a.features.length, digest: shorten(a.digest, 12) })}
      actions={
        <Button size="xs" variant="default" onClick={() => setOpen(!open)} aria-expanded={open}>
          {open ? t('projects.align.hide') : t('projects.align.show')}
        </Button>
      }
    >
      <Collapse expanded={open}>
        <Stack gap="sm">
          <Text size="sm">{t('projects.align.features', { names: list(a.features.map((x) => plain(x, 80))) })}</Text>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('data.column')}</Table.Th>
                <Table.Th className="num">{t('projects.align.mean')}</Table.Th>
                <Table.Th className="num">{t('projects.align.sd')}</Table.Th>
                <Table.Th className="num">{t('projects.align.fill')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {a.scaling.map((s) => (
                <Table.Tr key={s.column}>
                  <Table.Td className="mono">{plain(s.column, 80)}</Table.Td>
                  <Table.Td className="num">{sig(s.mean)}</Table.Td>
                  <Table.Td className="num">{sig(s.sd)}</Table.Td>
                  <Table.Td className="num">{sig(s.fill)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Stack>
      </Collapse>
    </Section>
  )
}
