import { Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import i18n from '../i18n'

interface Ask {
  title: string
  text: string // what is lost, and what stays
  button: string // the act itself, never "yes"
  onYes: () => void
}

// confirm asks before an act that cannot be taken back. The focus is on the way out,
// so that Enter alone destroys nothing.
export function confirm({ title, text, button, onYes }: Ask) {
  modals.openConfirmModal({
    title,
    children: <Text size="sm">{text}</Text>,
    labels: { confirm: button, cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red.8' },
    cancelProps: { 'data-autofocus': true },
    closeButtonProps: { 'aria-label': i18n.t('common.close') },
    onConfirm: onYes,
  })
}
