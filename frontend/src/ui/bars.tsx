import { Box, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { seriesColour } from '../theme/theme'

export interface Bar {
  name: string
  value: number | null
  low?: number | null
  high?: number | null
  text: string
  note?: string
}

// Bars draws one horizontal bar per row with its interval; the words stand beside
// it, so the picture needs no second reading.
export function Bars({ rows, label }: { rows: Bar[]; label: string }) {
  const { t } = useTranslation()
  const ends = rows
    .flatMap((r) => [r.value, r.low, r.high])
    .filter((x): x is number => typeof x === 'number' && Number.isFinite(x))
  const lo = Math.min(0, ...ends)
  const hi = Math.max(0, ...ends)
  const span = hi - lo || 1
  const x = (v: number) => ((v - lo) / span) * 100
  const summary = rows.map((r) => `${r.name}: ${r.text}`).join('; ')
  return (
    <Box
      role="img"
      aria-label={t('common.chartSummary', { label, summary })}
      style={{
        display: 'grid',
        gridTemplateColumns: 'minmax(90px, max-content) 1fr minmax(90px, max-content)',
        columnGap: 16,
        rowGap: 10,
        alignItems: 'center',
      }}
    >
      {rows.map((r, i) => (
        <Box key={r.name} style={{ display: 'contents' }}>
          <Text size="sm" truncate maw={180}>
            {r.name}
          </Text>
          <svg width="100%" height="22" aria-hidden="true" style={{ overflow: 'visible' }}>
            <line x1={`${x(0)}%`} x2={`${x(0)}%`} y1="0" y2="22" stroke="var(--faint)" strokeWidth="1" />
            {r.value !== null && Number.isFinite(r.value) && (
              <rect
                x={`${Math.min(x(0), x(r.value))}%`}
                width={`${Math.abs(x(r.value) - x(0))}%`}
                y="5"
                height="12"
                rx="2"
                fill={seriesColour(i)}
                opacity="0.85"
              />
            )}
            {typeof r.low === 'number' && typeof r.high === 'number' && (
              <g stroke="var(--mantine-color-text)" strokeWidth="1.5">
                <line x1={`${x(r.low)}%`} x2={`${x(r.high)}%`} y1="11" y2="11" />
                <line x1={`${x(r.low)}%`} x2={`${x(r.low)}%`} y1="6" y2="16" />
                <line x1={`${x(r.high)}%`} x2={`${x(r.high)}%`} y1="6" y2="16" />
              </g>
            )}
          </svg>
          <Box ta="right">
            <Text size="sm" className="num">
              {r.text}
            </Text>
            {r.note && (
              <Text size="xs" c="dimmed">
                {r.note}
              </Text>
            )}
          </Box>
        </Box>
      ))}
    </Box>
  )
}
