import { Button, Switch, Text } from '@mantine/core'
import { IconPlayerPlay } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Serving, ServingSwitch } from '../../api/types'
import { int, ms, plain, servingPath } from '../../format/format'
import { useAct } from '../../shell/act'
import { StateBadge } from '../../ui/badge'
import { Page, Section } from '../../ui/page'
import { RowLink } from '../../ui/parts'
import { Empty, View } from '../../ui/states'
import { DataTable } from '../../ui/table'

export const isOn = (s: Serving) => s.state === 'on' || s.state === 'loading' || s.state === 'warming'

// switchOf is what is sent to change one thing of a serving: what is not said would
// be taken back.
export const switchOf = (s: Serving, change: Partial<ServingSwitch>): ServingSwitch => ({
  on: isOn(s),
  port: s.port || undefined,
  number: s.follow ? undefined : s.number || undefined,
  expose: s.exposed || undefined,
  allow: s.allow,
  ...change,
})

// ServingList has a switch for each model that can answer.
export function ServingList() {
  const { t } = useTranslation()
  const servings = useQuery({ queryKey: k.servings, queryFn: api.servings })
  return (
    <Page title={t('serving.title')} sub={t('serving.sub')}>
      <View
        query={servings}
        empty={(d) =>
          d.length === 0 && (
            <Empty
              icon={<IconPlayerPlay size={26} />}
              text={t('serving.empty')}
              action={
                <Button component={Link} to="/models">
                  {t('serving.toModels')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => (
          <Section flush>
            <DataTable
              label={t('serving.title')}
              rows={d}
              rowKey={(s) => s.id}
              cols={[
                {
                  key: 'model',
                  head: t('serving.model'),
                  sort: (s) => s.model,
                  cell: (s) => <RowLink to={servingPath(s.id)}>{plain(s.model)}</RowLink>,
                },
                {
                  key: 'project',
                  head: t('serving.project'),
                  sort: (s) => s.project,
                  cell: (s) => plain(s.project, 60),
                },
                { key: 'on', head: t('serving.switch'), cell: (s) => <OnOff s={s} /> },
                { key: 'state', head: t('data.state'), cell: (s) => <StateBadge state={s.state} /> },
                {
                  key: 'version',
                  head: t('models.version'),
                  cell: (s) => (s.number > 0 ? t('models.number', { number: s.number }) : '–'),
                },
                {
                  key: 'address',
                  head: t('serving.address'),
                  cell: (s) => <span className="mono">{isOn(s) ? s.address : ''}</span>,
                },
                {
                  key: 'requests',
                  head: t('serving.requests'),
                  num: true,
                  sort: (s) => s.requests,
                  cell: (s) => int(s.requests),
                },
                { key: 'p95', head: t('serving.p95'), num: true, cell: (s) => ms(s.p95Ms) },
                {
                  key: 'problem',
                  head: '',
                  cell: (s) =>
                    s.problem && (
                      <Text size="sm" c="var(--bad)">
                        {s.problem.text}
                      </Text>
                    ),
                },
              ]}
            />
          </Section>
        )}
      </View>
    </Page>
  )
}

function OnOff({ s }: { s: Serving }) {
  const { t } = useTranslation()
  const flip = useAct((on: boolean) => api.switchServing(s.id, switchOf(s, { on })), {
    stale: [['serving'], k.home],
  })
  const can = s.available.length > 0 || isOn(s)
  return (
    <Switch
      aria-label={t('serving.switchOf', { model: plain(s.model) })}
      checked={flip.isPending ? flip.variables : isOn(s)}
      disabled={!can || flip.isPending}
      onChange={(e) => flip.mutate(e.currentTarget.checked)}
    />
  )
}
