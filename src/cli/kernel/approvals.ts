/** `oxbow approvals`: what waits for a person, and deciding it. */
import { OxbowError } from '../../base/index.ts'
import { answerTo, type InputOf, type OutputOf } from '../../protocol/index.ts'
import { type Connection, withGuest, outputOf } from '../guest-connection.ts'
import { printList, type Terminal } from '../terminal.ts'
import { type ApproveOptions, approve, type Decided, decideAndFollow, findPending, listPending } from '../verbs/approve.ts'
import { answered, exactInput, exactText, formatTime, formOf, plainLine, plainText, whyAsked } from '../../terminal/index.ts'
import { type CallOptions, parseInput } from './call.ts'

type Waiting = OutputOf<'approval.list'>[number]

/** The waiting calls with their rules. A guest that was started for this resumes their turns first. */
async function waitingCalls(connection: Connection): Promise<readonly Waiting[]> {
  if (connection.guest.owned) await listPending(connection)
  return await outputOf(connection.gateway, 'approval.list', {})
}

export function approvalsList(options: CallOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async (connection) => {
    const waiting = await waitingCalls(connection)
    const text = (): string => (waiting.length === 0 ? 'Nothing waits for approval.' : waiting.map(describe).join('\n\n'))
    return printList(waiting, { text }, options, terminal)
  })
}

function describe({ call, name, input, reason, at, expires_at, allowed_by, rules }: Waiting): string {
  const lines = [
    `${call}  ${plainLine(name, 100)}  since ${formatTime(at)}${expires_at === null ? '' : `, expires ${formatTime(expires_at)}`}`,
    `  ${exactInput(input)}${whyAsked(reason)}`,
    ...(allowed_by.length === 0 ? [] : [`  allowed by ${plainLine(allowed_by.join(', '), 200)}; another person must allow it, too`]),
    ...rules.map(({ scope, text }) => `  --always ${scope.padEnd(7)}  ${exactText(text)}`),
  ]
  return lines.join('\n')
}

export interface DecideOptions extends ApproveOptions, CallOptions {
  readonly always?: string | undefined
  readonly input?: string | undefined
  readonly answer?: readonly string[] | undefined
  readonly reason?: string | undefined
}

/** Approves: plainly, with another input, or for good. With `--always`, prints the rule that was kept. */
export function approvalsApprove(id: string, options: DecideOptions, terminal: Terminal): Promise<number> {
  const { always, input, answer } = options
  if (always === undefined && input === undefined && answer === undefined) return approve(id, options, terminal)
  return withGuest(options, terminal, async (connection) => {
    const waiting = await waitingCalls(connection)
    const pending = findPending(waiting, id)
    const { call, rules, labels = [] } = pending
    const rule = rules.find(({ scope }) => scope === always)
    if (always !== undefined && rule === undefined)
      throw new OxbowError('bad_input', `there is no rule of the scope ${always} for this call`, {
        hint:
          rules.length === 0
            ? 'None can allow it: approval.mode is "manual", or it needs two people.'
            : '`oxbow approvals list` shows its rules.',
      })
    // An edited input makes another rule than the one in the list.
    const remember = rule && { scope: rule.scope, labels: labels.length > 0, ...(input === undefined && { rule: rule.id }) }
    const form = answer === undefined ? null : formOf(pending)
    if (answer !== undefined && form === null)
      throw new OxbowError('bad_input', `${call} is no form of a server`, { hint: 'Approve it without --answer, or with --input.' })
    const changed = form === null ? input : JSON.stringify(answered(form, answer!))
    const edited = changed === undefined ? {} : { input: parseInput(changed) }
    const said = rule === undefined || changed !== undefined ? '' : `Allowed from now on: ${exactText(rule.text)}`
    return decideAndFollow(connection, pending, options, terminal, () =>
      decided(connection, { ...answerTo(pending), allow: true, ...edited, ...(remember && { remember }) }, said),
    )
  })
}

async function decided({ gateway }: Connection, input: InputOf<'call.decide'>, said: string): Promise<Decided> {
  const output = await outputOf(gateway, 'call.decide', input)
  return { next: output.next, output, said: plainText(said) }
}

export function approvalsDeny(id: string, options: DecideOptions, terminal: Terminal): Promise<number> {
  const { reason } = options
  if (reason === undefined) return approve(id, { ...options, deny: true }, terminal)
  return withGuest(options, terminal, async (connection) => {
    const pending = findPending(await waitingCalls(connection), id)
    return decideAndFollow(connection, pending, { ...options, deny: true }, terminal, () =>
      decided(connection, { ...answerTo(pending), allow: false, reason }, 'Denied; the agent reads your reason.'),
    )
  })
}
