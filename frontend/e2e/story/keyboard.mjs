// The palette, the sheet and the screens without a mouse.
import { button, dialog, heading, w } from './hands.mjs'

export const title = 'keyboard'

export default async function () {
  await keyboard(w.parties[0])
}

// keyboard reaches the palette, the sheet and the screens without a mouse.
async function keyboard(p) {
  await p.page.keyboard.press('Control+2')
  await heading(p, 'Peers').waitFor()
  const focused = await p.page.evaluate(() => document.activeElement?.tagName)
  if (focused !== 'H1') throw new Error(`after a change of screen the focus is on ${focused}`)
  await p.page.keyboard.press('?')
  await dialog(p).getByText('Keyboard shortcuts').waitFor()
  await w.see(p, '80-shortcuts')
  await p.page.keyboard.press('Escape')
  await dialog(p).waitFor({ state: 'detached' })
  for (const [key, name] of [
    ['i', '81-inbox'],
    ['o', '82-operations'],
  ]) {
    await p.page.keyboard.press(key)
    await dialog(p).waitFor()
    await w.see(p, name)
    await p.page.keyboard.press('Escape')
    await dialog(p).waitFor({ state: 'detached' })
  }
  await w.click(button(p, 'Theme and shortcuts'))
  await p.page.getByRole('menuitemradio', { name: 'Dark' }).waitFor()
  await w.see(p, '83-theme')
  await p.page.keyboard.press('Escape')
  await p.page.keyboard.press('Control+k')
  await p.page.getByPlaceholder('Go to a screen').waitFor()
  await p.page.keyboard.type('Rewards')
  await p.page.keyboard.press('Enter')
  await heading(p, 'Rewards').waitFor()
}
