import { Box, Button, Group, Text } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { StageRequest } from '../../api/types'
import { ago, list, modelPath, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { ReasonModal } from '../../ui/reason'

export const stageStale = [['models'], k.stages, ['serving'], k.inbox, k.home]

// RequestCard is an open stage request with its votes and my buttons.
export function RequestCard({ r, link, mine }: { r: StageRequest; link?: boolean; mine?: boolean }) {
  const { t } = useTranslation()
  const [voting, setVoting] = useState<boolean | null>(null)
  const vote = useAct((x: { yes: boolean; reason: string }) => api.vote(r.id, x.yes, x.reason), {
    stale: stageStale,
    done: (_q, x) => (x.yes ? t('models.votedYes') : t('models.votedNo')),
  })
  const withdraw = useAct(() => api.withdrawStage(r.id), { stale: stageStale, done: t('models.withdrawn') })
  const yes = r.votes.filter((v) => v.yes).map((v) => plain(v.party, 40))
  const no = r.votes.filter((v) => !v.yes).map((v) => plain(v.party, 40))
  return (
    <Group className="card" p="sm" justify="space-between" align="flex-start" data-request={`${r.model} ${r.number}`}>
      <Box style={{ flex: '1 1 300px' }}>
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {t('models.requestTitle', { model: r.model, number: r.number, to: maybe(`common.state.${r.to}`, r.to) })}
          </Text>
          <StateBadge state={r.state} />
        </Group>
        <Text size="sm">{plain(r.reason, 400)}</Text>
        <Text size="xs" c="dimmed">
          {[
            t('models.proposedBy', { name: plain(r.by, 40), time: ago(r.at) }),
            t('models.ends', { time: ago(r.expires) }),
            r.sentence,
          ]
            .filter(Boolean)
            .join(' · ')}
        </Text>
        <Text size="xs" c="dimmed">
          {[
            t('models.approvals', { yes: yes.length, count: r.needed }),
            t('models.voters', { names: list(r.voters.map((v) => plain(v, 40))) }),
            yes.length > 0 && t('models.saidYes', { names: list(yes) }),
            no.length > 0 && t('models.saidNo', { names: list(no) }),
          ]
            .filter(Boolean)
            .join(' · ')}
        </Text>
      </Box>
      {r.state === 'proposed' && (
        <Group gap="xs">
          {link && (
            <Button size="xs" variant="subtle" component={Link} to={modelPath(r.modelId, r.number)}>
              {t('models.look')}
            </Button>
          )}
          {mine && (
            <Button
              size="xs"
              variant="subtle"
              color="gray"
              onClick={() => withdraw.mutate(undefined)}
              loading={withdraw.isPending}
            >
              {t('models.withdraw')}
            </Button>
          )}
          {r.myVote === 'none' && (
            <>
              <Button size="xs" variant="default" onClick={() => setVoting(false)}>
                {t('models.reject')}
              </Button>
              <Button size="xs" onClick={() => vote.mutate({ yes: true, reason: '' })} loading={vote.isPending}>
                {t('models.approve')}
              </Button>
            </>
          )}
        </Group>
      )}
      <ReasonModal
        opened={voting === false}
        title={t('models.rejectTitle', { model: r.model, number: r.number })}
        button={t('models.reject')}
        danger
        required
        onClose={() => setVoting(null)}
        onDone={(reason) => vote.mutate({ yes: false, reason })}
      />
    </Group>
  )
}
