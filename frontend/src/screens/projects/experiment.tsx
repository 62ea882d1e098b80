import { Button, Text } from '@mantine/core'
import { IconFileExport, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useParams } from 'react-router'
import { api, exportPath } from '../../api/endpoints'
import { k } from '../../api/queries'
import { list, plain } from '../../format/format'
import { maybe } from '../../i18n'
import { useAct, useSave } from '../../shell/act'
import { confirm } from '../../shell/confirm'
import { StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { View } from '../../ui/states'
import { RunTable } from '../runs/run-table'

// ExperimentPage shows the runs of one question.
export function ExperimentPage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const experiment = useQuery({ queryKey: k.experiment(id), queryFn: () => api.experiment(id) })
  const cancel = useAct(() => api.cancelExperiment(id), {
    stale: [['experiments'], ['runs']],
    done: t('projects.exp.cancelled'),
  })
  const keep = useSave(
    `${plain(experiment.data?.name ?? 'experiment', 40).replace(/[^\w-]+/g, '-')}.json`,
    exportPath.experiment(id),
  )
  const x = experiment.data
  return (
    <Page
      title={plain(x?.name ?? t('projects.exp.one'))}
      badge={x && <StateBadge state={x.state} />}
      sub={
        x &&
        [
          plain(x.note),
          Object.keys(x.space).length > 0 &&
            t('projects.exp.varies', {
              settings: list(Object.keys(x.space).map((s) => maybe(`projects.set.${s}`, s))),
            }),
        ]
          .filter(Boolean)
          .join(' ')
      }
      back={x && { to: `/projects/${x.projectId}?tab=experiments`, text: plain(x.project) }}
      actions={
        x && (
          <>
            <Button
              variant="default"
              leftSection={<IconFileExport size={16} />}
              onClick={() => keep.mutate()}
              loading={keep.isPending}
            >
              {t('projects.exp.config')}
            </Button>
            {x.mine && ['queued', 'running', 'paused'].includes(x.state) && (
              <Button
                variant="default"
                color="red"
                leftSection={<IconX size={16} />}
                onClick={() =>
                  confirm({
                    title: t('projects.exp.cancelTitle', { name: plain(x.name, 60) }),
                    text: t('projects.exp.cancelText'),
                    button: t('projects.exp.cancel'),
                    onYes: () => cancel.mutate(undefined),
                  })
                }
                loading={cancel.isPending}
              >
                {t('projects.exp.cancel')}
              </Button>
            )}
          </>
        )
      }
    >
      <View query={experiment}>
        {(d) =>
          d.runs.length === 0 ? (
            <Section>
              <Text size="sm">{t('projects.exp.noRuns')}</Text>
            </Section>
          ) : (
            <RunTable runs={d.runs} params={Object.keys(d.space)} />
          )
        }
      </View>
    </Page>
  )
}
