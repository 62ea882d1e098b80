import { Box, Modal, Stack, Text, UnstyledButton } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate } from 'react-router'
import { api } from '../api/endpoints'
import { hideWindow, quit, whenClosing } from '../api/native'
import { complain } from './act'

// Closing asks what to do when the window is closed while work goes on.
export function Closing() {
  const { t } = useTranslation()
  const [busy, setBusy] = useState<string | null>(null)
  useEffect(() => whenClosing(setBusy), [])
  const choose = async (what: 'keep' | 'after' | 'now') => {
    setBusy(null)
    if (what === 'keep') return hideWindow()
    if (what === 'after') await pauseAll().catch(complain)
    await quit().catch(complain)
  }
  return (
    <Modal
      opened={busy !== null}
      onClose={() => setBusy(null)}
      title={t('shell.closing.title')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Stack>
        <Text size="sm">{busy}</Text>
        {(['keep', 'after', 'now'] as const).map((x) => (
          <UnstyledButton key={x} className="card" p="sm" onClick={() => void choose(x)}>
            <Box>
              <Text size="sm" fw={600}>
                {t(`shell.closing.${x}`)}
              </Text>
              <Text size="sm" c="dimmed">
                {t(`shell.closing.${x}Hint`)}
              </Text>
            </Box>
          </UnstyledButton>
        ))}
      </Stack>
    </Modal>
  )
}

// pauseAll asks every run in progress to pause and waits, at most five minutes,
// until none is in the middle of a round.
async function pauseAll() {
  const going = (await api.runs({ limit: 50 })).filter((r) => r.mine && ['preparing', 'running'].includes(r.state))
  await Promise.all(going.map((r) => api.steer(r.id, 'pause')))
  const end = Date.now() + 300_000
  while (Date.now() < end) {
    const left = (await api.runs({ limit: 50 })).filter(
      (r) => going.some((g) => g.id === r.id) && ['preparing', 'running', 'pausing'].includes(r.state),
    )
    if (left.length === 0) return
    await new Promise((ok) => setTimeout(ok, 1000))
  }
}

// Opened leads to the screen for a link or file that the app was started with.
export function Opened() {
  const go = useNavigate()
  useEffect(() => {
    const lead = (what: string) => {
      if (/^synergos:/i.test(what)) void go(`/peers?join=1&link=${encodeURIComponent(what)}`)
    }
    const on = (e: Event) => lead(String((e as CustomEvent).detail))
    window.addEventListener('synergos-open', on)
    api.connection().then(
      (s) => s.opened && lead(s.opened),
      () => undefined, // an older app does not tell
    )
    return () => window.removeEventListener('synergos-open', on)
  }, [go])
  return null
}
