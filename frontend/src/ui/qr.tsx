import { useMemo } from 'react'
import { encode } from 'uqr'

// Qr draws a text as a QR code, dark on light in both themes so that cameras read it.
export function Qr({ text, label, size = 168 }: { text: string; label: string; size?: number }) {
  const path = useMemo(() => {
    try {
      const q = encode(text, { ecc: 'L', border: 2 })
      const d = q.data.map((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : '')).join('')).join('')
      return { d, n: q.size }
    } catch {
      return null // too long for a QR code: the link itself is there
    }
  }, [text])
  if (!path) return null
  return (
    <svg
      width={size}
      height={size}
      viewBox={`0 0 ${path.n} ${path.n}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
      style={{ background: '#fff', borderRadius: 8 }}
    >
      <path d={path.d} fill="#111" />
    </svg>
  )
}
