/** The tables, and statements as templates: built once and run many times, with named slots for values. */
import type { Compilable } from 'kysely'
import { type CallId, ownValue, type SessionId } from '../../base/index.ts'
import type { JournalRecord, Phase } from '../../protocol/index.ts'

interface Slot {
  readonly slot: string
}

/** SQL text with its parameters in order: constants, and slots that are filled at each run. */
export interface Template<Args, Row = never> {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** Only a type: what `bind` takes, and what a row looks like. */
  readonly types?: { readonly args: Args; readonly row: Row }
}

/** Stands in the builder for a value of any type. */
export type SlotMaker<Args> = (name: keyof Args & string) => never

/** Compiles a statement once; its parameters are filled in at each run. */
export function template<Args, Row = never>(build: (slot: SlotMaker<Args>) => Compilable): Template<Args, Row> {
  const { sql, parameters } = build((name) => ({ slot: name }) satisfies Slot as never).compile()
  return { sql, parameters }
}

/** @returns the values of one run, in the order of the statement's parameters. */
export function bind(parameters: readonly unknown[], args: object): unknown[] {
  return binderOf(parameters)(args)
}

/** Like `bind`, for a statement that runs often: what is a slot is found out once. */
export function binderOf(parameters: readonly unknown[]): (args: object) => unknown[] {
  const slots = parameters.map((value) => (isSlot(value) ? value.slot : null))
  return (args) => {
    const values = Array<unknown>(slots.length)
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!
      values[i] = slot === null ? parameters[i] : ownValue(args as Record<string, unknown>, slot)
    }
    return values
  }
}

function isSlot(value: unknown): value is Slot {
  return typeof value === 'object' && value !== null && 'slot' in value
}

/**
 * The tables, the same in every dialect. `journal` and `blob` are the source of truth; the others are projections of the journal that
 * commit with it and could be rebuilt from it.
 */
export interface Tables {
  journal: JournalRecord & { readonly user: string }
  blob: { user: string; hash: string; bytes: Uint8Array }
  /** Records that carry conversation, so that history reads nothing else. */
  message: { user: string; session: string; seq: number }
  /** Intents that nothing has closed yet. */
  open_call: { user: string; call: CallId; seq: number }
  session: {
    user: string
    id: SessionId
    title: string
    created_at: number
    active_at: number
    turns: number
    labels: string
    origins: string
    scratchpad: string
    archived: number
    deleted: number
    parent: SessionId | ''
    forked: number
    summary: CallId | ''
  }
  account: { user: string; scope: string; micro_dollars: number; tokens: number }
  /** The newest window of each budget. */
  budget_use: { user: string; budget: string; since: number; micro_dollars: number; tokens: number; calls: number; ms: number }
  /** Named documents of the state, by category. */
  document: { user: string; category: string; name: string; seq: number; at: number; body: string }
  lane: { user: string; session: SessionId; owner: string; epoch: number; lease_until: number }
}

/** A record that begins or ends a call. */
export interface Placed {
  readonly seq: number
  readonly phase: Phase
}
