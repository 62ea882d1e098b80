import { Button, Container, Stack, Text, Title } from '@mantine/core'
import { Component, type ReactNode, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { useRouteError } from 'react-router'
import { api } from '../api/endpoints'
import { CopyButton } from '../ui/copy'

function Sorry({ error }: { error: unknown }) {
  const { t } = useTranslation()
  const text = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error)
  return (
    <Container size="sm" py={80} role="alert">
      <Stack align="flex-start">
        <Title order={1}>{t('shell.crash.title')}</Title>
        <Text>{t('shell.crash.text')}</Text>
        <Button onClick={() => window.location.reload()}>{t('shell.crash.reload')}</Button>
        <CopyButton text={text} label={t('common.copyDetails')} />
      </Stack>
    </Container>
  )
}

const reported = new WeakSet<object>() // a screen is drawn more than once with one error

// report tells the app of an error, once.
function report(error: unknown) {
  const e = error instanceof Error ? error : new Error(String(error))
  if (reported.has(e)) return
  reported.add(e)
  void api.clientError(e.message, e.stack ?? '', window.location.hash).catch(() => undefined)
}

// Crash is shown by the router when a screen throws, and reports it to the app.
export function Crash() {
  const error = useRouteError()
  useEffect(() => report(error), [error])
  return <Sorry error={error} />
}

// ErrorBoundary catches what the router does not, and reports it to the app.
export class ErrorBoundary extends Component<{ children: ReactNode }, { error?: unknown }> {
  state: { error?: unknown } = {}

  static getDerivedStateFromError(error: unknown) {
    return { error }
  }

  componentDidCatch(error: Error) {
    report(error)
  }

  render() {
    return this.state.error ? <Sorry error={this.state.error} /> : this.props.children
  }
}
