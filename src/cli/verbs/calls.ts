/** `oxbow calls`: the registry, as the guest describes it; needs no running guest. */
import { askOffline } from '../../runner/index.ts'
import { guestSetup } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { table } from '../view/text-format.ts'

interface DescribedCall {
  readonly name: string
  readonly summary: string
  readonly tier: string
  readonly right: string
  readonly effect: string
  readonly audience: readonly string[]
  readonly example?: unknown
  readonly input?: unknown
}

export interface CallsOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** @param name shows one call with its input; without it, all of them in a table. */
export async function calls(name: string | undefined, options: CallsOptions, terminal: Terminal): Promise<number> {
  const described: DescribedCall[] = []
  for await (const line of askOffline(guestSetup(options, terminal), { command: 'calls' })) described.push(line as DescribedCall)
  described.sort((a, b) => a.name.localeCompare(b.name, 'en'))
  const wanted = name === undefined ? described : described.filter((call) => call.name === name || call.name === name.replace('_', '.'))
  if (wanted.length === 0) {
    const { OxbowError } = await import('../../types/index.ts')
    throw new OxbowError('unknown_call', `there is no call ${JSON.stringify(name)}`, { hint: '`oxbow calls` lists them.' })
  }
  if (options.json === true) for (const call of wanted) printLine(terminal, JSON.stringify(call))
  else if (name === undefined) printText(terminal, callTable(wanted))
  else for (const call of wanted) printLine(terminal, describe(call))
  return 0
}

function callTable(described: readonly DescribedCall[]): string {
  const rows = described.map((call) => [call.name, call.tier, call.right, call.effect, call.audience.join(','), call.summary])
  return table([['CALL', 'TIER', 'RIGHT', 'EFFECT', 'FOR', 'WHAT IT DOES'], ...rows])
}

function describe(call: DescribedCall): string {
  return [
    `${call.name}: ${call.summary}`,
    `tier ${call.tier}, right ${call.right}, effect ${call.effect}, for ${call.audience.join(', ')}`,
    `example: ${JSON.stringify(call.example)}`,
    `input: ${JSON.stringify(call.input, null, 2)}`,
  ].join('\n')
}
