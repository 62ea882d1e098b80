import {
  ActionIcon,
  Box,
  Button,
  Checkbox,
  Group,
  NumberInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Text,
} from '@mantine/core'
import { IconArrowDown, IconArrowUp, IconPlus, IconTrash } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { LayerSpec, ModelSpec, RunConfig } from '../../api/types'
import { Section } from '../../ui/page'
import { Term } from '../../ui/parts'

export const layerTypes = [
  'Linear',
  'ReLU',
  'LeakyReLU',
  'Sigmoid',
  'Tanh',
  'GELU',
  'Dropout',
  'LayerNorm',
  'Softmax',
] as const

// bounds are the most that the members of a project accept in a run, whatever they
// agreed on.
const bounds = { rounds: 1_000, epochs: 100, steps: 100_000, layers: 32, units: 4_096, validationPercent: 50 } as const

type Template = 'simple' | 'small' | 'large' | 'own'

// templateOf names the template that a model is, or "own".
export function templateOf(m: ModelSpec): Template {
  if (m.family === 'logistic' || m.family === 'linear') return 'simple'
  for (const name of ['small', 'large'] as const)
    if (JSON.stringify(lean(m.layers ?? [])) === JSON.stringify(lean(hidden(name)))) return name
  return 'own'
}

const lean = (ls: LayerSpec[]) =>
  ls.map((l) => [l.type, l.in ?? 0, l.out ?? 0, l.p ?? 0, l.noBias ?? false, l.slope ?? 0])

function hidden(name: 'small' | 'large'): LayerSpec[] {
  if (name === 'small') return [{ type: 'Linear', out: 16 }, { type: 'ReLU' }, { type: 'Linear' }]
  return [
    { type: 'Linear', out: 64 },
    { type: 'ReLU' },
    { type: 'Dropout', p: 0.2 },
    { type: 'Linear', out: 32 },
    { type: 'ReLU' },
    { type: 'Linear' },
  ]
}

// modelOf makes the model of a template for a task.
export function modelOf(name: Template, task: string, now: ModelSpec): ModelSpec {
  if (name === 'simple') return { family: task === 'regress' ? 'linear' : 'logistic' }
  if (name === 'own') return { family: 'layers', layers: now.layers?.length ? now.layers : hidden('small') }
  return { family: 'layers', layers: hidden(name) }
}

// ModelBuilder chooses a template, or stacks layers whose open sizes follow from
// the columns and classes.
export function ModelBuilder({
  config: c,
  onChange,
  inputs,
}: {
  config: RunConfig
  onChange: (c: RunConfig) => void
  inputs?: number
}) {
  const { t } = useTranslation()
  const tpl = templateOf(c.model)
  const setModel = (model: ModelSpec) => onChange({ ...c, model })
  return (
    <Section title={t('projects.model.title')} hint={t('projects.model.hint')}>
      <SegmentedControl
        fullWidth
        aria-label={t('projects.model.title')}
        value={tpl}
        onChange={(v) => setModel(modelOf(v as Template, c.task, c.model))}
        data={(['simple', 'small', 'large', 'own'] as const).map((x) => ({
          value: x,
          label: t(`projects.model.${x}`),
        }))}
      />
      <Text size="sm" c="dimmed" mt={6}>
        {t(`projects.model.${tpl}Text`)}
      </Text>
      {c.model.family === 'layers' && (
        <Layers
          layers={c.model.layers ?? []}
          inputs={inputs}
          onChange={(layers) => setModel({ family: 'layers', layers })}
        />
      )}
    </Section>
  )
}

