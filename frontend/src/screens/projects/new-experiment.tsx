import {
  ActionIcon,
  Box,
  Button,
  Group,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconPlayerPlay, IconPlus, IconTrash } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate, useParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Alignment, Dimension, ExperimentCreate, Project, RunConfig } from '../../api/types'
import { bytes, duration, int, num, plain } from '../../format/format'
import { useAct } from '../../shell/act'
import { Page, Section } from '../../ui/page'
import { Findings, Stat } from '../../ui/parts'
import { Failed, View } from '../../ui/states'
import { ModelBuilder, TrainSettings } from './builder'
import { ImportSettings } from './import-settings'

export const searchable = [
  'lr',
  'batch',
  'epochs',
  'steps',
  'rounds',
  'mu',
  'strategy',
  'optimizer',
  'seed',
  'hidden',
] as const
export type Searchable = (typeof searchable)[number]
export interface Variation {
  key: Searchable
  values: string[]
}

// spaceOf turns what was typed into a search space; words stay words.
export function spaceOf(vs: Variation[]): Record<string, Dimension> {
  const out: Record<string, Dimension> = {}
  for (const v of vs) {
    const values = v.values.map((s) => num(s) ?? s.trim().toLowerCase()).filter((x) => x !== '')
    if (values.length > 0) out[v.key] = { _type: 'choice', _value: values }
  }
  return out
}

// countOf is how many runs a grid over the variations has.
export const countOf = (vs: Variation[]) =>
  vs.filter((v) => v.values.length > 0).reduce((n, v) => n * v.values.length, 1)

// NewExperiment asks for a question, a model and settings, shows what it costs, and
// queues the runs.
export function NewExperiment() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const project = useQuery({ queryKey: k.project(id), queryFn: () => api.project(id) })
  const alignment = useQuery({ queryKey: k.alignment(id), queryFn: () => api.alignment(id) })
  return (
    <Page
      title={t('projects.newExperiment')}
      sub={project.data && t('projects.exp.sub', { project: plain(project.data.name), target: project.data.target })}
      back={{ to: `/projects/${id}?tab=experiments`, text: plain(project.data?.name ?? t('projects.one')) }}
    >
      <View query={project}>{(p) => <Form p={p} alignment={alignment.data} />}</View>
    </Page>
  )
}

function Form({ p, alignment }: { p: Project; alignment?: Alignment }) {
  const { t } = useTranslation()
  const go = useNavigate()
  const [name, setName] = useState('')
  const [note, setNote] = useState('')
  const [config, setConfig] = useState<RunConfig>(p.config)
  const [vary, setVary] = useState<Variation[]>([])
  const [method, setMethod] = useState<'grid' | 'random'>('grid')
  const [trials, setTrials] = useState<number>(8)
  const space = spaceOf(vary)
  const many = Object.keys(space).length > 0
  const body: ExperimentCreate = {
    projectId: p.id,
    name: name.trim() || t('projects.exp.untitled'),
    note,
    config,
    space,
    method: many ? method : 'single',
    trials: many && method === 'random' ? trials : undefined,
  }
  const create = useAct(() => api.createExperiment(body), {
    stale: [['experiments'], ['runs'], k.home],
    quiet: true,
    after: (x) => void go(x.runs.length === 1 ? `/runs/${x.runs[0].id}` : `/experiments/${x.id}`),
  })
  return (
    <Box
      style={{
        display: 'grid',
        gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 300px), 1fr))',
        gap: 16,
        alignItems: 'start',
      }}
    >
      <Stack style={{ gridColumn: 'span 2', minWidth: 0 }}>
        <Section title={t('projects.exp.question')}>
          <Stack gap="sm">
            <TextInput
              label={t('projects.exp.name')}
              placeholder={t('projects.exp.nameExample')}
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
              maxLength={120}
            />
            <Textarea
              label={t('projects.exp.note')}
              value={note}
              onChange={(e) => setNote(e.currentTarget.value)}
              maxLength={4000}
              autosize
              minRows={1}
            />
          </Stack>
        </Section>
        <ImportSettings projectId={p.id} onImport={setConfig} onUndo={() => setConfig(p.config)} />
        <ModelBuilder config={config} onChange={setConfig} inputs={alignment?.features.length || undefined} />
        <TrainSettings config={config} onChange={setConfig} />
        <Vary vary={vary} onChange={setVary} />
        {many && (
          <Section title={t('projects.exp.method')}>
            <Group align="flex-end">
              <SegmentedControl
                aria-label={t('projects.exp.method')}
                value={method}
                onChange={(v) => setMethod(v as 'grid' | 'random')}
                data={[
                  { value: 'grid', label: t('projects.exp.grid', { count: countOf(vary) }) },
                  { value: 'random', label: t('projects.exp.random') },
                ]}
              />
              {method === 'random' && (
                <NumberInput
                  label={t('projects.exp.trials')}
                  value={trials}
                  min={1}
                  max={10_000}
                  onChange={(v) => setTrials(Number(v) || 1)}
                  w={140}
                />
              )}
            </Group>
          </Section>
        )}
      </Stack>
      <Stack style={{ position: 'sticky', top: 68 }}>
        <EstimateCard body={body} />
        {create.isError && <Failed error={create.error} />}
        <Button
          size="md"
          leftSection={<IconPlayerPlay size={18} />}
          onClick={() => create.mutate(undefined)}
          disabled={!name.trim()}
          loading={create.isPending}
        >
          {t('projects.exp.start')}
        </Button>
        {!name.trim() && (
          <Text size="sm" c="dimmed">
            {t('projects.exp.needName')}
          </Text>
        )}
      </Stack>
    </Box>
  )
}

