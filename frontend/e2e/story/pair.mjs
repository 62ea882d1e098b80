// The parties pair: two by six digits, the others by invite links.
import { flag, until } from '../kit.mjs'
import { button, closeDialog, dialog, field, go, w } from './hands.mjs'

export const title = 'pair by code and by invite'

export default async function () {
  const [a, b, c, d] = w.parties
  await pairByCode(a, b)
  for (const p of [c, d]) await pairByInvite(a, p)
  if (!flag('star'))
    for (const [x, y] of [
      [b, c],
      [b, d],
      [c, d],
    ])
      await pairByInvite(x, y)
  await go(a, 'Peers')
  await until('all to be online', async () => (await a.get('/status')).online === 3)
  await w.see(a, '12-peers')
}

// pairByCode: b types the address of a, both compare six digits.
async function pairByCode(a, b) {
  const address =
    (await a.get('/identity')).addresses.find((x) => x.startsWith('127.0.0.1')) ??
    (await a.get('/identity')).addresses[0]
  await go(b, 'Peers')
  await field(b, 'Address of a computer').fill(address)
  await w.click(button(b, 'Connect'))
  const code = async (p) => (await dialog(p).getByTestId('pairing-code').textContent()).trim()
  await dialog(b).getByTestId('pairing-code').waitFor()
  await dialog(a).getByTestId('pairing-code').waitFor()
  const [x, y] = [await code(a), await code(b)]
  if (x !== y) throw new Error(`the codes differ: ${x} and ${y}`)
  await w.see(a, '10-pairing')
  await w.click(dialog(a).getByRole('button', { name: 'The same' }))
  await w.click(dialog(b).getByRole('button', { name: 'The same' }))
  await dialog(a)
    .getByText(/Paired with/)
    .waitFor()
  await dialog(b)
    .getByText(/Paired with/)
    .waitFor()
  await closeDialog(a)
  await closeDialog(b)
}

// pairByInvite: a makes a link, b pastes it.
async function pairByInvite(a, b) {
  await go(a, 'Peers')
  await w.click(button(a, 'Invite'))
  const text = await dialog(a).getByLabel('Invite link').first().inputValue()
  if (a === w.parties[0] && b === w.parties[2]) await w.see(a, '11-invite')
  await closeDialog(a)
  await go(b, 'Peers')
  await w.click(button(b, 'Join'))
  await dialog(b).getByLabel('Invite link or address').fill(text)
  await w.click(dialog(b).getByRole('button', { name: 'Join' }))
  await w.click(dialog(a).getByRole('button', { name: 'Yes, pair' }))
  await dialog(a)
    .getByText(/Paired with/)
    .waitFor()
  await closeDialog(a)
  await dialog(b)
    .getByText(/Paired with/)
    .waitFor()
  await closeDialog(b)
}
