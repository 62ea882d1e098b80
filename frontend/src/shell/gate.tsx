import { Center, Container, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useCallback, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { whenSessionIsLost } from '../api/client'
import { api } from '../api/endpoints'
import { asProblem } from '../api/problem'
import { k } from '../api/queries'
import { Welcome } from '../screens/home/welcome'
import { Failed, Loading } from '../ui/states'

// Gate lets nobody in without a session, and asks for a name before all else.
export function Gate({ refused, children }: { refused?: unknown; children: ReactNode }) {
  const { t } = useTranslation()
  const [lost, setLost] = useState(false)
  const [welcoming, setWelcoming] = useState(false)
  const begin = useCallback(() => setWelcoming(true), []) // being named does not end the welcome: the key is shown first
  const status = useQuery({
    queryKey: k.status,
    queryFn: api.status,
    refetchInterval: (q) => (q.state.data?.ready === false ? 700 : false),
  })
  useEffect(() => whenSessionIsLost(() => setLost(true)), [])
  const locked = lost || asProblem(status.error).status === 401
  if ((status.error || refused) && locked)
    return (
      <Container size="sm" py={80} component="main">
        <Stack>
          <Title order={1}>{t('shell.session.title')}</Title>
          <Text>{t('shell.session.text')}</Text>
          <Text c="dimmed">{t('shell.session.hint')}</Text>
        </Stack>
      </Container>
    )
  if (!status.data)
    return (
      <Container size="sm" py={80} component="main">
        {status.isError ? (
          <Failed error={status.error} retry={() => void status.refetch()} />
        ) : (
          <Loading words={t('shell.opening')} rows={2} />
        )}
      </Container>
    )
  if (!status.data.ready)
    return (
      <Center h="100vh" component="main">
        <Text role="status">{t('shell.starting')}</Text>
      </Center>
    )
  if (!status.data.named || welcoming) return <Welcome onBegin={begin} onDone={() => setWelcoming(false)} />
  return children
}
