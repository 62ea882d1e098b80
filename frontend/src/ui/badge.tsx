import { Badge, type MantineColor } from '@mantine/core'
import {
  IconAlertTriangle,
  IconArchive,
  IconCheck,
  IconCircle,
  IconCircleDashed,
  IconClock,
  IconLoader2,
  IconPlayerPause,
  IconPlugConnectedX,
  IconX,
} from '@tabler/icons-react'
import type { ComponentType } from 'react'
import { maybe } from '../i18n'

type Look = [MantineColor, ComponentType<{ size?: number }>]
const ok: Look = ['green', IconCheck]
const busy: Look = ['indigo', IconLoader2]
const wait: Look = ['orange', IconClock]
const bad: Look = ['red', IconX]
const off: Look = ['gray', IconCircle]

const looks: Record<string, Look> = {
  ready: ok,
  done: ok,
  finished: ok,
  paired: ok,
  accepted: ok,
  approved: ok,
  agreed: ok,
  applied: ok,
  on: ok,
  pass: ok,
  same: ok,
  production: ok,
  staging: ['indigo', IconCheck],
  running: busy,
  preparing: busy,
  finishing: busy,
  reading: busy,
  loading: busy,
  warming: busy,
  scoring: busy,
  aligning: busy,
  gathering: busy,
  stats: busy,
  receiving: busy,
  train: busy,
  download: busy,
  upload: busy,
  score: busy,
  queued: ['gray', IconClock],
  draft: ['gray', IconCircleDashed],
  idle: off,
  waiting: wait,
  compare: wait,
  confirm: wait,
  invited: wait,
  pending: wait,
  proposed: wait,
  submitted: wait,
  asked: wait,
  changed: ['orange', IconAlertTriangle],
  late: wait,
  paused: ['orange', IconPlayerPause],
  pausing: ['orange', IconPlayerPause],
  cancelling: ['orange', IconX],
  cancelled: ['gray', IconX],
  withdrawn: ['gray', IconX],
  expired: ['gray', IconClock],
  failed: bad,
  error: bad,
  missing: bad,
  refused: bad,
  rejected: bad,
  declined: bad,
  revoked: bad,
  conflict: bad,
  disputed: bad,
  blocked: bad,
  fail: bad,
  absent: ['red', IconPlugConnectedX],
  offline: ['gray', IconPlugConnectedX],
  left: ['gray', IconPlugConnectedX],
  archived: ['gray', IconArchive],
  seen: off,
  none: off,
  off,
  unknown: ['gray', IconCircleDashed],
  filled: ['orange', IconCircleDashed],
  matched: ['indigo', IconCheck],
  own: ok,
}

// StateBadge shows a state as icon and word, never by colour alone.
export function StateBadge({ state, word }: { state: string; word?: string }) {
  const [color, Icon] = looks[state] ?? ['gray', IconCircle]
  return (
    <Badge
      color={color}
      leftSection={<Icon size={12} />}
      data-state-word={state}
      style={{ flexShrink: 0, minWidth: 'max-content' }}
    >
      {word ?? maybe(`common.state.${state}`, state)}
    </Badge>
  )
}

// PracticeBadge marks what belongs to the tutorial.
export function PracticeBadge() {
  return (
    <Badge color="grape" variant="outline">
      {maybe('common.practice', '')}
    </Badge>
  )
}
