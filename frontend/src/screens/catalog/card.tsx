import { Button, SimpleGrid, Text } from '@mantine/core'
import { IconKey, IconUsersPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import { ago, bytes, day, int, list, plain, sig } from '../../format/format'
import { maybe } from '../../i18n'
import { StateBadge } from '../../ui/badge'
import { Code } from '../../ui/copy'
import { Page, Section } from '../../ui/page'
import { Facts } from '../../ui/parts'
import { View } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { licenceWord, seenAs } from '../data/card-tab'
import { AskModal } from './access'

// CardPage shows one dataset card in full.
export function CardPage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const [asking, setAsking] = useState(false)
  const card = useQuery({ queryKey: k.card(id), queryFn: () => api.card(id) })
  const c = card.data
  const party = plain(c?.card.party ?? '')
  return (
    <Page
      title={plain(c?.card.title ?? t('catalog.title'))}
      badge={
        c &&
        (c.mine ? (
          <StateBadge state="own" />
        ) : (
          <StateBadge state={c.online ? 'on' : 'offline'} word={c.online ? t('common.state.online') : undefined} />
        ))
      }
      sub={c && t('catalog.ownedBy', { party, version: c.card.version, time: ago(c.card.published) })}
      back={{ to: '/catalog', text: t('catalog.title') }}
      actions={
        c &&
        !c.mine && (
          <>
            {['none', 'refused', 'expired', 'revoked'].includes(c.access) ? (
              <Button variant="default" leftSection={<IconKey size={16} />} onClick={() => setAsking(true)}>
                {t('catalog.askAccess')}
              </Button>
            ) : (
              <StateBadge state={c.access} word={t(`catalog.access.${c.access}`)} />
            )}
            <Button
              component={Link}
              to={`/projects/new?parties=${c.card.partyId}`}
              leftSection={<IconUsersPlus size={16} />}
            >
              {t('catalog.startProject')}
            </Button>
          </>
        )
      }
    >
      <View query={card}>
        {(e) => (
          <>
            {e.card.description && (
              <Section>
                <Text size="sm" style={{ whiteSpace: 'pre-wrap' }}>
                  {plain(e.card.description, 4000)}
                </Text>
              </Section>
            )}
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Section title={t('catalog.what')}>
                <Facts
                  rows={[
                    [t('common.rows'), e.card.rows > 0 ? int(e.card.rows) : e.card.rowBand],
                    [t('data.target'), e.card.target || t('common.none')],
                    [t('data.task'), maybe(`common.task.${e.card.task}`, e.card.task || t('common.none'))],
                    [
                      t('data.keywords'),
                      e.card.keywords.length ? list(e.card.keywords.map((w) => plain(w, 40))) : t('common.none'),
                    ],
                    [
                      t('data.compute'),
                      t('data.computeLine', {
                        cores: e.card.compute.cores,
                        memory: bytes(e.card.compute.memoryMb * 1e6),
                        speed: sig(e.card.compute.samplesPerSecond, 2),
                      }),
                    ],
                    [t('catalog.print'), <Code key="f" text={e.card.fingerprint} what={t('common.fingerprint')} />],
                  ]}
                />
              </Section>
              <Section title={t('data.terms')}>
                <Facts
                  rows={[
                    [
                      t('data.licence'),
                      e.card.terms.licence ? licenceWord(e.card.terms.licence) : t('data.licences.none'),
                    ],
                    [
                      t('data.purposes'),
                      e.card.terms.purposes.length
                        ? list(e.card.terms.purposes.map((w) => plain(w, 60)))
                        : t('catalog.anyPurpose'),
                    ],
                    [t('data.minParties'), int(e.card.terms.minParties)],
                    [
                      t('catalog.families'),
                      e.card.terms.families.length ? list(e.card.terms.families) : t('catalog.anyFamily'),
                    ],
                    [
                      t('catalog.ends'),
                      e.card.terms.expiresDays > 0
                        ? t('common.days', { count: e.card.terms.expiresDays })
                        : t('catalog.noEnd'),
                    ],
                    [t('data.contact'), plain(e.card.terms.contact) || t('common.none')],
                    [t('data.publishedAt'), day(e.card.published)],
                  ]}
                />
              </Section>
            </SimpleGrid>
            <Section flush title={t('data.tab.columns', { count: e.card.columns.length })}>
              <DataTable
                label={t('data.columnsTitle')}
                rows={e.card.columns}
                rowKey={(x) => x.name}
                cols={[
                  {
                    key: 'name',
                    head: t('data.column'),
                    sort: (x) => x.name,
                    cell: (x) => <span className="mono">{plain(x.name, 80)}</span>,
                  },
                  {
                    key: 'role',
                    head: t('data.role'),
                    sort: (x) => x.role,
                    cell: (x) => maybe(`data.roles.${x.role}`, x.role),
                  },
                  {
                    key: 'seen',
                    head: t('catalog.declared'),
                    cell: (x) => (
                      <Text size="sm" c="dimmed">
                        {seenAs(x)}
                      </Text>
                    ),
                  },
                  { key: 'text', head: t('data.description'), cell: (x) => plain(x.description) },
                ]}
              />
            </Section>
          </>
        )}
      </View>
      {c && <AskModal cardId={id} owner={party} opened={asking} onClose={() => setAsking(false)} />}
    </Page>
  )
}
