import { ActionIcon, Button, Group, Text, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { copyText } from '../api/native'

function useCopy(text: string) {
  const [done, setDone] = useState(false)
  const copy = async () => {
    if (await copyText(text)) {
      setDone(true)
      setTimeout(() => setDone(false), 1500)
    }
  }
  return { done, copy }
}

// CopyButton puts a text on the clipboard.
export function CopyButton({ text, label, variant = 'subtle' }: { text: string; label?: string; variant?: string }) {
  const { t } = useTranslation()
  const { done, copy } = useCopy(text)
  return (
    <Button
      size="xs"
      variant={variant}
      leftSection={done ? <IconCheck size={14} /> : <IconCopy size={14} />}
      onClick={() => void copy()}
    >
      {done ? t('common.copied') : (label ?? t('common.copy'))}
    </Button>
  )
}

// CopyIcon is the small form; what names the thing copied.
export function CopyIcon({ text, what }: { text: string; what: string }) {
  const { t } = useTranslation()
  const { done, copy } = useCopy(text)
  return (
    <Tooltip label={done ? t('common.copied') : t('common.copyWhat', { what })}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={26}
        aria-label={t('common.copyWhat', { what })}
        onClick={() => void copy()}
      >
        {done ? <IconCheck size={15} /> : <IconCopy size={15} />}
      </ActionIcon>
    </Tooltip>
  )
}

// Code is a line of machine text with a way to copy it.
export function Code({ text, what, wrap = true }: { text: string; what: string; wrap?: boolean }) {
  return (
    <Group gap={4} wrap="nowrap" align="center" style={{ minWidth: 0 }}>
      <Text
        span
        className="mono"
        style={
          wrap ? { overflowWrap: 'anywhere' } : { whiteSpace: 'nowrap', overflow: 'hidden', textOverflow: 'ellipsis' }
        }
      >
        {text}
      </Text>
      <CopyIcon text={text} what={what} />
    </Group>
  )
}
