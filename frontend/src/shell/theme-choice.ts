import { type MantineColorScheme, useMantineColorScheme } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { api } from '../api/endpoints'
import { k } from '../api/queries'

const key = 'look.theme'

// schemeOf reads the setting: the system decides unless a person has.
export function schemeOf(value: string | undefined): MantineColorScheme | undefined {
  if (value === 'system') return 'auto'
  return value === 'light' || value === 'dark' ? value : undefined
}

// useTheme keeps the page's theme and the setting of the app the same, whichever of
// them a person changes.
export function useTheme(): { scheme: MantineColorScheme; choose: (s: MantineColorScheme) => void } {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const qc = useQueryClient()
  const settings = useQuery({ queryKey: k.settings, queryFn: api.settings })
  const wanted = schemeOf(settings.data?.find((s) => s.key === key)?.value)
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a change of the setting counts, not of the page
  useEffect(() => {
    if (wanted && wanted !== colorScheme) setColorScheme(wanted)
  }, [wanted])
  const choose = (s: MantineColorScheme) => {
    setColorScheme(s)
    if (wanted === undefined) return // an app without this setting: the page keeps it alone
    api.changeSettings({ [key]: s === 'auto' ? 'system' : s }).then(
      (items) => qc.setQueryData(k.settings, items),
      () => undefined, // the page has changed already
    )
  }
  return { scheme: colorScheme, choose }
}
