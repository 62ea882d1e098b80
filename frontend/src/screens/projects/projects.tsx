import { Button, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { IconFolders, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import type { Project } from '../../api/types'
import { list, plain } from '../../format/format'
import { PracticeBadge, StateBadge } from '../../ui/badge'
import { Page } from '../../ui/page'
import { RowLink } from '../../ui/parts'
import { Empty, View } from '../../ui/states'

// Projects lists the shared problems this party knows.
export function Projects() {
  const { t } = useTranslation()
  const projects = useQuery({ queryKey: k.projects, queryFn: api.projects })
  const create = (
    <Button component={Link} to="/projects/new" leftSection={<IconPlus size={16} />}>
      {t('projects.new.open')}
    </Button>
  )
  return (
    <Page title={t('projects.title')} sub={t('projects.sub')} actions={create}>
      <View
        query={projects}
        empty={(d) =>
          d.length === 0 && (
            <Empty
              icon={<IconFolders size={26} />}
              text={t('projects.empty')}
              action={create}
              more={
                <Button component={Link} to="/catalog" variant="subtle">
                  {t('projects.fromCatalog')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => (
          <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }}>
            {[...d]
              .sort((a, b) => rank(a) - rank(b) || b.createdAt.localeCompare(a.createdAt))
              .map((p) => (
                <ProjectCard key={p.id} p={p} />
              ))}
          </SimpleGrid>
        )}
      </View>
    </Page>
  )
}

const rank = (p: Project) =>
  p.state === 'invited' || p.state === 'confirm' ? 0 : p.state === 'left' || p.state === 'archived' ? 2 : 1

function ProjectCard({ p }: { p: Project }) {
  const { t } = useTranslation()
  const others = p.parties.filter((x) => !x.me)
  return (
    <Stack className="card" p="md" gap={6}>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Text fw={600}>
          <RowLink to={`/projects/${p.id}`}>{plain(p.name)}</RowLink>
        </Text>
        <StateBadge state={p.state} />
      </Group>
      {p.tutorial && (
        <Group>
          <PracticeBadge />
        </Group>
      )}
      <Text size="sm">{p.sentence}</Text>
      <Text size="sm" c="dimmed" lineClamp={2}>
        {plain(p.purpose)}
      </Text>
      <Text size="xs" c="dimmed">
        {[
          others.length > 0
            ? t('projects.with', { names: list(others.map((x) => plain(x.name, 60))) })
            : t('projects.alone'),
          t('projects.predicts', { target: p.target }),
          t('projects.runCount', { count: p.runs }),
        ].join(' · ')}
      </Text>
    </Stack>
  )
}
