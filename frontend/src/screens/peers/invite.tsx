import { Box, Button, Center, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import { when } from '../../format/format'
import { useAct } from '../../shell/act'
import { CopyButton } from '../../ui/copy'
import { Qr } from '../../ui/qr'
import { Failed, Loading } from '../../ui/states'

// InviteModal makes one invite link and shows it, once.
export function InviteModal({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  const make = useAct(() => api.createInvite(), { stale: [k.peers], quiet: true })
  // biome-ignore lint/correctness/useExhaustiveDependencies: one link for each opening
  useEffect(() => {
    if (opened) make.mutate(undefined)
    else make.reset()
  }, [opened])
  const link = make.data?.link ?? ''
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('peers.invite.title')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {make.isError && <Failed error={make.error} retry={() => make.mutate(undefined)} />}
      {make.isPending && <Loading rows={2} />}
      {make.data && (
        <Stack>
          <Text size="sm">{t('peers.invite.text')}</Text>
          <Group align="flex-start" wrap="nowrap">
            <Box style={{ flex: 1, minWidth: 0 }}>
              <Textarea
                label={t('peers.invite.link')}
                value={link}
                readOnly
                autosize
                minRows={3}
                maxRows={7}
                classNames={{ input: 'mono' }}
                onFocus={(e) => e.currentTarget.select()}
              />
            </Box>
            <Center visibleFrom="sm">
              <Qr text={link} label={t('peers.invite.qr')} />
            </Center>
          </Group>
          <Text size="sm" c="dimmed">
            {t('peers.invite.once', { time: when(make.data.expires) })}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.close')}
            </Button>
            <CopyButton text={link} label={t('peers.invite.copy')} variant="filled" />
          </Group>
        </Stack>
      )}
    </Modal>
  )
}
