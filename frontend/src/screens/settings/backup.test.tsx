import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import { table } from '../../test/recorded'
import { fakeApi, open } from '../../test/render'

const words = 'four words of a ward'

describe('the backup', () => {
  it('is made only with a passphrase that is long enough and typed twice the same', async () => {
    const saved = vi.spyOn(URL, 'createObjectURL').mockReturnValue('blob:x')
    URL.revokeObjectURL ??= () => undefined
    const calls = fakeApi(table('full'), (c) =>
      c.path === '/backup'
        ? { status: 201, body: { id: 'b1', name: 'synergos-backup.age', bytes: 3, peers: 1 } }
        : c.path === '/backup/b1'
          ? { body: {} }
          : undefined,
    )
    open('/settings?tab=identity')
    const button = await screen.findByRole('button', { name: 'Save the backup' })
    const [one, two] = [screen.getByLabelText('Passphrase'), screen.getByLabelText('Passphrase once more')]
    await userEvent.type(one, 'short')
    expect(screen.getByText('Use at least 12 characters.')).toBeTruthy()
    await userEvent.type(two, 'short')
    expect(button).toHaveProperty('disabled', true)
    await userEvent.clear(one)
    await userEvent.type(one, words)
    expect(screen.getByText('The two are not the same.')).toBeTruthy()
    expect(button).toHaveProperty('disabled', true)
    await userEvent.clear(two)
    await userEvent.type(two, `${words}{Enter}`)
    await waitFor(() => expect(one).toHaveProperty('value', '')) // nothing secret stays on the screen
    expect(calls.filter((c) => c.path.startsWith('/backup'))).toMatchObject([
      { method: 'POST', path: '/backup', body: { passphrase: words } },
      { method: 'GET', path: '/backup/b1' },
    ])
    expect(saved).toHaveBeenCalled()
  })
})
