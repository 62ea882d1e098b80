import { Box, Checkbox, Group, Table, UnstyledButton } from '@mantine/core'
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'

export interface Col<T> {
  key: string
  head: ReactNode
  cell: (row: T) => ReactNode
  sort?: (row: T) => string | number | null | undefined
  num?: boolean
  width?: number | string
}

interface Props<T> {
  label: string
  rows: T[]
  cols: Col<T>[]
  rowKey: (row: T) => string
  selected?: string[]
  onSelect?: (keys: string[]) => void
  rowName?: (row: T) => string
  initialSort?: { key: string; down: boolean }
  height?: number
  tone?: (row: T) => string | undefined
}

const virtualFrom = 100

// DataTable sorts, selects and, for many rows, draws only those in sight.
export function DataTable<T>(p: Props<T>) {
  const { t } = useTranslation()
  const [sort, setSort] = useState(p.initialSort)
  const box = useRef<HTMLDivElement>(null)
  const rows = useMemo(() => sorted(p.rows, p.cols, sort), [p.rows, p.cols, sort])
  const virtual = rows.length > virtualFrom
  const v = useVirtualizer({
    count: virtual ? rows.length : 0,
    getScrollElement: () => box.current,
    estimateSize: () => 41,
    overscan: 12,
  })
  const shown = virtual ? v.getVirtualItems().map((i) => rows[i.index]) : rows
  const first = virtual ? (v.getVirtualItems()[0]?.start ?? 0) : 0
  const lastItem = virtual ? v.getVirtualItems().at(-1) : undefined
  const after = virtual ? v.getTotalSize() - (lastItem?.end ?? 0) : 0
  const all = p.rows.length > 0 && p.selected?.length === p.rows.length
  const toggle = (key: string) => {
    const s = p.selected ?? []
    p.onSelect?.(s.includes(key) ? s.filter((x) => x !== key) : [...s, key])
  }
  return (
    <Box
      ref={box}
      className="table-wrap"
      tabIndex={0}
      role="region"
      aria-label={p.label}
      mah={virtual ? (p.height ?? 560) : undefined}
      style={{ overflowY: virtual ? 'auto' : undefined }}
    >
      <Table highlightOnHover stickyHeader={virtual} aria-rowcount={p.rows.length}>
        <Table.Thead>
          <Table.Tr>
            {p.onSelect && (
              <Table.Th w={40}>
                <Checkbox
                  size="sm"
                  aria-label={t('common.selectAll')}
                  checked={all}
                  indeterminate={!all && (p.selected?.length ?? 0) > 0}
                  onChange={() => p.onSelect?.(all ? [] : p.rows.map(p.rowKey))}
                />
              </Table.Th>
            )}
            {p.cols.map((c) => (
              <Table.Th
                key={c.key}
                className={c.num ? 'num' : undefined}
                w={c.width}
                aria-sort={ariaSort(c.key, sort)}
                style={{ whiteSpace: 'nowrap' }}
              >
                {c.sort ? (
                  <UnstyledButton
                    fz="sm"
                    fw={600}
                    mih={24}
                    onClick={() => setSort({ key: c.key, down: sort?.key === c.key ? !sort.down : !!c.num })}
                  >
                    <Group gap={4} wrap="nowrap" component="span" display="inline-flex">
                      {c.head}
                      {sort?.key === c.key ? (
                        sort.down ? (
                          <IconArrowDown size={13} />
                        ) : (
                          <IconArrowUp size={13} />
                        )
                      ) : (
                        <IconArrowsSort size={13} opacity={0.45} />
                      )}
                    </Group>
                  </UnstyledButton>
                ) : (
                  c.head
                )}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {first > 0 && (
            <tr aria-hidden>
              <td style={{ height: first, padding: 0 }} />
            </tr>
          )}
          {shown.map((row) => {
            const key = p.rowKey(row)
            return (
              <Table.Tr key={key} bg={p.tone?.(row)}>
                {p.onSelect && (
                  <Table.Td>
                    <Checkbox
                      size="sm"
                      aria-label={t('common.selectRow', { name: p.rowName?.(row) ?? key })}
                      checked={p.selected?.includes(key) ?? false}
                      onChange={() => toggle(key)}
                    />
                  </Table.Td>
                )}
                {p.cols.map((c) => (
                  <Table.Td key={c.key} className={c.num ? 'num' : undefined}>
                    {c.cell(row)}
                  </Table.Td>
                ))}
              </Table.Tr>
            )
          })}
          {after > 0 && (
            <tr aria-hidden>
              <td style={{ height: after, padding: 0 }} />
            </tr>
          )}
        </Table.Tbody>
      </Table>
    </Box>
  )
}

function ariaSort(key: string, s?: { key: string; down: boolean }) {
  if (s?.key !== key) return undefined
  return s.down ? ('descending' as const) : ('ascending' as const)
}

// sorted returns rows in order; what has no figure comes last in both directions.
export function sorted<T>(rows: T[], cols: Col<T>[], s?: { key: string; down: boolean }): T[] {
  const f = cols.find((c) => c.key === s?.key)?.sort
  if (!f || !s) return rows
  const none = (x: unknown) => x === null || x === undefined || x === '' || Number.isNaN(x)
  return [...rows].sort((a, b) => {
    const [x, y] = [f(a), f(b)]
    if (none(x) || none(y)) return none(x) ? (none(y) ? 0 : 1) : -1
    const d =
      typeof x === 'number' && typeof y === 'number'
        ? x - y
        : String(x).localeCompare(String(y), undefined, { numeric: true })
    return s.down ? -d : d
  })
}
