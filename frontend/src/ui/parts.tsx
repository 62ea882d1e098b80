import { Box, Group, Stack, Text, ThemeIcon, Tooltip } from '@mantine/core'
import { IconAlertTriangle, IconCheck, IconInfoCircle, IconX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { Check, Finding } from '../api/types'
import { sentence } from '../format/format'

// Stat is one figure with its name.
export function Stat({ name, value, note }: { name: ReactNode; value: ReactNode; note?: ReactNode }) {
  return (
    <Box style={{ minWidth: 88 }}>
      <Text size="xs" c="dimmed" component="div">
        {name}
      </Text>
      <Text fw={600} className="figure" component="div" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {value}
      </Text>
      {note && (
        <Text size="xs" c="dimmed" component="div">
          {note}
        </Text>
      )}
    </Box>
  )
}

// Facts is a list of name and value.
export function Facts({ rows }: { rows: [ReactNode, ReactNode][] }) {
  return (
    <Box
      component="dl"
      m={0}
      style={{ display: 'grid', gridTemplateColumns: 'minmax(110px, max-content) 1fr', columnGap: 16, rowGap: 6 }}
    >
      {rows.map(([a, b], i) => (
        <Box key={i} style={{ display: 'contents' }}>
          <Text component="dt" size="sm" c="dimmed">
            {a}
          </Text>
          <Text component="dd" size="sm" m={0} style={{ overflowWrap: 'anywhere', minWidth: 0 }}>
            {b}
          </Text>
        </Box>
      ))}
    </Box>
  )
}

// Checks lists verification results, one line per check.
export function Checks({ items }: { items: Check[] }) {
  const { t } = useTranslation()
  return (
    <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
      {items.map((c) => (
        <Group key={c.name} gap="xs" wrap="nowrap" align="flex-start" component="li">
          <ThemeIcon
            size={20}
            radius="xl"
            color={c.ok ? 'green' : 'red'}
            variant="light"
            role="img"
            aria-label={c.ok ? t('common.passed') : t('common.failed')}
          >
            {c.ok ? <IconCheck size={13} /> : <IconX size={13} />}
          </ThemeIcon>
          <Box style={{ minWidth: 0 }}>
            <Text size="sm" fw={500}>
              {c.name}
            </Text>
            {c.text && (
              <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                {sentence(c.text)}
              </Text>
            )}
          </Box>
        </Group>
      ))}
    </Stack>
  )
}

// Findings lists what the data doctor noticed: what, why, and the remedy.
export function Findings({ items }: { items: Finding[] }) {
  const { t } = useTranslation()
  const look = {
    error: ['red', <IconX key="x" size={13} />],
    warning: ['orange', <IconAlertTriangle key="w" size={13} />],
    info: ['indigo', <IconInfoCircle key="i" size={13} />],
  } as const
  return (
    <Stack gap="sm" component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
      {items.map((f, i) => {
        const [color, icon] = look[f.severity] ?? look.info
        return (
          <Group key={i} gap="xs" wrap="nowrap" align="flex-start" component="li">
            <ThemeIcon
              size={20}
              radius="xl"
              color={color}
              variant="light"
              role="img"
              aria-label={t(`common.severity.${f.severity}`)}
            >
              {icon}
            </ThemeIcon>
            <Box style={{ minWidth: 0 }}>
              <Text size="sm">
                {f.column && (
                  <Text span className="mono" fw={600}>
                    {f.column}
                    {' · '}
                  </Text>
                )}
                {sentence(f.text)}
              </Text>
              {(f.why || f.remedy) && (
                <Text size="sm" c="dimmed">
                  {[f.why, f.remedy].filter(Boolean).map(sentence).join(' ')}
                </Text>
              )}
            </Box>
          </Group>
        )
      })}
    </Stack>
  )
}

// Term explains a word where it stands.
export function Term({ children, text }: { children: ReactNode; text: string }) {
  return (
    <Tooltip label={text}>
      <Text
        span
        inherit
        tabIndex={0}
        style={{ textDecoration: 'underline dotted', textUnderlineOffset: 3, cursor: 'help' }}
      >
        {children}
      </Text>
    </Tooltip>
  )
}

// RowLink is a link in a table row or a list.
export function RowLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Link to={to} className="rowlink">
      {children}
    </Link>
  )
}

// hashRoute turns an href of the API ("#/peers" or "/peers") into a route.
export const hashRoute = (href: string) => href.replace(/^#/, '') || '/'
