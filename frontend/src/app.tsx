import { MantineProvider } from '@mantine/core'
import { ModalsProvider } from '@mantine/modals'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { useState } from 'react'
import { RouterProvider } from 'react-router'
import { makeQueryClient } from './api/queries'
import { makeRouter } from './router'
import { ErrorBoundary } from './shell/boundary'
import { Gate } from './shell/gate'
import { theme } from './theme/theme'

// App puts the providers round the router. refused is why the session did not open.
export function App({ refused }: { refused?: unknown }) {
  const [qc] = useState(makeQueryClient)
  const [router] = useState(makeRouter)
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <QueryClientProvider client={qc}>
        <ErrorBoundary>
          <ModalsProvider>
            <Notifications position="bottom-right" limit={4} />
            <Gate refused={refused}>
              <RouterProvider router={router} />
            </Gate>
          </ModalsProvider>
        </ErrorBoundary>
      </QueryClientProvider>
    </MantineProvider>
  )
}
