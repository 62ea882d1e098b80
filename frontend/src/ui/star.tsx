import { Box } from '@mantine/core'
import { forceCollide, forceManyBody, forceRadial, forceSimulation, type SimulationNodeDatum } from 'd3-force'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'

export interface StarNode {
  id: string
  name: string
  live: boolean
  note?: string
  state?: string
  flow?: 'in' | 'out' | null
}

interface Props {
  centre: { id: string; name: string; note?: string }
  nodes: StarNode[]
  label: string
}

interface Point extends SimulationNodeDatum {
  id: string
}

const W = 420
const H = 300

// frame is the part of the picture that holds everything, labels included.
function frame(ys: number[]): [number, number] {
  const top = Math.min(H / 2 - 30, ...ys.map((y) => (y < H / 2 - 20 ? y - 54 : y - 22)))
  const bottom = Math.max(H / 2 + 60, ...ys.map((y) => (y < H / 2 - 20 ? y + 22 : y + 52)))
  return [top, bottom - top]
}

// layout puts the parties round the centre: d3-force run to its rest, from a start
// that depends only on the order, so that the picture does not jump.
export function layout(ids: string[]): Map<string, { x: number; y: number }> {
  const n = ids.length
  const r = n <= 1 ? 100 : 108
  const pts: Point[] = ids.map((id, i) => {
    const a = (2 * Math.PI * i) / Math.max(1, n) - Math.PI / 2 + (n === 2 ? Math.PI / 2 : 0)
    return { id, x: Math.cos(a) * r * 1.25, y: Math.sin(a) * r }
  })
  const sim = forceSimulation(pts)
    .force('ring', forceRadial(r).strength(0.8))
    .force('apart', forceCollide(34))
    .force('push', forceManyBody().strength(-60))
    .stop()
  for (let i = 0; i < 120; i++) sim.tick()
  return new Map(pts.map((p) => [p.id, { x: W / 2 + (p.x ?? 0) * 1.3, y: H / 2 + (p.y ?? 0) * 0.92 }]))
}

const tone = (n: StarNode) => {
  if (!n.live || n.state === 'absent' || n.state === 'offline') return 'var(--faint)'
  if (n.state === 'late') return 'var(--warn)'
  return 'var(--info)'
}

// Star shows the parties round the one in the middle; the table beside it says the
// same in words.
export function Star({ centre, nodes, label }: Props) {
  const { t } = useTranslation()
  const ids = nodes.map((n) => n.id).join(' ')
  const at = useMemo(() => layout(ids ? ids.split(' ') : []), [ids])
  const [top, height] = frame([...at.values()].map((p) => p.y))
  const summary = nodes.map((n) => `${n.name}: ${n.note ?? ''}`).join('; ')
  return (
    <Box style={{ width: '100%', maxWidth: 520, margin: '0 auto' }}>
      <svg
        viewBox={`0 ${top} ${W} ${height}`}
        width="100%"
        role="img"
        aria-label={t('common.chartSummary', { label, summary: `${centre.name}. ${summary}` })}
      >
        {nodes.map((n) => {
          const p = at.get(n.id) ?? { x: W / 2, y: H / 2 }
          return (
            <g key={n.id}>
              <line
                x1={W / 2}
                y1={H / 2}
                x2={p.x}
                y2={p.y}
                stroke={n.live ? 'var(--info)' : 'var(--line)'}
                strokeWidth={n.live ? 1.8 : 1.5}
                strokeDasharray={n.live ? undefined : '4 5'}
                opacity={n.live ? 0.55 : 1}
              />
              {n.flow && (
                <line
                  className="packet"
                  x1={n.flow === 'in' ? p.x : W / 2}
                  y1={n.flow === 'in' ? p.y : H / 2}
                  x2={n.flow === 'in' ? W / 2 : p.x}
                  y2={n.flow === 'in' ? H / 2 : p.y}
                  stroke="var(--info)"
                  strokeWidth={3.5}
                  strokeDasharray="5 19"
                  strokeLinecap="round"
                />
              )}
            </g>
          )
        })}
        {nodes.map((n) => {
          const p = at.get(n.id) ?? { x: W / 2, y: H / 2 }
          const above = p.y < H / 2 - 20 // its label then stands outside of the star
          return (
            <g key={n.id}>
              <circle
                cx={p.x}
                cy={p.y}
                r={14}
                fill="var(--panel)"
                stroke={tone(n)}
                strokeWidth={2.5}
                strokeDasharray={n.live ? undefined : '3 3'}
              />
              <text x={p.x} y={p.y + 5} textAnchor="middle" fontSize="13" fontWeight="700" fill={tone(n)}>
                {n.name.slice(0, 1).toUpperCase()}
              </text>
              <text
                x={p.x}
                y={p.y + (above ? -35 : 30)}
                textAnchor="middle"
                fontSize="12"
                fontWeight="600"
                fill="var(--mantine-color-text)"
              >
                {cut(n.name)}
              </text>
              <text x={p.x} y={p.y + (above ? -21 : 44)} textAnchor="middle" fontSize="11" fill="var(--faint)">
                {n.note}
              </text>
            </g>
          )
        })}
        <circle cx={W / 2} cy={H / 2} r={21} fill="var(--mantine-color-indigo-8)" />
        <text x={W / 2} y={H / 2 + 6} textAnchor="middle" fontSize="17" fontWeight="700" fill="#fff">
          {centre.name.slice(0, 1).toUpperCase()}
        </text>
        <text
          x={W / 2}
          y={H / 2 + 37}
          textAnchor="middle"
          fontSize="12"
          fontWeight="600"
          fill="var(--mantine-color-text)"
          paintOrder="stroke"
          stroke="var(--panel)"
          strokeWidth="4"
        >
          {cut(centre.name)}
        </text>
        {centre.note && (
          <text
            x={W / 2}
            y={H / 2 + 51}
            textAnchor="middle"
            fontSize="11"
            fill="var(--faint)"
            paintOrder="stroke"
            stroke="var(--panel)"
            strokeWidth="4"
          >
            {centre.note}
          </text>
        )}
      </svg>
    </Box>
  )
}

const cut = (s: string) => (s.length > 20 ? `${s.slice(0, 19)}…` : s)
