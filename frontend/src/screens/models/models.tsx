import { Button, Group, Stack, Text } from '@mantine/core'
import { IconBox } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Model, StageRequest } from '../../api/types'
import { ago, bytes, modelName, modelPath, plain, servingPath } from '../../format/format'
import { PracticeBadge, StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { RowLink } from '../../ui/parts'
import { Empty, View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { headline } from '../home/home'
import { RequestCard } from './requests'

// Models lists the named models with their versions and the open votes.
export function Models() {
  const { t } = useTranslation()
  const { model } = useParams()
  const models = useQuery({ queryKey: k.models, queryFn: api.models })
  const requests = useQuery({ queryKey: k.stages, queryFn: api.stageRequests })
  const open = (requests.data ?? []).filter((r) => r.state === 'proposed' && (!model || r.modelId === model))
  return (
    <Page title={model ? modelName(model) : t('models.title')} sub={t('models.sub')}>
      {open.length > 0 && <Votes requests={open} />}
      <View
        query={models}
        empty={(d) =>
          d.length === 0 && (
            <Empty
              icon={<IconBox size={26} />}
              text={t('models.empty')}
              action={
                <Button component={Link} to="/runs">
                  {t('models.toRuns')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => (
          <Stack>
            {d
              .filter((m) => !model || m.id === model)
              .map((m) => (
                <ModelCard key={m.id} m={m} />
              ))}
          </Stack>
        )}
      </View>
    </Page>
  )
}

function Votes({ requests }: { requests: StageRequest[] }) {
  const { t } = useTranslation()
  return (
    <Section title={t('models.votes', { count: requests.length })}>
      <Stack gap="sm">
        {requests.map((r) => (
          <RequestCard key={r.id} r={r} link />
        ))}
      </Stack>
    </Section>
  )
}

function ModelCard({ m }: { m: Model }) {
  const { t } = useTranslation()
  return (
    <Section
      flush
      title={
        <Group gap="xs" component="span" style={{ display: 'inline-flex' }}>
          {plain(m.name)}
          {m.serving && <StateBadge state="on" word={t('models.serving')} />}
          {m.tutorial && <PracticeBadge />}
        </Group>
      }
      hint={
        <Text size="sm" component="span">
          <RowLink to={`/projects/${m.projectId}`}>{plain(m.project)}</RowLink>
        </Text>
      }
      actions={
        m.production > 0 && (
          <Button size="xs" variant="default" component={Link} to={servingPath(m.id)}>
            {t('models.serve')}
          </Button>
        )
      }
    >
      <DataTable
        label={t('models.versionsOf', { model: m.name })}
        rows={m.versions}
        rowKey={(v) => `${v.number}${v.contentId}`}
        cols={[
          {
            key: 'n',
            head: t('models.version'),
            sort: (v) => v.number,
            cell: (v) => (
              <RowLink to={modelPath(m.id, v.number)}>
                {v.number > 0 ? t('models.number', { number: v.number }) : t('models.draft')}
              </RowLink>
            ),
          },
          {
            key: 'stage',
            head: t('models.stage'),
            sort: (v) => v.stage,
            cell: (v) => <StateBadge state={v.stage} word={v.stage === 'none' ? t('models.noStage') : undefined} />,
          },
          {
            key: 'state',
            head: t('data.state'),
            cell: (v) =>
              v.state === 'ready' ? (
                <StateBadge state="ready" />
              ) : (
                <StateBadge state={v.state} word={v.sentence || undefined} />
              ),
          },
          { key: 'figure', head: t('models.figure'), cell: (v) => headline(v.metrics) },
          { key: 'size', head: t('data.size'), num: true, sort: (v) => v.bytes, cell: (v) => bytes(v.bytes) },
          { key: 'by', head: t('models.by'), cell: (v) => plain(v.by, 40) },
          { key: 'at', head: t('projects.created'), sort: (v) => v.createdAt, cell: (v) => ago(v.createdAt) },
        ]}
      />
    </Section>
  )
}
