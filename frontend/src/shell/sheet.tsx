import { Kbd, Modal, Table } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { modKey, shortcuts } from './shortcuts'

// ShortcutSheet shows the table of shortcuts.
export function ShortcutSheet({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  const words = (id: (typeof shortcuts)[number]['id']) => {
    switch (id) {
      case 'palette':
      case 'search':
      case 'inbox':
      case 'operations':
      case 'table':
      case 'help':
      case 'close':
        return t(`shell.keys.${id}`)
      default:
        return t('shell.keys.go', { screen: t(`shell.nav.${id}`) })
    }
  }
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('shell.keys.title')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Table>
        <Table.Tbody>
          {shortcuts.map((s) => (
            <Table.Tr key={s.id}>
              <Table.Td>{words(s.id)}</Table.Td>
              <Table.Td ta="right">
                {s.keys.map((key) => (
                  <Kbd key={key} ml={4}>
                    {key === 'mod' ? modKey() : key}
                  </Kbd>
                ))}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  )
}
