/**
 * The one object that describes a system call. The model's tools, CLI help, the gateway's `call` frame and the reference
 * pages are made from it; the gate is driven by it.
 */
import type { z } from 'zod'
import type { Clock } from './system.ts'
import type { Failure } from './error.ts'
import type { CallId, ProcessId, SessionId, TurnId, UserId } from './id.ts'
import type { Label } from './record.ts'
import type { Json, JsonObject } from './text.ts'
import type { Sandbox } from './hands.ts'
import type { Attachment, Blobs, KeptFile } from './message.ts'

/** Sets scheduling and the default approval policy. */
export type Tier = 'read_only' | 'side_effecting' | 'privileged'

/** `none`: safe to repeat. `idempotent`: safe to repeat with the same call id. `once`: reconciled after a crash, never repeated. */
export type Effect = 'none' | 'idempotent' | 'once'

/** Who is offered a call: a model as a tool, a person's terminal, or only the runtime. */
export type Audience = 'model' | 'terminal' | 'runtime'

/** Money in integer micro-dollars (1 000 000 = one dollar), and model tokens. */
export interface Spend {
  readonly microDollars: number
  readonly tokens: number
}

export const noSpend: Spend = { microDollars: 0, tokens: 0 }

/** @param sign -1 takes `b` away */
export function addSpend(a: Spend, b: Spend, sign: 1 | -1 = 1): Spend {
  return { microDollars: a.microDollars + sign * b.microDollars, tokens: a.tokens + sign * b.tokens }
}

/** Who calls, and for whom. */
export interface Caller {
  readonly user: UserId
  /** `user:<id>`, `agent:<name>` or `kernel`. */
  readonly actor: string
  readonly rights: ReadonlySet<string>
  /** Whose list of calls this caller may use: what a model wrote is never taken for what the runtime asks. */
  readonly audience: Audience
  readonly session: SessionId | ''
  readonly turn: TurnId | ''
  readonly process: ProcessId | ''
}

/** What a running call is handed. It has no other way to the world. */
export interface CallContext {
  readonly id: CallId
  readonly caller: Caller
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly sandbox: Sandbox
  /** Widens this call's reservation. @returns false, and nothing is reserved, when a budget does not cover it. */
  reserveMore(spend: Spend): boolean
  /** Shows those who follow the session the end of what the call has put out so far. Not recorded; hostile text. */
  progress(output: string): void
  /** Puts more about this call on record, before its outcome; see the phase `exchange`. */
  record(body: JsonObject): void
  /**
   * Erases the bodies of records, by seq, and puts on record that they are; the chain still holds.
   * @returns how many went, and the seqs of those that a call or turn under way still needs
   */
  erase(
    seqs: readonly number[],
    reason: string,
  ): Promise<{ readonly bodies: number; readonly blobs: number; readonly kept: readonly number[] }>
  /** Files that came with the messages of the own turn, by their index. */
  attachments(): readonly Attachment[]
  /** What the journal keeps by its content. */
  readonly blobs: Blobs
}

/** What `run` returns: the value, the text that a model reads, and what the call cost or brought in. */
export interface Done<Output> {
  readonly output: Output
  /** What a model reads. Without it, the output as JSON. */
  readonly text?: string
  /** Pictures of the result, already kept: shown with the text to a model that takes them. The text names them for all others. */
  readonly files?: readonly KeptFile[]
  /** Labels beside those in the description, known only after the run. */
  readonly labels?: readonly Label[]
  readonly spent?: Spend
  /** The call did its work and has bad news (a command that exited with 1): shown to the model as not ok. */
  readonly ok?: boolean
}

export interface Call<Input = any, Output = any> {
  /** `family.verb`. A model sees it with `_` for `.`. */
  readonly name: string
  /** One sentence. */
  readonly summary: string
  readonly input: z.ZodType<Input>
  readonly output: z.ZodType<Output>
  /** A valid input, shown in help and in errors. */
  readonly example: Input
  readonly tier: Tier
  readonly right: string
  readonly effect: Effect
  readonly audience: readonly Audience[]
  /** Labels that the output carries, and whether the call sends data out of reach (a sink). */
  readonly labels: { readonly adds: readonly Label[]; readonly sink: boolean }
  /** Infinity for calls that end by other limits. */
  readonly timeoutMs: number
  /**
   * The most that the call can cost; absent: nothing. Asked first for a cheap upper bound, and again with `exact` only when
   * that bound does not fit into a budget.
   */
  readonly reserve?: (input: Input, exact: boolean, caller: Caller) => Spend | Promise<Spend>
  /**
   * The row of the store's tables that a successful outcome changes; the journal writes it with the record. `new_session`: from the
   * fields `id` and `title` of the record; `session`: from `session` and `change`; `scratchpad`: the call is the session's newest.
   */
  readonly projection?: 'new_session' | 'session' | 'scratchpad'
  /** What the journal keeps of the input, where all of it stands elsewhere or must not stay. */
  readonly recordInput?: (input: Input, caller: Caller) => Json
  /** Fields of the outcome record, in place of `text`, or beside one that `run` gives; a `status` here replaces the general one. */
  readonly recordOutput?: (output: Output) => JsonObject
  run(input: Input, context: CallContext): Promise<Done<Output>>
}

/** How a call ended. Failure is a value: a caller that must not fail cannot forget to catch. */
export type CallOutcome<Output = unknown> =
  | {
      readonly status: 'ok'
      readonly output: Output
      readonly text: string
      readonly ok: boolean
      readonly files?: readonly KeptFile[]
      /** What the text may contain; absent: nothing of note. Whoever shows an `untrusted` text to a model fences it. */
      readonly labels?: readonly Label[]
    }
  | {
      /**
       * `refused`: stopped at the gate, nothing ran. `failed`: ran and failed. `cancelled`: stopped while running.
       * `unknown`: a crash hid the outcome of a `once` effect; it was not repeated.
       */
      readonly status: 'refused' | 'failed' | 'cancelled' | 'unknown'
      readonly failure: Failure
      readonly text: string
      /** As of a result: what failed may quote what it read. */
      readonly labels?: readonly Label[]
    }

/** One running agent, as the runtime sees it. Its only power is `call`: what is not a call does not exist for it. */
export interface Process {
  readonly id: ProcessId
  readonly session: SessionId
  readonly turn: TurnId
  /** Aborts when the turn is cancelled or its time is over. */
  readonly signal: AbortSignal
  /**
   * Makes a system call. Never throws for what a caller can cause; see CallOutcome.
   * @param id makes the call resumable: the same id after a crash gives the recorded outcome or continues the open intent.
   */
  call(name: string, input: unknown, id?: CallId): Promise<CallOutcome>
  /** Makes a call that a model asked for: only what models are offered. `args` is the text as the model wrote it. */
  callTool(name: string, args: string, id: CallId): Promise<CallOutcome>
  /** The read-only bit of scheduling: true when the call may run beside others. Unknown names may. */
  isReadOnly(name: string): boolean
  /** True when messages wait for this turn; `turn.inbox` takes them. A flag, so that an empty inbox costs nothing. */
  hasMail(): boolean
  newCallId(): CallId
}

/** @returns the name of a call as models see it: `file_read` for `file.read` */
export function toolName(call: string): string {
  return call.replaceAll('.', '_')
}
