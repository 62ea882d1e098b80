import { Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'

interface Props {
  opened: boolean
  title: string
  text?: string
  button: string
  danger?: boolean
  required?: boolean
  onClose: () => void
  onDone: (reason: string) => void
}

// ReasonModal asks why before something that the others hear about.
export function ReasonModal({ opened, title, text, button, danger, required, onClose, onDone }: Props) {
  const { t } = useTranslation()
  const [reason, setReason] = useState('')
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <Stack>
        {text && <Text size="sm">{text}</Text>}
        <Textarea
          label={t('common.reason')}
          description={t('common.reasonHint')}
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
          maxLength={1000}
          autosize
          minRows={2}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button
            color={danger ? 'red.8' : undefined}
            disabled={required && !reason.trim()}
            onClick={() => {
              onDone(reason.trim())
              setReason('')
              onClose()
            }}
          >
            {button}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
