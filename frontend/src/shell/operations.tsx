import { Box, Button, Drawer, Group, Progress, Stack, Text } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../api/endpoints'
import { k } from '../api/queries'
import type { Operation } from '../api/types'
import { ago, bytes, int, rough, sentence } from '../format/format'
import { StateBadge } from '../ui/badge'
import { View } from '../ui/states'
import { useAct } from './act'

// Operations lists long work with its progress, and stops it.
export function Operations({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  const ops = useQuery({ queryKey: k.operations, queryFn: api.operations, enabled: opened })
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      title={t('shell.operations.title')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <View
        query={ops}
        empty={(d) =>
          d.length === 0 && (
            <Text c="dimmed" py="xl" ta="center" data-state="empty">
              {t('shell.operations.empty')}
            </Text>
          )
        }
      >
        {(d) => (
          <Stack gap="sm">
            {d.map((o) => (
              <OperationItem key={o.id} op={o} />
            ))}
          </Stack>
        )}
      </View>
    </Drawer>
  )
}

// OperationItem is one piece of long work.
export function OperationItem({ op }: { op: Operation }) {
  const { t } = useTranslation()
  const act = useAct(() => api.cancelOperation(op.id), { stale: [k.operations] })
  const going = ['queued', 'running', 'waiting', 'paused'].includes(op.state)
  const amount = (x: number) => (op.unit === 'bytes' ? bytes(x) : int(x))
  const share = op.total > 0 ? Math.min(100, (op.done / op.total) * 100) : 0
  return (
    <Box className="card" p="sm">
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" fw={600} truncate>
          {op.title}
        </Text>
        <StateBadge state={op.state} />
      </Group>
      {going && (
        <Progress
          value={op.total > 0 ? share : 100}
          animated={op.state === 'running' && op.total === 0}
          mt={8}
          size="sm"
          aria-label={t('shell.operations.progress', { title: op.title })}
        />
      )}
      <Text size="xs" c="dimmed" mt={4}>
        {[
          op.phase,
          going &&
            op.total > 0 &&
            t('shell.operations.of', {
              done: amount(op.done),
              total: amount(op.total),
              unit: op.unit === 'bytes' ? '' : op.unit,
            }),
          going && op.etaMs > 0 && t('common.left', { time: rough(op.etaMs) }),
          !going && ago(op.endedAt ?? op.startedAt),
        ]
          .filter(Boolean)
          .join(' · ')}
      </Text>
      {op.problem && (
        <Text size="sm" c="var(--bad)" mt={4}>
          {[op.problem.text, op.problem.hint].filter(Boolean).map(sentence).join(' ')}
        </Text>
      )}
      {going && (
        <Group gap="xs" mt={8}>
          {op.canCancel && (
            <Button
              size="compact-xs"
              mih={24}
              variant="default"
              leftSection={<IconX size={13} />}
              onClick={() => act.mutate(undefined)}
            >
              {t('common.cancel')}
            </Button>
          )}
        </Group>
      )}
    </Box>
  )
}