function Vary({ vary, onChange }: { vary: Variation[]; onChange: (v: Variation[]) => void }) {
  const { t } = useTranslation()
  const free = searchable.filter((s) => !vary.some((v) => v.key === s))
  const set = (i: number, v: Variation) => onChange(vary.map((x, j) => (j === i ? v : x)))
  const words: Partial<Record<Searchable, string[]>> = { strategy: ['fedavg', 'fedprox'], optimizer: ['sgd', 'adam'] }
  return (
    <Section
      title={t('projects.exp.vary')}
      hint={t('projects.exp.varyHint')}
      actions={
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlus size={14} />}
          onClick={() => onChange([...vary, { key: free[0], values: [] }])}
          disabled={free.length === 0}
        >
          {t('projects.exp.addVary')}
        </Button>
      }
    >
      <Stack gap="xs">
        {vary.map((v, i) => (
          <Group key={v.key} wrap="nowrap" align="flex-start">
            <Select
              aria-label={t('projects.exp.setting')}
              w={210}
              allowDeselect={false}
              data={[v.key, ...free].map((x) => ({ value: x, label: t(`projects.set.${x}`) }))}
              value={v.key}
              onChange={(x) => x && set(i, { key: x as Searchable, values: [] })}
            />
            <TagsInput
              style={{ flex: 1 }}
              aria-label={t('projects.exp.values', { setting: t(`projects.set.${v.key}`) })}
              placeholder={t('projects.exp.valuesHint')}
              data={words[v.key] ?? []}
              value={v.values}
              onChange={(values) => set(i, { ...v, values })}
              acceptValueOnBlur
              splitChars={[' ', ';']}
            />
            <ActionIcon
              variant="subtle"
              color="red"
              size={34}
              aria-label={t('projects.exp.removeVary', { setting: t(`projects.set.${v.key}`) })}
              onClick={() => onChange(vary.filter((_, j) => j !== i))}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </Group>
        ))}
      </Stack>
    </Section>
  )
}

function EstimateCard({ body }: { body: ExperimentCreate }) {
  const { t } = useTranslation()
  const [slow] = useDebouncedValue(body, 400)
  const estimate = useQuery({
    queryKey: ['estimate', JSON.stringify({ ...slow, name: '', note: '' })],
    queryFn: () => api.estimate(slow),
    placeholderData: keepPreviousData,
    retry: false,
  })
  return (
    <Section title={t('projects.est.title')} hint={t('projects.est.hint')}>
      <View query={estimate} rows={3}>
        {(e) => (
          <Stack gap="sm" aria-live="polite">
            <Group gap="lg">
              <Stat name={t('projects.est.runs')} value={int(e.runs)} />
              <Stat name={t('projects.est.parameters')} value={int(e.parameters)} />
              <Stat name={t('projects.est.bytes')} value={bytes(e.bytesPerRound)} />
              <Stat
                name={t('projects.est.seconds')}
                value={e.secondsPerRound === null ? '–' : duration(e.secondsPerRound * 1000)}
              />
              <Stat name={t('projects.est.totalBytes')} value={bytes(e.totalBytes)} />
              <Stat
                name={t('projects.est.total')}
                value={e.totalSeconds === null ? '–' : duration(e.totalSeconds * 1000)}
              />
            </Group>
            {e.problems.length > 0 && <Findings items={e.problems} />}
          </Stack>
        )}
      </View>
    </Section>
  )
}
