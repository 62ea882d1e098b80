import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../api/endpoints'
import { k } from '../api/queries'
import { PairingModal } from '../screens/peers/pairing'

// PairingPrompt opens by itself when another computer asks to be paired.
export function PairingPrompt() {
  const peers = useQuery({ queryKey: k.peers, queryFn: api.peers })
  const [put, setPut] = useState<string[]>([])
  const asked = peers.data?.pairings.find((p) => p.incoming && p.mode === 'code' && ['waiting', 'compare'].includes(p.state) && !put.includes(p.id))
  if (!asked) return null
  return <PairingModal pairing={asked} onClose={() => setPut([...put, asked.id])} />
}
