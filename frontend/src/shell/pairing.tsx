import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { api } from '../api/endpoints'
import { k } from '../api/queries'
import type { Pairing } from '../api/types'
import { PairingModal } from '../screens/peers/pairing'

// PairingPrompt opens by itself when another computer asks to be paired, and stays
// until it is closed, so that its outcome is seen.
export function PairingPrompt() {
  const peers = useQuery({ queryKey: k.peers, queryFn: api.peers })
  const [open, setOpen] = useState<Pairing>()
  const [put, setPut] = useState<string[]>([])
  const asked = peers.data?.pairings.find(
    (p) => p.incoming && ['waiting', 'compare'].includes(p.state) && !put.includes(p.id),
  )
  useEffect(() => {
    if (asked && !open) setOpen(asked)
  }, [asked, open])
  if (!open) return null
  const close = () => {
    setPut([...put, open.id])
    setOpen(undefined)
  }
  return <PairingModal pairing={open} onClose={close} />
}
