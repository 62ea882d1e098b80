import { percent, plain } from '../../format/format'
import i18n, { maybe } from '../../i18n'

// Settings of a configuration by the dotted names of its document, "train.lr" or
// "model.layers.2.out", and their words for a reader.

// flatSettings lists the settings of a configuration in the order of its document.
export function flatSettings(config: object, at = ''): [key: string, value: string][] {
  return Object.entries(config).flatMap(([k, v]): [string, string][] => {
    const key = at ? `${at}.${k}` : k
    if (Array.isArray(v))
      return v.every((x) => typeof x === 'string')
        ? v.length > 0
          ? [[key, v.join(', ')]]
          : []
        : v.flatMap((x, i) => flatSettings(x, `${key}.${i + 1}`))
    if (v !== null && typeof v === 'object') return flatSettings(v, key)
    return v === undefined || v === null ? [] : [[key, String(v)]]
  })
}

// settingWord is the plain name of a setting, whether written short or in full; one
// that this page does not know keeps its own name.
export function settingWord(key: string): string {
  const layer = /^model\.layers\.(\d+)\.(\w+)$/.exec(key)
  if (layer)
    return i18n.t('projects.ofLayer', { number: layer[1], what: maybe(`projects.layerSet.${layer[2]}`, layer[2]) })
  if (key.startsWith('labels.')) return i18n.t('projects.ofLabel', { value: plain(key.slice('labels.'.length), 60) })
  const short = key === 'strategy.name' ? 'strategy' : key.replace(/^(train|strategy)\./, '')
  return maybe(`projects.set.${short.replace(/\.(\w)/g, (_, c: string) => c.toUpperCase())}`, plain(key, 80))
}

const shares = ['test.fraction', 'validation.fraction']
const worded =
  /^(task|missing|scaling|contribution|train\.optimizer|optimizer|strategy(\.name)?|model\.family|model\.layers\.\d+\.(type|noBias))$/

// settingValue is a value in words; one that was left out says so.
export function settingValue(key: string, value: string): string {
  if (value === '') return i18n.t('projects.notSet')
  if (shares.includes(key) && Number.isFinite(Number(value)))
    return percent(Number(value), Number(value) * 100 === Math.round(Number(value) * 100) ? 0 : 1)
  if (worded.test(key)) return maybe(`projects.word.${value}`, plain(value, 80))
  return plain(value, 400)
}
