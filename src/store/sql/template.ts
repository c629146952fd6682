/** A statement that is built once and run many times: its values are named slots. */
import type { Compilable } from 'kysely'

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

export function template<Args, Row = never>(build: (slot: SlotMaker<Args>) => Compilable): Template<Args, Row> {
  const { sql, parameters } = build((name) => ({ slot: name }) satisfies Slot as never).compile()
  return { sql, parameters }
}

/** @returns the values of one run, in the order of the statement's parameters. */
export function bind(parameters: readonly unknown[], args: object): unknown[] {
  return parameters.map((value) => (isSlot(value) ? (args as Record<string, unknown>)[value.slot] : value))
}

function isSlot(value: unknown): value is Slot {
  return typeof value === 'object' && value !== null && 'slot' in value
}
