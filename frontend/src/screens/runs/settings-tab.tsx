import { useTranslation } from 'react-i18next'
import type { RunDetail } from '../../api/types'
import { Code } from '../../ui/copy'
import { Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { flatSettings, settingValue, settingWord } from './setting'

// SettingsTab shows the whole frozen configuration in plain names.
export function SettingsTab({ d }: { d: RunDetail }) {
  const { t } = useTranslation()
  return (
    <Section title={t('runs.frozen')} hint={t('runs.frozenHint')}>
      <Facts
        rows={[
          ...flatSettings(d.config).map(([key, v]): [string, string] => [settingWord(key), settingValue(key, v)]),
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
