import { Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { type FormEvent, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Pairing } from '../../api/types'
import { useAct } from '../../shell/act'
import { Failed } from '../../ui/states'

// JoinModal takes an invite link, or an address where a code will be compared.
export function JoinModal({
  opened,
  link = '',
  onClose,
  onPairing,
}: {
  opened: boolean
  link?: string
  onClose: () => void
  onPairing: (p: Pairing) => void
}) {
  const { t } = useTranslation()
  const [text, setText] = useState(link)
  useEffect(() => {
    if (link) setText(link)
  }, [link])
  const looksLikeAddress = /^[^\s/]+:\d+$/.test(text.trim())
  const join = useAct((s: string) => (looksLikeAddress ? api.pairAddress(s) : api.acceptInvite(s)), {
    stale: [k.peers, k.home],
    quiet: true,
    after: (p) => {
      setText('')
      onPairing(p)
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (text.trim()) join.mutate(text.trim())
  }
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('peers.join.title')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <form onSubmit={submit}>
        <Stack>
          <Textarea
            label={t('peers.join.label')}
            description={t('peers.join.hint')}
            value={text}
            onChange={(e) => setText(e.currentTarget.value)}
            autosize
            minRows={3}
            maxRows={7}
            data-autofocus
          />
          <Text size="sm" c="dimmed">
            {t('peers.join.near')}
          </Text>
          {join.isError && <Failed error={join.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button type="submit" disabled={!text.trim()} loading={join.isPending}>
              {t('peers.join.button')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
