import { List, Table, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'

// Markdown shows the small subset that model cards use: headings, lists, tables,
// paragraphs, bold and code. Everything is text; nothing becomes HTML.
export function Markdown({ text }: { text: string }) {
  const blocks = text
    .replace(/\r/g, '')
    .split(/\n{2,}/)
    .flatMap(splitHeads)
  return (
    <div>
      {blocks.map((b, i) => (
        <Block key={i} text={b} />
      ))}
    </div>
  )
}

// splitHeads sets headings free from the lines that follow them.
function splitHeads(block: string): string[] {
  const out: string[] = []
  for (const line of block.split('\n')) {
    const prev = out.at(-1)
    if (line.startsWith('#') || prev === undefined || prev.startsWith('#')) out.push(line)
    else out[out.length - 1] = `${prev}\n${line}`
  }
  return out
}

function Block({ text }: { text: string }) {
  const head = /^(#{1,4})\s+(.*)$/.exec(text)
  if (head)
    return (
      <Title order={head[1].length === 1 ? 2 : 3} mt="md" mb={4}>
        {head[2]}
      </Title>
    )
  const lines = text.split('\n').filter((l) => l.trim() !== '')
  if (lines.length === 0) return null
  if (lines.every((l) => /^\s*[-*]\s/.test(l)))
    return (
      <List size="sm" mb="xs">
        {lines.map((l, i) => (
          <List.Item key={i}>{inline(l.replace(/^\s*[-*]\s/, ''))}</List.Item>
        ))}
      </List>
    )
  if (lines.length > 1 && lines[0].startsWith('|') && /^\|[\s:|-]+\|?$/.test(lines[1])) return <Grid lines={lines} />
  return (
    <Text size="sm" mb="xs" maw={820}>
      {inline(lines.join(' '))}
    </Text>
  )
}

const cells = (l: string) =>
  l
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((c) => c.trim())

function Grid({ lines }: { lines: string[] }) {
  return (
    <Table.ScrollContainer minWidth={0} type="native" mb="sm">
      <Table w="auto">
        <Table.Thead>
          <Table.Tr>
            {cells(lines[0]).map((c, i) => (
              <Table.Th key={i}>{inline(c)}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {lines.slice(2).map((l, i) => (
            <Table.Tr key={i}>
              {cells(l).map((c, j) => (
                <Table.Td key={j}>{inline(c)}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function inline(s: string): ReactNode[] {
  return s.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((p, i) => {
    if (p.startsWith('**')) return <strong key={i}>{p.slice(2, -2)}</strong>
    if (p.startsWith('`'))
      return (
        <span key={i} className="mono">
          {p.slice(1, -1)}
        </span>
      )
    return p
  })
}
