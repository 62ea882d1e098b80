import { Box, Button, Group, Loader, Modal, Stack, Text } from '@mantine/core'
import { IconCheck, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Pairing } from '../../api/types'
import { plain } from '../../format/format'
import { useAct } from '../../shell/act'
import { KeyAvatar } from '../../ui/avatar'
import { Note } from '../../ui/states'

const over = (p: Pairing) => ['done', 'refused', 'failed', 'expired'].includes(p.state)

// PairingModal leads two people through comparing their six digits.
export function PairingModal({ pairing, onClose }: { pairing: Pairing; onClose: () => void }) {
  const { t } = useTranslation()
  const q = useQuery({
    queryKey: ['peers', 'pairing', pairing.id],
    queryFn: () => api.pairing(pairing.id),
    initialData: pairing,
    refetchInterval: (s) => (s.state.data && over(s.state.data) ? false : 1000),
  })
  const p = q.data
  const answer = useAct((same: boolean) => api.confirmPairing(p.id, same), { stale: [k.peers, k.inbox, k.home] })
  const asks = p.mode === 'invite' && p.incoming && p.state === 'compare' // somebody used my link
  const name = plain(p.name) || t('peers.pairing.unknown')
  return (
    <Modal
      opened
      onClose={onClose}
      title={p.incoming ? t('peers.pairing.incoming') : t('peers.pairing.title')}
      size="md"
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Stack align="center" ta="center">
        <KeyAvatar id={p.deviceId} size={56} />
        <Text fw={600}>{name}</Text>
        {!over(p) && !p.code && (!asks || p.confirmed) && (
          <Group gap="xs">
            <Loader size="sm" aria-hidden />
            <Text role="status">
              {p.mode === 'invite' && !p.incoming ? t('peers.pairing.approval', { name }) : t('peers.pairing.waiting')}
            </Text>
          </Group>
        )}
        {asks && !p.confirmed && (
          <>
            <Text>{t('peers.pairing.usedInvite', { name })}</Text>
            <Text size="sm" className="mono" c="dimmed">
              {p.fingerprint}
            </Text>
            <Group>
              <Button
                variant="default"
                leftSection={<IconX size={16} />}
                onClick={() => answer.mutate(false)}
                disabled={answer.isPending}
              >
                {t('peers.pairing.refuse')}
              </Button>
              <Button
                leftSection={<IconCheck size={16} />}
                onClick={() => answer.mutate(true)}
                loading={answer.isPending}
                data-autofocus
              >
                {t('peers.pairing.approve')}
              </Button>
            </Group>
          </>
        )}
        {p.code && !over(p) && (
          <>
            <Text>{t('peers.pairing.compare', { name })}</Text>
            <Text
              component="output"
              fz={44}
              fw={700}
              lh={1.1}
              style={{ letterSpacing: '0.12em', fontVariantNumeric: 'tabular-nums' }}
              aria-label={t('peers.pairing.codeIs', { code: p.code.split('').join(' ') })}
              data-testid="pairing-code"
            >
              {p.code.slice(0, 3)} {p.code.slice(3)}
            </Text>
            {p.confirmed ? (
              <Group gap="xs">
                <Loader size="sm" aria-hidden />
                <Text role="status">{t('peers.pairing.otherSide')}</Text>
              </Group>
            ) : (
              <>
                <Text size="sm" c="dimmed">
                  {t('peers.pairing.why')}
                </Text>
                <Group>
                  <Button
                    color="red"
                    variant="outline"
                    leftSection={<IconX size={16} />}
                    onClick={() => answer.mutate(false)}
                    disabled={answer.isPending}
                  >
                    {t('peers.pairing.different')}
                  </Button>
                  <Button
                    leftSection={<IconCheck size={16} />}
                    onClick={() => answer.mutate(true)}
                    loading={answer.isPending}
                    data-autofocus
                  >
                    {t('peers.pairing.same')}
                  </Button>
                </Group>
              </>
            )}
          </>
        )}
        {p.state === 'done' && (
          <>
            <Group gap={6} c="var(--ok)" role="status">
              <IconCheck size={20} />
              <Text fw={600}>{t('peers.pairing.done', { name })}</Text>
            </Group>
            <Button onClick={onClose}>{t('common.close')}</Button>
          </>
        )}
        {['refused', 'failed', 'expired'].includes(p.state) && (
          <Box w="100%" ta="left">
            <Note
              tone="bad"
              title={p.problem?.text || t(`peers.pairing.${p.state as 'refused' | 'failed' | 'expired'}`)}
            >
              {p.problem?.hint || t('peers.pairing.again')}
            </Note>
          </Box>
        )}
      </Stack>
    </Modal>
  )
}
