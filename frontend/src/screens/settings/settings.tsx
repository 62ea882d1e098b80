import { Box, Button, Group, NumberInput, Select, Stack, Switch, Tabs, Text, TextInput } from '@mantine/core'
import { IconRotate2, IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Identity, Setting } from '../../api/types'
import { maybe } from '../../i18n'
import { useAct } from '../../shell/act'
import { KeyAvatar } from '../../ui/avatar'
import { Code } from '../../ui/copy'
import { Page, Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { View } from '../../ui/states'
import { BackupForm } from './backup'
import { About, Doctor } from './doctor'

// Settings holds identity, settings with their defaults, the doctor, and about.
export function Settings() {
  const { t } = useTranslation()
  const [query, setQuery] = useSearchParams()
  return (
    <Page title={t('settings.title')}>
      <Tabs
        value={query.get('tab') ?? 'settings'}
        onChange={(v) => setQuery({ tab: v ?? 'settings' }, { replace: true })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="settings">{t('settings.tab.settings')}</Tabs.Tab>
          <Tabs.Tab value="identity">{t('settings.tab.identity')}</Tabs.Tab>
          <Tabs.Tab value="doctor">{t('settings.tab.doctor')}</Tabs.Tab>
          <Tabs.Tab value="about">{t('settings.tab.about')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="settings">
          <List />
        </Tabs.Panel>
        <Tabs.Panel value="identity">
          <IdentityTab />
        </Tabs.Panel>
        <Tabs.Panel value="doctor">
          <Doctor />
        </Tabs.Panel>
        <Tabs.Panel value="about">
          <About />
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}

function List() {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const settings = useQuery({ queryKey: k.settings, queryFn: api.settings })
  const q = text.trim().toLowerCase()
  return (
    <Stack maw={860}>
      <TextInput
        data-search
        aria-label={t('settings.search')}
        placeholder={t('settings.search')}
        leftSection={<IconSearch size={16} />}
        value={text}
        onChange={(e) => setText(e.currentTarget.value)}
        maw={380}
      />
      <View
        query={settings}
        rows={6}
        empty={(d) =>
          d.length === 0 && (
            <Section>
              <Text size="sm">{t('settings.none')}</Text>
            </Section>
          )
        }
      >
        {(d) => {
          const fit = d.filter((s) => !q || `${s.title} ${s.help} ${s.group} ${s.key}`.toLowerCase().includes(q))
          const groups = [...new Set(fit.map((s) => s.group))]
          if (fit.length === 0) return <Text size="sm">{t('settings.nothing')}</Text>
          return (
            <Stack>
              {groups.map((g) => (
                <Section key={g} title={g}>
                  <Stack gap="md">
                    {fit
                      .filter((s) => s.group === g)
                      .map((s) => (
                        <SettingLine key={s.key} s={s} />
                      ))}
                  </Stack>
                </Section>
              ))}
            </Stack>
          )
        }}
      </View>
    </Stack>
  )
}

const truthy = (v: string) => v === 'true' || v === 'on' || v === '1'

function SettingLine({ s }: { s: Setting }) {
  const { t } = useTranslation()
  const [value, setValue] = useState(s.value)
  useEffect(() => setValue(s.value), [s.value])
  const change = useAct((v: string) => api.changeSettings({ [s.key]: v }), {
    stale: [k.settings],
    done: t('settings.saved', { title: s.title }),
  })
  const save = (v: string) => {
    setValue(v)
    if (v !== s.value) change.mutate(v, { onError: () => setValue(s.value) })
  }
  const help = [
    s.help,
    s.kind === 'number' && (s.low !== 0 || s.high !== 0) && t('settings.bounds', { low: s.low, high: s.high }),
  ]
    .filter(Boolean)
    .join(' ')
  return (
    <Group justify="space-between" align="flex-start" wrap="nowrap" gap="md">
      <Box style={{ flex: 1, maxWidth: 560 }}>
        {s.kind === 'switch' && (
          <Switch
            label={s.title}
            description={help}
            checked={truthy(value)}
            onChange={(e) => save(e.currentTarget.checked ? 'true' : 'false')}
          />
        )}
        {s.kind === 'choice' && (
          <Select
            label={s.title}
            description={help}
            data={s.choices.map((c) => ({ value: c, label: maybe(`settings.choice.${c}`, c) }))}
            value={value}
            onChange={(v) => v !== null && save(v)}
            allowDeselect={false}
            maw={320}
          />
        )}
        {s.kind === 'number' && (
          <NumberInput
            label={s.title}
            description={help}
            value={value === '' ? '' : Number(value)}
            min={s.low || undefined}
            max={s.high || undefined}
            onChange={(v) => setValue(String(v))}
            onBlur={() => save(value)}
            maw={320}
          />
        )}
        {s.kind === 'text' && (
          <TextInput
            label={s.title}
            description={help}
            value={value}
            onChange={(e) => setValue(e.currentTarget.value)}
            onBlur={() => save(value)}
            maw={420}
          />
        )}
      </Box>
      {s.value !== s.default && (
        <Button
          size="xs"
          variant="subtle"
          leftSection={<IconRotate2 size={14} />}
          onClick={() => save(s.default)}
          aria-label={t('settings.resetOf', { title: s.title })}
        >
          {t('settings.reset', {
            value:
              s.kind === 'switch'
                ? truthy(s.default)
                  ? t('common.state.on')
                  : t('common.state.off')
                : maybe(`settings.choice.${s.default}`, s.default) || t('common.none'),
          })}
        </Button>
      )}
    </Group>
  )
}

function IdentityTab() {
  const identity = useQuery({ queryKey: k.identity, queryFn: api.identity })
  return <View query={identity}>{(d) => <IdentityCard key={d.party} d={d} />}</View>
}

function IdentityCard({ d }: { d: Identity }) {
  const { t } = useTranslation()
  const [name, setName] = useState(d.party)
  const save = useAct(() => api.nameParty(name.trim()), { stale: [k.identity, k.peers], done: t('settings.named') })
  return (
    <Stack maw={860}>
      <Section title={t('settings.tab.identity')} hint={t('settings.identityHint')}>
        <Group align="flex-end" mb="md">
          <KeyAvatar id={d.partyId} size={48} />
          <TextInput
            label={t('settings.partyName')}
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            maxLength={120}
            style={{ flex: '0 1 360px' }}
          />
          <Button
            variant="default"
            onClick={() => save.mutate(undefined)}
            disabled={!name.trim() || name.trim() === d.party}
            loading={save.isPending}
          >
            {t('common.save')}
          </Button>
        </Group>
        <Facts
          rows={[
            [t('peers.fingerprint'), <Code key="f" text={d.fingerprint} what={t('common.fingerprint')} />],
            [
              t('peers.addresses'),
              <Stack key="a" gap={2}>
                {d.addresses.map((a) => (
                  <Code key={a} text={a} what={t('common.address')} />
                ))}
              </Stack>,
            ],
            [t('home.welcome.home'), <Code key="h" text={d.home} what={t('home.welcome.home')} />],
            [t('home.welcome.keyStore'), d.keyStore],
            [t('settings.discovery'), t(`settings.discoveries.${d.discovery}`)],
          ]}
        />
      </Section>
      <Section title={t('settings.backup.title')}>
        <BackupForm />
      </Section>
    </Stack>
  )
}
