import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { api } from '../api/endpoints'
import { applyBatch, Invalidator } from '../api/queries'
import { EventStream, pickSource } from '../api/transport'

// useLive keeps the cache fresh from the event stream; false while the app is away.
export function useLive(): boolean {
  const qc = useQueryClient()
  const [live, setLive] = useState(true)
  useEffect(() => {
    const inv = new Invalidator(qc)
    const stream = new EventStream({
      source: pickSource(),
      replay: api.replay,
      onBatch: (b) => {
        inv.add(applyBatch(qc, b))
        for (const e of b)
          if (e.kind === 'app.open') window.dispatchEvent(new CustomEvent('synergos-open', { detail: e.subject }))
      },
      onReset: () => void qc.invalidateQueries(),
      onState: setLive,
    })
    stream.start()
    const seen = () => {
      if (document.visibilityState === 'visible') void stream.catchUp()
    }
    document.addEventListener('visibilitychange', seen)
    return () => {
      document.removeEventListener('visibilitychange', seen)
      stream.stop()
    }
  }, [qc])
  return live
}
