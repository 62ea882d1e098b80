import { Spotlight, type SpotlightActionGroupData } from '@mantine/spotlight'
import {
  IconBox,
  IconBuildingHospital,
  IconChartDots3,
  IconDatabase,
  IconFolder,
  IconMoon,
  IconPlus,
  IconSearch,
  IconSun,
  IconUserPlus,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useNavigate } from 'react-router'
import { api } from '../api/endpoints'
import { k } from '../api/queries'
import { modelPath } from '../format/format'
import { screens } from './nav'
import { useTheme } from './theme-choice'

// Palette is the command palette: every screen, every thing with a name, and the
// actions that begin something.
export function Palette() {
  const { t } = useTranslation()
  const go = useNavigate()
  const { choose } = useTheme()
  const projects = useQuery({ queryKey: k.projects, queryFn: api.projects })
  const datasets = useQuery({ queryKey: k.datasets, queryFn: api.datasets })
  const models = useQuery({ queryKey: k.models, queryFn: api.models })
  const runs = useQuery({ queryKey: k.runs({ limit: 20 }), queryFn: () => api.runs({ limit: 20 }) })
  const to = (path: string) => () => void go(path)
  const groups: SpotlightActionGroupData[] = [
    {
      group: t('shell.palette.do'),
      actions: [
        { id: 'a-data', label: t('data.add'), leftSection: <IconPlus size={18} />, onClick: to('/data?add=1') },
        {
          id: 'a-invite',
          label: t('peers.invite.open'),
          leftSection: <IconUserPlus size={18} />,
          onClick: to('/peers?invite=1'),
        },
        {
          id: 'a-join',
          label: t('peers.join.open'),
          leftSection: <IconBuildingHospital size={18} />,
          onClick: to('/peers?join=1'),
        },
        {
          id: 'a-project',
          label: t('projects.new.open'),
          leftSection: <IconFolder size={18} />,
          onClick: to('/projects/new'),
        },
        {
          id: 'a-light',
          label: t('shell.palette.light'),
          leftSection: <IconSun size={18} />,
          onClick: () => choose('light'),
        },
        {
          id: 'a-dark',
          label: t('shell.palette.dark'),
          leftSection: <IconMoon size={18} />,
          onClick: () => choose('dark'),
        },
      ],
    },
    {
      group: t('shell.screens'),
      actions: screens.map((s) => ({
        id: `s-${s.id}`,
        label: t(`shell.nav.${s.id}`),
        leftSection: <s.icon size={18} />,
        onClick: to(s.to),
      })),
    },
    {
      group: t('shell.palette.things'),
      actions: [
        ...(projects.data ?? []).map((p) => ({
          id: `p-${p.id}`,
          label: p.name,
          description: t('shell.palette.project'),
          leftSection: <IconFolder size={18} />,
          onClick: to(`/projects/${p.id}`),
        })),
        ...(datasets.data ?? []).map((d) => ({
          id: `d-${d.id}`,
          label: d.name,
          description: t('shell.palette.dataset'),
          leftSection: <IconDatabase size={18} />,
          onClick: to(`/data/${d.id}`),
        })),
        ...(models.data ?? []).map((m) => ({
          id: `m-${m.id}`,
          label: m.name,
          description: t('shell.palette.model'),
          leftSection: <IconBox size={18} />,
          onClick: to(modelPath(m.id)),
        })),
        ...(runs.data ?? []).map((r) => ({
          id: `r-${r.id}`,
          label: t('runs.name', { experiment: r.experiment, number: r.number }),
          description: t('shell.palette.run'),
          leftSection: <IconChartDots3 size={18} />,
          onClick: to(`/runs/${r.id}`),
        })),
      ],
    },
  ]
  return (
    <Spotlight
      actions={groups}
      shortcut={['mod + K']}
      nothingFound={t('shell.palette.nothing')}
      highlightQuery
      limit={14}
      scrollable
      maxHeight={420}
      searchProps={{
        leftSection: <IconSearch size={18} />,
        placeholder: t('shell.palette.placeholder'),
        'aria-label': t('shell.palette.placeholder'),
      }}
    />
  )
}
