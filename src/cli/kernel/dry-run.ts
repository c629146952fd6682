/** `--dry-run` of verbs that destroy something: they say what they would do, and make no call that changes anything. */
import { type Json, OxbowError } from '../../types/index.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { type Preview, printPreview, type Terminal } from '../terminal.ts'
import { type CallOptions, outputOf, showOutput } from './call.ts'

export interface DryRunOptions extends CallOptions {
  readonly dryRun?: boolean | undefined
}

/**
 * A verb that makes one call, which destroys something.
 * @param find finds what it would destroy; throws `not_found` as the call would
 */
export function showDestruction(
  call: readonly [string, Json],
  options: DryRunOptions,
  terminal: Terminal,
  show: (output: never) => string,
  find: (gateway: GatewayPort) => Promise<Preview>,
): Promise<number> {
  if (options.dryRun !== true) return showOutput(call, options, terminal, show)
  return withGuest(options, terminal, async ({ gateway }) => printPreview(await find(gateway), options, terminal))
}

/** @returns the one of a list that a call without input returns. @throws OxbowError `not_found` */
export async function findListed<Line extends object>(
  gateway: GatewayPort,
  list: string,
  matches: (line: Line) => boolean,
  missing: { readonly what: string; readonly verb: string },
): Promise<Line> {
  const found = ((await outputOf(gateway, list, {})) as readonly Line[]).find(matches)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `there is no ${missing.what}`, { hint: `\`${missing.verb}\` lists them.` })
}
