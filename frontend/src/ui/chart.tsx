import { Box, Button, Group, Table, Text, useComputedColorScheme } from '@mantine/core'
import { IconChartLine, IconTable } from '@tabler/icons-react'
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { fixed, int } from '../format/format'
import { seriesColours } from '../theme/theme'

export interface Curve {
  name: string
  xs: number[]
  ys: (number | null)[]
  colour?: number
  dash?: boolean
}

interface Props {
  curves: Curve[]
  label: string // what is drawn, for the summary
  xLabel: string
  digits?: number
  height?: number
  format?: (y: number | null) => string
}

// LineChart draws curves with uPlot; T or the button turns it into the table of its
// figures. Points reach the canvas once per animation frame, not by React state.
export function LineChart({ curves, label, xLabel, digits = 3, height = 230, format }: Props) {
  const { t } = useTranslation()
  const [twin, setTwin] = useState(false)
  const fmt = format ?? ((y: number | null) => fixed(y, digits))
  const summary = useMemo(() => summarise(curves, fmt), [curves, fmt])
  const onKey = (e: KeyboardEvent) => {
    if (e.key.toLowerCase() === 't' && !e.ctrlKey && !e.metaKey) setTwin((x) => !x)
  }
  return (
    <Box onKeyDown={onKey}>
      <Group justify="space-between" mb={4} gap="xs" wrap="nowrap">
        <Text size="sm" fw={600}>
          {label}
        </Text>
        <Button
          size="compact-xs"
          mih={24}
          variant="subtle"
          color="gray"
          leftSection={twin ? <IconChartLine size={13} /> : <IconTable size={13} />}
          onClick={() => setTwin(!twin)}
          aria-keyshortcuts="T"
        >
          {twin ? t('common.showChart') : t('common.showTable')}
        </Button>
      </Group>
      {twin ? (
        <TwinTable curves={curves} xLabel={xLabel} label={label} fmt={fmt} height={height} />
      ) : (
        <>
          <Box role="img" aria-label={t('common.chartSummary', { label, summary })} tabIndex={0}>
            <Canvas curves={curves} height={height} fmt={fmt} xLabel={xLabel} />
          </Box>
          <Legend curves={curves} fmt={fmt} />
        </>
      )}
    </Box>
  )
}

function summarise(curves: Curve[], fmt: (y: number | null) => string): string {
  return curves
    .map((c) => {
      const at = c.ys.findLastIndex((y) => y !== null)
      return at < 0 ? '' : `${c.name}: ${fmt(c.ys[0])} → ${fmt(c.ys[at])}`
    })
    .filter(Boolean)
    .join('; ')
}

function Legend({ curves, fmt }: { curves: Curve[]; fmt: (y: number | null) => string }) {
  return (
    <Group gap="md" mt={4} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
      {curves.map((c, i) => (
        <Group key={c.name} gap={6} component="li" wrap="nowrap">
          <svg width="18" height="8" aria-hidden="true">
            <line
              x1="0"
              x2="18"
              y1="4"
              y2="4"
              stroke={`var(${seriesColours[(c.colour ?? i) % 8]})`}
              strokeWidth="3"
              strokeDasharray={c.dash ? '4 3' : undefined}
            />
          </svg>
          <Text size="xs" c="dimmed" className="num">
            {c.name} {fmt(c.ys.findLast((y) => y !== null) ?? null)}
          </Text>
        </Group>
      ))}
    </Group>
  )
}

// joinCurves puts curves on the union of their x values, as uPlot wants them.
export function joinCurves(curves: Curve[]): [number[], ...(number | null)[][]] {
  const xs = [...new Set(curves.flatMap((c) => c.xs))].sort((a, b) => a - b)
  const at = new Map(xs.map((x, i) => [x, i]))
  const cols = curves.map((c) => {
    const col: (number | null)[] = new Array(xs.length).fill(null)
    c.xs.forEach((x, i) => {
      col[at.get(x) as number] = c.ys[i] ?? null
    })
    return col
  })
  return [xs, ...cols]
}

function TwinTable({
  curves,
  xLabel,
  label,
  fmt,
  height,
}: {
  curves: Curve[]
  xLabel: string
  label: string
  fmt: (y: number | null) => string
  height: number
}) {
  const [xs, ...cols] = joinCurves(curves)
  return (
    <Box mah={height + 24} style={{ overflow: 'auto' }} tabIndex={0} role="region" aria-label={label}>
      <Table stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th className="num">{xLabel}</Table.Th>
            {curves.map((c) => (
              <Table.Th key={c.name} className="num">
                {c.name}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {xs.map((x, i) => (
            <Table.Tr key={x}>
              <Table.Td className="num">{int(x)}</Table.Td>
              {cols.map((c, j) => (
                <Table.Td key={curves[j].name} className="num">
                  {fmt(c[i])}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Box>
  )
}

const css = (el: Element, name: string) => resolve(el, `var(${name})`)

// resolve asks the browser for the colour behind a variable.
function resolve(el: Element, colour: string): string {
  const probe = document.createElement('span')
  probe.style.color = colour
  el.appendChild(probe)
  const c = getComputedStyle(probe).color
  probe.remove()
  return c
}

function Canvas({
  curves,
  height,
  fmt,
  xLabel,
}: {
  curves: Curve[]
  height: number
  fmt: (y: number | null) => string
  xLabel: string
}) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const latest = useRef(curves)
  latest.current = curves
  const shape = `${curves.map((c) => `${c.name}|${c.colour}|${c.dash}`).join(',')}|${height}|${xLabel}`
  const scheme = useComputedColorScheme('light')

  // biome-ignore lint/correctness/useExhaustiveDependencies: shape and scheme stand for everything that needs a new plot
  useEffect(() => {
    const el = box.current
    if (!el || typeof Path2D === 'undefined') return
    const axis = {
      stroke: css(el, '--faint'),
      grid: { stroke: css(el, '--line'), width: 1 },
      ticks: { show: false },
      font: '11px Inter, sans-serif',
    }
    const u = new uPlot(
      {
        width: el.clientWidth || 400,
        height,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 7 } },
        scales: { x: { time: false } },
        axes: [
          {
            ...axis,
            label: xLabel,
            labelSize: 16,
            labelFont: '11px Inter, sans-serif',
            size: 28,
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500],
          },
          { ...axis, size: 52, values: (_u, ticks) => ticks.map((v) => fmt(v)) },
        ],
        series: [
          {},
          ...curves.map((c, i) => ({
            label: c.name,
            stroke: css(el, seriesColours[(c.colour ?? i) % 8]),
            width: 2,
            dash: c.dash ? [6, 4] : undefined,
            spanGaps: true,
            points: { show: c.xs.length < 40, size: 5 },
          })),
        ],
      },
      joinCurves(latest.current) as uPlot.AlignedData,
      el,
    )
    plot.current = u
    const ro = new ResizeObserver(() => u.setSize({ width: el.clientWidth, height }))
    ro.observe(el)
    return () => {
      ro.disconnect()
      u.destroy()
      plot.current = null
    }
  }, [shape, scheme])

  useEffect(() => {
    const frame = requestAnimationFrame(() => plot.current?.setData(joinCurves(curves) as uPlot.AlignedData))
    return () => cancelAnimationFrame(frame)
  }, [curves])

  return <div ref={box} style={{ width: '100%', minHeight: height }} />
}
