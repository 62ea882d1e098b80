import { ActionIcon, Box, Button, Group, Menu, SegmentedControl, Stack, Text, TextInput, Tooltip } from '@mantine/core'
import {
  IconDots,
  IconPlugConnected,
  IconStethoscope,
  IconTrash,
  IconUserPlus,
  IconUsers,
  IconWorldSearch,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Invite, Pairing, Peer, PeerList } from '../../api/types'
import { ago, bytes, ms, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { confirm } from '../../shell/confirm'
import { KeyAvatar } from '../../ui/avatar'
import { StateBadge } from '../../ui/badge'
import { Code, CopyButton } from '../../ui/copy'
import { Page, Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { Star } from '../../ui/star'
import { Note, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { InviteModal } from './invite'
import { JoinModal } from './join'
import { PairingModal } from './pairing'

// Peers shows the computers of others: seen, asked, paired.
export function Peers() {
  const { t } = useTranslation()
  const [query, setQuery] = useSearchParams()
  const peers = useQuery({ queryKey: k.peers, queryFn: api.peers })
  const [pairing, setPairing] = useState<Pairing>()
  const open = query.get('invite') ? 'invite' : query.get('join') ? 'join' : null
  const close = () => setQuery({}, { replace: true })
  return (
    <Page
      title={t('peers.title')}
      sub={t('peers.sub')}
      actions={
        <>
          <Button
            variant="default"
            leftSection={<IconPlugConnected size={16} />}
            onClick={() => setQuery({ join: '1' })}
          >
            {t('peers.join.open')}
          </Button>
          <Button leftSection={<IconUserPlus size={16} />} onClick={() => setQuery({ invite: '1' })}>
            {t('peers.invite.open')}
          </Button>
        </>
      }
    >
      <View query={peers} loading={t('peers.loading')}>
        {(d) => <PeersBody d={d} onPair={setPairing} />}
      </View>
      {pairing && <PairingModal pairing={pairing} onClose={() => setPairing(undefined)} />}
      <InviteModal opened={open === 'invite'} onClose={close} />
      <JoinModal
        opened={open === 'join'}
        link={query.get('link') ?? ''}
        onClose={close}
        onPairing={(p) => {
          close()
          setPairing(p)
        }}
      />
    </Page>
  )
}

const lookingWords = { on: 'peers.looking', off: 'peers.notLooking', blocked: 'peers.blocked' } as const

// pairedParties counts parties, which may have several computers each.
const pairedParties = (peers: Peer[]) =>
  new Set(peers.filter((p) => p.state === 'paired').map((p) => p.partyId || p.deviceId)).size

function PeersBody({ d, onPair }: { d: PeerList; onPair: (p: Pairing) => void }) {
  const { t } = useTranslation()
  const [face, setFace] = useState('star')
  const known = d.items.filter((p) => p.state === 'paired' || p.state === 'pending' || p.state === 'revoked')
  const seen = d.items.filter((p) => p.state === 'seen')
  const openInvites = d.invites.filter((i) => !i.used)
  return (
    <>
      {d.discovery.state === 'blocked' && (
        <Note tone="warn" title={d.discovery.sentence}>
          {d.discovery.hint}
        </Note>
      )}
      <Section
        title={t('peers.paired', { count: pairedParties(d.items) })}
        actions={
          known.length > 0 && (
            <SegmentedControl
              size="xs"
              value={face}
              onChange={setFace}
              aria-label={t('peers.face')}
              data={[
                { value: 'star', label: t('peers.star') },
                { value: 'table', label: t('peers.table') },
              ]}
            />
          )
        }
      >
        {known.length === 0 ? (
          <Group gap="md" wrap="nowrap" py="sm" data-state="empty">
            <IconUsers size={28} aria-hidden />
            <Box>
              <Text>{t('peers.empty')}</Text>
              <Text size="sm" c="dimmed">
                {t('peers.emptyHow')}
              </Text>
            </Box>
          </Group>
        ) : face === 'star' ? (
          <Box
            style={{
              display: 'grid',
              gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 330px), 1fr))',
              gap: 20,
              alignItems: 'start',
            }}
          >
            <Star
              centre={{ id: d.identity.partyId, name: d.identity.party, note: t('common.me') }}
              nodes={known
                .filter((p) => p.state === 'paired')
                .map((p) => ({
                  id: p.deviceId,
                  name: plain(p.name) || p.fingerprint.slice(0, 9),
                  live: p.online,
                  note: p.online ? ms(p.rttMs) : ago(p.lastSeen),
                }))}
              label={t('peers.starLabel')}
            />
            <Stack gap="xs">
              {known.map((p) => (
                <PeerLine key={p.deviceId} peer={p} onPair={onPair} />
              ))}
            </Stack>
          </Box>
        ) : (
          <PeerTable peers={known} onPair={onPair} />
        )}
      </Section>
      <Section
        title={t('peers.seen')}
        hint={d.discovery.state !== 'blocked' ? d.discovery.sentence : undefined}
        actions={<DoctorLink />}
      >
        {seen.length === 0 ? (
          <Group gap="sm" py="xs">
            <Radar />
            <Text size="sm" c="dimmed">
              {t(lookingWords[d.discovery.state])}
            </Text>
          </Group>
        ) : (
          <Stack gap="xs">
            {seen.map((p) => (
              <PeerLine key={p.deviceId} peer={p} onPair={onPair} />
            ))}
          </Stack>
        )}
        <AddressForm onPairing={onPair} />
      </Section>
      {openInvites.length > 0 && (
        <Section title={t('peers.openInvites')}>
          <Stack gap="xs">
            {openInvites.map((i) => (
              <InviteLine key={i.id} invite={i} />
            ))}
          </Stack>
        </Section>
      )}
      <Section title={t('peers.self')} hint={t('peers.selfHint')}>
        <Facts
          rows={[
            [t('peers.name'), d.identity.party],
            [
              t('peers.addresses'),
              d.identity.addresses.length === 0 ? (
                t('common.none')
              ) : (
                <Group key="a" gap="md">
                  {d.identity.addresses.map((a) => (
                    <Code key={a} text={a} what={t('common.address')} />
                  ))}
                </Group>
              ),
            ],
            [t('peers.fingerprint'), <Code key="f" text={d.identity.fingerprint} what={t('common.fingerprint')} />],
          ]}
        />
      </Section>
    </>
  )
}

