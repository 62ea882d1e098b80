import {
  ActionIcon,
  AppShell,
  Badge,
  Box,
  Burger,
  Group,
  Indicator,
  Menu,
  NavLink,
  Text,
  Tooltip,
  UnstyledButton,
} from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { openSpotlight } from '@mantine/spotlight'
import {
  IconAlertTriangle,
  IconBell,
  IconCircleFilled,
  IconClock,
  IconDeviceDesktop,
  IconKeyboard,
  IconListCheck,
  IconLoader2,
  IconMoon,
  IconSearch,
  IconSun,
  IconTopologyStar3,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, Outlet, useLocation, useNavigate } from 'react-router'
import { api } from '../api/endpoints'
import { k } from '../api/queries'
import type { Status } from '../api/types'
import { Inbox } from './inbox'
import { useLive } from './live'
import { active, screens } from './nav'
import { Operations } from './operations'
import { Closing, Opened } from './outside'
import { PairingPrompt } from './pairing'
import { Palette } from './palette'
import { ShortcutSheet } from './sheet'
import { modKey, typing } from './shortcuts'
import { useTheme } from './theme-choice'

type Drawer = 'inbox' | 'operations' | 'keys' | null

// Shell is what stays on every screen: navigation, the status sentence, the grid
// chip, inbox, operations, palette and shortcuts.
export function Shell() {
  const { t } = useTranslation()
  const live = useLive()
  const [drawer, setDrawer] = useState<Drawer>(null)
  const [nav, setNav] = useState(false)
  const { pathname } = useLocation()
  const narrow = useMediaQuery('(max-width: 1000px)', window.innerWidth <= 1000, { getInitialValueInEffect: false })
  const status = useQuery({ queryKey: k.status, queryFn: api.status })
  useShortcuts(setDrawer)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new screen closes the menu
  useEffect(() => setNav(false), [pathname])
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: narrow ? 64 : 208, breakpoint: 640, collapsed: { mobile: !nav } }}
      padding="lg"
      transitionDuration={0}
    >
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        {t('shell.skip')}
      </button>
      <AppShell.Header bg="var(--panel)" style={{ borderColor: 'var(--line)' }}>
        <Group h="100%" px="md" gap="sm" wrap="nowrap" justify="space-between">
          <Group gap="sm" wrap="nowrap" style={{ minWidth: 0, flex: 1 }}>
            <Burger hiddenFrom="xs" opened={nav} onClick={() => setNav(!nav)} size="sm" aria-label={t('shell.menu')} />
            <StatusLine status={status.data} live={live} />
          </Group>
          <Group gap={6} wrap="nowrap">
            <GridChip />
            <SearchButton />
            <ToolButton
              label={t('shell.operations.open')}
              icon={<IconListCheck size={19} />}
              onClick={() => setDrawer('operations')}
              count={0}
              busy={(status.data?.running ?? 0) > 0}
            />
            <ToolButton
              label={t('shell.inbox.open', { count: status.data?.inbox ?? 0 })}
              icon={<IconBell size={19} />}
              onClick={() => setDrawer('inbox')}
              count={status.data?.inbox ?? 0}
            />
            <ThemeMenu onKeys={() => setDrawer('keys')} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar
        bg="var(--panel)"
        p={narrow ? 8 : 'xs'}
        style={{ borderColor: 'var(--line)' }}
        aria-label={t('shell.screens')}
      >
        <Nav narrow={narrow && !nav} pathname={pathname} status={status.data} />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} style={{ outline: 'none' }} bg="var(--ground)">
        <Outlet />
      </AppShell.Main>
      <Inbox opened={drawer === 'inbox'} onClose={() => setDrawer(null)} />
      <Operations opened={drawer === 'operations'} onClose={() => setDrawer(null)} />
      <ShortcutSheet opened={drawer === 'keys'} onClose={() => setDrawer(null)} />
      <PairingPrompt />
      <Closing />
      <Opened />
      <Palette />
    </AppShell>
  )
}

function useShortcuts(open: (d: Drawer) => void) {
  const go = useNavigate()
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && /^[1-9]$/.test(e.key)) {
        e.preventDefault()
        void go(screens[Number(e.key) - 1].to)
        return
      }
      if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target)) return
      if (document.querySelector('[role=dialog][aria-modal=true]')) return // it has the keyboard
      if (e.key === '?') open('keys')
      else if (e.key === 'i') open('inbox')
      else if (e.key === 'o') open('operations')
      else if (e.key === '/') {
        e.preventDefault()
        const field = document.querySelector<HTMLInputElement>('main input[data-search]')
        if (field) field.focus()
        else openSpotlight()
      }
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [go, open])
}

