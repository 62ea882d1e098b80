import { Button, Group, Modal, NumberInput, Stack, Text, Textarea } from '@mantine/core'
import { IconKey } from '@tabler/icons-react'
import type { UseQueryResult } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { AccessRequest } from '../../api/types'
import { ago, day, plain } from '../../format/format'
import { useAct } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { Section } from '../../ui/page'
import { Empty, View } from '../../ui/states'

const stale = [k.access, ['catalog'], k.inbox]

// AccessRequests lists what others ask of me and what I asked of them.
export function AccessRequests({ query }: { query: UseQueryResult<AccessRequest[]> }) {
  const { t } = useTranslation()
  return (
    <View
      query={query}
      empty={(d) => d.length === 0 && <Empty icon={<IconKey size={26} />} text={t('catalog.requests.empty')} />}
    >
      {(d) => (
        <Stack>
          {(['incoming', 'outgoing'] as const).map((side) => {
            const rows = d.filter((a) => a.incoming === (side === 'incoming'))
            return (
              rows.length > 0 && (
                <Section key={side} title={t(`catalog.requests.${side}`)}>
                  <Stack gap="sm">
                    {rows.map((a) => (
                      <RequestLine key={a.id} a={a} />
                    ))}
                  </Stack>
                </Section>
              )
            )
          })}
        </Stack>
      )}
    </View>
  )
}

function RequestLine({ a }: { a: AccessRequest }) {
  const { t } = useTranslation()
  const [asking, setAsking] = useState<'approve' | 'refuse' | 'revoke' | null>(null)
  return (
    <Group justify="space-between" align="flex-start" className="card" p="sm">
      <div style={{ flex: '1 1 260px' }}>
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {plain(a.title)}
          </Text>
          <StateBadge state={a.state} />
        </Group>
        <Text size="sm">{plain(a.purpose, 500)}</Text>
        <Text size="xs" c="dimmed">
          {[
            a.incoming
              ? t('catalog.requests.from', { name: plain(a.from) })
              : t('catalog.requests.to', { name: plain(a.owner) }),
            t('common.days', { count: a.days }),
            ago(a.at),
            a.until && t('catalog.requests.until', { date: day(a.until) }),
            plain(a.reason),
          ]
            .filter(Boolean)
            .join(' · ')}
        </Text>
      </div>
      {a.incoming && a.state === 'submitted' && (
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => setAsking('refuse')}>
            {t('catalog.requests.refuse')}
          </Button>
          <Button size="xs" onClick={() => setAsking('approve')}>
            {t('catalog.requests.approve')}
          </Button>
        </Group>
      )}
      {a.incoming && a.state === 'approved' && (
        <Button size="xs" variant="default" onClick={() => setAsking('revoke')}>
          {t('catalog.requests.revoke')}
        </Button>
      )}
      {asking && <ReasonModal a={a} verb={asking} onClose={() => setAsking(null)} />}
    </Group>
  )
}

function ReasonModal({
  a,
  verb,
  onClose,
}: {
  a: AccessRequest
  verb: 'approve' | 'refuse' | 'revoke'
  onClose: () => void
}) {
  const { t } = useTranslation()
  const [reason, setReason] = useState('')
  const act = useAct(
    async () => {
      if (verb === 'revoke') await api.revokeAccess(a.id, reason)
      else await api.decideAccess(a.id, verb === 'approve', reason)
    },
    { stale, after: onClose, done: t(`catalog.requests.done.${verb}`) },
  )
  return (
    <Modal
      opened
      onClose={onClose}
      title={t(`catalog.requests.${verb}Title`, { name: plain(a.from) })}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Stack>
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
            color={verb === 'approve' ? undefined : 'red.8'}
            onClick={() => act.mutate(undefined)}
            loading={act.isPending}
          >
            {t(`catalog.requests.${verb}`)}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}

// AskModal asks an owner for the use of a dataset.
export function AskModal({
  cardId,
  owner,
  opened,
  onClose,
}: {
  cardId: string
  owner: string
  opened: boolean
  onClose: () => void
}) {
  const { t } = useTranslation()
  const [purpose, setPurpose] = useState('')
  const [days, setDays] = useState<number | string>(365)
  const ask = useAct(() => api.requestAccess(cardId, purpose, Number(days) || 365), {
    stale,
    done: t('catalog.ask.done', { name: owner }),
    after: onClose,
  })
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('catalog.ask.title', { name: owner })}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Stack>
        <Textarea
          label={t('catalog.ask.purpose')}
          description={t('catalog.ask.purposeHint')}
          value={purpose}
          onChange={(e) => setPurpose(e.currentTarget.value)}
          autosize
          minRows={3}
          maxLength={2000}
          data-autofocus
        />
        <NumberInput label={t('catalog.ask.days')} value={days} onChange={setDays} min={1} max={3650} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button onClick={() => ask.mutate(undefined)} disabled={!purpose.trim()} loading={ask.isPending}>
            {t('catalog.ask.button')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
