import { MantineProvider } from '@mantine/core'
import { ModalsProvider } from '@mantine/modals'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render } from '@testing-library/react'
import { createMemoryRouter, RouterProvider } from 'react-router'
import { vi } from 'vitest'
import '../i18n'
import { routes } from '../router'
import { theme } from '../theme/theme'
import { answer } from './fixtures'

export interface Call {
  method: string
  path: string
  query: string // as it is sent, without its question mark
  body: unknown
}

type Reply = { status?: number; body: unknown } | 'never' | undefined

// fakeApi answers fetch from a table; over may say something else for a path.
export function fakeApi(table: [RegExp, unknown][], over: (c: Call) => Reply = () => undefined): Call[] {
  const calls: Call[] = []
  vi.stubGlobal('fetch', (input: string, init: RequestInit = {}) => {
    const url = new URL(input, 'http://x')
    const path = decodeURIComponent(url.pathname.replace('/api/v1', ''))
    const call = {
      method: init.method ?? 'GET',
      path,
      query: url.search.slice(1),
      body: typeof init.body === 'string' ? JSON.parse(init.body) : init.body,
    }
    calls.push(call)
    const r = over(call)
    if (r === 'never') return new Promise(() => undefined)
    const body = r ? r.body : answer(table, path)
    if (body === undefined)
      return Promise.resolve(new Response(JSON.stringify({ title: `no fixture for ${path}` }), { status: 404 }))
    return Promise.resolve(
      new Response(JSON.stringify(body), { status: r?.status ?? 200, headers: { 'Content-Type': 'application/json' } }),
    )
  })
  return calls
}

// open shows an address with everything round it, as the app does.
export function open(path: string) {
  const qc = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 15_000 } } })
  const router = createMemoryRouter(routes, { initialEntries: [path] })
  const shown = render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={qc}>
        <ModalsProvider>
          <RouterProvider router={router} />
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>,
  )
  return { ...shown, qc, router }
}

// unavailable is how the app refuses.
export const unavailable = {
  status: 503,
  body: {
    type: 'urn:synergos:problem:unavailable',
    title: 'Unavailable',
    status: 503,
    detail: 'the store is being checked',
    hint: 'Wait a moment.',
    instance: 'r1',
    fields: [],
  },
}
