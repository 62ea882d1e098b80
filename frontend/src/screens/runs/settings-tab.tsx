import { useTranslation } from 'react-i18next'
import type { RunDetail } from '../../api/types'
import { int, list, percent } from '../../format/format'
import { maybe } from '../../i18n'
import { Code } from '../../ui/copy'
import { Section } from '../../ui/page'
import { Facts } from '../../ui/parts'

// SettingsTab shows the frozen configuration in plain names.
export function SettingsTab({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  const c = d.config
  const layers = (c.model.layers ?? []).map(
    (l) =>
      `${maybe(`projects.layer.${l.type}`, l.type)}${l.out ? ` ${int(l.out)}` : ''}${l.p ? ` ${percent(l.p, 0)}` : ''}`,
  )
  return (
    <Section title={t('runs.frozen')} hint={t('runs.frozenHint')}>
      <Facts
        rows={[
          [t('data.task'), maybe(`common.task.${c.task}`, c.task)],
          [t('data.target'), c.target],
          [t('projects.model.title'), layers.length ? list(layers) : maybe('projects.model.simple', c.model.family)],
          [t('projects.set.rounds'), int(c.rounds)],
          c.train.steps
            ? [t('projects.set.steps'), int(c.train.steps)]
            : [t('projects.set.epochs'), int(c.train.epochs ?? 1)],
          [t('projects.set.lr'), String(c.train.lr)],
          [t('projects.set.batch'), int(c.train.batch)],
          [t('projects.set.optimizer'), maybe(`projects.set.${c.train.optimizer}`, c.train.optimizer)],
          [
            t('projects.set.strategy'),
            `${maybe(`projects.set.${c.strategy.name}`, c.strategy.name)}${c.strategy.mu ? `, ${t('projects.set.mu')} ${c.strategy.mu}` : ''}`,
          ],
          [t('projects.set.validation'), percent(c.validation?.fraction ?? 0.2, 0)],
          [t('projects.set.seed'), String(c.seed)],
          [
            t('projects.set.contribution'),
            c.contribution === 'none' ? t('projects.set.noScore') : t('projects.set.shapley'),
          ],
          [t('runs.configHash'), <Code key="h" text={d.run.configHash} what={t('common.digest')} />],
          ...(d.run.paramsHash
            ? ([[t('runs.paramsHash'), <Code key="p" text={d.run.paramsHash} what={t('common.digest')} />]] as [
                string,
                React.ReactNode,
              ][])
            : []),
        ]}
      />
    </Section>
  )
}
