import { Box, Button, Group, Modal, Progress, Stack, Text, UnstyledButton } from '@mantine/core'
import { IconFile, IconFileTypeCsv, IconFlask, IconFolder, IconFolderUp, IconServer } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import { inWindow, openFile } from '../../api/native'
import { asProblem } from '../../api/problem'
import { k } from '../../api/queries'
import type { Dataset } from '../../api/types'
import { bytes, percent } from '../../format/format'
import { useAct } from '../../shell/act'
import { Failed, View } from '../../ui/states'

const part = 4 * 1024 * 1024

type Sender = Pick<typeof api, 'beginUpload' | 'writeUpload' | 'upload'>

const most = 4 // failures in a row

// passing tells whether a second try can help: the app did not answer, was busy, or
// has another part already.
const passing = (e: unknown) => [0, 409, 423, 502, 503, 504].includes(asProblem(e).status)

// upload copies a file in by parts of 4 MiB, each an ArrayBuffer, and returns the
// path the app gave it. After a part that failed it asks how far the app is and
// goes on from there.
export async function upload(file: File, tell: (share: number) => void, send: Sender = api): Promise<string> {
  let u = await send.beginUpload(file.name, file.size)
  for (let failed = 0; u.offset < file.size; ) {
    const from = u.offset
    let problem: unknown = new Error(file.name)
    try {
      if (failed > 0) u = await send.upload(u.id)
      if (u.offset < file.size)
        u = await send.writeUpload(u.id, u.offset, await file.slice(u.offset, u.offset + part).arrayBuffer())
    } catch (e) {
      if (!passing(e)) throw e
      problem = e
    }
    failed = u.offset > from ? 0 : failed + 1
    if (failed > most) throw asProblem(problem)
    if (failed > 0) await new Promise((ok) => setTimeout(ok, 250 * 2 ** failed))
    tell(u.offset / file.size)
  }
  if (!u.path) throw asProblem(new Error(file.name))
  return u.path
}

// usePick lets a person choose a file by the way that fits: native dialog or upload.
export function usePick(use: (path: string) => void) {
  const input = useRef<HTMLInputElement>(null)
  const [share, setShare] = useState<number | null>(null)
  const [error, setError] = useState<unknown>()
  const take = async (file: File | undefined) => {
    if (!file) return
    setError(undefined)
    setShare(0)
    try {
      use(await upload(file, setShare))
    } catch (e) {
      setError(e)
    } finally {
      setShare(null)
      if (input.current) input.current.value = ''
    }
  }
  const pick = async () => {
    setError(undefined)
    const path = await openFile()
    if (path === null) input.current?.click()
    else if (path) use(path)
  }
  return { input, share, error, take, pick }
}

// AddModal offers the ways to a dataset: a file, the server's folders, the sample.
export function AddModal({
  opened,
  onClose,
  onAdded,
}: {
  opened: boolean
  onClose: () => void
  onAdded: (d: Dataset) => void
}) {
  const { t } = useTranslation()
  const [browse, setBrowse] = useState(false)
  const stale = [k.datasets, k.home]
  const add = useAct((path: string) => api.addDataset(path), { stale, after: onAdded, quiet: true })
  const sample = useAct(() => api.addSample(), { stale, after: onAdded, quiet: true })
  const p = usePick((path) => add.mutate(path))
  const error = p.error ?? add.error ?? sample.error
  const busy = p.share !== null || add.isPending || sample.isPending
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('data.addTitle')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Stack>
        <Text size="sm">{t('data.addText')}</Text>
        <input
          ref={p.input}
          type="file"
          accept=".csv,.tsv,.txt,.data,.gz"
          hidden
          data-testid="file"
          aria-label={t('data.pick')}
          onChange={(e) => void p.take(e.currentTarget.files?.[0])}
        />
        <Choice
          icon={<IconFileTypeCsv size={24} />}
          title={t('data.pick')}
          text={inWindow() ? t('data.pickWindow') : t('data.pickBrowser')}
          onClick={() => void p.pick()}
          disabled={busy}
        />
        {!inWindow() && (
          <Choice
            icon={<IconServer size={24} />}
            title={t('data.browse')}
            text={t('data.browseText')}
            onClick={() => setBrowse(!browse)}
            disabled={busy}
            expanded={browse}
          />
        )}
        {browse && <Browser onPick={(path) => add.mutate(path)} />}
        <Choice
          icon={<IconFlask size={24} />}
          title={t('data.sample')}
          text={t('data.sampleText')}
          onClick={() => sample.mutate(undefined)}
          disabled={busy}
        />
        {p.share !== null && (
          <Box role="status">
            <Progress value={p.share * 100} aria-label={t('data.copying')} />
            <Text size="sm" c="dimmed">
              {t('data.copying')} {percent(p.share, 0)}
            </Text>
          </Box>
        )}
        {error ? <Failed error={error} /> : null}
      </Stack>
    </Modal>
  )
}

function Choice(p: {
  icon: React.ReactNode
  title: string
  text: string
  onClick: () => void
  disabled?: boolean
  expanded?: boolean
}) {
  return (
    <UnstyledButton
      className="card"
      p="md"
      onClick={p.onClick}
      disabled={p.disabled}
      aria-expanded={p.expanded}
      style={{ opacity: p.disabled ? 0.55 : 1 }}
    >
      <Group wrap="nowrap">
        <Box c="var(--info)" style={{ display: 'flex' }}>
          {p.icon}
        </Box>
        <Box>
          <Text fw={600} size="sm">
            {p.title}
          </Text>
          <Text size="sm" c="dimmed">
            {p.text}
          </Text>
        </Box>
      </Group>
    </UnstyledButton>
  )
}

// Browser lists the folders that whoever started the app allowed.
export function Browser({ onPick }: { onPick: (path: string) => void }) {
  const { t } = useTranslation()
  const [path, setPath] = useState('')
  const folder = useQuery({ queryKey: ['fs', path], queryFn: () => api.folder(path), retry: false })
  return (
    <Box className="card" p="xs" mah={260} style={{ overflow: 'auto' }}>
      <View
        query={folder}
        rows={2}
        empty={(f) =>
          f.entries.length === 0 &&
          !f.parent && (
            <Text size="sm" c="dimmed" p="xs">
              {t('data.noRoots')}
            </Text>
          )
        }
      >
        {(f) => (
          <Stack gap={2}>
            {f.path && (
              <Button
                variant="subtle"
                color="gray"
                size="compact-sm"
                mih={26}
                justify="flex-start"
                leftSection={<IconFolderUp size={16} />}
                onClick={() => setPath(f.parent)}
              >
                {t('common.back')}
              </Button>
            )}
            {f.entries.map((e) => (
              <Button
                key={e.path}
                variant="subtle"
                size="compact-sm"
                mih={26}
                justify="flex-start"
                leftSection={e.dir ? <IconFolder size={16} /> : <IconFile size={16} />}
                rightSection={
                  e.dir ? null : (
                    <Text size="xs" c="dimmed">
                      {bytes(e.bytes)}
                    </Text>
                  )
                }
                onClick={() => (e.dir ? setPath(e.path) : onPick(e.path))}
              >
                {e.name}
              </Button>
            ))}
          </Stack>
        )}
      </View>
    </Box>
  )
}
