import { Box, Button, Group, Stack, Text, Title } from '@mantine/core'
import { IconArrowLeft } from '@tabler/icons-react'
import { type ReactNode, useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'react-router'
import { setWindowTitle } from '../api/native'

interface Props {
  title: string
  sub?: ReactNode
  badge?: ReactNode
  actions?: ReactNode
  back?: { to: string; text: string } // where this page belongs, by its own name
  children: ReactNode
}

// Page is the frame of a screen: it names the window and, on a change of route,
// moves the focus to the heading.
export function Page({ title, sub, badge, actions, back, children }: Props) {
  const h1 = useRef<HTMLHeadingElement>(null)
  const { t } = useTranslation()
  const { pathname } = useLocation()
  const seen = useRef('')
  useEffect(() => {
    setWindowTitle(t('shell.windowTitle', { title }))
  }, [title, t])
  useEffect(() => {
    if (seen.current !== pathname) {
      seen.current = pathname
      h1.current?.focus({ preventScroll: true })
    }
  }, [pathname])
  return (
    <Stack gap="md" maw={1320} mx="auto" w="100%">
      {back && (
        <Box mb={-8}>
          <Button
            component={Link}
            to={back.to}
            variant="subtle"
            size="compact-sm"
            mih={24}
            leftSection={<IconArrowLeft size={14} />}
          >
            {back.text}
          </Button>
        </Box>
      )}
      <Group justify="space-between" align="flex-start" gap="sm">
        <Box style={{ flex: '1 1 320px', minWidth: 0 }}>
          <Group gap="xs" align="center">
            <Title order={1} ref={h1} tabIndex={-1}>
              {title}
            </Title>
            {badge}
          </Group>
          {sub && (
            <Text c="dimmed" size="sm" mt={2} component="div" maw={820}>
              {sub}
            </Text>
          )}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  )
}

interface SectionProps {
  title?: ReactNode
  hint?: ReactNode
  actions?: ReactNode
  children: ReactNode
  flush?: boolean
  id?: string
}

// Section is a titled card.
export function Section({ title, hint, actions, children, flush, id }: SectionProps) {
  return (
    <Box component="section" className="card" p={flush ? 0 : 'md'} id={id} style={{ minWidth: 0 }}>
      {(title || actions) && (
        <Group
          justify="space-between"
          mb={flush ? 0 : 'sm'}
          px={flush ? 'md' : 0}
          py={flush ? 'sm' : 0}
          align="flex-start"
        >
          <Box style={{ flex: '1 1 200px', minWidth: 0 }}>
            {title && <Title order={2}>{title}</Title>}
            {hint && (
              <Text size="sm" c="dimmed" component="div">
                {hint}
              </Text>
            )}
          </Box>
          {actions && <Group gap="xs">{actions}</Group>}
        </Group>
      )}
      {children}
    </Box>
  )
}
