import type { HistogramBin } from '../api/types'
import { seriesColour } from '../theme/theme'

interface Props {
  bins: HistogramBin[]
  classes: string[]
  label: string
  width?: number
  height?: number
}

// Histogram stacks the counts of the classes in each bin.
export function Histogram({ bins, classes, label, width = 150, height = 34 }: Props) {
  const total = (b: HistogramBin) => b.counts.reduce((a, c) => a + c, 0)
  const top = Math.max(1, ...bins.map(total))
  const w = width / Math.max(1, bins.length)
  return (
    <svg
      width={width}
      height={height}
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
    >
      {bins.map((b, i) => {
        let y = height
        return b.counts.map((c, j) => {
          const h = (c / top) * (height - 1)
          y -= h
          return (
            <rect
              key={`${i}-${j}`}
              x={i * w + 0.5}
              y={y}
              width={Math.max(1, w - 1)}
              height={h}
              fill={seriesColour(classes.length > 1 ? j : 0)}
            />
          )
        })
      })}
      <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} stroke="var(--line)" />
    </svg>
  )
}
