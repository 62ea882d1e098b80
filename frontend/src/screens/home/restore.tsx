import { Alert, Button, FileInput, Group, PasswordInput, Stack, Text, Title } from '@mantine/core'
import { IconCheck } from '@tabler/icons-react'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { inWindow, quit } from '../../api/native'
import type { Identity } from '../../api/types'
import { useAct } from '../../shell/act'
import { Failed } from '../../ui/states'

// base64 of a file's bytes, as JSON carries them.
async function base64(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  let s = ''
  for (const b of bytes) s += String.fromCharCode(b)
  return btoa(s)
}

// Restore brings a party back from a backup, in the place of naming a new one.
export function Restore({ onBack }: { onBack: () => void }) {
  const { t } = useTranslation()
  const [file, setFile] = useState<File | null>(null)
  const [word, setWord] = useState('')
  const [back, setBack] = useState<Identity>()
  const bring = useAct(async (f: File) => api.restore(word, await base64(f)), { after: setBack, quiet: true })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (file && word) bring.mutate(file)
  }
  if (back)
    return (
      <Stack className="card" p="lg">
        <Alert color="green" icon={<IconCheck size={18} />} title={t('home.restore.doneTitle', { name: back.party })}>
          {t('home.restore.done')}
        </Alert>
        {inWindow() && (
          <Group justify="flex-end">
            <Button onClick={() => void quit()}>{t('home.restore.quit')}</Button>
          </Group>
        )}
      </Stack>
    )
  return (
    <form onSubmit={submit}>
      <Stack className="card" p="lg">
        <Title order={2}>{t('home.restore.title')}</Title>
        <Text size="sm">{t('home.restore.text')}</Text>
        <FileInput
          label={t('home.restore.file')}
          placeholder={t('home.restore.choose')}
          value={file}
          onChange={setFile}
          accept=".age"
          clearable
          clearButtonProps={{ 'aria-label': t('home.restore.clear') }}
        />
        <PasswordInput
          label={t('settings.backup.passphrase')}
          value={word}
          onChange={(e) => setWord(e.currentTarget.value)}
          autoComplete="current-password"
          visibilityToggleButtonProps={{ 'aria-label': t('settings.backup.show') }}
        />
        <Text size="sm" c="dimmed">
          {t('home.restore.once')}
        </Text>
        {bring.isError && <Failed error={bring.error} />}
        <Group justify="space-between">
          <Button variant="subtle" onClick={onBack}>
            {t('home.restore.back')}
          </Button>
          <Button type="submit" disabled={!file || !word} loading={bring.isPending}>
            {t('home.restore.open')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
