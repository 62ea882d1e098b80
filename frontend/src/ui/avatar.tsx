// KeyAvatar draws a symmetric picture of a key, so that people recognise each other.
export function KeyAvatar({ id, size = 32 }: { id: string; size?: number }) {
  let h = 2166136261
  for (const c of id || '?') h = Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0
  const hue = h % 360
  const cells: [number, number][] = []
  let bits = h
  for (let y = 0; y < 5; y++)
    for (let x = 0; x < 3; x++) {
      bits = (Math.imul(bits, 1664525) + 1013904223) >>> 0
      if ((bits >>> 16) % 100 < 52) {
        cells.push([x, y])
        if (x < 2) cells.push([4 - x, y])
      }
    }
  return (
    <svg
      width={size}
      height={size}
      viewBox="-1 -1 7 7"
      aria-hidden="true"
      style={{ borderRadius: 8, background: `oklch(0.94 0.035 ${hue})`, flexShrink: 0 }}
    >
      {cells.map(([x, y]) => (
        <rect key={`${x},${y}`} x={x} y={y} width={1.02} height={1.02} fill={`oklch(0.47 0.14 ${hue})`} />
      ))}
    </svg>
  )
}
