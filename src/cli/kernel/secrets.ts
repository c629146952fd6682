/** `oxbow secret reveal`, and secrets that other verbs store. */
import { OxbowError } from '../../base/index.ts'
import { isYes } from '../input.ts'
import { type GatewayPort, withGuest, outputOf } from '../guest-connection.ts'
import { printLine, type Terminal } from '../terminal.ts'
import { plainLine } from '../../terminal/index.ts'
import { type CallOptions } from './call.ts'

const nameChars = 120

/** @returns whether that changed it; a guest that runs knows it after a restart @throws OxbowError */
export async function storeSecret(
  secret: { readonly name: string; readonly value: string },
  gateway: Pick<GatewayPort, 'call'>,
): Promise<boolean> {
  const { changed } = await outputOf(gateway, 'secret.set', { ...secret })
  return changed
}

/** @throws OxbowError */
export async function removeSecret(name: string, gateway: Pick<GatewayPort, 'call'>): Promise<void> {
  await outputOf(gateway, 'secret.remove', { name })
}

/** Asks first: whoever looks at the screen sees the value. */
export function secretReveal(
  name: string,
  options: CallOptions & { readonly yes?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    if (options.yes !== true) await askToReveal(name, terminal)
    const output = await outputOf(gateway, 'secret.reveal', { name })
    printLine(terminal, options.json === true ? JSON.stringify(output) : output.value)
    return 0
  })
}

async function askToReveal(name: string, terminal: Terminal): Promise<void> {
  if (!terminal.input.isTTY) throw new OxbowError('denied', 'nobody can be asked here', { hint: 'Add --yes to show the value.' })
  if (!(await isYes(`Show the value of ${plainLine(name, nameChars)} here?`, terminal)))
    throw new OxbowError('denied', 'the value was not shown', { hint: 'Answer y to show it.' })
}
