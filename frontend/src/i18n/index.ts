import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import activity from './en/activity.json'
import catalog from './en/catalog.json'
import common from './en/common.json'
import data from './en/data.json'
import home from './en/home.json'
import models from './en/models.json'
import peers from './en/peers.json'
import projects from './en/projects.json'
import rewards from './en/rewards.json'
import runs from './en/runs.json'
import serving from './en/serving.json'
import settings from './en/settings.json'
import shell from './en/shell.json'

export const en = {
  activity,
  catalog,
  common,
  data,
  home,
  models,
  peers,
  projects,
  rewards,
  runs,
  serving,
  settings,
  shell,
}

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: typeof en }
  }
}

void i18next.use(initReactI18next).init({
  lng: 'en',
  fallbackLng: 'en',
  resources: { en: { translation: en } },
  interpolation: { escapeValue: false },
})

export default i18next

// maybe translates a key that is put together at run time, or gives the fallback.
export function maybe(key: string, fallback: string): string {
  return i18next.exists(key) ? String(i18next.t(key as never)) : fallback
}
