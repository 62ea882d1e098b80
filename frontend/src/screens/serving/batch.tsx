import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import { IconDownload, IconFileSpreadsheet } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api, exportPath } from '../../api/endpoints'
import { inWindow, reveal } from '../../api/native'
import { k } from '../../api/queries'
import { plain } from '../../format/format'
import { useAct, useSave } from '../../shell/act'
import { OperationItem } from '../../shell/operations'
import { Section } from '../../ui/page'
import { Failed } from '../../ui/states'
import { Browser, usePick } from '../data/add'

// Batch scores a whole file.
export function Batch({ model }: { model: string }) {
  const { t } = useTranslation()
  const [browse, setBrowse] = useState(false)
  const [id, setId] = useState('')
  const start = useAct((path: string) => api.batch(model, path), {
    stale: [k.operations],
    quiet: true,
    after: (op) => {
      setBrowse(false)
      setId(op.id)
    },
  })
  const pick = usePick((path) => start.mutate(path))
  const op = useQuery({
    queryKey: ['operations', id],
    queryFn: () => api.operation(id),
    enabled: id !== '',
    refetchInterval: (q) =>
      q.state.data && ['done', 'failed', 'cancelled'].includes(q.state.data.state) ? false : 1000,
  })
  return (
    <Section title={t('serving.batch')} hint={t('serving.batchHint')}>
      <Stack gap="sm">
        <input
          ref={pick.input}
          type="file"
          accept=".csv,.tsv,.txt"
          hidden
          aria-label={t('serving.batchPick')}
          onChange={(e) => void pick.take(e.currentTarget.files?.[0])}
        />
        <Group gap="xs">
          <Button
            variant="default"
            leftSection={<IconFileSpreadsheet size={16} />}
            onClick={() => void pick.pick()}
            loading={pick.share !== null || start.isPending}
          >
            {t('serving.batchPick')}
          </Button>
          {!inWindow() && (
            <Button variant="subtle" onClick={() => setBrowse(true)}>
              {t('data.browse')}
            </Button>
          )}
        </Group>
        {(pick.error ?? start.error) ? <Failed error={pick.error ?? start.error} /> : null}
        {op.data && <OperationItem op={op.data} />}
        {op.data?.state === 'done' && op.data.result && <Done id={op.data.id} path={op.data.result} />}
      </Stack>
      <Modal
        opened={browse}
        onClose={() => setBrowse(false)}
        title={t('data.browse')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <Browser onPick={(path) => start.mutate(path)} />
      </Modal>
    </Section>
  )
}

// Done says where the result is and keeps it elsewhere.
function Done({ id, path }: { id: string; path: string }) {
  const { t } = useTranslation()
  const keep = useSave(path.split(/[\\/]/).at(-1) ?? 'predictions.csv', exportPath.batch(id))
  const show = useAct(() => reveal(path))
  return (
    <Stack gap="xs" role="status">
      <Text size="sm">
        {t('serving.batchDone')} <span className="mono">{plain(path, 400)}</span>
      </Text>
      <Group gap="xs">
        <Button
          size="xs"
          variant="default"
          leftSection={<IconDownload size={14} />}
          onClick={() => keep.mutate()}
          loading={keep.isPending}
        >
          {t('serving.batchSave')}
        </Button>
        {inWindow() && (
          <Button size="xs" variant="subtle" onClick={() => show.mutate(undefined)}>
            {t('serving.batchShow')}
          </Button>
        )}
      </Group>
    </Stack>
  )
}
