/**
 * What a guest and the host of a plugin say to each other, over standard input and output, in the frames of `hands-frame.ts`. The host greets
 * with an empty object under id 0. The guest's requests have even ids, the host's odd ones; each has one reply under its id:
 *
 *     request {"op", "input"}      reply {"ok"} or {"failure": {"code", "message", "hint"}}
 *
 * In addition to `ok`, `services` has the types of services that have started since the last reply.
 *
 * A `cancel` frame under the id of a request asks for its end; its reply comes all the same. The one request of a host is `call`, inside of a
 * request of the guest: `for` is the id of that one, by which the guest knows the caller. Calls in a request that has ended are refused. A
 * message of another form, a reply to no request or a second reply ends the host.
 *
 * `src/plugins/frame-schemas.ts` checks what a host sends.
 */
import type { Failure, Json, JsonObject } from '../../base/index.ts'
import type { PluginExports, PluginTestResult } from './plugin.ts'

/** A message of a conversation, as plugins see it. */
export interface PluginMessage {
  readonly id: string
  readonly session: string
  readonly turn: string
  readonly text: string
  readonly user: string
  readonly agent: string
  /** Unix milliseconds. */
  readonly at: number
}

export interface PluginActionResult {
  readonly ok: boolean
  readonly text: string
  /** What others can compute with. */
  readonly data: JsonObject
  /** Joins the state of the turn. */
  readonly values: JsonObject
}

export interface PluginProvided {
  readonly name: string
  readonly text: string
  readonly values: JsonObject
  readonly data: JsonObject
  /** Why it adds nothing; empty: it did not fail. */
  readonly problem: string
}

export interface PluginHookResult {
  readonly verdict: 'pass' | 'change' | 'refuse' | 'approve'
  /** The changed value with `change`; else null. */
  readonly value: Json
  /** For `refuse` and `approve`. */
  readonly reason: string
  /** Why hooks of the plugin failed that fail open; the others have answered. Absent: none failed. */
  readonly failed?: readonly string[]
}

interface PluginHealth {
  /** Resident memory in bytes. */
  readonly memory_bytes: number
  /** Types of services that have started. */
  readonly services: readonly string[]
}

/** Requests of the guest. */
export interface PluginOps {
  describe: { input: Record<string, never>; output: PluginExports }
  /** Before every other request but `describe` and `health`: runs the plugin's `init`. */
  start: {
    /** `own_memory`: of all memories it may read only those with its tag. */
    input: { config: JsonObject; settings: JsonObject; own_memory?: boolean }
    output: Record<string, never>
  }
  action: {
    input: { name: string; input: JsonObject; message: PluginMessage | null; state: JsonObject }
    output: PluginActionResult
  }
  /** In parallel; a provider that fails or is late has its reason in `problem`. */
  provide: {
    input: { names: readonly string[]; message: PluginMessage; state: JsonObject }
    output: { provided: readonly PluginProvided[] }
  }
  evaluate: {
    input: { name: string; message: PluginMessage; did_respond: boolean; responses: readonly PluginMessage[]; state: JsonObject }
    output: { ran: boolean; data: JsonObject }
  }
  /** Starts a service, once. */
  service: { input: { type: string }; output: Record<string, never> }
  model: { input: { type: string; params: JsonObject }; output: { result: Json } }
  route: {
    input: {
      method: string
      path: string
      /** The path that the plugin has declared, and the fields of the request's path that it names. */
      route: string
      params: Readonly<Record<string, string>>
      query: Readonly<Record<string, string>>
      headers: Readonly<Record<string, string>>
      /** Base64. */
      body: string
    }
    output: { status: number; headers: Readonly<Record<string, string>>; body: string }
  }
  /** `due`: Unix milliseconds. */
  task: { input: { name: string; due: number }; output: { text: string } }
  event: { input: { name: string; payload: JsonObject }; output: Record<string, never> }
  hook: { input: { step: string; value: Json }; output: PluginHookResult }
  /** Runs the tests that the plugin has, one after the other. */
  test: { input: Record<string, never>; output: { results: readonly PluginTestResult[] } }
  health: { input: Record<string, never>; output: PluginHealth }
  /** Erases rows with one of these phrases, in lower case, from tables that the plugin has of its own. */
  forget: { input: { phrases: readonly string[] }; output: { rows: number } }
  /** Runs what the plugin does at its end; no other request follows. */
  drain: { input: Record<string, never>; output: Record<string, never> }
}

/** Name of a request to the host of a plugin. */
export type PluginOp = keyof PluginOps

/** A call that hosts make only for the guest: the next piece of an answer that one of their models streams. */
export const modelPieceCall = 'model.piece'

/** The request of a host. */
export interface PluginCallRequest {
  readonly op: 'call'
  readonly input: { readonly for: number; readonly name: string; readonly input: JsonObject }
}

/** What a host learns of the outcome of its call. */
export interface PluginCallResult {
  readonly status: 'ok' | 'refused' | 'failed' | 'cancelled' | 'unknown'
  /** False: the call worked and reports a failure. */
  readonly ok: boolean
  readonly text: string
  readonly output: Json
  readonly failure: Failure | null
}
