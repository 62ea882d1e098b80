import { Box, Button, Group, NumberInput, Progress, Select, SimpleGrid, Stack, Text } from '@mantine/core'
import { IconAlertTriangle, IconWand } from '@tabler/icons-react'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../api/endpoints'
import type { InputField, PredictedRow, Serving } from '../../api/types'
import { num, percent, plain, sig } from '../../format/format'
import { useAct } from '../../shell/act'
import { Section } from '../../ui/page'
import { Failed } from '../../ui/states'

// rowOf makes a row from what stands in the form: numbers as numbers, gaps left out.
export function rowOf(inputs: InputField[], values: Record<string, string>): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const f of inputs) {
    const v = (values[f.name] ?? '').trim()
    if (v === '') continue
    row[f.name] = f.type === 'number' ? num(v) : v
  }
  return row
}

// typical fills the form with published typical values.
export const typical = (inputs: InputField[]) =>
  Object.fromEntries(inputs.map((f) => [f.name, f.typical || (f.type === 'category' ? (f.values[0] ?? '') : '')]))

// TryIt is a form made from the model's inputs, and its answer in words.
export function TryIt({ s }: { s: Serving }) {
  const { t } = useTranslation()
  const [values, setValues] = useState<Record<string, string>>(() => typical(s.inputs))
  const ask = useAct(() => api.predict(s.id, [rowOf(s.inputs, values)]), { quiet: true })
  const set = (name: string, v: string) => setValues({ ...values, [name]: v })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    ask.mutate(undefined)
  }
  const on = s.state === 'on'
  return (
    <Section title={t('serving.try')} hint={t('serving.tryHint')}>
      {s.inputs.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t('serving.noInputs')}
        </Text>
      ) : (
        <form onSubmit={submit}>
          <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="xs">
            {s.inputs.map((f) =>
              f.type === 'category' ? (
                <Select
                  key={f.name}
                  size="xs"
                  label={plain(f.name, 80)}
                  data={f.values}
                  value={values[f.name] || null}
                  onChange={(v) => set(f.name, v ?? '')}
                  clearable={!f.required}
                  placeholder={t('data.missingCell')}
                />
              ) : (
                <NumberInput
                  key={f.name}
                  size="xs"
                  label={plain(f.unit ? `${f.name} [${f.unit}]` : f.name, 80)}
                  description={
                    f.low !== null && f.high !== null && (f.low !== 0 || f.high !== 0)
                      ? t('serving.range', { low: sig(f.low, 3), high: sig(f.high, 3) })
                      : undefined
                  }
                  value={values[f.name] ?? ''}
                  onChange={(v) => set(f.name, String(v))}
                  placeholder={t('data.missingCell')}
                />
              ),
            )}
          </SimpleGrid>
          <Group mt="sm" justify="space-between">
            <Button
              size="xs"
              variant="subtle"
              type="button"
              leftSection={<IconWand size={14} />}
              onClick={() => setValues(typical(s.inputs))}
            >
              {t('serving.typical')}
            </Button>
            <Button type="submit" loading={ask.isPending} disabled={!on}>
              {t('serving.predict')}
            </Button>
          </Group>
          {!on && (
            <Text size="sm" c="dimmed" ta="right" mt={4}>
              {t('serving.switchOnFirst')}
            </Text>
          )}
        </form>
      )}
      {ask.isError && (
        <Box mt="sm">
          <Failed error={ask.error} />
        </Box>
      )}
      {ask.data && (
        <Stack mt="md" gap="sm" role="status" data-testid="prediction">
          {ask.data.rows.map((r, i) => (
            <Answer key={i} r={r} number={ask.data.version} />
          ))}
        </Stack>
      )}
    </Section>
  )
}

function Answer({ r, number }: { r: PredictedRow; number: number }) {
  const { t } = useTranslation()
  const probs = Object.entries(r.probability).sort((a, b) => (b[1] ?? 0) - (a[1] ?? 0))
  return (
    <Box className="card" p="sm" style={{ background: 'var(--soft)' }}>
      <Text size="xs" c="dimmed">
        {t('serving.answer', { number })}
      </Text>
      <Text fz={22} fw={650}>
        {r.label ?? sig(r.value)}
      </Text>
      <Stack gap={4} mt={4}>
        {probs.map(([name, p]) => (
          <Group key={name} gap="sm" wrap="nowrap">
            <Text size="sm" w={110} truncate>
              {name}
            </Text>
            <Progress
              value={(p ?? 0) * 100}
              style={{ flex: 1 }}
              size="sm"
              aria-label={t('serving.probability', { name, p: percent(p) })}
            />
            <Text size="sm" className="num" w={64}>
              {percent(p)}
            </Text>
          </Group>
        ))}
      </Stack>
      {typeof r.threshold === 'number' && probs.length === 2 && (
        <Text size="xs" c="dimmed" mt={4}>
          {t('serving.threshold', { p: percent(r.threshold, 0) })}
        </Text>
      )}
      {r.warnings.map((w) => (
        <Group key={w} gap={6} mt={4} c="var(--warn)" wrap="nowrap">
          <IconAlertTriangle size={15} aria-hidden />
          <Text size="sm">{w}</Text>
        </Group>
      ))}
    </Box>
  )
}
