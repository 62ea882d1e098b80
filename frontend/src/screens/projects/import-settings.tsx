import { Box, Button, Stack, Table, Text } from '@mantine/core'
import { IconArrowBackUp, IconFileImport } from '@tabler/icons-react'
import { type DragEvent, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { ApiProblem } from '../../api/problem'
import type { ImportedConfig, RunConfig } from '../../api/types'
import { plain } from '../../format/format'
import { useAct } from '../../shell/act'
import { Section } from '../../ui/page'
import { Failed, Note } from '../../ui/states'
import { settingValue, settingWord } from '../runs/setting'

// mostBytes is what the app reads as settings; a larger file is not even sent.
const mostBytes = 200 * 1024

// ImportSettings fills the form from a file that was picked or dropped. The app reads
// it; where the file says otherwise than the parties agreed, a table tells.
export function ImportSettings({
  projectId,
  onImport,
  onUndo,
}: {
  projectId: string
  onImport: (c: RunConfig) => void
  onUndo: () => void
}) {
  const { t } = useTranslation()
  const input = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  const read = useAct(
    async (file: File): Promise<ImportedConfig> => {
      if (file.size > mostBytes)
        throw new ApiProblem({
          kind: 'too_large',
          status: 413,
          text: t('projects.exp.importLarge', { file: plain(file.name, 80) }),
          hint: t('projects.exp.importLargeHint'),
        })
      return api.readConfig(projectId, await file.text())
    },
    { quiet: true, after: (r) => onImport(r.config) },
  )
  const take = (file: File | undefined) => {
    if (file && !read.isPending) read.mutate(file)
    if (input.current) input.current.value = ''
  }
  const drag = (inside: boolean) => (e: DragEvent) => {
    e.preventDefault()
    setOver(inside)
  }
  return (
    <Box
      data-testid="drop"
      onDragOver={drag(true)}
      onDragLeave={drag(false)}
      onDrop={(e) => {
        drag(false)(e)
        take(e.dataTransfer.files[0])
      }}
      style={
        over
          ? { outline: '2px dashed var(--mantine-primary-color-filled)', outlineOffset: 4, borderRadius: 8 }
          : undefined
      }
    >
      <Section
        title={t('projects.exp.import')}
        hint={t('projects.exp.importHint')}
        actions={
          <>
            {read.isSuccess && (
              <Button
                size="xs"
                variant="subtle"
                leftSection={<IconArrowBackUp size={14} />}
                onClick={() => {
                  read.reset()
                  onUndo()
                }}
              >
                {t('projects.exp.importUndo')}
              </Button>
            )}
            <Button
              size="xs"
              variant="default"
              leftSection={<IconFileImport size={14} />}
              loading={read.isPending}
              onClick={() => input.current?.click()}
            >
              {t('projects.exp.importPick')}
            </Button>
          </>
        }
      >
        <input
          ref={input}
          type="file"
          accept=".json,application/json"
          hidden
          data-testid="settings-file"
          aria-label={t('projects.exp.importPick')}
          onChange={(e) => take(e.currentTarget.files?.[0])}
        />
        <div role="status" aria-live="polite">
          {read.isPending && <Text size="sm">{t('projects.exp.importReading')}</Text>}
          {read.isSuccess && (
            <Stack gap="sm">
              <Text size="sm">{t('projects.exp.importDone', { file: plain(read.variables.name, 80) })}</Text>
              {read.data.differences.length > 0 && <Differences of={read.data} />}
            </Stack>
          )}
        </div>
        {read.isError && <Failed error={read.error} />}
      </Section>
    </Box>
  )
}

function Differences({ of: { differences } }: { of: ImportedConfig }) {
  const { t } = useTranslation()
  return (
    <Note tone="warn" title={t('projects.exp.importDiffers', { count: differences.length })}>
      <Text size="sm">{t('projects.exp.importDiffersText')}</Text>
      <div className="table-wrap" tabIndex={0} role="region" aria-label={t('projects.exp.importGiven')}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('runs.cmp.setting')}</Table.Th>
              <Table.Th>{t('projects.exp.importGiven')}</Table.Th>
              <Table.Th>{t('projects.exp.importAgreed')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {differences.map((d) => (
              <Table.Tr key={d.key}>
                <Table.Td>{settingWord(d.key)}</Table.Td>
                <Table.Td>{settingValue(d.key, d.given)}</Table.Td>
                <Table.Td>{settingValue(d.key, d.agreed)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Note>
  )
}
