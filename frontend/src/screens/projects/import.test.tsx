import { fireEvent, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import type { RunConfig } from '../../api/types'
import { config, full, ids, project } from '../../test/fixtures'
import { fakeApi, open } from '../../test/render'

const address = `/projects/${ids.project}/new-experiment`
const mine: RunConfig = {
  ...config,
  rounds: 33,
  model: { family: 'layers', layers: [{ type: 'Linear', out: 5, noBias: true }, { type: 'Softmax' }] },
  train: { optimizer: 'adam', lr: 0.0007, batch: 64, steps: 12, clip: 1.5 },
  strategy: { name: 'fedprox', mu: 0.125 },
  seed: Number.MAX_SAFE_INTEGER,
}
const file = (text: string, name = 'mine.json') => new File([text], name, { type: 'application/json' })
const reading =
  (differences: object[] = []) =>
  (c: { path: string }) =>
    c.path === `/projects/${ids.project}/config` ? { body: { config: mine, differences } } : undefined

describe('settings from a file', () => {
  it('fill the form and are what is started', async () => {
    const calls = fakeApi(full, reading())
    open(address)
    const text = JSON.stringify(mine, null, 2)
    await userEvent.upload(await screen.findByTestId('settings-file'), file(text))
    expect(await screen.findByText('The settings of mine.json are filled in below.')).toBeTruthy()
    expect(calls.find((c) => c.path.endsWith('/config'))?.body).toEqual({ text })
    expect(screen.getByLabelText('Rounds')).toHaveProperty('value', '33')
    expect(screen.getByLabelText('Longest correction')).toHaveProperty('value', '1.5')
    expect(screen.getByLabelText('Layer 1 has a constant term')).toHaveProperty('checked', false)
    expect(screen.queryByRole('table')).toBeNull() // nothing differs
    await userEvent.type(screen.getByLabelText('Name'), 'Again')
    await userEvent.click(screen.getByRole('button', { name: 'Start training' }))
    await waitFor(() => expect(calls.some((c) => c.method === 'POST' && c.path === '/experiments')).toBe(true))
    const sent = calls.find((c) => c.method === 'POST' && c.path === '/experiments')?.body as { config: RunConfig }
    expect(sent.config).toEqual(mine)
  })

  it('that differ from what was agreed are pointed out, and can be put back', async () => {
    fakeApi(full, reading([{ key: 'test.fraction', given: '0.5', agreed: '0.3' }]))
    open(address)
    fireEvent.drop(await screen.findByTestId('drop'), { dataTransfer: { files: [file('{}')] } })
    expect(await screen.findByText('1 setting of the file is not used')).toBeTruthy()
    const row = within(screen.getByRole('table')).getByRole('row', { name: /Rows kept for testing/ })
    expect(row.textContent).toBe('Rows kept for testing50%30%')
    await userEvent.click(screen.getByRole('button', { name: "Back to the project's settings" }))
    expect(screen.getByLabelText('Rounds')).toHaveProperty('value', String(project.config.rounds))
    expect(screen.queryByRole('table')).toBeNull()
  })

  it('with a mistake say where it is and leave the form as it was', async () => {
    const refused = {
      status: 422,
      body: { status: 422, detail: 'train.lrr is not a known setting', hint: 'Remove it, or correct its spelling.', fields: [] }, // biome-ignore format: one record
    }
    fakeApi(full, (c) => (c.path.endsWith('/config') && c.method === 'POST' ? refused : undefined))
    open(address)
    await userEvent.upload(await screen.findByTestId('settings-file'), file('{"train":{"lrr":1}}'))
    const alert = await screen.findByRole('alert')
    expect(alert.textContent).toContain('Train.lrr is not a known setting')
    expect(alert.textContent).toContain('correct its spelling')
    expect(screen.getByLabelText('Rounds')).toHaveProperty('value', String(project.config.rounds))
  })

  it('of a file that is far too large are not even sent', async () => {
    const calls = fakeApi(full, reading())
    open(address)
    await userEvent.upload(await screen.findByTestId('settings-file'), file(' '.repeat(200 * 1024 + 1), 'scan.json'))
    expect((await screen.findByRole('alert')).textContent).toContain('Scan.json is too large')
    expect(calls.some((c) => c.path.endsWith('/config'))).toBe(false)
  })

  it('are chosen by keyboard alone', async () => {
    fakeApi(full, reading())
    open(address)
    const input = await screen.findByTestId('settings-file')
    let asked = 0
    input.addEventListener('click', () => asked++)
    screen.getByRole('button', { name: 'Choose a settings file' }).focus()
    await userEvent.keyboard('{Enter}')
    expect(asked).toBe(1)
  })
})
