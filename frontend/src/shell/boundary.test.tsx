import { MantineProvider } from '@mantine/core'
import { render, screen, waitFor } from '@testing-library/react'
import { StrictMode } from 'react'
import { createMemoryRouter, RouterProvider } from 'react-router'
import { describe, expect, it, vi } from 'vitest'
import '../i18n'
import { fakeApi } from '../test/render'
import { theme } from '../theme/theme'
import { Crash, ErrorBoundary } from './boundary'

function Broken({ error }: { error: Error }): never {
  throw error
}

describe('a screen that throws', () => {
  it.each([
    ['in the router', (e: Error) => <Router error={e} />],
    [
      'outside of it',
      (e: Error) => (
        <ErrorBoundary>
          <Broken error={e} />
        </ErrorBoundary>
      ),
    ],
  ])('%s is told to the app, once', async (_name, what) => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const calls = fakeApi([])
    const error = new Error('no such figure')
    render(
      <StrictMode>
        <MantineProvider theme={theme} env="test">
          {what(error)}
        </MantineProvider>
      </StrictMode>,
    )
    expect(await screen.findByRole('heading', { name: 'This screen stopped working' })).toBeTruthy()
    await waitFor(() => expect(calls).toHaveLength(1))
    expect(calls[0]).toMatchObject({ method: 'POST', path: '/client-errors', body: { message: 'no such figure' } })
  })
})

function Router({ error }: { error: Error }) {
  const router = createMemoryRouter([{ path: '/', element: <Broken error={error} />, errorElement: <Crash /> }])
  return <RouterProvider router={router} />
}
