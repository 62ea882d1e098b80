import { Button, Group, PasswordInput, Stack, Text } from '@mantine/core'
import { IconDeviceFloppy } from '@tabler/icons-react'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { saveFile } from '../../api/native'
import { useAct } from '../../shell/act'
import { Failed } from '../../ui/states'

export const minPassphrase = 12 // as the app demands

// BackupForm seals the key and the peers with a passphrase and saves the file.
export function BackupForm() {
  const { t } = useTranslation()
  const [word, setWord] = useState('')
  const [again, setAgain] = useState('')
  const make = useAct(
    async () => {
      const b = await api.backup(word)
      return saveFile(b.name, `/backup/${b.id}`) // '': nobody chose a place
    },
    {
      quiet: true,
      done: (where) => (where === '' ? undefined : t('settings.backup.done')),
      after: (where) => {
        if (where === '') return
        setWord('')
        setAgain('')
      },
    },
  )
  const short = word !== '' && word.length < minPassphrase
  const differs = again !== '' && again !== word
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (word.length >= minPassphrase && again === word) make.mutate(undefined)
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm">{t('settings.backup.text')}</Text>
        <Group align="flex-start" grow maw={640}>
          <PasswordInput
            label={t('settings.backup.passphrase')}
            description={t('settings.backup.hint', { count: minPassphrase })}
            value={word}
            onChange={(e) => setWord(e.currentTarget.value)}
            error={short && t('settings.backup.short', { count: minPassphrase })}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ 'aria-label': t('settings.backup.show') }}
          />
          <PasswordInput
            label={t('settings.backup.again')}
            description={t('settings.backup.againHint')}
            value={again}
            onChange={(e) => setAgain(e.currentTarget.value)}
            error={differs && t('settings.backup.differs')}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ 'aria-label': t('settings.backup.show') }}
          />
        </Group>
        {make.isError && <Failed error={make.error} />}
        <Group>
          <Button
            type="submit"
            variant="default"
            leftSection={<IconDeviceFloppy size={16} />}
            disabled={word.length < minPassphrase || again !== word}
            loading={make.isPending}
          >
            {t('settings.backup.make')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
