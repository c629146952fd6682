/** What a run is compared by: the system prompt, requests, answers, and how a turn ended. */
import { isObject, type Json, type JsonObject, textIn as fieldText } from '../../base/index.ts'
import { type ModelEvent, type RecordedAsk, textOf, toolCallsOf, type TurnResult } from '../../protocol/index.ts'
import { type RecordedCall, wasErased } from './recorded-turns.ts'

/** The first difference between what was asked for then and now. */
export interface Divergence {
  /** `request`: to the model; `call`: of a tool or of the runtime; `answer`: the recorded bytes read otherwise; `end`: of the turn. */
  readonly what: 'request' | 'call' | 'answer' | 'end'
  readonly step: number
  readonly where: string
  readonly was: string
  readonly now: string
}

/** The place of what services add to the system prompt: what they read of the world is taken as it was. */
export const servicesMark = '\u0000services\u0000'

const shownChars = 400
export function textIn(value: unknown): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, shownChars)
}

export function lastOf(messages: readonly unknown[]): string {
  return textIn(messages.at(-1))
}

export interface OwnPrompt {
  readonly before: string
  readonly after: string
}

export function ownOf(system: string): OwnPrompt {
  const [before = '', after = ''] = system.split(servicesMark)
  return { before: before.trimEnd(), after: after.trimStart() }
}

/** Puts what services had added then in the place of what they add, if all around it is the same; else what they add is left out. */
export function withServices({ before, after }: OwnPrompt, was: string): string {
  if (was.length < before.length + after.length || !was.startsWith(before) || !was.endsWith(after))
    return [before, after].filter((part) => part !== '').join('\n\n')
  return was
}

/** Of a request that was not recorded word for word: how many messages it has, and for which model. */
export function countsDiffer(
  was: Json,
  now: { readonly messages: readonly unknown[]; readonly model: string },
): Pick<Divergence, 'where' | 'was' | 'now'> | null {
  const recorded: JsonObject = isObject(was) ? was : {}
  if (typeof recorded['messages'] === 'number' && recorded['messages'] !== now.messages.length)
    return { where: 'the number of messages', was: `${recorded['messages']}`, now: `${now.messages.length}: ${lastOf(now.messages)}` }
  if (typeof recorded['model'] === 'string' && recorded['model'] !== now.model)
    return { where: 'the model', was: recorded['model'], now: now.model }
  return null
}

/** Whether the recorded bytes read as another answer now. Secrets in them are handles in the record, and repaired calls are not as they came. */
export async function answerDiffers(ask: RecordedAsk, { end }: RecordedCall): Promise<Pick<Divergence, 'where' | 'was' | 'now'> | null> {
  const body = end!.body
  if (body['status'] !== 'ok' || body['repaired'] !== undefined || wasErased(end!)) return null
  const events = await ask.answer()
  if (events === null) return null
  const message = body['message'] as Parameters<typeof textOf>[0] & Parameters<typeof toolCallsOf>[0]
  const [was, now] = [`${textOf(message)}${toolCallsOf(message).map(callText).join('')}`, textOfEvents(events)]
  // A handle stands for a secret, and hides how long it is.
  return was === now || /\[secret:/.test(was)
    ? null
    : { where: 'the recorded answer is read otherwise', was: textIn(was), now: textIn(now) }
}

function textOfEvents(events: readonly ModelEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : event.type === 'tool_call' ? callText(event.call) : '')).join('')
}

const callText = ({ name, arguments: args }: { readonly name: string; readonly arguments: string }): string => `\n${name} ${args}`

export function endDiffers(was: JsonObject, now: TurnResult, step: number, hide: (text: string) => string): Divergence | null {
  if (wasErased({ body: was })) return null
  const status = fieldText(was, 'status')
  if (status !== now.status)
    return { what: 'end', step, where: 'the turn ended otherwise', was: status, now: `${now.status}: ${textIn(now.reply)}` }
  // Of a failure the records have what a model reads, which the report of the turn tells otherwise.
  const code = isObject(was['failure']) ? fieldText(was['failure'], 'code') : ''
  const codeNow: string = now.failure?.code ?? ''
  if (code !== codeNow) return { what: 'end', step, where: 'why the turn ended', was: code, now: `${codeNow}: ${textIn(now.reply)}` }
  const reply = fieldText(was, 'reply')
  return status !== 'ok' || reply === hide(now.reply)
    ? null
    : { what: 'end', step, where: 'the reply', was: textIn(reply), now: textIn(now.reply) }
}
