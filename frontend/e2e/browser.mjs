import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

// browserPath finds the Chromium that the tests drive: $CHROMIUM, or the first of
// the usual names on the PATH.
export function browserPath() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  for (const name of [process.env.CHROMIUM, 'chromium', 'google-chrome', 'google-chrome-stable', 'chrome']) {
    if (!name) continue
    const at = isAbsolute(name) ? [name] : folders.map((f) => join(f, name))
    const found = at.find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
    if (found) return found
  }
  throw new Error('no Chromium on the PATH: install chromium or Google Chrome, or set CHROMIUM to its path')
}
