/**
 * Notices: what a person should hear of without asking, in whatever session it happened. A notice is an event of one of these kinds, and this
 * is all that terminals know of them: what the event says, in a sentence, and the verb with which a person finds more. Events of older
 * versions may lack fields.
 */
import { isObject, type Json, type JsonObject, ownValue } from '../base/index.ts'
import { dollarsText } from './account.ts'
import type { CallOutcome } from './call.ts'
import type { InputOf, OutputOf } from './call-types.ts'

/** Makes a call as the person, for what an event leaves out: it has no words of people. */
export type AskMore = (call: 'schedule.runs', input: InputOf<'schedule.runs'>) => Promise<CallOutcome<OutputOf<'schedule.runs'>>>

interface NoticeKind {
  readonly tone: 'info' | 'warning'
  /** Absent: each of its events is a notice. */
  readonly isFor?: (fields: JsonObject) => boolean
  readonly says: (fields: JsonObject) => string
  /** Words of people, which no event has; it may reject. */
  readonly words?: (fields: JsonObject, ask: AskMore) => Promise<string>
  readonly more: (fields: JsonObject) => string
}

const runsOf = (fields: JsonObject): string => `oxbow schedule runs ${textOf(fields, 'schedule').slice(0, 8)}`

const kinds = {
  schedule_ended: {
    tone: 'info',
    isFor: ({ notify }) => notify === true,
    says: (fields) => `the schedule ${textOf(fields, 'name')} ${endOf(textOf(fields, 'status'))}`,
    async words(fields, ask) {
      const outcome = await ask('schedule.runs', { id: textOf(fields, 'schedule'), limit: 1 })
      return outcome.status === 'ok' ? (outcome.output.runs[0]?.summary ?? '') : ''
    },
    more: runsOf,
  },
  schedule_disabled: {
    tone: 'warning',
    says: (fields) => `the schedule ${textOf(fields, 'name')} has failed ${textOf(fields, 'failures')} times and does not run any more`,
    more: runsOf,
  },
  budget_warning: {
    tone: 'warning',
    says: (fields) =>
      fields['schedule'] === undefined
        ? `the budget ${textOf(fields, 'budget')} is nearly used up${usedOf(fields)}`
        : `a run of the schedule ${textOf(fields, 'name')} may need more than its budgets have left`,
    more: () => 'oxbow budget list',
  },
  config_loosened: {
    tone: 'warning',
    says: (fields) => `a wall was loosened in the configuration: ${textOf(fields, 'key')} = ${textOf(fields, 'after')}`,
    more: (fields) => `oxbow config explain ${textOf(fields, 'key')}`,
  },
  config_refused: {
    tone: 'warning',
    says: (fields) => `the configuration files cannot be used, and Oxbow goes on without them: ${textOf(fields, 'problem')}`,
    more: () => 'oxbow config validate',
  },
  costs_high: {
    tone: 'warning',
    says: ({ micro_dollars: cost, usual_micro_dollars: usual }) => `today has cost ${moneyOf(cost)}; ${moneyOf(usual)} is usual for a day`,
    more: () => 'oxbow costs --by model --since 1d',
  },
  goal_ended: {
    tone: 'info',
    says: (fields) => `a goal has ended (${textOf(fields, 'reason')})`,
    more: (fields) => `oxbow goal show ${textOf(fields, 'goal').slice(0, 8)}`,
  },
  heartbeat_message: {
    tone: 'info',
    says: () => 'the heartbeat has a message for you',
    more: () => 'oxbow heartbeat show',
  },
  plugin_disabled: {
    tone: 'warning',
    says: (fields) => `the plugin ${textOf(fields, 'plugin')} is disabled after too many crashes`,
    more: (fields) => `oxbow plugin logs ${textOf(fields, 'plugin')}`,
  },
} as const satisfies Readonly<Record<string, NoticeKind>>

export type NoticeName = keyof typeof kinds
export const noticeKinds = Object.keys(kinds) as readonly NoticeName[]

/** @returns the kind of notice that an event is; undefined for another event */
export function noticeKind(event: string, fields: JsonObject): NoticeName | undefined {
  const kind: NoticeKind | undefined = ownValue(kinds, event as NoticeName)
  return kind === undefined || kind.isFor?.(fields) === false ? undefined : (event as NoticeName)
}

export interface SaidNotice {
  readonly tone: NoticeKind['tone']
  /** A sentence without its point. Names in it are hostile text. */
  readonly text: string
  /** What shows more of it: a verb. */
  readonly more: string
}

/** Never rejects. */
export async function sayNotice(
  { kind, fields }: { readonly kind: NoticeName; readonly fields: JsonObject },
  ask: AskMore,
): Promise<SaidNotice> {
  const { tone, says, words, more }: NoticeKind = kinds[kind]
  const found = (await words?.(fields, ask).catch(() => '')) ?? ''
  return { tone, text: `${says(fields)}${found === '' ? '' : `: ${found}`}`, more: more(fields) }
}

function textOf(fields: JsonObject, name: string): string {
  const value = ownValue(fields, name) ?? ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function endOf(status: string): string {
  return status === 'success' ? 'has run' : `ended (${status || 'unknown'})`
}

/** @returns how much is used of what is limited */
function usedOf(fields: JsonObject): string {
  const parts = units.flatMap(([kind, shown, unit]) => {
    const { used, limit } = amountsIn(ownValue(fields, kind))
    return typeof used === 'number' && typeof limit === 'number' ? [`${shown(used)} of ${shown(limit)}${unit}`] : []
  })
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`
}

const units: readonly (readonly [kind: string, shown: (amount: number) => string, unit: string])[] = [
  ['micro_dollars', dollarsText, ''],
  ['tokens', String, ' tokens'],
  ['calls', String, ' calls'],
  ['ms', (ms) => String(Math.round(ms / 1_000)), ' seconds'],
]
const moneyOf = (amount: Json | undefined): string => dollarsText(typeof amount === 'number' ? amount : 0)
const amountsIn = (value: Json | undefined): JsonObject => (isObject(value) ? value : {})