function Nav({ narrow, pathname, status }: { narrow: boolean; pathname: string; status?: Status }) {
  const { t } = useTranslation()
  const here = active(pathname)
  return (
    <Box style={{ overflowY: 'auto', flex: 1 }}>
      {!narrow && (
        <Box px="sm" py={6} mb={4}>
          <Text size="xs" c="dimmed">
            {t('shell.you')}
          </Text>
          <Text fw={600} size="sm" truncate title={status?.party}>
            {status?.party}
          </Text>
        </Box>
      )}
      {screens.map((s) => {
        const label = t(`shell.nav.${s.id}`)
        const link = (
          <NavLink
            key={s.id}
            component={Link}
            to={s.to}
            label={narrow ? undefined : label}
            aria-label={narrow ? label : undefined}
            aria-current={here === s.id ? 'page' : undefined}
            active={here === s.id}
            leftSection={<s.icon size={19} stroke={1.7} />}
            style={{ borderRadius: 8, minHeight: 36, justifyContent: narrow ? 'center' : undefined }}
            px={narrow ? 14 : 'sm'}
            py={6}
          />
        )
        return narrow ? (
          <Tooltip key={s.id} label={label} position="right">
            {link}
          </Tooltip>
        ) : (
          link
        )
      })}
    </Box>
  )
}

// StatusLine is the one plain sentence, on every screen.
function StatusLine({ status, live }: { status?: Status; live: boolean }) {
  const { t } = useTranslation()
  const state = live ? (status?.state ?? 'idle') : 'error'
  const icon = {
    idle: <IconCircleFilled size={10} color="var(--ok)" />,
    working: <IconLoader2 size={16} color="var(--info)" />,
    waiting: <IconClock size={16} color="var(--warn)" />,
    attention: <IconAlertTriangle size={16} color="var(--warn)" />,
    error: <IconAlertTriangle size={16} color="var(--bad)" />,
  }[state]
  return (
    <Group gap={8} wrap="nowrap" style={{ minWidth: 0 }} role="status" aria-live="polite" data-testid="status">
      {icon}
      <Text size="sm" truncate title={status?.sentence}>
        {live ? status?.sentence : t('shell.away')}
      </Text>
    </Group>
  )
}

// GridChip shows the run in progress and who coordinates it.
function GridChip() {
  const { t } = useTranslation()
  const small = useMediaQuery('(max-width: 820px)')
  const runs = useQuery({ queryKey: k.runs({ limit: 20 }), queryFn: () => api.runs({ limit: 20 }) })
  const going = (runs.data ?? []).filter((r) =>
    ['preparing', 'running', 'finishing', 'pausing', 'paused'].includes(r.state),
  )
  if (going.length === 0) return null
  const r = going[0]
  const now = { coordinator: r.coordinator, round: r.round, rounds: r.rounds }
  return (
    <Tooltip label={r.why || r.sentence}>
      <UnstyledButton
        component={Link}
        to={`/runs/${r.id}`}
        aria-label={t(r.coordinator ? 'shell.grid' : 'shell.gridElecting', now)}
      >
        <Badge size="lg" variant="light" leftSection={<IconTopologyStar3 size={14} />}>
          {small ? `${r.round}/${r.rounds}` : t(r.coordinator ? 'shell.gridChip' : 'shell.gridChipElecting', now)}
          {going.length > 1 && ` +${going.length - 1}`}
        </Badge>
      </UnstyledButton>
    </Tooltip>
  )
}

function SearchButton() {
  const { t } = useTranslation()
  return (
    <Tooltip label={t('shell.palette.open', { mod: modKey() })}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={34}
        aria-label={t('shell.palette.open', { mod: modKey() })}
        onClick={openSpotlight}
      >
        <IconSearch size={19} />
      </ActionIcon>
    </Tooltip>
  )
}

function ToolButton({
  label,
  icon,
  onClick,
  count,
  busy,
}: {
  label: string
  icon: React.ReactNode
  onClick: () => void
  count: number
  busy?: boolean
}) {
  return (
    <Tooltip label={label}>
      <Indicator
        disabled={count === 0 && !busy}
        label={count > 0 ? (count > 99 ? '99+' : count) : undefined}
        size={count > 0 ? 16 : 8}
        offset={5}
        color={count > 0 ? 'red.8' : 'indigo'}
      >
        <ActionIcon variant="subtle" color="gray" size={34} aria-label={label} onClick={onClick}>
          {icon}
        </ActionIcon>
      </Indicator>
    </Tooltip>
  )
}

function ThemeMenu({ onKeys }: { onKeys: () => void }) {
  const { t } = useTranslation()
  const { scheme, choose } = useTheme()
  const choices = [
    { id: 'auto', icon: IconDeviceDesktop },
    { id: 'light', icon: IconSun },
    { id: 'dark', icon: IconMoon },
  ] as const
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size={34} aria-label={t('shell.theme.open')}>
          <IconSun size={19} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('shell.theme.title')}</Menu.Label>
        {choices.map((c) => (
          <Menu.RadioItem
            key={c.id}
            value={c.id}
            checked={scheme === c.id}
            onChange={() => choose(c.id)}
            rightSection={<c.icon size={15} />}
          >
            {t(`shell.theme.${c.id}`)}
          </Menu.RadioItem>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconKeyboard size={15} />} onClick={onKeys}>
          {t('shell.keys.title')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
