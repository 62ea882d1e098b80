import { Button, Container, Stack, Text, Title } from '@mantine/core'
import { Component, type ReactNode } from 'react'
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

// Crash is shown by the router when a screen throws.
export function Crash() {
  const error = useRouteError()
  return <Sorry error={error} />
}

// ErrorBoundary catches what the router does not, and reports it to the app.
export class ErrorBoundary extends Component<{ children: ReactNode }, { error?: unknown }> {
  state: { error?: unknown } = {}

  static getDerivedStateFromError(error: unknown) {
    return { error }
  }

  componentDidCatch(error: Error) {
    void api.clientError(error.message, error.stack ?? '', window.location.hash).catch(() => undefined)
  }

  render() {
    return this.state.error ? <Sorry error={this.state.error} /> : this.props.children
  }
}
