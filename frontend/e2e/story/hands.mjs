// What all scenarios of the story share: the world with its parties, and the hands of
// a person at a page, who finds things by their words.
import { World } from '../kit.mjs'

export const w = new World()

export const button = (p, name) => p.page.getByRole('button', { name }).first()
export const link = (p, name) => p.page.getByRole('link', { name }).first()
export const field = (p, name) => p.page.getByLabel(name).first()
export const heading = (p, name) => p.page.getByRole('heading', { level: 1, name })
export const go = async (p, screen) => {
  await w.click(p.page.getByRole('navigation').getByRole('link', { name: screen, exact: true }))
  await heading(p, screen).waitFor()
}
export const tab = async (p, name) => {
  await w.click(p.page.getByRole('tab', { name }))
}
export const dialog = (p) => p.page.getByRole('dialog')
export const closeDialog = async (p) => {
  await dialog(p).getByRole('button', { name: 'Close' }).last().click()
  await dialog(p).waitFor({ state: 'detached' })
}
export const choose = async (p, label, option) => {
  await w.click(field(p, label))
  await w.click(p.page.getByRole('option', { name: option }).first())
}
