/** `oxbow secret show|found|reveal|release|allow|withdraw`: what a running guest knows of secrets, and what they may be used for. */
import { createInterface } from 'node:readline/promises'
import type { OutputOf } from '../../client/index.ts'
import { type JsonObject, OxbowError } from '../../types/index.ts'
import { dropTypedAhead } from '../input.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { printLine, type Terminal } from '../terminal.ts'
import { formatTime, plainLine, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from './call.ts'

type Uses = OutputOf<'secret.allow'>

const nameChars = 120
const usesChars = 200

export function secretShow(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['secret.list', { name }], options, terminal, ([secret]) => {
    const { handle, masked, characters, source, ...uses } = secret!
    return table([
      ['handle', plainLine(handle, nameChars)],
      ['value', `${masked} (${characters} characters)`],
      ['from', source],
      ['uses', usesOf(uses)],
    ])
  })
}

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

export function secretFound(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['secret.found', {}], options, terminal, (found) =>
    found.length === 0
      ? 'No secret was found in an output.'
      : table(
          found.map(({ handle, call, at, masked, released }) => [
            plainLine(handle, nameChars),
            released ? 'released' : masked === '' ? 'value lost' : masked,
            call,
            formatTime(at),
          ]),
        ),
  )
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
  await dropTypedAhead(terminal.input)
  const lines = createInterface({ input: terminal.input, output: terminal.errors })
  try {
    const answer = await lines.question(`Show the value of ${plainLine(name, nameChars)} here? [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new OxbowError('denied', 'the value was not shown', { hint: 'Answer y to show it.' })
  } finally {
    lines.close()
  }
}

export function secretRelease(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['secret.release', { name }], options, terminal, () => 'Released: it is shown as it is from now on.')
}

export interface AllowOptions extends CallOptions {
  readonly call?: readonly string[] | undefined
  readonly host?: readonly string[] | undefined
  readonly env?: string | undefined
}

export async function secretAllow(name: string, options: AllowOptions, terminal: Terminal): Promise<number> {
  const { call: calls = [], host: hosts = [], env } = options
  if (calls.length === 0)
    throw new OxbowError('bad_input', 'no call is named', { hint: 'Add --call shell.online, --call web.fetch or another one.' })
  const input: JsonObject = { name, calls: [...calls], hosts: [...hosts], ...(env !== undefined && { env }) }
  return showOutput(['secret.allow', input], options, terminal, (uses) => `${plainLine(uses.name, nameChars)}: ${usesOf(uses)}`)
}

export function secretWithdraw(name: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const show = (uses: Uses): string => `${plainLine(uses.name, nameChars)}: ${usesOf(uses)}`
  return showDestruction(['secret.withdraw', { name }], options, terminal, show, async (gateway) => {
    const [target] = await outputOf(gateway, 'secret.list', { name })
    return { would: `no longer allow ${plainLine(name, nameChars)} what it ${usesOf(target!)}`, target: target! }
  })
}

function usesOf({ calls, hosts, env }: Uses): string {
  if (calls.length === 0) return 'may be used for nothing'
  const where = hosts.length === 0 ? '' : ` to ${hosts.join(', ')}`
  return plainLine(`may be used by ${calls.join(', ')}${where}${env === '' ? '' : ` as $${env}`}`, usesChars)
}
