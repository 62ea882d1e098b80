import {
  IconAward,
  IconBooks,
  IconBox,
  IconChartDots3,
  IconDatabase,
  IconFolders,
  IconHome,
  IconPlayerPlay,
  IconReceipt2,
  IconSettings,
  IconUsers,
} from '@tabler/icons-react'

export const screens = [
  { id: 'home', to: '/', icon: IconHome },
  { id: 'peers', to: '/peers', icon: IconUsers },
  { id: 'data', to: '/data', icon: IconDatabase },
  { id: 'catalog', to: '/catalog', icon: IconBooks },
  { id: 'projects', to: '/projects', icon: IconFolders },
  { id: 'runs', to: '/runs', icon: IconChartDots3 },
  { id: 'models', to: '/models', icon: IconBox },
  { id: 'serving', to: '/serving', icon: IconPlayerPlay },
  { id: 'rewards', to: '/rewards', icon: IconAward },
  { id: 'activity', to: '/activity', icon: IconReceipt2 },
  { id: 'settings', to: '/settings', icon: IconSettings },
] as const

export type ScreenId = (typeof screens)[number]['id']

// active tells which screen an address belongs to.
export function active(pathname: string): ScreenId {
  if (pathname.startsWith('/experiments')) return 'projects'
  return screens.find((s) => s.to !== '/' && pathname.startsWith(s.to))?.id ?? 'home'
}