function Radar() {
  return (
    <svg width="34" height="34" viewBox="0 0 34 34" aria-hidden="true" className="radar">
      <circle cx="17" cy="17" r="14" fill="none" stroke="var(--info)" strokeWidth="1.5" />
      <rect x="14.5" y="14.5" width="5" height="5" rx="2.5" fill="var(--info)" />
    </svg>
  )
}

function DoctorLink() {
  const { t } = useTranslation()
  return (
    <Button
      component={Link}
      to="/settings?tab=doctor"
      variant="subtle"
      size="compact-sm"
      mih={24}
      leftSection={<IconStethoscope size={15} />}
    >
      {t('peers.doctor')}
    </Button>
  )
}

function PeerLine({ peer: p, onPair }: { peer: Peer; onPair: (p: Pairing) => void }) {
  const { t } = useTranslation()
  const name = plain(p.name) || t('peers.unnamed')
  return (
    <Group wrap="nowrap" gap="sm" py={4} data-peer={p.deviceId}>
      <KeyAvatar id={p.deviceId} size={34} />
      <Box style={{ flex: 1, minWidth: 0 }}>
        <Text size="sm" fw={600} truncate>
          {name}
        </Text>
        <Text size="xs" c="dimmed" truncate>
          {p.state === 'seen'
            ? [p.addresses[0], p.fingerprint.slice(0, 19)].filter(Boolean).join(' · ')
            : [
                p.role !== 'none' && t(`peers.role.${p.role}`),
                p.online ? ms(p.rttMs) : t('peers.lastSeen', { time: ago(p.lastSeen) }),
                p.version,
                p.how,
              ]
                .filter(Boolean)
                .join(' · ')}
        </Text>
      </Box>
      <PeerState peer={p} />
      <PeerActions peer={p} name={name} onPair={onPair} />
    </Group>
  )
}

function PeerState({ peer: p }: { peer: Peer }) {
  const { t } = useTranslation()
  if (p.state === 'paired')
    return <StateBadge state={p.online ? 'on' : 'offline'} word={p.online ? t('common.state.online') : undefined} />
  return <StateBadge state={p.state} />
}