function Layers({
  layers,
  inputs,
  onChange,
}: {
  layers: LayerSpec[]
  inputs?: number
  onChange: (l: LayerSpec[]) => void
}) {
  const { t } = useTranslation()
  const set = (i: number, l: LayerSpec) => onChange(layers.map((x, j) => (j === i ? l : x)))
  const move = (i: number, by: number) => {
    const next = [...layers]
    const [l] = next.splice(i, 1)
    next.splice(i + by, 0, l)
    onChange(next)
  }
  const widths = shapes(layers, inputs ?? 0)
  const last = layers.findLastIndex((l) => l.type === 'Linear')
  return (
    <Stack gap={6} mt="sm">
      <Text size="xs" c="dimmed">
        {inputs ? t('projects.model.inputs', { count: inputs }) : t('projects.model.inputsAuto')}
      </Text>
      {layers.map((l, i) => (
        <Group key={i} gap="xs" wrap="nowrap" className="card" p={6}>
          <Select
            size="xs"
            w={170}
            aria-label={t('projects.model.layer', { number: i + 1 })}
            allowDeselect={false}
            data={layerTypes.map((x) => ({ value: x, label: t(`projects.layer.${x}`) }))}
            value={l.type}
            onChange={(v) => v && set(i, { type: v })}
          />
          {l.type === 'Linear' && i !== last && (
            <NumberInput
              size="xs"
              w={110}
              min={1}
              max={bounds.units}
              aria-label={t('projects.model.units', { number: i + 1 })}
              value={l.out ?? 16}
              onChange={(v) => set(i, { ...l, out: Number(v) || 1 })}
            />
          )}
          {l.type === 'Linear' && (
            <Checkbox
              size="xs"
              label={t('projects.model.constantShort')}
              aria-label={t('projects.model.constant', { number: i + 1 })}
              checked={!l.noBias}
              onChange={(e) => set(i, { ...l, noBias: e.currentTarget.checked ? undefined : true })}
            />
          )}
          {l.type === 'LeakyReLU' && (
            <NumberInput
              size="xs"
              w={110}
              min={-1}
              max={1}
              step={0.01}
              decimalScale={4}
              aria-label={t('projects.model.slope', { number: i + 1 })}
              value={l.slope || 0.01}
              onChange={(v) => set(i, { ...l, slope: Number(v) || undefined })}
            />
          )}
          {l.type === 'Dropout' && (
            <NumberInput
              size="xs"
              w={110}
              min={0}
              max={0.9}
              step={0.05}
              decimalScale={2}
              aria-label={t('projects.model.dropout', { number: i + 1 })}
              value={l.p ?? 0.2}
              onChange={(v) => set(i, { ...l, p: Number(v) || 0 })}
            />
          )}
          <Text size="xs" c="dimmed" style={{ flex: 1 }} className="num">
            {l.type === 'Linear' && i === last ? t('projects.model.toClasses') : widths[i]}
          </Text>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={26}
            disabled={i === 0}
            aria-label={t('projects.model.up', { number: i + 1 })}
            onClick={() => move(i, -1)}
          >
            <IconArrowUp size={15} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={26}
            disabled={i === layers.length - 1}
            aria-label={t('projects.model.down', { number: i + 1 })}
            onClick={() => move(i, 1)}
          >
            <IconArrowDown size={15} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="red"
            size={26}
            disabled={layers.length === 1}
            aria-label={t('projects.model.remove', { number: i + 1 })}
            onClick={() => onChange(layers.filter((_, j) => j !== i))}
          >
            <IconTrash size={15} />
          </ActionIcon>
        </Group>
      ))}
      <Box>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlus size={14} />}
          disabled={layers.length + 2 > bounds.layers}
          onClick={() =>
            onChange([
              ...layers.slice(0, Math.max(0, last)),
              { type: 'Linear', out: 16 },
              { type: 'ReLU' },
              ...layers.slice(Math.max(0, last)),
            ])
          }
        >
          {t('projects.model.add')}
        </Button>
      </Box>
    </Stack>
  )
}

// shapes writes how wide the values are after each layer.
export function shapes(layers: LayerSpec[], inputs: number): string[] {
  let w = inputs
  return layers.map((l) => {
    const before = w
    if (l.type === 'Linear') w = l.out ?? 0
    return l.type === 'Linear' ? `${before || '?'} → ${w || '?'}` : `${w || '?'}`
  })
}

