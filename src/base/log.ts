/** The lines of logs: what went on inside, for whoever looks after an installation. What people and models said is in the journal alone. */
import type { JsonObject } from './text.ts'

/** From the least to the most urgent. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

/**
 * Whose lines they are, and the names of the files. `runner` starts guests, `guest` is the kernel with all that runs in its process, `hands` is
 * the sandbox, `plugins` are the programs of others, `daemon` keeps the guests of a host.
 */
export const logRoles = ['runner', 'guest', 'hands', 'plugins', 'daemon'] as const
export type LogRole = (typeof logRoles)[number]

/** One line as JSON. `session`, `turn` and `call` are the ids of the records that tell more. */
export interface LogLine {
  /** ISO 8601, in UTC. */
  readonly time: string
  readonly level: LogLevel
  readonly role: LogRole
  readonly msg: string
  readonly session?: string
  readonly turn?: string
  readonly call?: string
  readonly [field: string]: unknown
}

export interface Log {
  /**
   * Takes a line, which is written soon. Never throws and never waits. Lines under the level are dropped.
   * @param msg a fixed sentence, so that equal lines can be counted
   * @param at Unix milliseconds; absent: now
   */
  write(role: LogRole, level: LogLevel, msg: string, fields?: JsonObject, at?: number): void
  /** Both apply from now on, to lines that wait, too. @param hide replaces secrets in the JSON of a line */
  settle(how: { readonly level?: LogLevel; readonly hide?: (text: string) => string }): void
  /** Why lines were lost; empty: none was. */
  problem(): string
  /** Writes what waits. Never rejects. */
  close(): Promise<void>
}
