import { screens } from './nav'

// Every shortcut of the app stands in this table; the sheet behind "?" shows it.
export const shortcuts = [
  { keys: ['mod', 'K'], id: 'palette' },
  ...screens.slice(0, 9).map((s, i) => ({ keys: ['mod', String(i + 1)], id: s.id })),
  { keys: ['/'], id: 'search' },
  { keys: ['I'], id: 'inbox' },
  { keys: ['O'], id: 'operations' },
  { keys: ['T'], id: 'table' },
  { keys: ['?'], id: 'help' },
  { keys: ['Esc'], id: 'close' },
] as const

// typing tells whether a key belongs to a field.
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName)
}

// what the platform calls its main modifier.
export const modKey = () => (/Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl')