// TrainSettings are the plain names of a run's numbers.
export function TrainSettings({ config: c, onChange }: { config: RunConfig; onChange: (c: RunConfig) => void }) {
  const { t } = useTranslation()
  const train = (x: Partial<RunConfig['train']>) => onChange({ ...c, train: { ...c.train, ...x } })
  const bySteps = (c.train.steps ?? 0) > 0
  const label = (
    key:
      | 'rounds'
      | 'epochs'
      | 'steps'
      | 'lr'
      | 'batch'
      | 'optimizer'
      | 'momentum'
      | 'weightDecay'
      | 'clip'
      | 'strategy'
      | 'mu'
      | 'seed'
      | 'deadline'
      | 'quorum'
      | 'validation',
  ) => <Term text={t(`projects.help.${key}`)}>{t(`projects.set.${key}`)}</Term>
  return (
    <Section title={t('projects.set.title')} hint={t('projects.set.hint')}>
      <SimpleGrid cols={{ base: 2, md: 3 }} spacing="sm">
        <NumberInput
          label={label('rounds')}
          value={c.rounds}
          min={1}
          max={bounds.rounds}
          onChange={(v) => onChange({ ...c, rounds: Number(v) || 1 })}
        />
        <Select
          label={t('projects.set.amount')}
          data={[
            { value: 'epochs', label: t('projects.set.epochs') },
            { value: 'steps', label: t('projects.set.steps') },
          ]}
          value={bySteps ? 'steps' : 'epochs'}
          allowDeselect={false}
          onChange={(v) =>
            v === 'steps' ? train({ steps: 10, epochs: undefined }) : train({ epochs: 1, steps: undefined })
          }
        />
        {bySteps ? (
          <NumberInput
            label={label('steps')}
            value={c.train.steps ?? 10}
            min={1}
            max={bounds.steps}
            onChange={(v) => train({ steps: Number(v) || 1 })}
          />
        ) : (
          <NumberInput
            label={label('epochs')}
            value={c.train.epochs ?? 1}
            min={1}
            max={bounds.epochs}
            onChange={(v) => train({ epochs: Number(v) || 1 })}
          />
        )}
        <NumberInput
          label={label('lr')}
          value={c.train.lr}
          min={0.000001}
          max={10}
          step={0.01}
          decimalScale={6}
          onChange={(v) => train({ lr: Number(v) || 0 })}
        />
        <NumberInput
          label={label('batch')}
          value={c.train.batch}
          min={1}
          onChange={(v) => train({ batch: Number(v) || 1 })}
        />
        <Select
          label={label('optimizer')}
          data={[
            { value: 'sgd', label: t('projects.set.sgd') },
            { value: 'adam', label: t('projects.set.adam') },
          ]}
          value={c.train.optimizer}
          allowDeselect={false}
          onChange={(v) => v && train({ optimizer: v })}
        />
        {c.train.optimizer === 'sgd' && (
          <NumberInput
            label={label('momentum')}
            value={c.train.momentum ?? 0}
            min={0}
            max={1}
            step={0.1}
            decimalScale={3}
            onChange={(v) => train({ momentum: Number(v) || 0 })}
          />
        )}
        <NumberInput
          label={label('weightDecay')}
          value={c.train.weightDecay ?? 0}
          min={0}
          step={0.001}
          decimalScale={6}
          onChange={(v) => train({ weightDecay: Number(v) || 0 })}
        />
        <NumberInput
          label={label('clip')}
          value={c.train.clip ?? 0}
          min={0}
          step={0.5}
          decimalScale={6}
          onChange={(v) => train({ clip: Number(v) || undefined })}
        />
        <Select
          label={label('strategy')}
          data={[
            { value: 'fedavg', label: t('projects.set.fedavg') },
            { value: 'fedprox', label: t('projects.set.fedprox') },
          ]}
          value={c.strategy.name || 'fedavg'}
          allowDeselect={false}
          onChange={(v) =>
            onChange({
              ...c,
              strategy: v === 'fedprox' ? { name: v, mu: c.strategy.mu || 0.01 } : { name: v ?? 'fedavg' },
            })
          }
        />
        {c.strategy.name === 'fedprox' && (
          <NumberInput
            label={label('mu')}
            value={c.strategy.mu ?? 0.01}
            min={0}
            step={0.01}
            decimalScale={6}
            onChange={(v) => onChange({ ...c, strategy: { name: 'fedprox', mu: Number(v) || 0 } })}
          />
        )}
        <NumberInput
          label={label('validation')}
          value={Math.round((c.validation?.fraction ?? 0) * 100)}
          min={0}
          max={bounds.validationPercent}
          suffix="%"
          onChange={(v) => onChange({ ...c, validation: { fraction: (Number(v) || 0) / 100 } })}
        />
        <NumberInput
          label={label('seed')}
          value={c.seed}
          min={0}
          max={Number.MAX_SAFE_INTEGER}
          onChange={(v) => onChange({ ...c, seed: Number(v) || 0 })}
        />
        <NumberInput
          label={label('deadline')}
          value={c.deadlineSeconds ?? 0}
          min={0}
          max={604_800}
          onChange={(v) => onChange({ ...c, deadlineSeconds: Number(v) || 0 })}
        />
        <NumberInput
          label={label('quorum')}
          value={c.quorum ?? 0}
          min={0}
          onChange={(v) => onChange({ ...c, quorum: Number(v) || 0 })}
        />
        <Select
          label={t('projects.set.contribution')}
          data={[
            { value: 'shapley', label: t('projects.set.shapley') },
            { value: 'none', label: t('projects.set.noScore') },
          ]}
          value={c.contribution || 'shapley'}
          allowDeselect={false}
          onChange={(v) => onChange({ ...c, contribution: v ?? 'shapley' })}
        />
      </SimpleGrid>
    </Section>
  )
}
