import { Box, Button, Container, Group, Stack, Stepper, Text, TextInput, Title } from '@mantine/core'
import { IconArrowRight, IconCheck } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { setWindowTitle } from '../../api/native'
import { k } from '../../api/queries'
import type { Identity } from '../../api/types'
import { useAct } from '../../shell/act'
import { KeyAvatar } from '../../ui/avatar'
import { Facts } from '../../ui/parts'
import { Failed } from '../../ui/states'
import { BackupForm } from '../settings/backup'
import { Restore } from './restore'

// Welcome is the first start: name the party, see its key, go on to the doors.
export function Welcome({ onBegin, onDone }: { onBegin: () => void; onDone: () => void }) {
  const { t } = useTranslation()
  const qc = useQueryClient()
  const [name, setName] = useState('')
  const [made, setMade] = useState<Identity>()
  const [restoring, setRestoring] = useState(false)
  const [backup, setBackup] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const give = useAct(api.nameParty, { after: setMade, quiet: true })
  useEffect(onBegin, [onBegin])
  useEffect(() => {
    setWindowTitle(t('shell.windowTitle', { title: t('home.welcome.title') }))
    field.current?.focus()
  }, [t])
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (name.trim()) give.mutate(name.trim())
  }
  return (
    <Container size="sm" py={56} component="main">
      <Stack gap="lg">
        <Box>
          <Title order={1}>{t('home.welcome.title')}</Title>
          <Text c="dimmed" mt={4}>
            {t('home.welcome.text')}
          </Text>
        </Box>
        <Stepper active={made ? 1 : 0} size="sm" allowNextStepsSelect={false} aria-label={t('home.welcome.steps')}>
          <Stepper.Step label={t('home.welcome.step1')} />
          <Stepper.Step label={t('home.welcome.step2')} />
        </Stepper>
        {restoring ? (
          <Restore onBack={() => setRestoring(false)} />
        ) : !made ? (
          <form onSubmit={submit}>
            <Stack className="card" p="lg">
              <TextInput
                size="md"
                label={t('home.welcome.name')}
                description={t('home.welcome.nameHint')}
                placeholder={t('home.welcome.nameExample')}
                value={name}
                onChange={(e) => setName(e.currentTarget.value)}
                maxLength={120}
                autoComplete="organization"
                ref={field}
                required
                withAsterisk={false}
              />
              {give.isError && <Failed error={give.error} />}
              <Group justify="space-between">
                <Button variant="subtle" onClick={() => setRestoring(true)}>
                  {t('home.restore.door')}
                </Button>
                <Button
                  type="submit"
                  size="md"
                  disabled={!name.trim()}
                  loading={give.isPending}
                  rightSection={<IconArrowRight size={17} />}
                >
                  {t('common.next')}
                </Button>
              </Group>
            </Stack>
          </form>
        ) : (
          <Stack className="card" p="lg">
            <Group wrap="nowrap">
              <KeyAvatar id={made.partyId} size={52} />
              <Box>
                <Text fw={600} size="lg">
                  {made.party}
                </Text>
                <Group gap={6} c="var(--ok)">
                  <IconCheck size={16} />
                  <Text size="sm">{t('home.welcome.keyMade')}</Text>
                </Group>
              </Box>
            </Group>
            <Text>{t('home.welcome.keyText')}</Text>
            <Facts
              rows={[
                [t('home.welcome.keyStore'), made.keyStore],
                [
                  t('home.welcome.home'),
                  <span key="h" className="mono">
                    {made.home}
                  </span>,
                ],
                [
                  t('home.welcome.fingerprint'),
                  <span key="f" className="mono">
                    {made.fingerprint}
                  </span>,
                ],
              ]}
            />
            {backup ? (
              <BackupForm />
            ) : (
              <Text size="sm" c="dimmed">
                {t('home.welcome.backup')}
              </Text>
            )}
            <Group justify={backup ? 'flex-end' : 'space-between'}>
              {!backup && (
                <Button variant="default" onClick={() => setBackup(true)}>
                  {t('settings.backup.open')}
                </Button>
              )}
              <Button
                size="md"
                rightSection={<IconArrowRight size={17} />}
                onClick={() => void qc.invalidateQueries({ queryKey: k.status }).then(onDone)}
              >
                {t('home.welcome.go')}
              </Button>
            </Group>
          </Stack>
        )}
      </Stack>
    </Container>
  )
}