function PeerActions({ peer: p, name, onPair }: { peer: Peer; name: string; onPair: (p: Pairing) => void }) {
  const { t } = useTranslation()
  const pair = useAct(api.pair, { stale: [k.peers], after: onPair })
  const revoke = useAct(api.revoke, { stale: [k.peers, k.home], done: t('peers.revoked', { name }) })
  if (p.state === 'seen' || p.state === 'pending')
    return (
      <Button
        size="xs"
        onClick={() => pair.mutate(p.deviceId)}
        loading={pair.isPending}
        aria-label={t('peers.pairWith', { name })}
      >
        {t('peers.pair')}
      </Button>
    )
  if (p.state === 'revoked') return null
  const ask = () =>
    confirm({
      title: t('peers.revoke.title', { name }),
      text: t('peers.revoke.text'),
      button: t('peers.revoke.button'),
      onYes: () => revoke.mutate(p.deviceId),
    })
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size={28} aria-label={t('peers.actions', { name })}>
          <IconDots size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconTrash size={15} />} color="red" onClick={ask}>
          {t('peers.revoke.button')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

function PeerTable({ peers, onPair }: { peers: Peer[]; onPair: (p: Pairing) => void }) {
  const { t } = useTranslation()
  return (
    <DataTable
      label={t('peers.title')}
      rows={peers}
      rowKey={(p) => p.deviceId}
      cols={[
        {
          key: 'name',
          head: t('peers.name'),
          cell: (p) => (
            <Group gap="xs" wrap="nowrap">
              <KeyAvatar id={p.deviceId} size={24} />
              {plain(p.name) || t('peers.unnamed')}
            </Group>
          ),
          sort: (p) => p.name,
        },
        { key: 'state', head: t('peers.state'), cell: (p) => <PeerState peer={p} />, sort: (p) => (p.online ? 0 : 1) },
        {
          key: 'role',
          head: t('peers.roleHead'),
          cell: (p) => maybe(`peers.role.${p.role}`, p.role),
          sort: (p) => p.role,
        },
        { key: 'rtt', head: t('peers.rtt'), cell: (p) => ms(p.rttMs), sort: (p) => p.rttMs, num: true },
        { key: 'in', head: t('peers.in'), cell: (p) => bytes(p.bytesIn), sort: (p) => p.bytesIn, num: true },
        { key: 'out', head: t('peers.out'), cell: (p) => bytes(p.bytesOut), sort: (p) => p.bytesOut, num: true },
        { key: 'seen', head: t('peers.lastHead'), cell: (p) => ago(p.lastSeen), sort: (p) => p.lastSeen },
        { key: 'version', head: t('peers.version'), cell: (p) => p.version },
        { key: 'how', head: t('peers.how'), cell: (p) => p.how },
        { key: 'act', head: '', cell: (p) => <PeerActions peer={p} name={plain(p.name)} onPair={onPair} /> },
      ]}
    />
  )
}

function AddressForm({ onPairing }: { onPairing: (p: Pairing) => void }) {
  const { t } = useTranslation()
  const [address, setAddress] = useState('')
  const add = useAct(api.pairAddress, {
    stale: [k.peers],
    after: (p) => {
      setAddress('')
      onPairing(p)
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (address.trim()) add.mutate(address.trim())
  }
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="xs" mt="sm">
        <TextInput
          label={t('peers.address.label')}
          description={t('peers.address.hint')}
          placeholder={t('peers.address.example')}
          leftSection={<IconWorldSearch size={16} />}
          value={address}
          onChange={(e) => setAddress(e.currentTarget.value)}
          style={{ flex: '0 1 380px' }}
        />
        <Button type="submit" variant="default" disabled={!address.trim()} loading={add.isPending}>
          {t('peers.address.button')}
        </Button>
      </Group>
    </form>
  )
}

function InviteLine({ invite }: { invite: Invite }) {
  const { t } = useTranslation()
  const withdraw = useAct(api.withdrawInvite, { stale: [k.peers], done: t('peers.invite.withdrawn') })
  return (
    <Group justify="space-between">
      <Text size="sm">
        {t('peers.invite.openUntil', { time: ago(invite.expires) })}
        {invite.tries > 0 && ` · ${t('peers.invite.tries', { count: invite.tries })}`}
      </Text>
      <Group gap="xs">
        {invite.link && <CopyButton text={invite.link} label={t('peers.invite.copy')} variant="default" />}
        <Tooltip label={t('peers.invite.withdraw')}>
          <ActionIcon
            variant="subtle"
            color="red"
            size={28}
            aria-label={t('peers.invite.withdraw')}
            onClick={() => withdraw.mutate(invite.id)}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </Tooltip>
      </Group>
    </Group>
  )
}
