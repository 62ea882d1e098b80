import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import '@mantine/spotlight/styles.css'
import './theme/fonts.css'
import './theme/theme.css'
import './i18n'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { api } from './api/endpoints'
import { openSession, takeToken } from './api/session'
import { App } from './app'

const token = takeToken() // before the hash router looks at the address

let reported = 0
function report(message: string, stack: string) {
  if (reported++ < 20) void api.clientError(message, stack, window.location.hash).catch(() => undefined)
}
window.addEventListener('error', (e) => report(e.message, e.error?.stack ?? ''))
window.addEventListener('unhandledrejection', (e) => report(String(e.reason), e.reason?.stack ?? ''))

async function start() {
  const refused = await openSession(token).then(
    () => undefined,
    (e: unknown) => e,
  )
  const root = document.getElementById('root')
  if (!root) return
  createRoot(root).render(
    <StrictMode>
      <App refused={refused} />
    </StrictMode>,
  )
}

void start()
