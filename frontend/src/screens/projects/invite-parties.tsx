import { Button, Checkbox, Group, Modal, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Project } from '../../api/types'
import { plain } from '../../format/format'
import { useAct } from '../../shell/act'
import { View } from '../../ui/states'

// InvitePartiesModal invites paired parties into a project.
export function InvitePartiesModal({ p, opened, onClose }: { p: Project; opened: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  const peers = useQuery({ queryKey: k.peers, queryFn: api.peers, enabled: opened })
  const [picked, setPicked] = useState<string[]>([])
  const invite = useAct(() => api.inviteParties(p.id, picked), {
    stale: [k.projects],
    done: t('projects.invited', { count: picked.length }),
    after: () => {
      setPicked([])
      onClose()
    },
  })
  const inside = p.parties.filter((x) => x.state === 'accepted' || x.state === 'invited').map((x) => x.partyId)
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('projects.inviteMore')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <View query={peers} rows={2}>
        {(d) => {
          const free = d.items.filter((x) => x.state === 'paired' && x.partyId && !inside.includes(x.partyId))
          if (free.length === 0) return <Text size="sm">{t('projects.nobodyLeft')}</Text>
          return (
            <Stack>
              <Checkbox.Group value={picked} onChange={setPicked} aria-label={t('common.parties')}>
                <Stack gap="xs">
                  {free.map((x) => (
                    <Checkbox key={x.partyId} value={x.partyId} label={plain(x.name, 80)} />
                  ))}
                </Stack>
              </Checkbox.Group>
              <Group justify="flex-end">
                <Button
                  onClick={() => invite.mutate(undefined)}
                  disabled={picked.length === 0}
                  loading={invite.isPending}
                >
                  {t('projects.sendInvites', { count: picked.length })}
                </Button>
              </Group>
            </Stack>
          )
        }}
      </View>
    </Modal>
  )
}
