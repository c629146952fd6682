/** `oxbow flow`: where labelled data came from, what was kept back because of it, and taking labels off one value. */
import { isUuid, type Json, OxbowError, toError } from '../../types/index.ts'
import { exactText, plainLine, plainText } from '../../terminal/index.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction } from '../kernel/call.ts'
import { printLine, printText, type Terminal } from '../terminal.ts'
import { findSession } from '../verbs/sessions.ts'

/** Makes a call whose text is for people. */
function showText(
  name: string,
  inputOf: (gateway: GatewayPort) => Promise<Json>,
  options: CallOptions,
  terminal: Terminal,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const outcome = await gateway.call(name, await inputOf(gateway))
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    if (options.json === true) printLine(terminal, JSON.stringify(outcome.output))
    else printText(terminal, plainText(outcome.text))
    return 0
  })
}

const wholeId = async (gateway: GatewayPort, prefix: string): Promise<string> => (await findSession(gateway, prefix, { archived: true })).id

/** @param id of a call, or what that of a session begins with */
export function flowWhy(id: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const isWhole = isUuid(id) || id.includes('.')
  return showText('flow.why', async (gateway) => ({ id: isWhole ? id : await wholeId(gateway, id) }), options, terminal)
}

export function flowShow(session: string | undefined, options: CallOptions, terminal: Terminal): Promise<number> {
  const inputOf = async (gateway: GatewayPort): Promise<Json> => (session === undefined ? {} : { session: await wholeId(gateway, session) })
  return showText('flow.show', inputOf, options, terminal)
}

export interface DeclassifyOptions extends CallOptions {
  readonly digest?: string | undefined
  readonly reason?: string | undefined
}

/** Without a digest it shows the exact content, and the command that declassifies it. */
export function flowDeclassify(value: string, { digest, reason = '', ...options }: DeclassifyOptions, terminal: Terminal): Promise<number> {
  const named = value.includes('/') ? { path: value } : { call: value }
  if (digest !== undefined) return showText('flow.declassify', async () => ({ ...named, digest, reason }), options, terminal)
  return withGuest(options, terminal, async ({ gateway }) => {
    const found = await outputOf(gateway, 'flow.declassify', named)
    if (options.json === true) printLine(terminal, JSON.stringify(found))
    else {
      const command = `oxbow flow declassify ${plainLine(value, 4_096)} --digest ${found.digest} --reason "…"`
      printText(terminal, `${exactText(found.content)}\n\nThis is ${found.labels.join(' and ')}. To take that off:\n${command}`)
    }
    return 0
  })
}

export function flowRevoke(id: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  return showDestruction(
    ['flow.revoke', { id }],
    options,
    terminal,
    () => `Revoked ${id}: its labels count again.`,
    async (gateway) => {
      const { done } = await outputOf(gateway, 'flow.show', {})
      const found = done.find((one) => one.id === id)
      if (found === undefined)
        throw new OxbowError('not_found', `there is no declassification ${id}`, { hint: '`oxbow flow show` lists them.' })
      return { would: `revoke the declassification of ${found.path === '' ? found.call : found.path}`, target: found }
    },
  )
}
