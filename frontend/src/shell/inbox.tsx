import { Box, Button, Drawer, Group, Stack, Text, ThemeIcon } from '@mantine/core'
import {
  IconAlertTriangle,
  IconBell,
  IconChecks,
  IconFileCheck,
  IconKey,
  IconMail,
  IconRocket,
  IconTableOptions,
  IconUserPlus,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api } from '../api/endpoints'
import { k } from '../api/queries'
import type { InboxEntry } from '../api/types'
import { ago, plain } from '../format/format'
import { hashRoute } from '../ui/parts'
import { View } from '../ui/states'
import { useAct } from './act'

const icons = {
  pairing: IconUserPlus,
  invitation: IconMail,
  alignment: IconTableOptions,
  access: IconKey,
  stage: IconRocket,
  alarm: IconAlertTriangle,
  consent: IconFileCheck,
  notice: IconBell,
} as const

// Inbox lists what needs a person, newest first.
export function Inbox({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  const inbox = useQuery({ queryKey: k.inbox, queryFn: api.inbox, enabled: opened })
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      title={t('shell.inbox.title')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <View
        query={inbox}
        empty={(d) =>
          d.filter((e) => !e.done).length === 0 && (
            <Stack align="center" py="xl" gap="xs" data-state="empty">
              <ThemeIcon size={48} radius="xl" variant="light" color="green" aria-hidden>
                <IconChecks size={24} />
              </ThemeIcon>
              <Text>{t('shell.inbox.empty')}</Text>
            </Stack>
          )
        }
      >
        {(d) => (
          <Stack gap="sm">
            {d
              .filter((e) => !e.done)
              .map((e) => (
                <InboxItem key={e.id} entry={e} onOpen={onClose} />
              ))}
          </Stack>
        )}
      </View>
    </Drawer>
  )
}

// InboxItem is one entry with the way to its answer.
export function InboxItem({ entry: e, onOpen }: { entry: InboxEntry; onOpen?: () => void }) {
  const { t } = useTranslation()
  const dismiss = useAct(api.dismiss, { stale: [k.inbox, k.home] })
  const Icon = icons[e.kind] ?? IconBell
  return (
    <Group wrap="nowrap" align="flex-start" gap="sm" className="card" p="sm">
      <ThemeIcon variant="light" color={e.kind === 'alarm' ? 'red' : 'indigo'} size={34} radius="md" aria-hidden>
        <Icon size={19} />
      </ThemeIcon>
      <Box style={{ flex: 1, minWidth: 0 }}>
        <Text size="sm" fw={600}>
          {plain(e.title)}
        </Text>
        {e.text && (
          <Text size="sm" c="dimmed">
            {plain(e.text, 400)}
          </Text>
        )}
        <Text size="xs" c="dimmed" mt={2}>
          {[plain(e.from), ago(e.at)].filter(Boolean).join(' · ')}
        </Text>
        <Group gap="xs" mt={8}>
          {e.href && (
            <Button size="xs" component={Link} to={hashRoute(e.href)} onClick={onOpen}>
              {t(`shell.inbox.answer.${e.kind}`)}
            </Button>
          )}
          <Button
            size="xs"
            variant="subtle"
            color="gray"
            onClick={() => dismiss.mutate(e.id)}
            loading={dismiss.isPending}
          >
            {t('shell.inbox.dismiss')}
          </Button>
        </Group>
      </Box>
    </Group>
  )
}
